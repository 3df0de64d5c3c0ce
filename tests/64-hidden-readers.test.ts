/**
 * A deferred transaction that has read something is bound to what it has read: its first write is turned away if somebody else
 * has written since, and no timeout helps (chapter 30). So it matters what reads. Some statements read although they do not look
 * like it, some do not although they look like it; and a single statement that reads and writes is no such transaction.
 *
 * https://sqlite.org/lang_transaction.html#deferred_immediate_and_exclusive_transactions · https://sqlite.org/lang_savepoint.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Contender, contend, type Outcome, type Statement, type Story } from '../helpers/contend.ts'
import { show } from '../helpers/show.ts'

/** The actor runs one statement in a transaction; the writer writes; what becomes of the actor's write? */
async function writeAfter(statement: (actor: Contender) => Statement, actor: Contender, writer: Contender): Promise<Outcome> {
  await actor`BEGIN`
  await statement(actor)
  await writer`UPDATE counter SET n = n + 1`
  const write = await actor`UPDATE counter SET n = n + 1`
  await actor`ROLLBACK`
  return write
}

/** The reader runs one statement in a transaction; can somebody else commit a write? */
async function writeBeside(statement: (reader: Contender) => Statement, reader: Contender, writer: Contender): Promise<Outcome> {
  await reader`BEGIN`
  await statement(reader)
  const write = await writer`UPDATE counter SET n = n + 1`
  await reader`ROLLBACK`
  return write
}

