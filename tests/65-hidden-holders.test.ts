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
  describe('when a loop has taken the first row, and has not come to its end', { tags: ['q23'] }, () => {
    let first: Outcome, refused: Outcome, rest: Outcome, finished: Outcome, again: Outcome, left: Outcome, story: Story
    let insert: Outcome, insertRefused: Outcome, inserted: Outcome

    beforeAll(async () => {
      const cast = { loop: { timeout: 0, program: 'iterator.ts' }, writer: { timeout: 0 } }
      story = await contend('delete', cast, async ({ loop, writer }) => {
        first = await loop`.first SELECT n FROM counter`
        refused = await writer`UPDATE counter SET n = n + 1`
        rest = await loop`.rest`
        finished = await writer`UPDATE counter SET n = n + 1`
        await loop`.first SELECT n FROM counter`
        again = await writer`UPDATE counter SET n = n + 1`
        await loop`.break`
        left = await writer`UPDATE counter SET n = n + 1`
        insert = await loop`.first INSERT INTO counter VALUES (7) RETURNING n`
        insertRefused = await writer`UPDATE counter SET n = n + 1`
        inserted = await loop`.break`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: outside a transaction, a connection that only reads keeps nobody out', () => {
      expect(refused.code).toBe('SQLITE_OK')
    })
    test('the writer is turned away with SQLITE_BUSY by the loop, which is in no transaction', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(first.inTransaction).toBe(false)
    })
    test('the writer writes once the loop has been told that there is no other row', () => {
      expect(rest.rows).toEqual([])
      expect(finished.code).toBe('SQLITE_OK')
    })
    test('the writer, turned away again, writes once the loop has been left with break', () => {
      expect([again.code, left.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test('the writer is turned away with SQLITE_BUSY while an INSERT … RETURNING is open', () => {
      expect(insertRefused.code).toBe('SQLITE_BUSY')
    })
    test.skipIf(!tellsLocks)('the loop holds SHARED while its query is open, and nothing afterwards (needs /proc)', () => {
      expect([first.locks, rest.locks]).toEqual([['SHARED'], []])
    })
    test.skipIf(!tellsLocks)('the loop holds RESERVED while its INSERT is open, and nothing afterwards (needs /proc)', () => {
      expect([insert.locks, inserted.locks]).toEqual([['RESERVED'], []])
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
    test('the other is turned away with SQLITE_BUSY after the COMMIT', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the other writes once the query is finished', () => {
      expect(admitted.code).toBe('SQLITE_OK')
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
    test('another SELECT of the loop is SQLITE_OK with n = 0, while its first query is open', () => {
      expect(stale).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }], inTransaction: false })
    })
    test('a checkpoint of the writer copies nothing, busy = 1, until the query is finished, busy = 0', () => {
      expect([held.rows, freed.rows]).toMatchObject([[{ busy: 1, checkpointed: 0 }], [{ busy: 0 }]])
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
    test('the loop is turned away at BEGIN IMMEDIATE with SQLITE_BUSY_SNAPSHOT at once, with most of its five seconds to spare', () => {
      expect(begin.code).toBe('SQLITE_BUSY_SNAPSHOT')
      expect(begin.waited).toBeLessThan(1_000)
    })
    test('the loop is admitted once the query is finished', () => {
      expect(again.code).toBe('SQLITE_OK')
    })
  })

  describe('when one whose query is open wants to write, to begin or to commit, better-sqlite3', { tags: ['q23'] }, () => {
    let begin: Outcome, write: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      const cast = { loop: { timeout: 5_000, program: 'iterator.ts', driver: 'better-sqlite3' as const } }
      story = await contend('wal', cast, async ({ loop }) => {
        await loop`.first SELECT n FROM counter`
        begin = await loop`BEGIN IMMEDIATE`.mayAnswer('TypeError')
        await loop`.rest`
        await loop`BEGIN`
        await loop`.first SELECT n FROM counter`
        write = await loop`UPDATE counter SET n = n + 1`.mayAnswer('TypeError')
        commit = await loop`COMMIT`.mayAnswer('TypeError')
        await loop`.rest`
      })
    })
    beforeEach((context) => show(context, story))

    test('the loop is stopped by its library with a TypeError at BEGIN IMMEDIATE, UPDATE and COMMIT, although nobody else is there', () => {
      expect([begin.code, write.code, commit.code]).toEqual(['TypeError', 'TypeError', 'TypeError'])
    })
    test('the message is "This database connection is busy executing a query", and the transaction stays open', () => {
      expect(commit).toMatchObject({ message: 'This database connection is busy executing a query', inTransaction: true })
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
    test('the other is turned away with SQLITE_BUSY when it wants to write', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the other sees the row once the loop is left with break', () => {
      expect(after.rows).toEqual([{ n: 0 }, { n: 7 }])
    })
  })

  describe('when a COMMIT is tried while an UPDATE … RETURNING of its own is open, node:sqlite', { tags: ['q15', 'q23'] }, () => {
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
    test('the loop, alone, is refused with SQLITE_BUSY at once: "cannot commit transaction - SQL statements in progress"', () => {
      expect(commit).toMatchObject({
        code: 'SQLITE_BUSY',
        message: 'cannot commit transaction - SQL statements in progress',
      })
      expect(commit.waited).toBeLessThan(1_000)
    })
  })
})

describe('Transactions left open, write-ahead log', () => {
  describe('when a statement of a transaction fails', { tags: ['q23'] }, () => {
    let failed: Outcome, refused: Outcome, freed: Outcome, rolledBack: Outcome, admitted: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, second: { timeout: 0 } }, async ({ holder, second }) => {
        await holder`BEGIN`
        failed = await holder`INSERT INTO counter VALUES (NULL)`.mayAnswer('SQLITE_CONSTRAINT_NOTNULL')
        refused = await second`UPDATE counter SET n = n + 1`
        await holder`ROLLBACK`
        freed = await second`UPDATE counter SET n = n + 1`
        await holder`BEGIN`
        rolledBack = await holder`INSERT OR ROLLBACK INTO counter VALUES (NULL)`.mayAnswer('SQLITE_CONSTRAINT_NOTNULL')
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
    test('the second is turned away with SQLITE_BUSY, and writes once the holder has said ROLLBACK', () => {
      expect([refused.code, freed.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test('the transaction of the holder is over after INSERT OR ROLLBACK has failed, and the second writes', () => {
      expect(rolledBack).toMatchObject({ code: 'SQLITE_CONSTRAINT_NOTNULL', inTransaction: false })
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
    test('the second is turned away with SQLITE_BUSY after ROLLBACK TO and RELEASE', () => {
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
    test('the waiter is turned away with SQLITE_BUSY', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
    test('the waiter has waited for its 200 ms, twice the timeout of the holder', () => {
      expect(begin.waited).toBeGreaterThanOrEqual(200)
    })
  })
})

describe('Attached files, write-ahead log', () => {
  describe('when two write to different files', { tags: ['q23', 'q31'] }, () => {
    let free: Outcome, taken: Outcome, attached: Outcome, begin: Outcome, single: Outcome, commit: Outcome, story: Story

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
        await first`COMMIT`
        await first`BEGIN IMMEDIATE`
        attached = await other`INSERT INTO diary VALUES ('Dear diary')`
        await first`COMMIT`
        await other`BEGIN`
        await other`INSERT INTO diary VALUES ('Dear diary')`
        begin = await first`BEGIN IMMEDIATE`
        single = await first`UPDATE counter SET n = n + 1`
        await other`COMMIT`
        await other`BEGIN`
        await other`SELECT line FROM diary`
        await first`BEGIN`
        await first`UPDATE counter SET n = n + 1`
        await first`INSERT INTO diary VALUES ('n is 3')`
        commit = await first`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other writes to the attached file while the first writes to the main one', () => {
      expect(free.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY when the first has written to both', () => {
      expect(taken.code).toBe('SQLITE_BUSY')
    })
    test.fails('myth: BEGIN IMMEDIATE locks the main file only', () => {
      expect(attached.code).toBe('SQLITE_OK')
    })
    test('the other is turned away from the attached file with SQLITE_BUSY when the first has said BEGIN IMMEDIATE', () => {
      expect(attached.code).toBe('SQLITE_BUSY')
    })
    test('the first is turned away at BEGIN IMMEDIATE with SQLITE_BUSY while the other writes to the attached file', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
    test('the first writes to the main file, without BEGIN IMMEDIATE, at the same moment', () => {
      expect(single.code).toBe('SQLITE_OK')
    })
    test('the first commits to both files while the other reads one of them, SQLITE_OK', () => {
      expect(commit.code).toBe('SQLITE_OK')
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
})

describe('Attached files, rollback journal', () => {
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
    test('a bystander is turned away from the main file with SQLITE_BUSY', () => {
      expect(main.code).toBe('SQLITE_BUSY')
    })
    test('the writer commits once the reader has ended', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
    test('both files have their change then', () => {
      expect(both.rows).toEqual([{ n: 1, line: 'n is 1' }])
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
        after = await first`DETACH other`.mayAnswer('SQLITE_ERROR')
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
