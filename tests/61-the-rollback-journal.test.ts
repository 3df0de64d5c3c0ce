/**
 * In a rollback journal a writer writes beside the readers, but commits only without them: COMMIT has to wait until the last has left,
 * and lets no new one in meanwhile. A COMMIT that is refused is not lost. It can be repeated, and until then the door stays shut.
 * BEGIN EXCLUSIVE does the same waiting at the beginning, and a transaction too large for its cache does it in the middle. So it is
 * from BEGIN EXCLUSIVE on that no reader has a COMMIT refused, not from BEGIN IMMEDIATE on, as https://sqlite.org/rescode.html#busy
 * has it; and that goes for the files it has locked, not for one that is attached later.
 *
 * https://sqlite.org/lockingv3.html · https://sqlite.org/lang_transaction.html · https://sqlite.org/atomiccommit.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { show } from '../helpers/show.ts'

describe('A reader in a transaction and a writer, rollback journal', () => {
  describe('when COMMIT is refused, and the writer stays', { tags: ['q16', 'q18', 'q38'] }, () => {
    let before: Outcome, commit: Outcome, during: Outcome, still: Outcome, own: Outcome
    let empty: Outcome, repeated: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 0 }, newcomer: { timeout: 0 } }
      story = await contend('delete', cast, async ({ reader, writer, newcomer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        before = await newcomer`SELECT n FROM counter`
        commit = await writer`COMMIT`
        during = await newcomer`SELECT n FROM counter`
        still = await reader`SELECT n FROM counter`
        own = await writer`SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        await reader`COMMIT`
        empty = await newcomer`SELECT n FROM counter`
        repeated = await writer`COMMIT`
        after = await newcomer`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story, 'a-refused-commit.svg'))

    test('the writer is turned away at COMMIT with SQLITE_BUSY, and its transaction is open', () => {
      expect(commit).toMatchObject({ code: 'SQLITE_BUSY', inTransaction: true })
    })
    test.fails('myth: a COMMIT that is refused rolls the transaction back', () => {
      expect(own.rows).toEqual([{ n: 0 }])
    })
    test('the writer, with SQLITE_OK, still sees what it has written', () => {
      expect(own).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
    test('a newcomer is let in before the COMMIT', () => {
      expect(before.code).toBe('SQLITE_OK')
    })
    test.fails('myth: a COMMIT that is refused leaves things as they were before', () => {
      expect(during.code).toBe('SQLITE_OK')
    })
    test('a newcomer is turned away with SQLITE_BUSY after the refused COMMIT', () => {
      expect(during.code).toBe('SQLITE_BUSY')
    })
    test('the reader, who is inside, goes on reading what it saw first', () => {
      expect(still).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test('a newcomer is turned away with SQLITE_BUSY even when the last reader has left, and let in when the writer has committed', () => {
      expect([empty.code, after.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test('the writer repeats its COMMIT, and succeeds', () => {
      expect(repeated).toMatchObject({ code: 'SQLITE_OK', inTransaction: false })
    })
    test('the newcomer sees what was written before the refused COMMIT and after it: n is 2', () => {
      expect(after.rows).toEqual([{ n: 2 }])
    })
  })

  describe('when COMMIT is refused, and the writer rolls back', { tags: ['q16'] }, () => {
    let shut: Outcome, rollback: Outcome, open: Outcome, still: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 0 }, newcomer: { timeout: 0 } }
      story = await contend('delete', cast, async ({ reader, writer, newcomer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        await writer`COMMIT`
        await newcomer`BEGIN`
        shut = await newcomer`SELECT n FROM counter`
        await writer`PRAGMA busy_timeout = 5000`
        rollback = await writer`ROLLBACK`
        open = await newcomer`SELECT n FROM counter`
        still = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer, which would have five seconds, does not wait for the reader in ROLLBACK: SQLITE_OK at once', () => {
      expect(rollback).toMatchObject({ code: 'SQLITE_OK', inTransaction: false })
      expect(rollback.waited).toBeLessThan(1_000)
    })
    test('a newcomer, turned away at its first SELECT with SQLITE_BUSY, keeps its transaction', () => {
      expect(shut).toMatchObject({ code: 'SQLITE_BUSY', inTransaction: true })
    })
    test('the newcomer repeats its SELECT after the ROLLBACK, and is let in beside the reader', () => {
      expect(open).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test('the reader goes on reading what it saw first, after the ROLLBACK as well', () => {
      expect(still).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
  })

  describe('when the reader stays for longer than the timeout of the writer', { tags: ['q16'] }, () => {
    let commit: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, writer: { timeout: 100 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        commit = await writer`COMMIT`
        repeated = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer is turned away at COMMIT with SQLITE_BUSY, after its whole timeout of 100 ms', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
      expect(commit.waited).toBeGreaterThanOrEqual(100)
    })
    test('the writer, repeating its COMMIT, waits for another 100 ms, and its transaction stays open', () => {
      expect(repeated).toMatchObject({ code: 'SQLITE_BUSY', inTransaction: true })
      expect(repeated.waited).toBeGreaterThanOrEqual(100)
    })
  })

  describe('when COMMIT waits', { tags: ['q16', 'q18'] }, () => {
    let refused: Outcome, still: Outcome, commit: Outcome, entry: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 5_000 }, hurried: { timeout: 100 }, patient: { timeout: 5_000 } }
      story = await contend('delete', cast, async ({ reader, writer, hurried, patient }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        const turn = writer`COMMIT`
        await turn.blocks()
        refused = await hurried`SELECT n FROM counter`
        const door = patient`SELECT n FROM counter`
        await door.blocks()
        still = await reader`SELECT n FROM counter`
        await reader`COMMIT`
        commit = await turn
        entry = await door
      })
    })
    beforeEach((context) => show(context, story, 'commit-waits.svg'))

    test.fails('myth: readers who come and go can keep a COMMIT waiting for ever', () => {
      expect(refused.code).toBe('SQLITE_OK')
    })
    test('a hurried newcomer is turned away with SQLITE_BUSY, after its whole timeout of 100 ms, while the COMMIT waits', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeGreaterThanOrEqual(100)
    })
    test('the reader, for whom the writer waits, goes on reading the old state', () => {
      expect(still).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test('the writer commits when the reader has left', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('a patient newcomer waits, and reads what the writer has committed', () => {
      expect(entry).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
  })

  describe('when the writer writes outside a transaction', { tags: ['q16', 'q18'] }, () => {
    let update: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        update = await writer`UPDATE counter SET n = n + 1`
        await reader`COMMIT`
        total = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a SELECT never locks an UPDATE out', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
    test('the single UPDATE is turned away with SQLITE_BUSY', () => {
      expect(update.code).toBe('SQLITE_BUSY')
    })
    test('the single UPDATE is undone when it is refused: there is no COMMIT to repeat, and n is 0', () => {
      expect([update.inTransaction, total.rows]).toEqual([false, [{ n: 0 }]])
    })
  })

  describe('when the reader has only said BEGIN, or has read outside its transaction', { tags: ['q18'] }, () => {
    let update: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await reader`SELECT n FROM counter`
        await reader`BEGIN`
        update = await writer`UPDATE counter SET n = n + 1`
        read = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer writes and commits: neither a SELECT that has ended nor BEGIN stands in its way', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
    test.fails('myth: a transaction sees the database as it was at BEGIN', () => {
      expect(read.rows).toEqual([{ n: 0 }])
    })
    test('the reader, with SQLITE_OK, sees the database as it is at its first SELECT', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
  })
})

describe('Two who have read and want to write, rollback journal', { tags: ['q14'] }, () => {
  describe('when the first gives up', () => {
    let refused: Outcome, cured: Outcome, commit: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 0 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = n + 1`
        refused = await other`UPDATE counter SET n = n + 10`
        await first`ROLLBACK`
        cured = await other`UPDATE counter SET n = n + 10`
        commit = await other`COMMIT`
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other is turned away with SQLITE_BUSY', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the other is turned away at once, with most of its five seconds to spare', () => {
      expect(refused.waited).toBeLessThan(1_000)
    })
    test.fails('myth: a transaction that has read and was then refused can never write again', () => {
      expect(cured.code).not.toBe('SQLITE_OK')
    })
    test('the other repeats its statement with SQLITE_OK when the first has rolled back', () => {
      expect(cured.code).toBe('SQLITE_OK')
    })
    test('the other commits without a replay, and is counted: n is 10', () => {
      expect(commit.code).toBe('SQLITE_OK')
      expect(total.rows).toEqual([{ n: 10 }])
    })
  })

  describe('when the other ends its read with COMMIT', () => {
    let commit: Outcome, stale: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 5_000 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = n + 1`
        await other`UPDATE counter SET n = n + 1`
        const turn = first`COMMIT`
        await turn.blocks()
        await other`COMMIT`
        commit = await turn
        stale = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the first, waiting in COMMIT, commits', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the other, whose COMMIT committed nothing, finds that what it had read has changed', () => {
      expect(stale.rows).toEqual([{ n: 1 }])
    })
  })
})

describe('A writer that says BEGIN EXCLUSIVE, rollback journal', { tags: ['q17', 'q18'] }, () => {
  describe('when the writer is inside', () => {
    let read: Outcome, begin: Outcome, commit: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 }, reader: { timeout: 0 } }, async ({ writer, reader }) => {
        await writer`BEGIN EXCLUSIVE`
        begin = await reader`BEGIN`
        read = await reader`SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        commit = await writer`COMMIT`
        after = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader may say BEGIN', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test.fails('myth: BEGIN EXCLUSIVE keeps other writers out, not readers', () => {
      expect(read.code).toBe('SQLITE_OK')
    })
    test('the reader is turned away with SQLITE_BUSY, though nothing has been written yet', () => {
      expect(read.code).toBe('SQLITE_BUSY')
    })
    test('the writer commits, without a timeout', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the reader, repeating its SELECT in the same transaction, sees the change', () => {
      expect(after).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }], inTransaction: true })
    })
  })

  describe('when a reader is inside before', () => {
    let refused: Outcome, open: Outcome, shut: Outcome, begin: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, hurried: { timeout: 100 }, writer: { timeout: 5_000 }, newcomer: { timeout: 0 } }
      story = await contend('delete', cast, async ({ reader, hurried, writer, newcomer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        refused = await hurried`BEGIN EXCLUSIVE`
        open = await newcomer`SELECT n FROM counter`
        const door = writer`BEGIN EXCLUSIVE`
        await door.blocks()
        shut = await newcomer`SELECT n FROM counter`
        await reader`COMMIT`
        begin = await door
      })
    })
    beforeEach((context) => show(context, story))

    test('a hurried writer is turned away by BEGIN EXCLUSIVE with SQLITE_BUSY, after its whole timeout of 100 ms', () => {
      expect(refused).toMatchObject({ code: 'SQLITE_BUSY', inTransaction: false })
      expect(refused.waited).toBeGreaterThanOrEqual(100)
    })
    test('a newcomer is let in after the refused BEGIN EXCLUSIVE', () => {
      expect(open.code).toBe('SQLITE_OK')
    })
    test('a newcomer is turned away with SQLITE_BUSY while BEGIN EXCLUSIVE waits', () => {
      expect(shut.code).toBe('SQLITE_BUSY')
    })
    test('the writer is admitted when the reader has left', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
  })

  describe('when the writer attaches, after BEGIN EXCLUSIVE, a file that someone reads', { tags: ['q15', 'q31'] }, () => {
    let insert: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 }, reader: { timeout: 0 } }, async ({ writer, reader }) => {
        await reader`ATTACH 'other.db' AS other`
        await reader`CREATE TABLE other.diary (line TEXT)`
        await reader`BEGIN`
        await reader`SELECT line FROM diary`
        await writer`BEGIN EXCLUSIVE`
        await writer`ATTACH 'other.db' AS other`
        insert = await writer`INSERT INTO diary VALUES ('Dear diary')`
        commit = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: after BEGIN EXCLUSIVE, nothing can be refused', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the writer writes to that file, SQLITE_OK, and is turned away at COMMIT with SQLITE_BUSY', () => {
      expect([insert.code, commit.code]).toEqual(['SQLITE_OK', 'SQLITE_BUSY'])
    })
  })
})

describe('A transaction larger than its cache, rollback journal', { tags: ['q18'] }, () => {
  describe('when nobody is reading as the cache of ten pages overflows', () => {
    let before: Outcome, after: Outcome, kept: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 }, reader: { timeout: 0 } }, async ({ writer, reader }) => {
        await writer`CREATE TABLE album (photo BLOB)`
        await writer`PRAGMA cache_size = 10`
        await writer`BEGIN`
        await writer`INSERT INTO album VALUES (randomblob(4000))`
        before = await reader`SELECT count(*) AS photos FROM album`
        await writer`INSERT INTO album VALUES (randomblob(400000))`
        after = await reader`SELECT count(*) AS photos FROM album`
        await writer`COMMIT`
        await writer`PRAGMA cache_spill = off`
        await writer`BEGIN`
        await writer`INSERT INTO album VALUES (randomblob(400000))`
        kept = await reader`SELECT count(*) AS photos FROM album`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader reads beside the writer as long as the cache is large enough', () => {
      expect(before).toMatchObject({ code: 'SQLITE_OK', rows: [{ photos: 0 }] })
    })
    test.fails('myth: until its COMMIT, a writer does not hinder those who read', () => {
      expect(after.code).toBe('SQLITE_OK')
    })
    test('the reader is turned away with SQLITE_BUSY in the middle of the transaction', () => {
      expect(after.code).toBe('SQLITE_BUSY')
    })
    test('the reader reads beside a writer that has said PRAGMA cache_spill = off, and has written as much', () => {
      expect(kept).toMatchObject({ code: 'SQLITE_OK', rows: [{ photos: 2 }] })
    })
  })

  describe('when somebody is reading as the cache of ten pages overflows', () => {
    let insert: Outcome, still: Outcome, refused: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 100 }, newcomer: { timeout: 0 } }
      story = await contend('delete', cast, async ({ reader, writer, newcomer }) => {
        await writer`CREATE TABLE album (photo BLOB)`
        await writer`PRAGMA cache_size = 10`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN`
        insert = await writer`INSERT INTO album VALUES (randomblob(400000))`
        still = await reader`SELECT n FROM counter`
        refused = await newcomer`SELECT n FROM counter`
        await reader`COMMIT`
        commit = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer waits in INSERT for its whole timeout of 100 ms', () => {
      expect(insert.waited).toBeGreaterThanOrEqual(100)
    })
    test.fails('myth: who has waited for its whole timeout is turned away', () => {
      expect(insert.code).toBe('SQLITE_BUSY')
    })
    test('the writer gets SQLITE_OK after all', () => {
      expect(insert.code).toBe('SQLITE_OK')
    })
    test('the reader goes on reading', () => {
      expect(still.code).toBe('SQLITE_OK')
    })
    test('a newcomer is turned away with SQLITE_BUSY, although nobody has said COMMIT', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the writer commits when the reader has left', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
  })

  describe('when two libraries write three megabytes each, with their default caches', () => {
    let small: Outcome, large: Outcome, refused: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      const first = { timeout: 0, driver: 'node:sqlite' } as const
      const other = { timeout: 0, driver: 'better-sqlite3' } as const
      story = await contend('delete', { first, other, reader: { timeout: 0 } }, async ({ first, other, reader }) => {
        await first`CREATE TABLE album (photo BLOB)`
        small = await first`PRAGMA cache_size`
        await first`BEGIN`
        await first`INSERT INTO album VALUES (randomblob(3000000))`
        refused = await reader`SELECT count(*) AS photos FROM album`
        await first`ROLLBACK`
        large = await other`PRAGMA cache_size`
        await other`BEGIN`
        await other`INSERT INTO album VALUES (randomblob(3000000))`
        read = await reader`SELECT count(*) AS photos FROM album`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader is turned away with SQLITE_BUSY by the first, node:sqlite, whose cache is 2,000 KiB', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(small.rows).toEqual([{ cache_size: -2_000 }])
    })
    test('the reader gets SQLITE_OK beside the other, better-sqlite3, whose cache is 16,000 KiB', () => {
      expect(read.code).toBe('SQLITE_OK')
      expect(large.rows).toEqual([{ cache_size: -16_000 }])
    })
  })
})
