/**
 * A deferred transaction is a reader from its first look into the file on, and that need not look like one: a PRAGMA will do, or a
 * CREATE TABLE IF NOT EXISTS, or a SAVEPOINT's first SELECT. What then writes is refused, whatever its timeout. Others look like
 * readers and are none: a SELECT without a table, a statement that is only prepared, an UPDATE with a sub-select.
 *
 * Two sentences of the documentation are wider than what was seen. A SELECT after BEGIN does not start a read if it names no table
 * (https://sqlite.org/lang_transaction.html), and ROLLBACK TO does not restart a transaction as far as its snapshot and its locks
 * go (https://sqlite.org/lang_savepoint.html).
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { tellsLocks } from '../helpers/kernel.ts'
import { show } from '../helpers/show.ts'

describe('What makes a transaction a reader, write-ahead log', () => {
  describe('when two migrate the schema, and both begin by asking for its version', { tags: ['q22'] }, () => {
    let write: Outcome, replayed: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await first`BEGIN`
        await first`PRAGMA user_version`
        await other`BEGIN IMMEDIATE`
        await other`PRAGMA user_version`
        await other`PRAGMA user_version = 1`
        await other`COMMIT`
        write = await first`PRAGMA user_version = 1`
        await first`ROLLBACK`
        await first`BEGIN IMMEDIATE`
        replayed = await first`PRAGMA user_version`
        await first`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: to ask for a PRAGMA is not to read the database', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the first is turned away with SQLITE_BUSY_SNAPSHOT: PRAGMA user_version has made it a reader', () => {
      expect(write.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the first, asking again after BEGIN IMMEDIATE, is told version 1, and has nothing left to migrate', () => {
      expect(replayed.rows).toEqual([{ user_version: 1 }])
    })
  })

  describe('when a transaction begins with other statements that look into the file', { tags: ['q22'] }, () => {
    let info: Outcome, schema: Outcome, version: Outcome, check: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { reader: { timeout: 5_000 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`PRAGMA table_info(counter)`
        await writer`UPDATE counter SET n = n + 1`
        info = await reader`UPDATE counter SET n = n + 1`
        await reader`ROLLBACK`
        await reader`BEGIN`
        await reader`SELECT name FROM sqlite_schema`
        await writer`UPDATE counter SET n = n + 1`
        schema = await reader`UPDATE counter SET n = n + 1`
        await reader`ROLLBACK`
        await reader`BEGIN`
        await reader`PRAGMA data_version`
        await writer`UPDATE counter SET n = n + 1`
        version = await reader`UPDATE counter SET n = n + 1`
        await reader`ROLLBACK`
        await reader`BEGIN`
        await reader`PRAGMA quick_check`
        await writer`UPDATE counter SET n = n + 1`
        check = await reader`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader is turned away with SQLITE_BUSY_SNAPSHOT after PRAGMA table_info', () => {
      expect(info.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the reader is turned away with SQLITE_BUSY_SNAPSHOT after a SELECT from sqlite_schema, though only data has changed', () => {
      expect(schema.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the reader is turned away with SQLITE_BUSY_SNAPSHOT after PRAGMA data_version', () => {
      expect(version.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the reader is turned away with SQLITE_BUSY_SNAPSHOT after PRAGMA quick_check', () => {
      expect(check.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
  })

  describe('when a transaction begins with a SELECT that finds no row', { tags: ['q22'] }, () => {
    let read: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { reader: { timeout: 5_000 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        read = await reader`SELECT n FROM counter WHERE n = 7`
        await writer`UPDATE counter SET n = n + 1`
        write = await reader`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader gets no row', () => {
      expect(read.rows).toEqual([])
    })
    test('the reader is turned away with SQLITE_BUSY_SNAPSHOT all the same', () => {
      expect(write.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
  })

  describe('when a transaction begins with CREATE TABLE IF NOT EXISTS, and the table exists', { tags: ['q22'] }, () => {
    let update: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`BEGIN`
        await first`CREATE TABLE IF NOT EXISTS counter (n INTEGER NOT NULL)`
        update = await other`UPDATE counter SET n = n + 1`
        write = await first`INSERT INTO counter VALUES (0)`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: CREATE TABLE IF NOT EXISTS makes a transaction the writer', () => {
      expect(update.code).toBe('SQLITE_BUSY')
    })
    test('the other writes, SQLITE_OK: CREATE TABLE IF NOT EXISTS has only looked', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
    test('the first, having looked, is turned away with SQLITE_BUSY_SNAPSHOT when it goes on to write', () => {
      expect(write.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
  })

  describe('when two create the same table at the same time, if it does not exist', { tags: ['q22'] }, () => {
    let create: Outcome, insert: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await first`BEGIN IMMEDIATE`
        await first`CREATE TABLE IF NOT EXISTS diary (line TEXT)`
        await other`BEGIN`
        const turn = other`CREATE TABLE IF NOT EXISTS diary (line TEXT)`
        await turn.blocks()
        await first`COMMIT`
        create = await turn
        insert = await other`INSERT INTO diary VALUES ('Dear diary')`
        await other`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other waits for the first, and finds that there is nothing to create: SQLITE_OK', () => {
      expect(create.code).toBe('SQLITE_OK')
    })
    test('the other writes into the table that the first has created', () => {
      expect(insert.code).toBe('SQLITE_OK')
    })
  })

  describe('when a transaction begins with a SELECT that names no table', { tags: ['q22'] }, () => {
    let one: Outcome, now: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`BEGIN`
        await first`SELECT 1`
        await other`UPDATE counter SET n = n + 1`
        one = await first`UPDATE counter SET n = n + 1`
        await first`COMMIT`
        await first`BEGIN`
        await first`SELECT datetime('now') IS NULL AS timeless`
        await other`UPDATE counter SET n = n + 1`
        now = await first`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: SELECT 1 begins the read of a transaction', () => {
      expect(one.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the first writes after SELECT 1, SQLITE_OK: it has not read the database', () => {
      expect(one.code).toBe('SQLITE_OK')
    })
    test('the first writes after it has asked for the time too', () => {
      expect(now.code).toBe('SQLITE_OK')
    })
  })

  describe('when a transaction begins with a PRAGMA that is about the connection', { tags: ['q22'] }, () => {
    let mode: Outcome, timeout: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`BEGIN`
        await first`PRAGMA journal_mode`
        await other`UPDATE counter SET n = n + 1`
        mode = await first`UPDATE counter SET n = n + 1`
        await first`COMMIT`
        await first`BEGIN`
        await first`PRAGMA busy_timeout`
        await other`UPDATE counter SET n = n + 1`
        timeout = await first`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the first writes after PRAGMA journal_mode: to ask for the mode is not to read', () => {
      expect(mode.code).toBe('SQLITE_OK')
    })
    test('the first writes after PRAGMA busy_timeout', () => {
      expect(timeout.code).toBe('SQLITE_OK')
    })
  })

  describe('when a transaction begins with a query that is not run', { tags: ['q22'] }, () => {
    let explained: Outcome, prepared: Outcome, begun: Outcome, story: Story

    beforeAll(async () => {
      const cast = { first: { timeout: 0, program: 'iterator.ts' }, other: { timeout: 0 } }
      story = await contend('wal', cast, async ({ first, other }) => {
        await first`BEGIN`
        await first`EXPLAIN QUERY PLAN SELECT n FROM counter`
        await other`UPDATE counter SET n = n + 1`
        explained = await first`UPDATE counter SET n = n + 1`
        await first`COMMIT`
        await first`BEGIN`
        await first`.prepare SELECT n FROM counter`
        await other`UPDATE counter SET n = n + 1`
        prepared = await first`UPDATE counter SET n = n + 1`
        await first`COMMIT`
        await first`BEGIN`
        await first`.first SELECT n FROM counter`
        await first`.break`
        await other`UPDATE counter SET n = n + 1`
        begun = await first`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the first writes after a query that it had explained', () => {
      expect(explained.code).toBe('SQLITE_OK')
    })
    test('the first writes after a query that it has prepared', () => {
      expect(prepared.code).toBe('SQLITE_OK')
    })
    test('the first is turned away with SQLITE_BUSY_SNAPSHOT after a query that it has begun, though it left after one row', () => {
      expect(begun.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
  })

  describe('when a transaction begins with a temporary table', { tags: ['q22'] }, () => {
    let update: Outcome, write: Outcome, filled: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`BEGIN`
        await first`CREATE TEMP TABLE scrap (n)`
        await first`INSERT INTO scrap VALUES (7)`
        update = await other`UPDATE counter SET n = n + 1`
        write = await first`UPDATE counter SET n = n + 1`
        await first`COMMIT`
        await first`BEGIN`
        await first`INSERT INTO scrap SELECT n FROM counter`
        await other`UPDATE counter SET n = n + 1`
        filled = await first`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other writes while the first fills its temporary table', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
    test('the first then writes too: a temporary table is in another file', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the first is turned away with SQLITE_BUSY_SNAPSHOT when it has filled its temporary table from the database', () => {
      expect(filled.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
  })

  describe('when a transaction reads an attached file before the main one', { tags: ['q22', 'q31'] }, () => {
    let lines: Outcome, n: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { reader: { timeout: 0 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await writer`ATTACH 'other.db' AS other`
        await writer`PRAGMA other.journal_mode = wal`
        await writer`CREATE TABLE other.diary (line TEXT)`
        await reader`ATTACH 'other.db' AS other`
        await reader`BEGIN`
        await reader`SELECT line FROM diary`
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        await writer`INSERT INTO diary VALUES ('n is 1')`
        await writer`COMMIT`
        n = await reader`SELECT n FROM counter`
        lines = await reader`SELECT line FROM diary`
        write = await reader`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a transaction sees all its files at one moment', () => {
      expect(n.rows).toEqual([{ n: 0 }])
    })
    test('the reader gets n = 1, SQLITE_OK: its snapshot of a file begins when it first reads that file', () => {
      expect(n).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
    test('the reader does not get the line that was committed together with it', () => {
      expect(lines.rows).toEqual([])
    })
    test('the reader may write to the main file, whose snapshot is up to date', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
  })

  describe.skipIf(!tellsLocks)('when the kernel is asked after each statement (needs /proc)', { tags: ['q22'] }, () => {
    let constant: Outcome, pragma: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 } }, async ({ first }) => {
        await first`BEGIN`
        constant = await first`SELECT 1`
        pragma = await first`PRAGMA user_version`
      })
    })
    beforeEach((context) => show(context, story))

    test('the first holds nothing beyond SHARED and DMS after SELECT 1, as every connection does', () => {
      expect(constant.locks).toEqual(['SHARED', 'DMS'])
    })
    test('the first holds the read mark READ(0) after PRAGMA user_version', () => {
      expect(pragma.locks).toContain('READ(0)')
    })
  })
})

describe('What makes a transaction a reader, rollback journal', () => {
  describe('when a transaction begins by asking for user_version', { tags: ['q22'] }, () => {
    let commit: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 5_000 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`PRAGMA user_version`
        await writer`BEGIN`
        await writer`PRAGMA user_version = 1`
        write = await reader`PRAGMA user_version = 1`
        commit = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer is turned away at COMMIT with SQLITE_BUSY: PRAGMA user_version has made the other a reader', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
    })
    test('the reader is turned away with SQLITE_BUSY when it goes on to write', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the reader is turned away at once, with most of its five seconds to spare', () => {
      expect(write.waited).toBeLessThan(1_000)
    })
  })

  describe('when a transaction begins with other statements that look into the file', { tags: ['q22'] }, () => {
    let info: Outcome, check: Outcome, nothing: Outcome, create: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`PRAGMA table_info(counter)`
        info = await writer`UPDATE counter SET n = n + 1`
        await reader`COMMIT`
        await reader`BEGIN`
        await reader`PRAGMA quick_check`
        check = await writer`UPDATE counter SET n = n + 1`
        await reader`COMMIT`
        await reader`BEGIN`
        await reader`SELECT n FROM counter LIMIT 0`
        nothing = await writer`UPDATE counter SET n = n + 1`
        await reader`COMMIT`
        await reader`BEGIN`
        await reader`CREATE TABLE IF NOT EXISTS counter (n INTEGER NOT NULL)`
        create = await writer`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer is turned away with SQLITE_BUSY after PRAGMA table_info', () => {
      expect(info.code).toBe('SQLITE_BUSY')
    })
    test('the writer is turned away with SQLITE_BUSY after PRAGMA quick_check', () => {
      expect(check.code).toBe('SQLITE_BUSY')
    })
    test('the writer is turned away with SQLITE_BUSY after a SELECT with LIMIT 0', () => {
      expect(nothing.code).toBe('SQLITE_BUSY')
    })
    test('the writer is turned away with SQLITE_BUSY after CREATE TABLE IF NOT EXISTS, and the table exists', () => {
      expect(create.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when a transaction begins with statements that do not look into the file', { tags: ['q22'] }, () => {
    let one: Outcome, mode: Outcome, explained: Outcome, temporary: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 0 }, writer: { timeout: 0 } }, async ({ first, writer }) => {
        await first`BEGIN`
        await first`SELECT 1`
        one = await writer`UPDATE counter SET n = n + 1`
        await first`PRAGMA journal_mode`
        mode = await writer`UPDATE counter SET n = n + 1`
        await first`EXPLAIN QUERY PLAN SELECT n FROM counter`
        explained = await writer`UPDATE counter SET n = n + 1`
        await first`CREATE TEMP TABLE scrap (n)`
        temporary = await writer`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer is not refused after SELECT 1', () => {
      expect(one.code).toBe('SQLITE_OK')
    })
    test('the writer is not refused after PRAGMA journal_mode', () => {
      expect(mode.code).toBe('SQLITE_OK')
    })
    test('the writer is not refused after EXPLAIN QUERY PLAN', () => {
      expect(explained.code).toBe('SQLITE_OK')
    })
    test('the writer is not refused after CREATE TEMP TABLE', () => {
      expect(temporary.code).toBe('SQLITE_OK')
    })
  })

  describe('when a health check says SELECT 1 while nobody can read', { tags: ['q22'] }, () => {
    let health: Outcome, read: Outcome, fresh: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, checker: { timeout: 0 }, newcomer: { timeout: 0 } }
      story = await contend('delete', cast, async ({ holder, checker, newcomer }) => {
        await checker`SELECT n FROM counter`
        await holder`BEGIN EXCLUSIVE`
        health = await checker`SELECT 1`
        read = await checker`SELECT n FROM counter`
        fresh = await newcomer`SELECT 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the checker is turned away with SQLITE_BUSY when it reads the table', () => {
      expect(read.code).toBe('SQLITE_BUSY')
    })
    test.fails('myth: SELECT 1 tells whether the database can be read', () => {
      expect(health.code).toBe('SQLITE_BUSY')
    })
    test('the checker gets SQLITE_OK for SELECT 1, which does not touch the file', () => {
      expect(health.code).toBe('SQLITE_OK')
    })
    test('a newcomer is turned away with SQLITE_BUSY even for SELECT 1: the first statement of a connection loads the schema', () => {
      expect(fresh.code).toBe('SQLITE_BUSY')
    })
  })

  describe.skipIf(!tellsLocks)('when the kernel is asked after each statement (needs /proc)', { tags: ['q22'] }, () => {
    let begin: Outcome, constant: Outcome, prepared: Outcome, pragma: Outcome, empty: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 0, program: 'iterator.ts' } }, async ({ first }) => {
        begin = await first`BEGIN`
        constant = await first`SELECT 1`
        prepared = await first`.prepare SELECT n FROM counter`
        pragma = await first`PRAGMA user_version`
        await first`COMMIT`
        await first`BEGIN`
        empty = await first`SELECT n FROM counter WHERE n = 7`
      })
    })
    beforeEach((context) => show(context, story))

    test('the first holds no lock after BEGIN, SELECT 1 and a prepared query', () => {
      expect([begin.locks, constant.locks, prepared.locks]).toEqual([[], [], []])
    })
    test('the first holds SHARED after PRAGMA user_version', () => {
      expect(pragma.locks).toEqual(['SHARED'])
    })
    test('the first holds SHARED after a SELECT that finds no row', () => {
      expect(empty.locks).toEqual(['SHARED'])
    })
  })
})

describe('One statement that reads and writes, write-ahead log', () => {
  describe('when all kinds of it wait for the same holder', { tags: ['q21'] }, () => {
    let update: Outcome, insert: Outcome, upsert: Outcome, common: Outcome, erase: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 5_000
      const cast = {
        holder: { timeout },
        updater: { timeout },
        inserter: { timeout },
        upserter: { timeout },
        joiner: { timeout },
        deleter: { timeout },
      }
      story = await contend('wal', cast, async ({ holder, updater, inserter, upserter, joiner, deleter }) => {
        await holder`CREATE TABLE seen (by TEXT PRIMARY KEY, n INTEGER)`
        await holder`INSERT INTO seen VALUES ('updater', 0), ('upserter', 0), ('joiner', 0), ('deleter', 1)`
        await holder`BEGIN IMMEDIATE`
        const turns = [
          updater`UPDATE seen SET n = (SELECT n FROM counter) WHERE by = 'updater' RETURNING n`,
          inserter`INSERT INTO seen SELECT 'inserter', n FROM counter RETURNING n`,
          upserter`INSERT INTO seen SELECT 'upserter', n FROM counter WHERE 1 ON CONFLICT DO UPDATE SET n = excluded.n RETURNING n`,
          joiner`WITH now AS (SELECT n FROM counter) UPDATE seen SET n = now.n FROM now WHERE by = 'joiner' RETURNING seen.n`,
          deleter`DELETE FROM seen WHERE by = 'deleter' AND n IN (SELECT n FROM counter) RETURNING n`,
        ]
        for (const turn of turns) await turn.blocks()
        await holder`UPDATE counter SET n = n + 1`
        await holder`COMMIT`
        ;[update, insert, upsert, common, erase] = await Promise.all(turns)
      })
    })
    beforeEach((context) => show(context, story))

    test('UPDATE … SET n = (SELECT …) waits, and the updater reads what the holder has committed', () => {
      expect(update.rows).toEqual([{ n: 1 }])
    })
    test('INSERT … SELECT waits, and the inserter reads what the holder has committed', () => {
      expect(insert.rows).toEqual([{ n: 1 }])
    })
    test('INSERT … ON CONFLICT DO UPDATE waits, and the upserter reads what the holder has committed', () => {
      expect(upsert.rows).toEqual([{ n: 1 }])
    })
    test('WITH … UPDATE … FROM waits, and the joiner reads what the holder has committed', () => {
      expect(common.rows).toEqual([{ n: 1 }])
    })
    test('DELETE … WHERE n IN (SELECT …) waits, and the deleter deletes for what the holder has committed', () => {
      expect(erase.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when it is the first statement of a deferred transaction', { tags: ['q21'] }, () => {
    let write: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 5_000 }, waiter: { timeout: 5_000 } }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        await waiter`BEGIN`
        const turn = waiter`UPDATE counter SET n = (SELECT max(n) FROM counter) + 1`
        await turn.blocks()
        await holder`UPDATE counter SET n = n + 1`
        await holder`COMMIT`
        write = await turn
        await waiter`COMMIT`
        total = await waiter`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: an UPDATE with a sub-select is a read that becomes a write', () => {
      expect(write.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the waiter waits for the holder, and writes: SQLITE_OK, for it takes the write lock before it reads', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('both changes are counted: n is 2', () => {
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })

  describe('when it writes, and changes nothing', { tags: ['q21', 'q23'] }, () => {
    let unmatched: Outcome, ignored: Outcome, same: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, second: { timeout: 0 } }, async ({ holder, second }) => {
        await holder`CREATE UNIQUE INDEX once ON counter (n)`
        await holder`BEGIN`
        await holder`UPDATE counter SET n = 1 WHERE n = 7`
        unmatched = await second`UPDATE counter SET n = n + 1`
        await holder`ROLLBACK`
        await holder`BEGIN`
        await holder`INSERT OR IGNORE INTO counter SELECT n FROM counter`
        ignored = await second`UPDATE counter SET n = n + 1`
        await holder`ROLLBACK`
        await holder`BEGIN`
        await holder`PRAGMA user_version = 0`
        same = await second`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: an UPDATE that matches no row takes no lock', () => {
      expect(unmatched.code).toBe('SQLITE_OK')
    })
    test('the second is turned away with SQLITE_BUSY after an UPDATE that matched no row', () => {
      expect(unmatched.code).toBe('SQLITE_BUSY')
    })
    test('the second is turned away with SQLITE_BUSY after an INSERT OR IGNORE that inserted nothing', () => {
      expect(ignored.code).toBe('SQLITE_BUSY')
    })
    test('the second is turned away with SQLITE_BUSY after a PRAGMA user_version = 0 that was 0 before', () => {
      expect(same.code).toBe('SQLITE_BUSY')
    })
  })
})

describe('One statement that reads and writes, rollback journal', () => {
  describe('when it is the first statement of a deferred transaction', { tags: ['q21'] }, () => {
    let write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { holder: { timeout: 5_000 }, waiter: { timeout: 5_000 } }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        await waiter`BEGIN`
        const turn = waiter`UPDATE counter SET n = (SELECT max(n) FROM counter) + 1`
        await turn.blocks()
        await holder`UPDATE counter SET n = n + 1`
        await holder`COMMIT`
        write = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the waiter waits for the holder, and writes: SQLITE_OK, for it holds no read while it waits', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
  })

  describe('when it writes, and changes nothing', { tags: ['q21', 'q23'] }, () => {
    let refused: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, second: { timeout: 0 }, reader: { timeout: 0 } }
      story = await contend('delete', cast, async ({ holder, second, reader }) => {
        await holder`BEGIN`
        await holder`UPDATE counter SET n = 1 WHERE n = 7`
        refused = await second`UPDATE counter SET n = n + 1`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        commit = await holder`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the second is turned away with SQLITE_BUSY after an UPDATE that matched no row', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test.fails('myth: a COMMIT with nothing to write does not mind readers', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the holder is turned away at COMMIT with SQLITE_BUSY because someone reads, though there is nothing to write', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
    })
  })
})

describe('SAVEPOINT outside a transaction, write-ahead log', () => {
  describe('when others write, and the first reads and then writes', { tags: ['q20'] }, () => {
    let others: Outcome, read: Outcome, write: Outcome, rewound: Outcome, release: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`SAVEPOINT start`
        others = await other`UPDATE counter SET n = n + 1`
        read = await first`SELECT n FROM counter`
        await other`UPDATE counter SET n = n + 1`
        write = await first`UPDATE counter SET n = n + 1`
        await first`ROLLBACK TO start`
        rewound = await first`UPDATE counter SET n = n + 1`
        release = await first`RELEASE start`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: SAVEPOINT outside a transaction takes the write lock', () => {
      expect(others.code).toBe('SQLITE_BUSY')
    })
    test('the other writes, SQLITE_OK: SAVEPOINT outside a transaction is deferred, like BEGIN', () => {
      expect(others.code).toBe('SQLITE_OK')
    })
    test('the first sees what the other wrote after SAVEPOINT: n is 1', () => {
      expect(read.rows).toEqual([{ n: 1 }])
    })
    test('the first, having read, is turned away with SQLITE_BUSY_SNAPSHOT', () => {
      expect(write.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test.fails('myth: ROLLBACK TO the outermost savepoint starts the transaction afresh', () => {
      expect(rewound.code).toBe('SQLITE_OK')
    })
    test('the first is turned away with SQLITE_BUSY_SNAPSHOT again: ROLLBACK TO keeps the snapshot', () => {
      expect(rewound.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('RELEASE of the outermost savepoint ends the transaction of the first', () => {
      expect(release.inTransaction).toBe(false)
    })
  })

  describe('when savepoints are released', { tags: ['q20'] }, () => {
    let inner: Outcome, outer: Outcome, refused: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`SAVEPOINT outside`
        await first`SAVEPOINT inside`
        await first`UPDATE counter SET n = n + 1`
        await first`RELEASE inside`
        refused = await other`UPDATE counter SET n = n + 1`
        inner = await other`SELECT n FROM counter`
        await first`RELEASE outside`
        outer = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other does not see the change after RELEASE of the inner savepoint', () => {
      expect(inner.rows).toEqual([{ n: 0 }])
    })
    test('the other is turned away with SQLITE_BUSY: RELEASE of the inner savepoint keeps the write lock', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the other sees the change after RELEASE of the outermost savepoint, which is a COMMIT', () => {
      expect(outer.rows).toEqual([{ n: 1 }])
    })
  })
})

describe('SAVEPOINT outside a transaction, rollback journal', () => {
  describe('when others write, and the first reads and then writes', { tags: ['q20'] }, () => {
    let others: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 5_000 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`SAVEPOINT start`
        others = await other`UPDATE counter SET n = n + 1`
        await first`SELECT n FROM counter`
        await other`BEGIN`
        await other`UPDATE counter SET n = n + 1`
        write = await first`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other writes, SQLITE_OK: SAVEPOINT takes no lock', () => {
      expect(others.code).toBe('SQLITE_OK')
    })
    test('the first, having read, is turned away with SQLITE_BUSY', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the first is turned away at once, with most of its five seconds to spare', () => {
      expect(write.waited).toBeLessThan(1_000)
    })
  })

  describe('when the outermost savepoint is released while someone reads', { tags: ['q20'] }, () => {
    let release: Outcome, rewound: Outcome, repeated: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 }, reader: { timeout: 0 } }, async ({ writer, reader }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`SAVEPOINT start`
        await writer`UPDATE counter SET n = n + 1`
        release = await writer`RELEASE start`
        rewound = await writer`ROLLBACK TO start`
        await writer`UPDATE counter SET n = n + 5`
        await reader`COMMIT`
        repeated = await writer`RELEASE start`
        total = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: RELEASE only forgets a savepoint, and cannot be refused', () => {
      expect(release.code).toBe('SQLITE_OK')
    })
    test('the writer is turned away at RELEASE with SQLITE_BUSY: it is a COMMIT, and the reader has to leave first', () => {
      expect(release.code).toBe('SQLITE_BUSY')
    })
    test('the writer keeps its transaction', () => {
      expect(release.inTransaction).toBe(true)
    })
    test('the writer keeps its savepoint too: ROLLBACK TO it is SQLITE_OK', () => {
      expect(rewound.code).toBe('SQLITE_OK')
    })
    test('the writer repeats RELEASE, and succeeds, once the reader has ended', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
    test('only what was written after ROLLBACK TO is counted: n is 5', () => {
      expect(total.rows).toEqual([{ n: 5 }])
    })
  })
})
