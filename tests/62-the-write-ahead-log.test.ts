/**
 * A snapshot begins with the first read, not with BEGIN, and lasts until the transaction ends. Whoever writes on top of one needs
 * two things: that nobody else is writing (otherwise SQLITE_BUSY), and that it is still the newest state (otherwise
 * SQLITE_BUSY_SNAPSHOT). The first obstacle may go away, the second never does. Any commit that adds to the log makes a snapshot
 * stale, not only one to what was read, which is the example of https://sqlite.org/rescode.html#busy_snapshot; and so does a
 * checkpoint that truncates the log, of which that page says nothing.
 *
 * After BEGIN IMMEDIATE, nothing through the next COMMIT returns SQLITE_BUSY, says https://sqlite.org/rescode.html#busy. In the
 * write-ahead log no reader refutes that. With a rollback journal one has COMMIT refused, as
 * https://sqlite.org/lang_transaction.html says; and, as neither page says, even a COMMIT that has nothing to write.
 *
 * https://sqlite.org/isolation.html · https://sqlite.org/wal.html#concurrency
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { show } from '../helpers/show.ts'

describe('Snapshots, no timeout, write-ahead log', { tags: ['q18'] }, () => {
  describe('when the writer commits between BEGIN and the first SELECT of the reader', () => {
    let read: Outcome, still: Outcome, newest: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { reader: { timeout: 0 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        read = await reader`SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        still = await reader`SELECT n FROM counter`
        newest = await writer`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a snapshot begins at BEGIN', () => {
      expect(read.rows).toEqual([{ n: 0 }])
    })
    test('the reader gets SQLITE_OK and n is 1: its snapshot begins at its first SELECT', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
    test('the reader still sees that n is 1 when the writer has committed once more and sees that n is 2', () => {
      expect([still.rows, newest.rows]).toEqual([[{ n: 1 }], [{ n: 2 }]])
    })
  })

  describe('when the writer changes two tables in one transaction', () => {
    let line: Outcome, before: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 0
      const cast = { reader: { timeout }, careless: { timeout }, writer: { timeout } }
      story = await contend('wal', cast, async ({ reader, careless, writer }) => {
        await writer`CREATE TABLE diary (line TEXT)`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        before = await careless`SELECT n FROM counter`
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        await writer`INSERT INTO diary VALUES ('n is 1')`
        await writer`COMMIT`
        line = await reader`SELECT line FROM diary`
        after = await careless`SELECT line FROM diary`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a snapshot is of the tables that have been read', () => {
      expect(line.rows).toEqual([{ line: 'n is 1' }])
    })
    test('the reader gets SQLITE_OK and no line from the diary, although it had not read that table before', () => {
      expect(line).toMatchObject({ code: 'SQLITE_OK', rows: [] })
    })
    test('the careless one, without BEGIN, puts together what never was: n is 0, and the diary says "n is 1"', () => {
      expect([before.rows, after.rows]).toEqual([[{ n: 0 }], [{ line: 'n is 1' }]])
    })
  })

  describe('when the reader stays, and no checkpoint can copy what the writer commits', { tags: ['q28'] }, () => {
    let commits: Outcome[], during: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { reader: { timeout: 0 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`PRAGMA wal_autocheckpoint = 1`
        commits = []
        for (let i = 0; i < 5; i++) commits.push(await writer`UPDATE counter SET n = n + 1`)
        during = await writer`PRAGMA wal_checkpoint`
        await reader`COMMIT`
        after = await writer`PRAGMA wal_checkpoint`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a long reader makes writers SQLITE_BUSY, because the log cannot be checkpointed', () => {
      expect(commits[4].code).not.toBe('SQLITE_OK')
    })
    test('the writer gets SQLITE_OK for each of its 5 commits, although none of their frames can be copied before the reader has left', () => {
      expect(commits.map(({ code }) => code)).toEqual(Array(5).fill('SQLITE_OK'))
      expect([during.rows, after.rows]).toMatchObject([[{ checkpointed: 0 }], [{ log: 5, checkpointed: 5 }]])
    })
  })

  describe('when the reader has opened the database read-only, and says BEGIN IMMEDIATE', { tags: ['q19'] }, () => {
    let update: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0, readonly: true }, writer: { timeout: 0 } }
      story = await contend('wal', cast, async ({ reader, writer }) => {
        await reader`BEGIN IMMEDIATE`
        update = await writer`UPDATE counter SET n = n + 1`
        read = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer gets SQLITE_OK for UPDATE while the reader is inside', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
    test('the reader sees that n is 0: here the snapshot does begin at BEGIN', () => {
      expect(read.rows).toEqual([{ n: 0 }])
    })
  })
})

describe('A transaction that has read and then writes, five-second timeout, write-ahead log', { tags: ['q14'] }, () => {
  describe('when the first is writing, and commits before the other repeats its statement', () => {
    let write: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await other`BEGIN`
        await other`SELECT n FROM counter`
        await first`BEGIN IMMEDIATE`
        await first`UPDATE counter SET n = n + 1`
        write = await other`UPDATE counter SET n = n + 1`
        await first`COMMIT`
        repeated = await other`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other gets SQLITE_BUSY while the first is writing, and SQLITE_BUSY_SNAPSHOT when the first has committed', () => {
      expect([write.code, repeated.code]).toEqual(['SQLITE_BUSY', 'SQLITE_BUSY_SNAPSHOT'])
    })
    test('the other reads "database is locked" both times: the message does not tell which of the two it is', () => {
      expect([write.message, repeated.message]).toEqual(['database is locked', 'database is locked'])
    })
  })

  describe('when the first is writing, and rolls back before the other repeats its statement', () => {
    let write: Outcome, repeated: Outcome, commit: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await other`BEGIN`
        await other`SELECT n FROM counter`
        await first`BEGIN IMMEDIATE`
        await first`UPDATE counter SET n = n + 1`
        write = await other`UPDATE counter SET n = n + 10`
        await first`ROLLBACK`
        repeated = await other`UPDATE counter SET n = n + 10`
        commit = await other`COMMIT`
        total = await first`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a transaction that has read, once refused, can only be rolled back', () => {
      expect(repeated.code).not.toBe('SQLITE_OK')
    })
    test('the other, refused with SQLITE_BUSY, repeats its statement with SQLITE_OK', () => {
      expect([write.code, repeated.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test('the other commits, and its change alone is counted: n is 10', () => {
      expect(commit.code).toBe('SQLITE_OK')
      expect(total.rows).toEqual([{ n: 10 }])
    })
  })

  describe('when the first commits an empty transaction, and then an UPDATE to the value that is already there', () => {
    let write: Outcome, repeated: Outcome, log: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await other`BEGIN`
        await other`SELECT n FROM counter`
        await first`BEGIN IMMEDIATE`
        write = await other`UPDATE counter SET n = n + 1`
        await first`COMMIT`
        await first`UPDATE counter SET n = 0`
        repeated = await other`UPDATE counter SET n = n + 1`
        log = await first`PRAGMA wal_checkpoint`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: every COMMIT and every UPDATE of another makes the snapshot stale', () => {
      expect(repeated.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the other gets SQLITE_BUSY while the first may write, and SQLITE_OK when both are committed', () => {
      expect([write.code, repeated.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test('the first has added no frame to the log', () => {
      expect(log.rows).toEqual([{ busy: 0, log: 0, checkpointed: 0 }])
    })
  })

  describe('when the first commits a change to a table that the other has not read', () => {
    let write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await first`CREATE TABLE diary (line TEXT)`
        await other`BEGIN`
        await other`SELECT n FROM counter`
        await first`INSERT INTO diary VALUES ('Dear diary')`
        write = await other`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a snapshot is stale only if what was read has changed', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY_SNAPSHOT', () => {
      expect(write.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
  })

  describe('when the SELECT of the other comes before its BEGIN', () => {
    let write: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await other`SELECT n FROM counter`
        await other`BEGIN`
        await first`UPDATE counter SET n = n + 1`
        write = await other`UPDATE counter SET n = n + 1`
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other writes, SQLITE_OK: a SELECT outside the transaction leaves no snapshot behind', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the other writes on top of what the first has committed since its SELECT: n is 2', () => {
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })

  describe('when a checkpoint comes in between, one that copies the log, and one that truncates it', () => {
    let copied: Outcome, written: Outcome, truncated: Outcome, read: Outcome, newest: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await first`UPDATE counter SET n = n + 1`
        await other`BEGIN`
        await other`SELECT n FROM counter`
        copied = await first`PRAGMA wal_checkpoint(FULL)`
        written = await other`UPDATE counter SET n = n + 1`
        await other`ROLLBACK`
        await other`BEGIN`
        await other`SELECT n FROM counter`
        truncated = await first`PRAGMA wal_checkpoint(TRUNCATE)`
        read = await other`SELECT n FROM counter`
        newest = await first`SELECT n FROM counter`
        write = await other`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other writes, SQLITE_OK, after 1 of 1 pages has been copied into the database', () => {
      expect(copied.rows).toEqual([{ busy: 0, log: 1, checkpointed: 1 }])
      expect(written.code).toBe('SQLITE_OK')
    })
    test('the first truncates the log in spite of the snapshot of the other: busy is 0', () => {
      expect(truncated.rows).toEqual([{ busy: 0, log: 0, checkpointed: 0 }])
    })
    test.fails('myth: only a write makes a snapshot stale', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY_SNAPSHOT after that', () => {
      expect(write.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the other sees the same as the first, who sees the newest state: n is 1', () => {
      expect([read.rows, newest.rows]).toEqual([[{ n: 1 }], [{ n: 1 }]])
    })
  })
})

describe('COMMIT after BEGIN IMMEDIATE, no timeout, write-ahead log', { tags: ['q15'] }, () => {
  describe('when one reader holds an older snapshot and one has entered since', { tags: ['q18'] }, () => {
    let commit: Outcome, early: Outcome, late: Outcome, newest: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 0
      const cast = { earlyReader: { timeout }, lateReader: { timeout }, writer: { timeout } }
      story = await contend('wal', cast, async ({ earlyReader, lateReader, writer }) => {
        await earlyReader`BEGIN`
        await earlyReader`SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        await lateReader`BEGIN`
        await lateReader`SELECT n FROM counter`
        commit = await writer`COMMIT`
        early = await earlyReader`SELECT n FROM counter`
        late = await lateReader`SELECT n FROM counter`
        newest = await writer`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer commits, SQLITE_OK, with both of them inside', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the early reader, the late reader and the writer see three states side by side: n is 0, 1 and 2', () => {
      expect([early.rows, late.rows, newest.rows]).toEqual([[{ n: 0 }], [{ n: 1 }], [{ n: 2 }]])
    })
  })
})

describe('COMMIT after BEGIN IMMEDIATE, rollback journal', { tags: ['q15'] }, () => {
  describe('when a reader comes after BEGIN IMMEDIATE, and there is no timeout', () => {
    let read: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 }, reader: { timeout: 0 } }, async ({ writer, reader }) => {
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        await reader`BEGIN`
        read = await reader`SELECT n FROM counter`
        commit = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: BEGIN IMMEDIATE keeps readers out of a rollback journal', () => {
      expect(read.code).toBe('SQLITE_BUSY')
    })
    test('the reader is admitted, SQLITE_OK, and sees that n is 0', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test('the writer is turned away at COMMIT with SQLITE_BUSY by a reader that came after it', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
    })
  })
})

describe('BEGIN EXCLUSIVE, no timeout, write-ahead log', { tags: ['q17'] }, () => {
  describe('when a reader is inside before, and others come', () => {
    let begin: Outcome, refused: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 0
      const cast = { reader: { timeout }, holder: { timeout }, other: { timeout } }
      story = await contend('wal', cast, async ({ reader, holder, other }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        begin = await holder`BEGIN EXCLUSIVE`
        refused = await other`UPDATE counter SET n = n + 1`
        await holder`UPDATE counter SET n = n + 1`
        read = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the holder is admitted beside the reader, SQLITE_OK', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY when it wants to write', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test.fails('myth: BEGIN EXCLUSIVE locks readers out', () => {
      expect(read.code).toBe('SQLITE_BUSY')
    })
    test('the other is admitted, SQLITE_OK, when it wants to read, and sees that n is 0', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
  })
})

describe('Transactions that only read, write-ahead log', { tags: ['q19'] }, () => {
  describe('when two say BEGIN, and then BEGIN IMMEDIATE', () => {
    let deferred: Outcome, immediate: Outcome, plain: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, twin: { timeout: 0 }, writer: { timeout: 5_000 } }
      story = await contend('wal', cast, async ({ reader, twin, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await twin`BEGIN`
        deferred = await twin`SELECT n FROM counter`
        await reader`COMMIT`
        await twin`COMMIT`
        await reader`BEGIN IMMEDIATE`
        await reader`SELECT n FROM counter`
        immediate = await twin`BEGIN IMMEDIATE`
        plain = await twin`SELECT n FROM counter`
        const turn = writer`UPDATE counter SET n = n + 1`
        await turn.blocks()
        await reader`COMMIT`
        write = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: two that only read never lock each other out', () => {
      expect(immediate.code).toBe('SQLITE_OK')
    })
    test('the twin reads after BEGIN, SQLITE_OK, and is turned away at BEGIN IMMEDIATE with SQLITE_BUSY', () => {
      expect([deferred.code, immediate.code]).toEqual(['SQLITE_OK', 'SQLITE_BUSY'])
    })
    test('the twin reads beside it without BEGIN, SQLITE_OK', () => {
      expect(plain.code).toBe('SQLITE_OK')
    })
    test('the writer has to wait for the reader, which writes nothing, before its UPDATE is SQLITE_OK', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
  })
})

describe('Transactions that only read, no timeout, rollback journal', { tags: ['q19', 'q15'] }, () => {
  describe('when two say BEGIN IMMEDIATE, and a third reads without it', () => {
    let refused: Outcome, commit: Outcome, shut: Outcome, rollback: Outcome, open: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 0
      const cast = { plainReader: { timeout }, reader: { timeout }, twin: { timeout } }
      story = await contend('delete', cast, async ({ plainReader, reader, twin }) => {
        await plainReader`BEGIN`
        await plainReader`SELECT n FROM counter`
        await reader`BEGIN IMMEDIATE`
        await reader`SELECT n FROM counter`
        refused = await twin`BEGIN IMMEDIATE`
        commit = await reader`COMMIT`
        shut = await twin`SELECT n FROM counter`
        rollback = await reader`ROLLBACK`
        open = await twin`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the twin is turned away at BEGIN IMMEDIATE with SQLITE_BUSY', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test.fails('myth: a COMMIT that has nothing to write cannot be refused', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the reader, which has changed nothing, is turned away at COMMIT with SQLITE_BUSY by the plain reader', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
    })
    test('the twin, who only wants to read, is turned away with SQLITE_BUSY as long as the refused COMMIT stands', () => {
      expect([shut.code, open.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test('the reader ends with ROLLBACK what it may not COMMIT: SQLITE_OK', () => {
      expect([commit.code, rollback.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
  })
})

describe('BEGIN CONCURRENT, write-ahead log', { tags: ['q9'] }, () => {
  describe('when the first says BEGIN CONCURRENT', () => {
    let begin: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 } }, async ({ first }) => {
        begin = await first`BEGIN CONCURRENT`.mayAnswer('SQLITE_ERROR')
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: SQLite has BEGIN CONCURRENT', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the first gets SQLITE_ERROR, near "CONCURRENT": syntax error', () => {
      expect(begin).toMatchObject({ code: 'SQLITE_ERROR', message: 'near "CONCURRENT": syntax error' })
    })
  })
})
