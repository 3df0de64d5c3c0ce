/**
 * A lock is held until the transaction ends, and some transactions do not look like one, or do not end where they seem to. A query
 * whose rows have not all been fetched is still running. A statement that failed has not ended its transaction. BEGIN IMMEDIATE
 * begins one in every file that is attached. And nothing ends the transaction of somebody who has gone to lunch.
 *
 * https://sqlite.org/lang_transaction.html#implicit_versus_explicit_transactions · https://sqlite.org/lang_returning.html ·
 * https://sqlite.org/lang_attach.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { show } from '../helpers/show.ts'

const iterating = { timeout: 0, program: 'iterator.ts' }

describe('A query that is not finished, no timeout, rollback journal', { tags: ['q23'] }, () => {
  describe('when the reader has fetched one of two rows, without a transaction', () => {
    let first: Outcome, write: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: iterating, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await writer`INSERT INTO counter VALUES (1)`
        first = await reader`.first SELECT n FROM counter`
        write = await writer`UPDATE counter SET n = n + 1`
        await reader`.break`
        after = await writer`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader is in no transaction, as far as it knows', () => {
      expect(first.inTransaction).toBe(false)
    })
    test.fails('myth: without BEGIN nothing stays locked', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the writer is turned away with SQLITE_BUSY: the query is a transaction until its last row', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the writer writes once the reader has left its loop', () => {
      expect(after.code).toBe('SQLITE_OK')
    })
  })

  describe('when the writer has fetched one of the two rows of its INSERT … RETURNING', () => {
    let first: Outcome, seen: Outcome, write: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: iterating, other: { timeout: 0 } }, async ({ writer, other }) => {
        first = await writer`.first INSERT INTO counter VALUES (1), (2) RETURNING n`
        seen = await other`SELECT n FROM counter`
        write = await other`UPDATE counter SET n = n + 1`
        await writer`.rest`
        after = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a row that RETURNING has given back is in the database', () => {
      expect(seen.rows).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }])
    })
    test('the writer has the row 1, and the other sees neither it nor the next', () => {
      expect(first.rows).toEqual([{ n: 1 }])
      expect(seen.rows).toEqual([{ n: 0 }])
    })
    test('the other cannot write: SQLITE_BUSY', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the other sees both rows when the writer has fetched them', () => {
      expect(after.rows).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }])
    })
  })

  describe('when the reader, on better-sqlite3, says COMMIT in the middle of its query', () => {
    let commit: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { ...iterating, driver: 'better-sqlite3' }, writer: { timeout: 0 } } as const
      story = await contend('delete', cast, async ({ reader, writer }) => {
        await writer`INSERT INTO counter VALUES (1)`
        await reader`BEGIN`
        await reader`.first SELECT n FROM counter`
        commit = await reader`COMMIT`.mayAnswer('TypeError')
        write = await writer`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the library does not let it: "This database connection is busy executing a query"', () => {
      expect(commit).toMatchObject({ code: 'TypeError', message: 'This database connection is busy executing a query' })
    })
    test('the transaction is still open, and the writer turned away with SQLITE_BUSY', () => {
      expect(commit.inTransaction).toBe(true)
      expect(write.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when the reader, on node:sqlite, says COMMIT in the middle of its query', () => {
    let commit: Outcome, write: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { ...iterating, driver: 'node:sqlite' }, writer: { timeout: 0 } } as const
      story = await contend('delete', cast, async ({ reader, writer }) => {
        await writer`INSERT INTO counter VALUES (1)`
        await reader`BEGIN`
        await reader`.first SELECT n FROM counter`
        commit = await reader`COMMIT`
        write = await writer`UPDATE counter SET n = n + 1`
        await reader`.rest`
        after = await writer`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('COMMIT is SQLITE_OK, and the transaction over', () => {
      expect(commit).toMatchObject({ code: 'SQLITE_OK', inTransaction: false })
    })
    test.fails('myth: after COMMIT nothing is locked', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the writer is turned away with SQLITE_BUSY after that COMMIT: the query reads on', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the writer writes when the reader has fetched its last row', () => {
      expect(after.code).toBe('SQLITE_OK')
    })
  })
})

describe('A query that is not finished, no timeout, write-ahead log', { tags: ['q23'] }, () => {
  describe('when the reader has fetched one of two rows, without a transaction', () => {
    let write: Outcome, checkpoint: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: iterating, writer: { timeout: 0 }, keeper: { timeout: 0 } }
      story = await contend('wal', cast, async ({ reader, writer, keeper }) => {
        await writer`INSERT INTO counter VALUES (1)`
        await reader`.first SELECT n FROM counter`
        write = await writer`UPDATE counter SET n = n + 1`
        checkpoint = await keeper`PRAGMA wal_checkpoint(TRUNCATE)`
        await reader`.break`
        after = await keeper`PRAGMA wal_checkpoint(TRUNCATE)`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer is not refused', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('a checkpoint cannot finish, 1 of 2 pages: the query keeps its snapshot until its last row', () => {
      expect(checkpoint.rows).toEqual([{ busy: 1, log: 2, checkpointed: 1 }])
    })
    test('a checkpoint finishes once the reader has left its loop', () => {
      expect(after.rows).toEqual([{ busy: 0, log: 0, checkpointed: 0 }])
    })
  })

  describe('when the reader, on node:sqlite, writes in the middle of its query', () => {
    let write: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { ...iterating, timeout: 5_000, driver: 'node:sqlite' }, writer: { timeout: 0 } } as const
      story = await contend('wal', cast, async ({ reader, writer }) => {
        await writer`INSERT INTO counter VALUES (1)`
        await reader`.first SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        write = await reader`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: without BEGIN there is no SQLITE_BUSY_SNAPSHOT', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the reader is turned away with SQLITE_BUSY_SNAPSHOT: its loop has read what the writer has changed since', () => {
      expect(write).toMatchObject({ code: 'SQLITE_BUSY_SNAPSHOT', inTransaction: false })
    })
    test('the reader is turned away at once, with five seconds to spare', () => {
      expect(write.waited).toBeLessThan(1_000)
    })
  })

  describe('when the reader, on better-sqlite3, writes in the middle of its query', () => {
    let write: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { ...iterating, driver: 'better-sqlite3' }, writer: { timeout: 0 } } as const
      story = await contend('wal', cast, async ({ reader, writer }) => {
        await writer`INSERT INTO counter VALUES (1)`
        await reader`.first SELECT n FROM counter`
        write = await reader`UPDATE counter SET n = n + 1`.mayAnswer('TypeError')
      })
    })
    beforeEach((context) => show(context, story))

    test('the library does not let it: "This database connection is busy executing a query"', () => {
      expect(write).toMatchObject({ code: 'TypeError', message: 'This database connection is busy executing a query' })
    })
  })

  describe('when the writer has fetched one of the two rows of its INSERT … RETURNING', () => {
    let seen: Outcome, write: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: iterating, other: { timeout: 0 } }, async ({ writer, other }) => {
        await writer`.first INSERT INTO counter VALUES (1), (2) RETURNING n`
        seen = await other`SELECT n FROM counter`
        write = await other`UPDATE counter SET n = n + 1`
        await writer`.break`
        after = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other sees neither of the rows', () => {
      expect(seen.rows).toEqual([{ n: 0 }])
    })
    test('the other cannot write: SQLITE_BUSY', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the other sees both rows when the writer has left its loop after the first', () => {
      expect(after.rows).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }])
    })
  })
})

describe('A transaction that seems to be over, no timeout, write-ahead log', { tags: ['q23'] }, () => {
  describe('when its only statement has failed', () => {
    let failed: Outcome, write: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, other: { timeout: 0 } }, async ({ holder, other }) => {
        await holder`BEGIN`
        failed = await holder`INSERT INTO counter VALUES (NULL)`.mayAnswer('SQLITE_CONSTRAINT_NOTNULL')
        write = await other`UPDATE counter SET n = 1`
        await holder`ROLLBACK`
        after = await other`UPDATE counter SET n = 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: an error ends the transaction', () => {
      expect(failed.inTransaction).toBe(false)
    })
    test('the transaction goes on after SQLITE_CONSTRAINT_NOTNULL', () => {
      expect(failed).toMatchObject({ code: 'SQLITE_CONSTRAINT_NOTNULL', inTransaction: true })
    })
    test('the holder keeps the write lock for nothing: the other is turned away with SQLITE_BUSY', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the other writes when the holder has rolled back', () => {
      expect(after.code).toBe('SQLITE_OK')
    })
  })

  describe('when all it has done is rolled back to a savepoint', () => {
    let write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, other: { timeout: 0 } }, async ({ holder, other }) => {
        await holder`BEGIN`
        await holder`SAVEPOINT here`
        await holder`UPDATE counter SET n = 1`
        await holder`ROLLBACK TO here`
        await holder`RELEASE here`
        write = await other`UPDATE counter SET n = 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: ROLLBACK TO gives the write lock back', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY: only the end of the transaction gives the lock back', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
  })
})

describe('A transaction over two files, no timeout, write-ahead log', { tags: ['q31', 'q23'] }, () => {
  describe('when the first writes to one file and the other to the attached one', () => {
    let write: Outcome, commits: Outcome[], immediate: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`ATTACH 'diary.db' AS diary`
        await first`CREATE TABLE diary.lines (line TEXT)`
        await other`ATTACH 'diary.db' AS diary`
        await first`BEGIN`
        await first`UPDATE counter SET n = 1`
        await other`BEGIN`
        write = await other`INSERT INTO diary.lines VALUES ('Dear diary')`
        commits = [await first`COMMIT`, await other`COMMIT`]
        await first`BEGIN IMMEDIATE`
        immediate = await other`INSERT INTO diary.lines VALUES ('Dear diary')`
      })
    })
    beforeEach((context) => show(context, story))

    test('writers to two files do not meet', () => {
      expect(write.code).toBe('SQLITE_OK')
      expect(commits.map(({ code }) => code)).toEqual(['SQLITE_OK', 'SQLITE_OK'])
    })
    test.fails('myth: BEGIN IMMEDIATE locks only what the transaction will write to', () => {
      expect(immediate.code).toBe('SQLITE_OK')
    })
    test('after the BEGIN IMMEDIATE of the first the other is turned away with SQLITE_BUSY, in the attached file too', () => {
      expect(immediate.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when the one who says BEGIN IMMEDIATE finds only the attached file locked', () => {
    let immediate: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`ATTACH 'diary.db' AS diary`
        await first`CREATE TABLE diary.lines (line TEXT)`
        await other`ATTACH 'diary.db' AS diary`
        await first`BEGIN`
        await first`INSERT INTO diary.lines VALUES ('Dear diary')`
        immediate = await other`BEGIN IMMEDIATE`
        write = await other`UPDATE counter SET n = 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('BEGIN IMMEDIATE is turned away with SQLITE_BUSY', () => {
      expect(immediate).toMatchObject({ code: 'SQLITE_BUSY', inTransaction: false })
    })
    test('a write to the first file, on its own, is not', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
  })
})

describe('A transaction over two files, no timeout, rollback journal', { tags: ['q31', 'q23'] }, () => {
  describe('when the first writes to one file and the other to the attached one', () => {
    let write: Outcome, immediate: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`ATTACH 'diary.db' AS diary`
        await first`CREATE TABLE diary.lines (line TEXT)`
        await other`ATTACH 'diary.db' AS diary`
        await first`BEGIN`
        await first`UPDATE counter SET n = 1`
        write = await other`INSERT INTO diary.lines VALUES ('Dear diary')`
        await first`COMMIT`
        await first`BEGIN IMMEDIATE`
        immediate = await other`INSERT INTO diary.lines VALUES ('Dear diary')`
      })
    })
    beforeEach((context) => show(context, story))

    test('writers to two files do not meet', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('after the BEGIN IMMEDIATE of the first the other is turned away with SQLITE_BUSY, in the attached file too', () => {
      expect(immediate.code).toBe('SQLITE_BUSY')
    })
  })
})
