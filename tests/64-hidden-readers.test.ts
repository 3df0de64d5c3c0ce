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
    test('the first is turned away with SQLITE_BUSY_SNAPSHOT after PRAGMA user_version', () => {
      expect(write.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the first, asking again after BEGIN IMMEDIATE, is told version 1', () => {
      expect(replayed.rows).toEqual([{ user_version: 1 }])
    })
  })

  describe('when a transaction begins with other statements that look into the file', { tags: ['q22'] }, () => {
    let info: Outcome, schema: Outcome, version: Outcome, check: Outcome, empty: Outcome, write: Outcome, story: Story

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
        await reader`ROLLBACK`
        await reader`BEGIN`
        empty = await reader`SELECT n FROM counter WHERE n = 700`
        await writer`UPDATE counter SET n = n + 1`
        write = await reader`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader is turned away with SQLITE_BUSY_SNAPSHOT after PRAGMA table_info', () => {
      expect(info.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the reader is turned away with SQLITE_BUSY_SNAPSHOT after a SELECT from sqlite_schema', () => {
      expect(schema.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the reader is turned away with SQLITE_BUSY_SNAPSHOT after PRAGMA data_version', () => {
      expect(version.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the reader is turned away with SQLITE_BUSY_SNAPSHOT after PRAGMA quick_check', () => {
      expect(check.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the reader is turned away with SQLITE_BUSY_SNAPSHOT after a SELECT that has found no row', () => {
      expect(empty.rows).toEqual([])
      expect(write.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
  })

  describe('when a transaction begins with CREATE TABLE IF NOT EXISTS', { tags: ['q22'] }, () => {
    let update: Outcome, write: Outcome, lines: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`BEGIN`
        await first`CREATE TABLE IF NOT EXISTS counter (n INTEGER NOT NULL)`
        update = await other`UPDATE counter SET n = n + 1`
        write = await first`INSERT INTO counter VALUES (0)`
        await first`ROLLBACK`
        await other`BEGIN IMMEDIATE`
        await other`CREATE TABLE IF NOT EXISTS diary (line TEXT)`
        await other`INSERT INTO diary VALUES ('Dear diary')`
        await first`BEGIN`
        const turn = first`CREATE TABLE IF NOT EXISTS diary (line TEXT)`
        await turn.blocks()
        await other`COMMIT`
        await turn
        lines = await first`SELECT line FROM diary`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: CREATE TABLE IF NOT EXISTS makes a transaction the writer', () => {
      expect(update.code).toBe('SQLITE_BUSY')
    })
    test('the other writes, SQLITE_OK, after a CREATE TABLE IF NOT EXISTS of the first whose table exists', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
    test('the first is turned away with SQLITE_BUSY_SNAPSHOT when it goes on to write', () => {
      expect(write.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the first, whose next table the other is just creating, waits, and finds the line of the other in it', () => {
      expect(lines.rows).toEqual([{ line: 'Dear diary' }])
    })
  })

  describe('when a transaction begins with statements that do not look into the file', { tags: ['q22'] }, () => {
    let one: Outcome, now: Outcome, mode: Outcome, timeout: Outcome, story: Story

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
        await first`COMMIT`
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

    test.fails('myth: SELECT 1 begins the read of a transaction', () => {
      expect(one.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the first writes after SELECT 1, SQLITE_OK', () => {
      expect(one.code).toBe('SQLITE_OK')
    })
    test('the first writes after it has asked for the time', () => {
      expect(now.code).toBe('SQLITE_OK')
    })
    test('the first writes after PRAGMA journal_mode', () => {
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
    test('the first writes after it has filled a temporary table', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the first is turned away with SQLITE_BUSY_SNAPSHOT after it has filled a temporary table from the database', () => {
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
    test('the reader gets n = 1, SQLITE_OK, which was committed after it had read the other file', () => {
      expect(n).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
    test('the reader does not get the line that was committed together with it', () => {
      expect(lines.rows).toEqual([])
    })
    test('the reader may write to the main file, SQLITE_OK', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
  })
})

describe('What makes a transaction a reader, rollback journal', () => {
  describe('when a transaction says what looks into the file, and what does not', { tags: ['q22'] }, () => {
    let blind: Outcome[], info: Outcome, nothing: Outcome, create: Outcome, write: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 5_000 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT 1`
        blind = [await writer`UPDATE counter SET n = n + 1`]
        await reader`PRAGMA journal_mode`
        blind.push(await writer`UPDATE counter SET n = n + 1`)
        await reader`EXPLAIN QUERY PLAN SELECT n FROM counter`
        blind.push(await writer`UPDATE counter SET n = n + 1`)
        await reader`PRAGMA table_info(counter)`
        info = await writer`UPDATE counter SET n = n + 1`
        await reader`COMMIT`
        await reader`BEGIN`
        await reader`SELECT n FROM counter LIMIT 0`
        nothing = await writer`UPDATE counter SET n = n + 1`
        await reader`COMMIT`
        await reader`BEGIN`
        await reader`CREATE TABLE IF NOT EXISTS counter (n INTEGER NOT NULL)`
        create = await writer`UPDATE counter SET n = n + 1`
        await reader`COMMIT`
        await reader`BEGIN`
        await reader`PRAGMA user_version`
        await writer`BEGIN`
        await writer`PRAGMA user_version = 1`
        write = await reader`PRAGMA user_version = 1`
        commit = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer writes beside it after SELECT 1, PRAGMA journal_mode and EXPLAIN QUERY PLAN: SQLITE_OK', () => {
      expect(blind.map(({ code }) => code)).toEqual(['SQLITE_OK', 'SQLITE_OK', 'SQLITE_OK'])
    })
    test('the writer is turned away with SQLITE_BUSY after PRAGMA table_info', () => {
      expect(info.code).toBe('SQLITE_BUSY')
    })
    test('the writer is turned away with SQLITE_BUSY after a SELECT with LIMIT 0', () => {
      expect(nothing.code).toBe('SQLITE_BUSY')
    })
    test('the writer is turned away with SQLITE_BUSY after a CREATE TABLE IF NOT EXISTS whose table exists', () => {
      expect(create.code).toBe('SQLITE_BUSY')
    })
    test('the writer is turned away at COMMIT with SQLITE_BUSY after PRAGMA user_version', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
    })
    test('the reader that goes on to write is turned away with SQLITE_BUSY at once, with most of its five seconds to spare', () => {
      expect(write.code).toBe('SQLITE_BUSY')
      expect(write.waited).toBeLessThan(1_000)
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
    test('the checker gets SQLITE_OK for SELECT 1 all the same', () => {
      expect(health.code).toBe('SQLITE_OK')
    })
    test('a newcomer, which has not used its connection before, is turned away with SQLITE_BUSY even for SELECT 1', () => {
      expect(fresh.code).toBe('SQLITE_BUSY')
    })
  })
})

