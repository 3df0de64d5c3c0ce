/**
 * `BEGIN` is `BEGIN DEFERRED`: it asks for the write lock only when the first write needs it. Without a busy timeout, whoever
 * finds the lock taken at that moment is turned away on the spot, in the middle of its transaction. This is what the
 * error in the logs of most applications is.
 *
 * https://sqlite.org/lang_transaction.html#deferred_immediate_and_exclusive_transactions
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { show } from '../helpers/show.ts'

describe('Deferred transactions, no timeout, write-ahead log', () => {
  describe('when both have read, and both go on to write', { tags: ['q10', 'q14'] }, () => {
    let write: Outcome, commit: Outcome, repeated: Outcome, replayed: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = n + 1`
        write = await other`UPDATE counter SET n = n + 1`
        commit = await first`COMMIT`
        repeated = await other`UPDATE counter SET n = n + 1`
        await other`ROLLBACK`
        await other`BEGIN`
        await other`SELECT n FROM counter`
        await other`UPDATE counter SET n = n + 1`
        replayed = await other`COMMIT`
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story, 'no-timeout.svg'))

    test.fails('myth: in WAL mode the other can write as well', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test.fails('myth: the refusal rolls the transaction of the other back', () => {
      expect(write.inTransaction).toBe(false)
    })
    test('the transaction of the other stays open', () => {
      expect(write.inTransaction).toBe(true)
    })
    test('the first commits', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test.fails('myth: the other need only repeat its statement once the first has committed', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
    test('the other, repeating its statement, is turned away with SQLITE_BUSY_SNAPSHOT: what it read is out of date', () => {
      expect(repeated.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the other commits when it rolls back and replays its transaction from the start', () => {
      expect(replayed.code).toBe('SQLITE_OK')
    })
    test('both changes are counted: n is 2', () => {
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })

  describe('when the other has not read before it writes', { tags: ['q3'] }, () => {
    let write: Outcome, repeated: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`UPDATE counter SET n = n + 1`
        write = await other`UPDATE counter SET n = n + 1`
        await first`COMMIT`
        repeated = await other`UPDATE counter SET n = n + 1`
        commit = await other`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other is turned away with SQLITE_BUSY all the same', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the other is turned away at once', () => {
      expect(write.waited).toBeLessThan(1_000)
    })
    test('the other, having read nothing, writes when it repeats its statement', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
    test('the other commits without a replay', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
  })

  describe('when the other has opened no transaction at all', { tags: ['q3'] }, () => {
    let write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`BEGIN`
        await first`UPDATE counter SET n = n + 1`
        write = await other`UPDATE counter SET n = n + 1`
        await first`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a single statement, outside a transaction, cannot be locked out', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the single statement is turned away with SQLITE_BUSY', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the single statement is turned away at once', () => {
      expect(write.waited).toBeLessThan(1_000)
    })
    test('the single statement leaves no transaction open', () => {
      expect(write.inTransaction).toBe(false)
    })
  })
})

describe('Deferred transactions, no timeout, rollback journal', () => {
  describe('when both have read, and both go on to write', { tags: ['q10', 'q14'] }, () => {
    let write: Outcome, commit: Outcome, repeated: Outcome, replayed: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = n + 1`
        write = await other`UPDATE counter SET n = n + 1`
        commit = await first`COMMIT`
        await other`ROLLBACK`
        repeated = await first`COMMIT`
        await other`BEGIN`
        await other`SELECT n FROM counter`
        await other`UPDATE counter SET n = n + 1`
        replayed = await other`COMMIT`
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other is turned away with SQLITE_BUSY', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the transaction of the other stays open, and so does its read', () => {
      expect(write.inTransaction).toBe(true)
    })
    test.fails('myth: the first, having written, can commit', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the first is turned away too, at COMMIT, by the read the other has left open', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
    })
    test('the first is turned away at once', () => {
      expect(commit.waited).toBeLessThan(1_000)
    })
    test('the first keeps its transaction', () => {
      expect(commit.inTransaction).toBe(true)
    })
    test('the first commits, repeating its COMMIT, once the other has rolled back', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
    test('the other commits when it replays its transaction from the start', () => {
      expect(replayed.code).toBe('SQLITE_OK')
    })
    test('both changes are counted: n is 2', () => {
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })

  describe('when the other has not read before it writes', { tags: ['q3'] }, () => {
    let write: Outcome, firstCommit: Outcome, repeated: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`UPDATE counter SET n = n + 1`
        write = await other`UPDATE counter SET n = n + 1`
        firstCommit = await first`COMMIT`
        repeated = await other`UPDATE counter SET n = n + 1`
        commit = await other`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other is turned away with SQLITE_BUSY all the same', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the other is turned away at once', () => {
      expect(write.waited).toBeLessThan(1_000)
    })
    test('the refused one, having read nothing, does not keep the first from committing', () => {
      expect(firstCommit.code).toBe('SQLITE_OK')
    })
    test('the other, having read nothing, writes when it repeats its statement', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
    test('the other commits without a replay', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
  })
})
