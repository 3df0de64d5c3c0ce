/**
 * A lock is held for as long as a transaction or a statement is open, and either may be open without looking like it: a loop that is
 * busy with its first row, an INSERT whose RETURNING nobody has read to its end, a transaction that an error has left behind, a file
 * that is merely attached.
 *
 * https://sqlite.org/lang_transaction.html#implicit_versus_explicit_transactions · https://sqlite.org/lang_returning.html
 * https://sqlite.org/lang_attach.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { tellsLocks } from '../helpers/kernel.ts'
import { show } from '../helpers/show.ts'

describe('Unfinished statements, rollback journal', () => {
  describe('when a loop has taken the only row, and has not asked for another', { tags: ['q23'] }, () => {
    let first: Outcome, write: Outcome, rest: Outcome, story: Story

    beforeAll(async () => {
      const cast = { loop: { timeout: 0, program: 'iterator.ts' }, writer: { timeout: 5_000 } }
      story = await contend('delete', cast, async ({ loop, writer }) => {
        first = await loop`.first SELECT n FROM counter`
        const turn = writer`UPDATE counter SET n = n + 1`
        await turn.blocks()
        rest = await loop`.rest`
        write = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the loop is in no transaction', () => {
      expect(first.inTransaction).toBe(false)
    })
    test('the loop is told that there is no other row', () => {
      expect(rest.rows).toEqual([])
    })
    test('the writer waits until the loop has been told so, and writes', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
  })

  describe('when a loop is left early', { tags: ['q23'] }, () => {
    let during: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const cast = { loop: { timeout: 0, program: 'iterator.ts' }, writer: { timeout: 0 } }
      story = await contend('delete', cast, async ({ loop, writer }) => {
        await loop`.first SELECT n FROM counter`
        during = await writer`UPDATE counter SET n = n + 1`
        await loop`.break`
        after = await writer`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: outside a transaction, a connection that only reads keeps nobody out', () => {
      expect(during.code).toBe('SQLITE_OK')
    })
    test('the writer is turned away with SQLITE_BUSY while the query is open', () => {
      expect(during.code).toBe('SQLITE_BUSY')
    })
    test('the writer writes once the loop has been left with break', () => {
      expect(after.code).toBe('SQLITE_OK')
    })
  })

  describe('when an INSERT has returned its row, and nobody has asked for another', { tags: ['q23'] }, () => {
    let insert: Outcome, during: Outcome, refused: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const cast = { loop: { timeout: 0, program: 'iterator.ts' }, other: { timeout: 0 } }
      story = await contend('delete', cast, async ({ loop, other }) => {
        insert = await loop`.first INSERT INTO counter VALUES (7) RETURNING n`
        during = await other`SELECT n FROM counter`
        refused = await other`UPDATE counter SET n = n + 1`
        await loop`.rest`
        after = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the loop has the row, and is in no transaction', () => {
      expect(insert).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 7 }], inTransaction: false })
    })
    test('the other does not see the row', () => {
      expect(during.rows).toEqual([{ n: 0 }])
    })
    test('the other is turned away with SQLITE_BUSY: the write lock is still held', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the other sees the row once the statement is finished', () => {
      expect(after.rows).toEqual([{ n: 0 }, { n: 7 }])
    })
  })

  describe('when a COMMIT is tried while a query of its own is open, node:sqlite', { tags: ['q23'] }, () => {
    let commit: Outcome, read: Outcome, refused: Outcome, admitted: Outcome, story: Story

    beforeAll(async () => {
      const cast = { loop: { timeout: 0, program: 'iterator.ts', driver: 'node:sqlite' as const }, other: { timeout: 0 } }
      story = await contend('delete', cast, async ({ loop, other }) => {
        await loop`BEGIN`
        await loop`UPDATE counter SET n = n + 1`
        await loop`.first SELECT n FROM counter`
        commit = await loop`COMMIT`
        read = await other`SELECT n FROM counter`
        refused = await other`UPDATE counter SET n = n + 1`
        await loop`.rest`
        admitted = await other`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the loop commits: the other sees the change', () => {
      expect(commit.inTransaction).toBe(false)
      expect(read.rows).toEqual([{ n: 1 }])
    })
    test.fails('myth: COMMIT lets go of every lock', () => {
      expect(refused.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY after the COMMIT: the query goes on, and reads', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the other writes once the query is finished', () => {
      expect(admitted.code).toBe('SQLITE_OK')
    })
  })

  describe('when a COMMIT is tried while a query of its own is open, better-sqlite3', { tags: ['q23'] }, () => {
    let commit: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      const cast = { loop: { timeout: 0, program: 'iterator.ts', driver: 'better-sqlite3' as const }, other: { timeout: 0 } }
      story = await contend('delete', cast, async ({ loop, other }) => {
        await loop`BEGIN`
        await loop`UPDATE counter SET n = n + 1`
        await loop`.first SELECT n FROM counter`
        commit = await loop`COMMIT`.mayAnswer('TypeError')
        read = await other`SELECT n FROM counter`
        await loop`.rest`
      })
    })
    beforeEach((context) => show(context, story))

    test('the loop is stopped by its library with a TypeError: "This database connection is busy executing a query"', () => {
      expect(commit).toMatchObject({ code: 'TypeError', message: 'This database connection is busy executing a query' })
    })
    test('the loop is still in its transaction, and the other does not see the change', () => {
      expect(commit.inTransaction).toBe(true)
      expect(read.rows).toEqual([{ n: 0 }])
    })
  })

  describe.skipIf(!tellsLocks)('when the kernel is asked (needs /proc)', { tags: ['q23'] }, () => {
    let query: Outcome, rest: Outcome, insert: Outcome, left: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { loop: { timeout: 0, program: 'iterator.ts' } }, async ({ loop }) => {
        query = await loop`.first SELECT n FROM counter`
        rest = await loop`.rest`
        insert = await loop`.first INSERT INTO counter VALUES (7) RETURNING n`
        left = await loop`.break`
      })
    })
    beforeEach((context) => show(context, story))

    test('the loop holds SHARED while its query is open, and nothing afterwards', () => {
      expect([query.locks, rest.locks]).toEqual([['SHARED'], []])
    })
    test('the loop holds RESERVED while its INSERT is open, and nothing afterwards', () => {
      expect([insert.locks, left.locks]).toEqual([['RESERVED'], []])
    })
  })
})

describe('Unfinished statements, write-ahead log', () => {
  describe('when a loop has taken the only row, and has not asked for another', { tags: ['q23'] }, () => {
    let stale: Outcome, held: Outcome, freed: Outcome, story: Story

    beforeAll(async () => {
      const cast = { loop: { timeout: 0, program: 'iterator.ts' }, writer: { timeout: 0 } }
      story = await contend('wal', cast, async ({ loop, writer }) => {
        await loop`.first SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        stale = await loop`SELECT n FROM counter`
        held = await writer`PRAGMA wal_checkpoint(TRUNCATE)`
        await loop`.rest`
        freed = await writer`PRAGMA wal_checkpoint(TRUNCATE)`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: outside a transaction, every SELECT sees what has been committed', () => {
      expect(stale.rows).toEqual([{ n: 1 }])
    })
    test('another SELECT of the loop is SQLITE_OK with n = 0: the open query keeps the snapshot of the whole connection', () => {
      expect(stale).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }], inTransaction: false })
    })
    test('a checkpoint of the writer reports busy = 1: it cannot copy what the open query must not see', () => {
      expect(held.rows).toMatchObject([{ busy: 1, checkpointed: 0 }])
    })
    test('a checkpoint of the writer reports busy = 0 once the query is finished', () => {
      expect(freed.rows).toMatchObject([{ busy: 0 }])
    })
  })

  describe('when one whose query is open wants to write, node:sqlite', { tags: ['q23'] }, () => {
    let write: Outcome, begin: Outcome, again: Outcome, story: Story

    beforeAll(async () => {
      const cast = { loop: { timeout: 5_000, program: 'iterator.ts', driver: 'node:sqlite' as const }, other: { timeout: 0 } }
      story = await contend('wal', cast, async ({ loop, other }) => {
        await loop`.first SELECT n FROM counter`
        await other`UPDATE counter SET n = n + 1`
        write = await loop`UPDATE counter SET n = n + 1`
        begin = await loop`BEGIN IMMEDIATE`
        await loop`.rest`
        again = await loop`BEGIN IMMEDIATE`
      })
    })
    beforeEach((context) => show(context, story))

    test('the loop is turned away with SQLITE_BUSY_SNAPSHOT, though it is in no transaction', () => {
      expect(write).toMatchObject({ code: 'SQLITE_BUSY_SNAPSHOT', inTransaction: false })
    })
    test.fails('myth: BEGIN IMMEDIATE on a connection without a transaction is a fresh start', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the loop is turned away at BEGIN IMMEDIATE with SQLITE_BUSY_SNAPSHOT', () => {
      expect(begin.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the loop is turned away at once, with most of its five seconds to spare', () => {
      expect(begin.waited).toBeLessThan(1_000)
    })
    test('the loop is admitted once the query is finished', () => {
      expect(again.code).toBe('SQLITE_OK')
    })
  })

  describe('when one whose query is open wants to write, better-sqlite3', { tags: ['q23'] }, () => {
    let write: Outcome, begin: Outcome, story: Story

    beforeAll(async () => {
      const cast = { loop: { timeout: 5_000, program: 'iterator.ts', driver: 'better-sqlite3' as const } }
      story = await contend('wal', cast, async ({ loop }) => {
        await loop`.first SELECT n FROM counter`
        write = await loop`UPDATE counter SET n = n + 1`.mayAnswer('TypeError')
        begin = await loop`BEGIN IMMEDIATE`.mayAnswer('TypeError')
        await loop`.rest`
      })
    })
    beforeEach((context) => show(context, story))

    test('the loop is stopped by its library with a TypeError at UPDATE and at BEGIN IMMEDIATE, although nobody else is there', () => {
      expect([write.code, begin.code]).toEqual(['TypeError', 'TypeError'])
    })
  })

  describe('when an INSERT has returned its row, and nobody has asked for another', { tags: ['q23'] }, () => {
    let insert: Outcome, during: Outcome, refused: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const cast = { loop: { timeout: 0, program: 'iterator.ts' }, other: { timeout: 0 } }
      story = await contend('wal', cast, async ({ loop, other }) => {
        insert = await loop`.first INSERT INTO counter VALUES (7) RETURNING n`
        during = await other`SELECT n FROM counter`
        refused = await other`UPDATE counter SET n = n + 1`
        await loop`.break`
        after = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the loop has the row, and is in no transaction', () => {
      expect(insert).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 7 }], inTransaction: false })
    })
    test.fails('myth: what RETURNING has returned is in the database', () => {
      expect(during.rows).toEqual([{ n: 0 }, { n: 7 }])
    })
    test('the other, SQLITE_OK, does not see the row', () => {
      expect(during).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test('the other is turned away with SQLITE_BUSY: the write lock is still held', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the other sees the row once the loop is left with break: that commits it', () => {
      expect(after.rows).toEqual([{ n: 0 }, { n: 7 }])
    })
  })

  describe('when a COMMIT is tried while an UPDATE … RETURNING of its own is open, node:sqlite', { tags: ['q23'] }, () => {
    let commit: Outcome, story: Story

    beforeAll(async () => {
      const cast = { loop: { timeout: 5_000, program: 'iterator.ts', driver: 'node:sqlite' as const } }
      story = await contend('wal', cast, async ({ loop }) => {
        await loop`BEGIN IMMEDIATE`
        await loop`.first UPDATE counter SET n = n + 1 RETURNING n`
        commit = await loop`COMMIT`
        await loop`.rest`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: the message of SQLITE_BUSY is always "database is locked"', () => {
      expect(commit.message).toBe('database is locked')
    })
    test('the loop, alone, is refused with SQLITE_BUSY: "cannot commit transaction - SQL statements in progress"', () => {
      expect(commit).toMatchObject({
        code: 'SQLITE_BUSY',
        message: 'cannot commit transaction - SQL statements in progress',
      })
    })
    test('the loop is refused at once, with most of its five seconds to spare', () => {
      expect(commit.waited).toBeLessThan(1_000)
    })
  })
})

describe('Transactions left open, write-ahead log', () => {
  describe('when a statement of a transaction fails', { tags: ['q23'] }, () => {
    let failed: Outcome, refused: Outcome, admitted: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, second: { timeout: 0 } }, async ({ holder, second }) => {
        await holder`BEGIN`
        failed = await holder`INSERT INTO counter VALUES (NULL)`.mayAnswer('SQLITE_CONSTRAINT_NOTNULL')
        refused = await second`UPDATE counter SET n = n + 1`
        await holder`ROLLBACK`
        admitted = await second`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a statement that fails rolls its transaction back', () => {
      expect(failed.inTransaction).toBe(false)
    })
    test('the transaction of the holder is still open after SQLITE_CONSTRAINT_NOTNULL', () => {
      expect(failed).toMatchObject({ code: 'SQLITE_CONSTRAINT_NOTNULL', inTransaction: true })
    })
    test('the second is turned away with SQLITE_BUSY, though the holder has written nothing', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the second writes once the holder has said ROLLBACK', () => {
      expect(admitted.code).toBe('SQLITE_OK')
    })
  })

  describe('when a statement fails that says OR ROLLBACK', { tags: ['q23'] }, () => {
    let failed: Outcome, admitted: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, second: { timeout: 0 } }, async ({ holder, second }) => {
        await holder`BEGIN IMMEDIATE`
        failed = await holder`INSERT OR ROLLBACK INTO counter VALUES (NULL)`.mayAnswer('SQLITE_CONSTRAINT_NOTNULL')
        admitted = await second`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the transaction of the holder is over, and the second writes', () => {
      expect(failed.inTransaction).toBe(false)
      expect(admitted.code).toBe('SQLITE_OK')
    })
  })

  describe('when all that was written is taken back with ROLLBACK TO', { tags: ['q23'] }, () => {
    let refused: Outcome, admitted: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, second: { timeout: 0 } }, async ({ holder, second }) => {
        await holder`BEGIN`
        await holder`SAVEPOINT attempt`
        await holder`UPDATE counter SET n = n + 1`
        await holder`ROLLBACK TO attempt`
        await holder`RELEASE attempt`
        refused = await second`UPDATE counter SET n = n + 1`
        await holder`COMMIT`
        admitted = await second`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: ROLLBACK TO gives the write lock back', () => {
      expect(refused.code).toBe('SQLITE_OK')
    })
    test('the second is turned away with SQLITE_BUSY: the write lock is held to the end of the transaction', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the second writes once the holder has said COMMIT', () => {
      expect(admitted.code).toBe('SQLITE_OK')
    })
  })

  describe('when the holder does nothing for longer than its own timeout', { tags: ['q23'] }, () => {
    let begin: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 100 }, waiter: { timeout: 200 } }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        begin = await waiter`BEGIN IMMEDIATE`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a busy timeout ends the transaction of one who stays inside too long', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the waiter is turned away with SQLITE_BUSY: a timeout is about waiting, not about holding', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
    test('the waiter has waited for its 200 ms, twice the timeout of the holder', () => {
      expect(begin.waited).toBeGreaterThanOrEqual(200)
    })
  })

  describe('when a transaction writes to a temporary table only', { tags: ['q23'] }, () => {
    let deferred: Outcome, immediate: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`CREATE TEMP TABLE scrap (n)`
        await first`BEGIN`
        await first`INSERT INTO scrap VALUES (7)`
        deferred = await other`UPDATE counter SET n = n + 1`
        await first`COMMIT`
        await first`BEGIN IMMEDIATE`
        await first`INSERT INTO scrap VALUES (7)`
        immediate = await other`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other writes if the first has said BEGIN', () => {
      expect(deferred.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY if the first has said BEGIN IMMEDIATE', () => {
      expect(immediate.code).toBe('SQLITE_BUSY')
    })
  })
})

describe('Transactions left open, rollback journal', () => {
  describe('when a statement of a transaction fails', { tags: ['q23'] }, () => {
    let failed: Outcome, refused: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { holder: { timeout: 0 }, second: { timeout: 0 } }, async ({ holder, second }) => {
        await holder`BEGIN`
        failed = await holder`INSERT INTO counter VALUES (NULL)`.mayAnswer('SQLITE_CONSTRAINT_NOTNULL')
        refused = await second`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the transaction of the holder is still open after SQLITE_CONSTRAINT_NOTNULL', () => {
      expect(failed).toMatchObject({ code: 'SQLITE_CONSTRAINT_NOTNULL', inTransaction: true })
    })
    test('the second is turned away with SQLITE_BUSY, though the holder has written nothing', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when all that was written or read is taken back with ROLLBACK TO', { tags: ['q23'] }, () => {
    let afterRead: Outcome, afterWrite: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { holder: { timeout: 0 }, second: { timeout: 0 } }, async ({ holder, second }) => {
        await holder`BEGIN`
        await holder`SAVEPOINT attempt`
        await holder`SELECT n FROM counter`
        await holder`ROLLBACK TO attempt`
        afterRead = await second`UPDATE counter SET n = n + 1`
        await holder`UPDATE counter SET n = n + 1`
        await holder`ROLLBACK TO attempt`
        afterWrite = await second`BEGIN IMMEDIATE`
      })
    })
    beforeEach((context) => show(context, story))

    test('the second is turned away with SQLITE_BUSY: ROLLBACK TO does not end a read', () => {
      expect(afterRead.code).toBe('SQLITE_BUSY')
    })
    test('the second is turned away at BEGIN IMMEDIATE with SQLITE_BUSY: ROLLBACK TO does not give the write lock back', () => {
      expect(afterWrite.code).toBe('SQLITE_BUSY')
    })
  })
})

describe('Attached files, write-ahead log', () => {
  describe('when two write to different files', { tags: ['q31'] }, () => {
    let free: Outcome, taken: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`ATTACH 'other.db' AS other`
        await first`PRAGMA other.journal_mode = wal`
        await first`CREATE TABLE other.diary (line TEXT)`
        await other`ATTACH 'other.db' AS other`
        await first`BEGIN`
        await first`UPDATE counter SET n = n + 1`
        free = await other`INSERT INTO diary VALUES ('Dear diary')`
        await first`INSERT INTO diary VALUES ('n is 1')`
        taken = await other`INSERT INTO diary VALUES ('Dear diary')`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other writes to the attached file while the first writes to the main one', () => {
      expect(free.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY when the first has written to both', () => {
      expect(taken.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when BEGIN IMMEDIATE is said on a connection with an attached file', { tags: ['q23', 'q31'] }, () => {
    let attached: Outcome, begin: Outcome, single: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`ATTACH 'other.db' AS other`
        await first`PRAGMA other.journal_mode = wal`
        await first`CREATE TABLE other.diary (line TEXT)`
        await other`ATTACH 'other.db' AS other`
        await first`BEGIN IMMEDIATE`
        attached = await other`INSERT INTO diary VALUES ('Dear diary')`
        await first`COMMIT`
        await other`BEGIN`
        await other`INSERT INTO diary VALUES ('Dear diary')`
        begin = await first`BEGIN IMMEDIATE`
        single = await first`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: BEGIN IMMEDIATE locks the main file only', () => {
      expect(attached.code).toBe('SQLITE_OK')
    })
    test('the other is turned away from the attached file with SQLITE_BUSY, before the first has written anything', () => {
      expect(attached.code).toBe('SQLITE_BUSY')
    })
    test('the first is turned away at BEGIN IMMEDIATE with SQLITE_BUSY while the other writes to the attached file', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
    test('the first writes to the main file, without BEGIN IMMEDIATE, at the same moment', () => {
      expect(single.code).toBe('SQLITE_OK')
    })
  })

  describe('when two take the two files in opposite order', { tags: ['q31'] }, () => {
    let refused: Outcome, served: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 100 } }, async ({ first, other }) => {
        await first`ATTACH 'other.db' AS other`
        await first`PRAGMA other.journal_mode = wal`
        await first`CREATE TABLE other.diary (line TEXT)`
        await other`ATTACH 'other.db' AS other`
        await first`BEGIN`
        await other`BEGIN`
        await first`UPDATE counter SET n = n + 1`
        await other`INSERT INTO diary VALUES ('n is 0')`
        const turn = first`INSERT INTO diary VALUES ('n is 1')`
        await turn.blocks()
        refused = await other`UPDATE counter SET n = n + 1`
        await other`ROLLBACK`
        served = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the other is turned away with SQLITE_BUSY after its whole timeout of 100 ms: that they wait for each other, nobody notices', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeGreaterThanOrEqual(100)
    })
    test('the first, who has waited all the time, writes once the other has rolled back', () => {
      expect(served.code).toBe('SQLITE_OK')
    })
  })

  describe('when someone reads the attached file, and both are to be committed', { tags: ['q31'] }, () => {
    let commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 0 }, reader: { timeout: 0 } }, async ({ writer, reader }) => {
        await writer`ATTACH 'other.db' AS other`
        await writer`PRAGMA other.journal_mode = wal`
        await writer`CREATE TABLE other.diary (line TEXT)`
        await reader`ATTACH 'other.db' AS other`
        await reader`BEGIN`
        await reader`SELECT line FROM diary`
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        await writer`INSERT INTO diary VALUES ('n is 1')`
        commit = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer commits', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
  })
})

describe('Attached files, rollback journal', () => {
  describe('when two write to different files', { tags: ['q31'] }, () => {
    let free: Outcome, taken: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`ATTACH 'other.db' AS other`
        await first`CREATE TABLE other.diary (line TEXT)`
        await other`ATTACH 'other.db' AS other`
        await first`BEGIN`
        await first`UPDATE counter SET n = n + 1`
        free = await other`INSERT INTO diary VALUES ('Dear diary')`
        await first`INSERT INTO diary VALUES ('n is 1')`
        taken = await other`INSERT INTO diary VALUES ('Dear diary')`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other writes to the attached file while the first writes to the main one', () => {
      expect(free.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY when the first has written to both', () => {
      expect(taken.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when BEGIN IMMEDIATE is said on a connection with an attached file', { tags: ['q23', 'q31'] }, () => {
    let attached: Outcome, begin: Outcome, single: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`ATTACH 'other.db' AS other`
        await first`CREATE TABLE other.diary (line TEXT)`
        await other`ATTACH 'other.db' AS other`
        await first`BEGIN IMMEDIATE`
        attached = await other`INSERT INTO diary VALUES ('Dear diary')`
        await first`COMMIT`
        await other`BEGIN`
        await other`INSERT INTO diary VALUES ('Dear diary')`
        begin = await first`BEGIN IMMEDIATE`
        single = await first`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other is turned away from the attached file with SQLITE_BUSY, before the first has written anything', () => {
      expect(attached.code).toBe('SQLITE_BUSY')
    })
    test('the first is turned away at BEGIN IMMEDIATE with SQLITE_BUSY while the other writes to the attached file', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
    test('the first writes to the main file, without BEGIN IMMEDIATE, at the same moment', () => {
      expect(single.code).toBe('SQLITE_OK')
    })
  })

  describe('when two take the two files in opposite order', { tags: ['q31'] }, () => {
    let refused: Outcome, served: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 5_000 }, other: { timeout: 100 } }, async ({ first, other }) => {
        await first`ATTACH 'other.db' AS other`
        await first`CREATE TABLE other.diary (line TEXT)`
        await other`ATTACH 'other.db' AS other`
        await first`BEGIN`
        await other`BEGIN`
        await first`UPDATE counter SET n = n + 1`
        await other`INSERT INTO diary VALUES ('n is 0')`
        const turn = first`INSERT INTO diary VALUES ('n is 1')`
        await turn.blocks()
        refused = await other`UPDATE counter SET n = n + 1`
        await other`ROLLBACK`
        served = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: SQLite notices when two wait for each other, and refuses one at once', () => {
      expect(refused.waited).toBeLessThan(100)
    })
    test('the other is turned away with SQLITE_BUSY after its whole timeout of 100 ms', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeGreaterThanOrEqual(100)
    })
    test('the first, who has waited all the time, writes once the other has rolled back', () => {
      expect(served.code).toBe('SQLITE_OK')
    })
  })

  describe('when someone reads the attached file, and both are to be committed', { tags: ['q23', 'q31'] }, () => {
    let commit: Outcome, main: Outcome, attached: Outcome, repeated: Outcome, both: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, reader: { timeout: 0 }, bystander: { timeout: 0 } }
      story = await contend('delete', cast, async ({ writer, reader, bystander }) => {
        await writer`ATTACH 'other.db' AS other`
        await writer`CREATE TABLE other.diary (line TEXT)`
        await reader`ATTACH 'other.db' AS other`
        await reader`BEGIN`
        await reader`SELECT line FROM diary`
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        await writer`INSERT INTO diary VALUES ('n is 1')`
        commit = await writer`COMMIT`
        main = await bystander`SELECT n FROM counter`
        attached = await reader`SELECT line FROM diary`
        await reader`COMMIT`
        repeated = await writer`COMMIT`
        both = await reader`SELECT n, line FROM counter, diary`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer is turned away at COMMIT with SQLITE_BUSY', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
    })
    test('the reader still gets no line from the attached file', () => {
      expect(attached.rows).toEqual([])
    })
    test.fails('myth: one who reads a file keeps nobody out of another', () => {
      expect(main.code).toBe('SQLITE_OK')
    })
    test('a bystander is turned away from the main file with SQLITE_BUSY, though nobody reads it: the writer keeps it shut', () => {
      expect(main.code).toBe('SQLITE_BUSY')
    })
    test('the writer commits once the reader has ended', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
    test('both files have their change then', () => {
      expect(both.rows).toEqual([{ n: 1, line: 'n is 1' }])
    })
  })

  describe.skipIf(!tellsLocks)('when the kernel is asked (needs /proc)', { tags: ['q23', 'q31'] }, () => {
    let read: Outcome, write: Outcome, immediate: Outcome, refused: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 0 }, reader: { timeout: 0 } }, async ({ first, reader }) => {
        await first`ATTACH 'other.db' AS other`
        await first`CREATE TABLE other.diary (line TEXT)`
        await reader`ATTACH 'other.db' AS other`
        immediate = await first`BEGIN IMMEDIATE`
        await first`COMMIT`
        await reader`BEGIN`
        read = await reader`SELECT line FROM diary`
        await first`BEGIN`
        write = await first`UPDATE counter SET n = n + 1`
        await first`INSERT INTO diary VALUES ('n is 1')`
        refused = await first`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the first holds RESERVED on both files after BEGIN IMMEDIATE', () => {
      expect(immediate.locks).toEqual(['RESERVED', 'other.db: RESERVED'])
    })
    test('the reader of the attached file holds SHARED on that one only', () => {
      expect(read.locks).toEqual(['other.db: SHARED'])
    })
    test('the first holds RESERVED on the main file only, when it has said BEGIN and written there', () => {
      expect(write.locks).toEqual(['RESERVED'])
    })
    test('the first, refused at COMMIT, holds EXCLUSIVE on the main file and PENDING on the attached one', () => {
      expect(refused.locks).toEqual(['EXCLUSIVE', 'other.db: PENDING'])
    })
  })

  describe('when a file is to be detached inside a transaction', { tags: ['q31'] }, () => {
    let detach: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 5_000 } }, async ({ first }) => {
        await first`ATTACH 'other.db' AS other`
        await first`CREATE TABLE other.diary (line TEXT)`
        await first`BEGIN`
        await first`SELECT line FROM diary`
        detach = await first`DETACH other`.mayAnswer('SQLITE_ERROR')
        await first`COMMIT`
        after = await first`DETACH other`
      })
    })
    beforeEach((context) => show(context, story))

    test('DETACH by the first, who is alone, is SQLITE_ERROR with the message "database other is locked"', () => {
      expect(detach).toMatchObject({ code: 'SQLITE_ERROR', message: 'database other is locked' })
    })
    test('DETACH by the first succeeds after its COMMIT', () => {
      expect(after.code).toBe('SQLITE_OK')
    })
  })
})