describe('What reads, five-second timeout, write-ahead log', { tags: ['q22'] }, () => {
  describe('when the actor has only asked about the database, and another writes', () => {
    let userVersion: Outcome, tableInfo: Outcome, pageCount: Outcome, dataVersion: Outcome, optimize: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { actor: { timeout: 5_000 }, writer: { timeout: 5_000 } }, async ({ actor, writer }) => {
        userVersion = await writeAfter((actor) => actor`PRAGMA user_version`, actor, writer)
        tableInfo = await writeAfter((actor) => actor`PRAGMA table_info(counter)`, actor, writer)
        pageCount = await writeAfter((actor) => actor`PRAGMA page_count`, actor, writer)
        dataVersion = await writeAfter((actor) => actor`PRAGMA data_version`, actor, writer)
        optimize = await writeAfter((actor) => actor`PRAGMA optimize`, actor, writer)
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: to ask for the user_version is not to read', () => {
      expect(userVersion.code).toBe('SQLITE_OK')
    })
    test('after PRAGMA user_version the actor is turned away with SQLITE_BUSY_SNAPSHOT', () => {
      expect(userVersion.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('after PRAGMA table_info the actor is turned away with SQLITE_BUSY_SNAPSHOT', () => {
      expect(tableInfo.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('after PRAGMA page_count the actor is turned away with SQLITE_BUSY_SNAPSHOT', () => {
      expect(pageCount.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('after PRAGMA data_version the actor is turned away with SQLITE_BUSY_SNAPSHOT', () => {
      expect(dataVersion.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('after a PRAGMA optimize that finds nothing to do the actor is turned away with SQLITE_BUSY_SNAPSHOT', () => {
      expect(optimize.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
  })

  describe('when the actor has read nothing that is there, and another writes', () => {
    let noRows: Outcome, limit: Outcome, schema: Outcome, create: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { actor: { timeout: 5_000 }, writer: { timeout: 5_000 } }, async ({ actor, writer }) => {
        noRows = await writeAfter((actor) => actor`SELECT n FROM counter WHERE 0`, actor, writer)
        limit = await writeAfter((actor) => actor`SELECT n FROM counter LIMIT 0`, actor, writer)
        schema = await writeAfter((actor) => actor`SELECT count(*) FROM sqlite_schema`, actor, writer)
        create = await writeAfter((actor) => actor`CREATE TABLE IF NOT EXISTS counter (n INTEGER)`, actor, writer)
      })
    })
    beforeEach((context) => show(context, story))

    test('after a SELECT that finds no row the actor is turned away with SQLITE_BUSY_SNAPSHOT', () => {
      expect(noRows.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('after a SELECT with LIMIT 0 the actor is turned away with SQLITE_BUSY_SNAPSHOT', () => {
      expect(limit.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('after a SELECT from sqlite_schema, which nobody has changed, the actor is turned away with SQLITE_BUSY_SNAPSHOT', () => {
      expect(schema.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test.fails('myth: CREATE TABLE IF NOT EXISTS makes the transaction a writer', () => {
      expect(create.code).toBe('SQLITE_OK')
    })
    test('after CREATE TABLE IF NOT EXISTS of a table that exists the actor is a reader, and turned away with SQLITE_BUSY_SNAPSHOT', () => {
      expect(create.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
  })

  describe('when the actor has asked for what is not in the file, and another writes', () => {
    let one: Outcome, version: Outcome, mode: Outcome, timeout: Outcome, explain: Outcome, temporary: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { actor: { timeout: 5_000 }, writer: { timeout: 5_000 } }, async ({ actor, writer }) => {
        one = await writeAfter((actor) => actor`SELECT 1`, actor, writer)
        version = await writeAfter((actor) => actor`SELECT sqlite_version()`, actor, writer)
        mode = await writeAfter((actor) => actor`PRAGMA journal_mode`, actor, writer)
        timeout = await writeAfter((actor) => actor`PRAGMA busy_timeout`, actor, writer)
        explain = await writeAfter((actor) => actor`EXPLAIN SELECT n FROM counter`, actor, writer)
        temporary = await writeAfter((actor) => actor`CREATE TEMP TABLE scratch (n INTEGER)`, actor, writer)
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: every SELECT is a read', () => {
      expect(one.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('after SELECT 1 the actor writes: SQLITE_OK', () => {
      expect(one.code).toBe('SQLITE_OK')
    })
    test('after SELECT sqlite_version() the actor writes', () => {
      expect(version.code).toBe('SQLITE_OK')
    })
    test('after PRAGMA journal_mode the actor writes', () => {
      expect(mode.code).toBe('SQLITE_OK')
    })
    test('after PRAGMA busy_timeout the actor writes', () => {
      expect(timeout.code).toBe('SQLITE_OK')
    })
    test('after EXPLAIN SELECT the actor writes: to plan a query is not to run it', () => {
      expect(explain.code).toBe('SQLITE_OK')
    })
    test('after CREATE TEMP TABLE the actor writes: that is another file', () => {
      expect(temporary.code).toBe('SQLITE_OK')
    })
  })

  describe('when the actor has prepared a query and not run it, and another writes', () => {
    let write: Outcome, story: Story

    beforeAll(async () => {
      const cast = { actor: { timeout: 5_000, program: 'iterator.ts' }, writer: { timeout: 5_000 } }
      story = await contend('wal', cast, async ({ actor, writer }) => {
        write = await writeAfter((actor) => actor`.prepare SELECT n FROM counter`, actor, writer)
      })
    })
    beforeEach((context) => show(context, story))

    test('the actor writes: to prepare a statement is not to run it', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
  })

  describe('when the actor has read from an attached file, and another writes to the first', () => {
    let write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { actor: { timeout: 5_000 }, writer: { timeout: 5_000 } }, async ({ actor, writer }) => {
        await actor`ATTACH 'diary.db' AS diary`
        await actor`CREATE TABLE diary.lines (line TEXT)`
        write = await writeAfter((actor) => actor`SELECT line FROM diary.lines`, actor, writer)
      })
    })
    beforeEach((context) => show(context, story))

    test('the actor writes: a transaction begins in each file with the first statement that touches that file', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
  })
})

describe('What reads, no timeout, rollback journal', { tags: ['q22'] }, () => {
  describe('when the reader has asked something and keeps its transaction open', () => {
    let userVersion: Outcome, tableInfo: Outcome, limit: Outcome, create: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        userVersion = await writeBeside((reader) => reader`PRAGMA user_version`, reader, writer)
        tableInfo = await writeBeside((reader) => reader`PRAGMA table_info(counter)`, reader, writer)
        limit = await writeBeside((reader) => reader`SELECT n FROM counter LIMIT 0`, reader, writer)
        create = await writeBeside((reader) => reader`CREATE TABLE IF NOT EXISTS counter (n INTEGER)`, reader, writer)
      })
    })
    beforeEach((context) => show(context, story))

    test('PRAGMA user_version keeps everybody from writing: SQLITE_BUSY', () => {
      expect(userVersion.code).toBe('SQLITE_BUSY')
    })
    test('PRAGMA table_info keeps everybody from writing: SQLITE_BUSY', () => {
      expect(tableInfo.code).toBe('SQLITE_BUSY')
    })
    test('a SELECT with LIMIT 0 keeps everybody from writing: SQLITE_BUSY', () => {
      expect(limit.code).toBe('SQLITE_BUSY')
    })
    test('CREATE TABLE IF NOT EXISTS of a table that exists keeps everybody from writing: SQLITE_BUSY', () => {
      expect(create.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when the reader has asked for what is not in the file', () => {
    let one: Outcome, mode: Outcome, explain: Outcome, temporary: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        one = await writeBeside((reader) => reader`SELECT 1`, reader, writer)
        mode = await writeBeside((reader) => reader`PRAGMA journal_mode`, reader, writer)
        explain = await writeBeside((reader) => reader`EXPLAIN SELECT n FROM counter`, reader, writer)
        temporary = await writeBeside((reader) => reader`CREATE TEMP TABLE scratch (n INTEGER)`, reader, writer)
      })
    })
    beforeEach((context) => show(context, story))

    test('SELECT 1 keeps nobody from writing', () => {
      expect(one.code).toBe('SQLITE_OK')
    })
    test('PRAGMA journal_mode keeps nobody from writing', () => {
      expect(mode.code).toBe('SQLITE_OK')
    })
    test('EXPLAIN SELECT keeps nobody from writing', () => {
      expect(explain.code).toBe('SQLITE_OK')
    })
    test('CREATE TEMP TABLE keeps nobody from writing', () => {
      expect(temporary.code).toBe('SQLITE_OK')
    })
  })
})

describe('What writes, no timeout, write-ahead log', { tags: ['q22'] }, () => {
  describe('when the actor has run a write that changes nothing', () => {
    let update: Outcome, remove: Outcome, version: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { actor: { timeout: 0 }, writer: { timeout: 0 } }, async ({ actor, writer }) => {
        update = await writeBeside((actor) => actor`UPDATE counter SET n = 1 WHERE 0`, actor, writer)
        remove = await writeBeside((actor) => actor`DELETE FROM counter WHERE n = 7`, actor, writer)
        version = await writeBeside((actor) => actor`PRAGMA user_version = 0`, actor, writer)
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: an UPDATE that matches no row takes no lock', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
    test('after an UPDATE that matches no row the writer is turned away with SQLITE_BUSY', () => {
      expect(update.code).toBe('SQLITE_BUSY')
    })
    test('after a DELETE that matches no row the writer is turned away with SQLITE_BUSY', () => {
      expect(remove.code).toBe('SQLITE_BUSY')
    })
    test('after PRAGMA user_version = 0, which is 0 already, the writer is turned away with SQLITE_BUSY', () => {
      expect(version.code).toBe('SQLITE_BUSY')
    })
  })
})

describe('One statement that reads and writes, five-second timeout, write-ahead log', { tags: ['q21'] }, () => {
  describe('when the holder has written, and the waiter has read nothing before', () => {
    let update: Outcome, insert: Outcome, returning: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 5_000 }, waiter: { timeout: 5_000 } }, async ({ holder, waiter }) => {
        const whileHeld = async (statement: () => Statement) => {
          await holder`BEGIN IMMEDIATE`
          await holder`UPDATE counter SET n = n + 10`
          await waiter`BEGIN`
          const turn = statement()
          await turn.blocks()
          await holder`COMMIT`
          const outcome = await turn
          await waiter`COMMIT`
          return outcome
        }
        update = await whileHeld(() => waiter`UPDATE counter SET n = (SELECT n FROM counter) + 1`)
        insert = await whileHeld(() => waiter`INSERT INTO counter SELECT n + 1 FROM counter`)
        returning = await whileHeld(
          () => waiter`WITH old AS (SELECT max(n) AS n FROM counter) UPDATE counter SET n = (SELECT n FROM old) RETURNING n`,
        )
        total = await holder`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: an UPDATE with a sub-select is a read that becomes a write', () => {
      expect(update.code).toBe('SQLITE_BUSY')
    })
    test('UPDATE with a sub-select waits its turn, and is SQLITE_OK: it takes the write lock before it reads', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
    test('INSERT … SELECT waits its turn', () => {
      expect(insert.code).toBe('SQLITE_OK')
    })
    test('WITH … UPDATE … RETURNING waits its turn, and answers with the newest state', () => {
      expect(returning.rows).toEqual([{ n: 32 }, { n: 32 }])
    })
    test('nothing of what either has done is lost', () => {
      expect(total.rows).toEqual([{ n: 32 }, { n: 32 }])
    })
  })

  describe('when the same statement comes after a SELECT in its transaction', () => {
    let update: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { actor: { timeout: 5_000 }, writer: { timeout: 5_000 } }, async ({ actor, writer }) => {
        await actor`BEGIN`
        await actor`SELECT n FROM counter`
        await writer`UPDATE counter SET n = 10`
        update = await actor`UPDATE counter SET n = (SELECT n FROM counter) + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the actor is turned away with SQLITE_BUSY_SNAPSHOT: the SELECT before it is what matters', () => {
      expect(update.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
  })
})

describe('One statement that reads and writes, five-second timeout, rollback journal', { tags: ['q21'] }, () => {
  describe('when the holder has written, and the waiter has read nothing before', () => {
    let update: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { holder: { timeout: 5_000 }, waiter: { timeout: 5_000 } }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        await holder`UPDATE counter SET n = 10`
        await waiter`BEGIN`
        const turn = waiter`UPDATE counter SET n = (SELECT n FROM counter) + 1 RETURNING n`
        await turn.blocks()
        await holder`COMMIT`
        update = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('UPDATE with a sub-select waits its turn, and reads what the holder has written', () => {
      expect(update).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 11 }] })
    })
  })
})

describe('SAVEPOINT outside a transaction, five-second timeout, write-ahead log', { tags: ['q20'] }, () => {
  describe('when the actor reads after SAVEPOINT, another writes, and then the actor writes', () => {
    let savepoint: Outcome, write: Outcome, again: Outcome, release: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { actor: { timeout: 5_000 }, writer: { timeout: 5_000 } }, async ({ actor, writer }) => {
        savepoint = await actor`SAVEPOINT here`
        await actor`SELECT n FROM counter`
        await writer`UPDATE counter SET n = 10`
        write = await actor`UPDATE counter SET n = n + 1`
        await actor`ROLLBACK TO here`
        again = await actor`UPDATE counter SET n = n + 1`
        release = await actor`RELEASE here`
      })
    })
    beforeEach((context) => show(context, story))

    test('SAVEPOINT opens a transaction', () => {
      expect(savepoint.inTransaction).toBe(true)
    })
    test.fails('myth: SAVEPOINT takes the write lock', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the actor is turned away with SQLITE_BUSY_SNAPSHOT, as after BEGIN: a savepoint is deferred', () => {
      expect(write.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('ROLLBACK TO does not help: the actor is turned away with SQLITE_BUSY_SNAPSHOT again', () => {
      expect(again.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('RELEASE of the outermost savepoint ends the transaction', () => {
      expect(release).toMatchObject({ code: 'SQLITE_OK', inTransaction: false })
    })
  })
})

describe('SAVEPOINT outside a transaction, no timeout, rollback journal', { tags: ['q20'] }, () => {
  describe('when someone reads as the outermost savepoint is released', () => {
    let release: Outcome, again: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, actor: { timeout: 0 } }, async ({ reader, actor }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await actor`SAVEPOINT here`
        await actor`UPDATE counter SET n = n + 1`
        release = await actor`RELEASE here`
        await reader`COMMIT`
        again = await actor`RELEASE here`
        total = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('RELEASE is turned away with SQLITE_BUSY, for it is a COMMIT', () => {
      expect(release).toMatchObject({ code: 'SQLITE_BUSY', inTransaction: true })
    })
    test('the same RELEASE, said again when the reader has left, is SQLITE_OK', () => {
      expect(again).toMatchObject({ code: 'SQLITE_OK', inTransaction: false })
    })
    test('the change is counted once: n is 1', () => {
      expect(total.rows).toEqual([{ n: 1 }])
    })
  })
})