describe('One statement that reads and writes, write-ahead log', () => {
  describe('when all kinds of it wait, first in a deferred transaction, and then outside one', { tags: ['q21'] }, () => {
    let write: Outcome, insert: Outcome, upsert: Outcome, common: Outcome, erase: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, waiter: { timeout: 5_000 } }, async ({ holder, waiter }) => {
        await holder`CREATE TABLE seen (by TEXT PRIMARY KEY, n INTEGER)`
        await holder`INSERT INTO seen VALUES ('upserter', 0), ('joiner', 0), ('deleter', 6)`

        await holder`BEGIN IMMEDIATE`
        await waiter`BEGIN`
        const first = waiter`UPDATE counter SET n = (SELECT max(n) FROM counter) + 1 RETURNING n`
        await first.blocks()
        await holder`UPDATE counter SET n = n + 1`
        await holder`COMMIT`
        write = await first
        await waiter`COMMIT`

        await holder`BEGIN IMMEDIATE`
        const second = waiter`INSERT INTO seen SELECT 'inserter', n FROM counter RETURNING n`
        await second.blocks()
        await holder`UPDATE counter SET n = n + 1`
        await holder`COMMIT`
        insert = await second

        await holder`BEGIN IMMEDIATE`
        const third = waiter`INSERT INTO seen SELECT 'upserter', n FROM counter WHERE 1 ON CONFLICT DO UPDATE SET n = excluded.n RETURNING n`
        await third.blocks()
        await holder`UPDATE counter SET n = n + 1`
        await holder`COMMIT`
        upsert = await third

        await holder`BEGIN IMMEDIATE`
        const fourth = waiter`WITH now AS (SELECT n FROM counter) UPDATE seen SET n = now.n FROM now WHERE by = 'joiner' RETURNING seen.n`
        await fourth.blocks()
        await holder`UPDATE counter SET n = n + 1`
        await holder`COMMIT`
        common = await fourth

        await holder`BEGIN IMMEDIATE`
        const fifth = waiter`DELETE FROM seen WHERE by = 'deleter' AND n IN (SELECT n FROM counter) RETURNING n`
        await fifth.blocks()
        await holder`UPDATE counter SET n = n + 1`
        await holder`COMMIT`
        erase = await fifth
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: an UPDATE with a sub-select is a read that becomes a write', () => {
      expect(write.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('UPDATE … SET n = (SELECT …) waits, SQLITE_OK, and the waiter adds 1 to what the holder has committed: n is 2', () => {
      expect(write).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 2 }] })
    })
    test('INSERT … SELECT waits, and the waiter reads what the holder has committed', () => {
      expect(insert.rows).toEqual([{ n: 3 }])
    })
    test('INSERT … ON CONFLICT DO UPDATE waits, and the waiter reads what the holder has committed', () => {
      expect(upsert.rows).toEqual([{ n: 4 }])
    })
    test('WITH … UPDATE … FROM waits, and the waiter reads what the holder has committed', () => {
      expect(common.rows).toEqual([{ n: 5 }])
    })
    test('DELETE … WHERE n IN (SELECT …) waits, and the waiter deletes for what the holder has committed', () => {
      expect(erase.rows).toEqual([{ n: 6 }])
    })
  })

  describe('when it is UPDATE … WHERE n = (SELECT …), the first statement of a deferred transaction', { tags: ['q21'] }, () => {
    let refused: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, hasty: { timeout: 0 }, waiter: { timeout: 5_000 } }
      story = await contend('wal', cast, async ({ holder, hasty, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        await hasty`BEGIN`
        refused = await hasty`UPDATE counter SET n = n + 1 WHERE n = (SELECT max(n) FROM counter)`
        await waiter`BEGIN`
        const turn = waiter`UPDATE counter SET n = n + 1 WHERE n = (SELECT max(n) FROM counter) RETURNING n`
        await turn.blocks()
        await holder`UPDATE counter SET n = n + 5`
        await holder`COMMIT`
        write = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the hasty one, without a timeout, is turned away with SQLITE_BUSY at once', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeLessThan(1_000)
    })
    test('the waiter, with five seconds, waits, SQLITE_OK, and finds what the holder has committed: n is 6', () => {
      expect(write).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 6 }] })
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
  describe('when it is UPDATE … WHERE n = (SELECT …), the first statement of a deferred transaction', { tags: ['q21'] }, () => {
    let refused: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 5_000 }, hasty: { timeout: 0 }, waiter: { timeout: 5_000 } }
      story = await contend('delete', cast, async ({ holder, hasty, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        await hasty`BEGIN`
        refused = await hasty`UPDATE counter SET n = n + 1 WHERE n = (SELECT max(n) FROM counter)`
        await waiter`BEGIN`
        const turn = waiter`UPDATE counter SET n = n + 1 WHERE n = (SELECT max(n) FROM counter) RETURNING n`
        await turn.blocks()
        await holder`UPDATE counter SET n = n + 5`
        await holder`COMMIT`
        write = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the hasty one, without a timeout, is turned away with SQLITE_BUSY at once', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeLessThan(1_000)
    })
    test('the waiter, with five seconds, waits, SQLITE_OK, and finds what the holder has committed: n is 6', () => {
      expect(write).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 6 }] })
    })
  })
})

