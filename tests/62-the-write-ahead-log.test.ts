/**
 * A snapshot begins with the first read, not with BEGIN, and lasts until the transaction ends. Whoever writes on top of one needs
 * two things: that nobody else is writing (otherwise SQLITE_BUSY), and that it is still the newest state (otherwise
 * SQLITE_BUSY_SNAPSHOT). The first obstacle may go away, the second never does. A commit anywhere in the file makes a snapshot stale,
 * not only one to what was read, which is the example of https://sqlite.org/rescode.html#busy_snapshot; and so does a checkpoint
 * that truncates the log, of which that page says nothing.
 *
 * After BEGIN IMMEDIATE, nothing through the next COMMIT returns SQLITE_BUSY, says https://sqlite.org/rescode.html#busy. In the
 * write-ahead log that is so. With a rollback journal a reader has COMMIT refused, as https://sqlite.org/lang_transaction.html says;
 * and, as neither page says, even a COMMIT that has nothing to write.
 *
 * https://sqlite.org/isolation.html · https://sqlite.org/wal.html#concurrency
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { tellsLocks } from '../helpers/kernel.ts'
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

  describe('when the early reader, the late reader and a newcomer begin one commit apart', () => {
    let early: Outcome, late: Outcome, newcomer: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 0
      const cast = { earlyReader: { timeout }, lateReader: { timeout }, newcomer: { timeout }, writer: { timeout } }
      story = await contend('wal', cast, async (contenders) => {
        const { earlyReader, lateReader, writer } = contenders
        await earlyReader`BEGIN`
        await earlyReader`SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        await lateReader`BEGIN`
        await lateReader`SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        early = await earlyReader`SELECT n FROM counter`
        late = await lateReader`SELECT n FROM counter`
        newcomer = await contenders.newcomer`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the early reader, the late reader and the newcomer see three states side by side: n is 0, 1 and 2', () => {
      expect([early.rows, late.rows, newcomer.rows]).toEqual([[{ n: 0 }], [{ n: 1 }], [{ n: 2 }]])
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
    test('the reader gets SQLITE_OK and no line from the diary: a table it had not read is as old as the one it had', () => {
      expect(line).toMatchObject({ code: 'SQLITE_OK', rows: [] })
    })
    test('the careless one, without BEGIN, puts together what never was: n is 0, and the diary says "n is 1"', () => {
      expect([before.rows, after.rows]).toEqual([[{ n: 0 }], [{ line: 'n is 1' }]])
    })
  })

  describe('when the reader has opened the database read-only, and says BEGIN IMMEDIATE', { tags: ['q19'] }, () => {
    let begin: Outcome, update: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, reader: { timeout: 0, readonly: true } }
      story = await contend('wal', cast, async ({ writer, reader }) => {
        await writer`BEGIN IMMEDIATE`
        begin = await reader`BEGIN IMMEDIATE`
        await writer`COMMIT`
        update = await writer`UPDATE counter SET n = n + 1`
        read = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader gets SQLITE_OK for BEGIN IMMEDIATE while the writer is inside', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
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
    test('the other reads "database is locked" both times: the message does not tell that retrying has become useless', () => {
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
        write = await other`UPDATE counter SET n = n + 1`
        await first`ROLLBACK`
        repeated = await other`UPDATE counter SET n = n + 1`
        commit = await other`COMMIT`
        total = await first`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a transaction that has read, once refused, can only be rolled back', () => {
      expect(repeated.code).toBe('SQLITE_BUSY')
    })
    test('the other, refused with SQLITE_BUSY, repeats its statement with SQLITE_OK: its snapshot is still the newest state', () => {
      expect([write.code, repeated.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test('the other commits, and its change alone is counted: n is 1', () => {
      expect(commit.code).toBe('SQLITE_OK')
      expect(total.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when the first commits a transaction that has changed nothing', () => {
    let write: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await other`BEGIN`
        await other`SELECT n FROM counter`
        await first`BEGIN IMMEDIATE`
        write = await other`UPDATE counter SET n = n + 1`
        await first`COMMIT`
        repeated = await other`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other gets SQLITE_BUSY while the first may write, and SQLITE_OK when it has ended: an empty COMMIT makes no new state', () => {
      expect([write.code, repeated.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
  })

  describe('when the first commits an UPDATE to the value that is already there', () => {
    let write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await other`BEGIN`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = 0`
        write = await other`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: every UPDATE of another makes the snapshot stale', () => {
      expect(write.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the other writes, SQLITE_OK: no byte of the database has changed', () => {
      expect(write.code).toBe('SQLITE_OK')
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
    test('the other is turned away with SQLITE_BUSY_SNAPSHOT, though nothing it has read is out of date', () => {
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

  describe('when a checkpoint copies the whole log in between', () => {
    let checkpoint: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await first`UPDATE counter SET n = n + 1`
        await other`BEGIN`
        await other`SELECT n FROM counter`
        checkpoint = await first`PRAGMA wal_checkpoint(FULL)`
        write = await other`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other writes, SQLITE_OK, after 1 of 1 pages has been checkpointed: that makes no new state', () => {
      expect(checkpoint.rows).toEqual([{ busy: 0, log: 1, checkpointed: 1 }])
      expect(write.code).toBe('SQLITE_OK')
    })
  })

  describe('when a checkpoint truncates the log in between', () => {
    let truncate: Outcome, read: Outcome, newest: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await first`UPDATE counter SET n = n + 1`
        await first`PRAGMA wal_checkpoint(FULL)`
        await other`BEGIN`
        await other`SELECT n FROM counter`
        truncate = await first`PRAGMA wal_checkpoint(TRUNCATE)`
        read = await other`SELECT n FROM counter`
        newest = await first`SELECT n FROM counter`
        write = await other`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the first truncates the log in spite of the snapshot, which needs none of it: busy is 0', () => {
      expect(truncate.rows).toEqual([{ busy: 0, log: 0, checkpointed: 0 }])
    })
    test.fails('myth: only a write makes a snapshot stale', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY_SNAPSHOT, though nobody has written since it read', () => {
      expect(write.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the other sees the same as the first, who sees the newest state: n is 1', () => {
      expect([read.rows, newest.rows]).toEqual([[{ n: 1 }], [{ n: 1 }]])
    })
  })
})

describe('COMMIT after BEGIN IMMEDIATE, no timeout, write-ahead log', { tags: ['q15'] }, () => {
  describe('when one reader holds an older snapshot and one has entered since', () => {
    let commit: Outcome, early: Outcome, late: Outcome, story: Story

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
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer commits, SQLITE_OK, whichever snapshots are held', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the early reader and the late reader keep theirs: n is 0 and 1', () => {
      expect([early.rows, late.rows]).toEqual([[{ n: 0 }], [{ n: 1 }]])
    })
  })

  describe('when a checkpoint is under way and waits for the writer', () => {
    let commit: Outcome, checkpoint: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, checkpointer: { timeout: 5_000 } }
      story = await contend('wal', cast, async ({ writer, checkpointer }) => {
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        const turn = checkpointer`PRAGMA wal_checkpoint(FULL)`
        await turn.blocks()
        commit = await writer`COMMIT`
        checkpoint = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer commits, SQLITE_OK', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the checkpointer waits for the COMMIT, and copies it: 1 of 1 pages', () => {
      expect(checkpoint.rows).toEqual([{ busy: 0, log: 1, checkpointed: 1 }])
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

  describe('when the writer, with a timeout of 100 ms, changes more than its cache holds while the reader reads', () => {
    let insert: Outcome, refused: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 100 }, reader: { timeout: 0 }, newcomer: { timeout: 0 } }
      story = await contend('delete', cast, async ({ writer, reader, newcomer }) => {
        await writer`PRAGMA cache_size = 10`
        await writer`CREATE TABLE diary (line TEXT)`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN IMMEDIATE`
        insert =
          await writer`INSERT INTO diary WITH day(d) AS (SELECT 1 UNION ALL SELECT d + 1 FROM day WHERE d < 30) SELECT hex(zeroblob(2000)) FROM day`
        refused = await newcomer`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer is not refused: its INSERT waits for the reader for the whole timeout of 100 ms, and is SQLITE_OK', () => {
      expect(insert.code).toBe('SQLITE_OK')
      expect(insert.waited).toBeGreaterThanOrEqual(100)
    })
    test('the newcomer is turned away with SQLITE_BUSY before the writer has said COMMIT', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
  })
})

describe('BEGIN EXCLUSIVE, no timeout, write-ahead log', { tags: ['q17'] }, () => {
  describe('when the holder is inside', () => {
    let read: Outcome, refused: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 0
      const cast = { holder: { timeout }, reader: { timeout }, writer: { timeout } }
      story = await contend('wal', cast, async ({ holder, reader, writer }) => {
        await holder`BEGIN EXCLUSIVE`
        refused = await writer`UPDATE counter SET n = n + 1`
        await holder`UPDATE counter SET n = n + 1`
        read = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: BEGIN EXCLUSIVE locks readers out', () => {
      expect(read.code).toBe('SQLITE_BUSY')
    })
    test('the reader is admitted, SQLITE_OK, and sees that n is 0', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test('the writer is turned away with SQLITE_BUSY', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when the reader is inside', () => {
    let begin: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { reader: { timeout: 0 }, holder: { timeout: 0 } }, async ({ reader, holder }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        begin = await holder`BEGIN EXCLUSIVE`
        await holder`UPDATE counter SET n = n + 1`
        commit = await holder`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the holder is admitted, and commits: the reader does not have to leave', () => {
      expect([begin.code, commit.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
    })
  })

  describe.skipIf(!tellsLocks)('when first IMMEDIATE and then EXCLUSIVE is said (needs /proc)', () => {
    let immediate: Outcome, exclusive: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        immediate = await first`BEGIN IMMEDIATE`
        await first`COMMIT`
        exclusive = await other`BEGIN EXCLUSIVE`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other holds with EXCLUSIVE the locks that the first held with IMMEDIATE, WRITE among them', () => {
      expect(exclusive.locks).toEqual(immediate.locks)
      expect(exclusive.locks).toContain('WRITE')
    })
  })
})

describe('BEGIN EXCLUSIVE, rollback journal', { tags: ['q17'] }, () => {
  describe('when the holder is inside, and there is no timeout', () => {
    let refused: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { holder: { timeout: 0 }, reader: { timeout: 0 } }, async ({ holder, reader }) => {
        await holder`BEGIN EXCLUSIVE`
        await holder`UPDATE counter SET n = n + 1`
        await reader`BEGIN`
        refused = await reader`SELECT n FROM counter`
        commit = await holder`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader is locked out with SQLITE_BUSY', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the holder, with no reader inside, commits: SQLITE_OK', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
  })

  describe('when the reader is inside, and there is no timeout', () => {
    let begin: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 0
      const cast = { reader: { timeout }, holder: { timeout }, newcomer: { timeout } }
      story = await contend('delete', cast, async ({ reader, holder, newcomer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        begin = await holder`BEGIN EXCLUSIVE`
        read = await newcomer`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the holder is turned away at BEGIN EXCLUSIVE with SQLITE_BUSY: it meets at the door what IMMEDIATE meets at COMMIT', () => {
      expect(begin).toMatchObject({ code: 'SQLITE_BUSY', inTransaction: false })
    })
    test('the newcomer reads, SQLITE_OK: the refused one leaves no lock behind', () => {
      expect(read.code).toBe('SQLITE_OK')
    })
  })

  describe('when the reader is inside, and the holder has a timeout of five seconds', () => {
    let refused: Outcome, begin: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, holder: { timeout: 5_000 }, newcomer: { timeout: 0 } }
      story = await contend('delete', cast, async ({ reader, holder, newcomer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        const turn = holder`BEGIN EXCLUSIVE`
        await turn.blocks()
        refused = await newcomer`SELECT n FROM counter`
        await reader`COMMIT`
        begin = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the newcomer, who only wants to read, is turned away with SQLITE_BUSY while the holder still waits', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the holder waits at BEGIN EXCLUSIVE for the reader to leave, and is admitted', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
  })
})

describe('Transactions that only read, write-ahead log', { tags: ['q19'] }, () => {
  describe('when the reader says BEGIN IMMEDIATE', () => {
    let refused: Outcome, plain: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, twin: { timeout: 0 }, plainReader: { timeout: 0 }, writer: { timeout: 5_000 } }
      story = await contend('wal', cast, async ({ reader, twin, plainReader, writer }) => {
        await reader`BEGIN IMMEDIATE`
        await reader`SELECT n FROM counter`
        refused = await twin`BEGIN IMMEDIATE`
        plain = await plainReader`SELECT n FROM counter`
        const turn = writer`UPDATE counter SET n = n + 1`
        await turn.blocks()
        await reader`COMMIT`
        write = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: two that only read never lock each other out', () => {
      expect(refused.code).toBe('SQLITE_OK')
    })
    test('the twin, which wants to read in the same way, is turned away with SQLITE_BUSY', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the plain reader reads beside it, SQLITE_OK', () => {
      expect(plain.code).toBe('SQLITE_OK')
    })
    test('the writer has to wait for the reader, which writes nothing, before its UPDATE is SQLITE_OK', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
  })

  describe('when the reader says BEGIN', () => {
    let read: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 0
      const cast = { reader: { timeout }, twin: { timeout }, writer: { timeout } }
      story = await contend('wal', cast, async ({ reader, twin, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await twin`BEGIN`
        read = await twin`SELECT n FROM counter`
        write = await writer`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the twin reads and the writer writes beside it, without a timeout: both get SQLITE_OK', () => {
      expect([read.code, write.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
    })
  })
})

describe('Transactions that only read, no timeout, rollback journal', { tags: ['q19', 'q15'] }, () => {
  describe('when the reader says BEGIN IMMEDIATE', () => {
    let refused: Outcome, commit: Outcome, shut: Outcome, rollback: Outcome, open: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 0
      const cast = { plainReader: { timeout }, reader: { timeout }, twin: { timeout }, newcomer: { timeout } }
      story = await contend('delete', cast, async ({ plainReader, reader, twin, newcomer }) => {
        await plainReader`BEGIN`
        await plainReader`SELECT n FROM counter`
        await reader`BEGIN IMMEDIATE`
        await reader`SELECT n FROM counter`
        refused = await twin`BEGIN IMMEDIATE`
        commit = await reader`COMMIT`
        shut = await newcomer`SELECT n FROM counter`
        rollback = await reader`ROLLBACK`
        open = await newcomer`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the twin, which wants to read in the same way, is turned away with SQLITE_BUSY', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test.fails('myth: a COMMIT that has nothing to write cannot be refused', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the reader, which has changed nothing, is turned away at COMMIT with SQLITE_BUSY by the plain reader', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
    })
    test('the newcomer, who only wants to read, is turned away with SQLITE_BUSY as long as the refused COMMIT stands', () => {
      expect([shut.code, open.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test('the reader ends with ROLLBACK what it may not COMMIT: SQLITE_OK', () => {
      expect([commit.code, rollback.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
  })

  describe('when the reader says BEGIN', () => {
    let read: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 0
      const cast = { plainReader: { timeout }, reader: { timeout }, twin: { timeout } }
      story = await contend('delete', cast, async ({ plainReader, reader, twin }) => {
        await plainReader`BEGIN`
        await plainReader`SELECT n FROM counter`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await twin`BEGIN`
        read = await twin`SELECT n FROM counter`
        commit = await reader`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the twin reads beside it, and the reader commits: both get SQLITE_OK', () => {
      expect([read.code, commit.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
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