describe('SAVEPOINT outside a transaction, write-ahead log', () => {
  describe('when others write, and the first reads and then writes', { tags: ['q20', 'q38'] }, () => {
    let others: Outcome, read: Outcome, write: Outcome, rewound: Outcome, release: Outcome, story: Story
    let inner: Outcome, refused: Outcome, outer: Outcome

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
        await first`SAVEPOINT outside`
        await first`SAVEPOINT inside`
        await first`UPDATE counter SET n = 10`
        await first`RELEASE inside`
        refused = await other`UPDATE counter SET n = n + 1`
        inner = await other`SELECT n FROM counter`
        await first`RELEASE outside`
        outer = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: SAVEPOINT outside a transaction takes the write lock', () => {
      expect(others.code).toBe('SQLITE_BUSY')
    })
    test('the other writes, SQLITE_OK: SAVEPOINT outside a transaction is deferred', () => {
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
    test('the first is turned away with SQLITE_BUSY_SNAPSHOT again after ROLLBACK TO', () => {
      expect(rewound.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('RELEASE of the outermost savepoint ends the transaction of the first', () => {
      expect(release.inTransaction).toBe(false)
    })
    test('RELEASE of an inner savepoint does not: the other does not see the change, and is turned away with SQLITE_BUSY', () => {
      expect(inner.rows).toEqual([{ n: 2 }])
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the other sees the change after RELEASE of the outermost one: n is 10', () => {
      expect(outer.rows).toEqual([{ n: 10 }])
    })
  })
})

describe('SAVEPOINT outside a transaction, rollback journal', () => {
  describe('when the outermost savepoint is released while someone reads', { tags: ['q20'] }, () => {
    let begin: Outcome, release: Outcome, repeated: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 }, reader: { timeout: 0 } }, async ({ writer, reader }) => {
        await writer`SAVEPOINT start`
        begin = await reader`BEGIN EXCLUSIVE`
        await reader`ROLLBACK`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        release = await writer`RELEASE start`
        await writer`ROLLBACK TO start`
        await writer`UPDATE counter SET n = n + 5`
        await reader`COMMIT`
        repeated = await writer`RELEASE start`
        total = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('SAVEPOINT outside a transaction is deferred here too: the reader gets SQLITE_OK even for a BEGIN EXCLUSIVE after it', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test.fails('myth: RELEASE only forgets a savepoint, and cannot be refused', () => {
      expect(release.code).toBe('SQLITE_OK')
    })
    test('the writer is turned away at RELEASE with SQLITE_BUSY while the reader is inside, and keeps its transaction', () => {
      expect(release).toMatchObject({ code: 'SQLITE_BUSY', inTransaction: true })
    })
    test('the writer repeats RELEASE, and succeeds, once the reader has ended', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
    test('only what was written after ROLLBACK TO is counted: n is 5', () => {
      expect(total.rows).toEqual([{ n: 5 }])
    })
  })
})
