/**
 * A busy timeout makes a connection wait for the write lock, unless it has read before. A transaction that has read holds
 * on to what it saw: no waiting can bring that up to date (write-ahead log), and to wait while holding the read could
 * last for ever (rollback journal). So SQLite does not ask its busy handler, and refuses at once.
 *
 * https://sqlite.org/c3ref/busy_handler.html · https://sqlite.org/rescode.html#busy_snapshot
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { show } from '../helpers/show.ts'

describe('Deferred transactions, five-second timeout, write-ahead log', () => {
  describe('when both have read, and the first has written and committed', { tags: ['q1', 'q8', 'q10', 'q14'] }, () => {
    let write: Outcome, repeated: Outcome, replayed: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = n + 1`
        await first`COMMIT`
        write = await other`UPDATE counter SET n = n + 1`
        repeated = await other`UPDATE counter SET n = n + 1`
        await other`ROLLBACK`
        await other`BEGIN`
        await other`SELECT n FROM counter`
        await other`UPDATE counter SET n = n + 1`
        replayed = await other`COMMIT`
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story, 'a-timeout-is-not-enough.svg'))

    test.fails('myth: the timeout lets the other wait its turn', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY_SNAPSHOT', () => {
      expect(write.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the other is turned away at once, with most of its five seconds to spare', () => {
      expect(write.waited).toBeLessThan(1_000)
    })
    test('the message of SQLITE_BUSY_SNAPSHOT is "database is locked" too, though nobody holds a lock any more', () => {
      expect(write.message).toBe('database is locked')
    })
    test('the transaction of the other stays open', () => {
      expect(write.inTransaction).toBe(true)
    })
    test.fails('myth: the other succeeds if it repeats its statement', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
    test('the other, repeating its statement, is turned away with SQLITE_BUSY_SNAPSHOT again', () => {
      expect(repeated.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the other commits when it rolls back and replays its transaction from the start', () => {
      expect(replayed.code).toBe('SQLITE_OK')
    })
    test('both changes are counted: n is 2', () => {
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })

  describe('when both have read, and the first is still writing', { tags: ['q1', 'q8'] }, () => {
    let write: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = n + 1`
        write = await other`UPDATE counter SET n = n + 1`
        commit = await first`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: the other waits until the first has committed', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY, for the lock is still held', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the other is turned away at once, with most of its five seconds to spare', () => {
      expect(write.waited).toBeLessThan(1_000)
    })
    test('the first commits, though the other still reads', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
  })

  describe('when the timeout is thirty seconds', { tags: ['q2'] }, () => {
    let write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 30_000 }, other: { timeout: 30_000 } }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = n + 1`
        await first`COMMIT`
        write = await other`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: thirty seconds are enough where five are not', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY_SNAPSHOT all the same', () => {
      expect(write.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the other is turned away no later than with five seconds', () => {
      expect(write.waited).toBeLessThan(1_000)
    })
  })

  describe('when the first statement of the waiter is a write', { tags: ['q4', 'q7'] }, () => {
    let write: Outcome, commit: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 5_000 }, waiter: { timeout: 5_000 } }, async ({ holder, waiter }) => {
        await holder`BEGIN`
        await holder`UPDATE counter SET n = n + 1`
        await waiter`BEGIN`
        const turn = waiter`UPDATE counter SET n = n + 1`
        await turn.blocks()
        await holder`COMMIT`
        write = await turn
        commit = await waiter`COMMIT`
        total = await waiter`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a deferred transaction ignores the timeout', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the waiter waits for the holder, and its write is SQLITE_OK', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the waiter commits', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('both changes are counted: n is 2', () => {
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })

  describe('when the holder writes for longer than the timeout of the waiter', { tags: ['q4'] }, () => {
    let write: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 5_000 }, waiter: { timeout: 100 } }, async ({ holder, waiter }) => {
        await holder`BEGIN`
        await holder`UPDATE counter SET n = n + 1`
        await waiter`BEGIN`
        write = await waiter`UPDATE counter SET n = n + 1`
        await holder`COMMIT`
        repeated = await waiter`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the waiter is turned away with SQLITE_BUSY', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the waiter is turned away after its whole timeout of 100 ms', () => {
      expect(write.waited).toBeGreaterThanOrEqual(100)
      expect(write.waited).toBeLessThan(5_000)
    })
    test('the waiter, having read nothing, writes when it repeats its statement after the COMMIT', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
  })
})

describe('Deferred transactions, five-second timeout, rollback journal', () => {
  describe('when both have read, and both go on to write', { tags: ['q1', 'q8'] }, () => {
    let write: Outcome, commit: Outcome, replayed: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = n + 1`
        write = await other`UPDATE counter SET n = n + 1`
        const turn = first`COMMIT`
        await turn.blocks()
        await other`ROLLBACK`
        commit = await turn
        await other`BEGIN`
        await other`SELECT n FROM counter`
        await other`UPDATE counter SET n = n + 1`
        replayed = await other`COMMIT`
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: the timeout lets the other wait its turn', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY: the two would wait for each other', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the other is turned away at once, with most of its five seconds to spare', () => {
      expect(write.waited).toBeLessThan(1_000)
    })
    test('the transaction of the other stays open, and so does its read', () => {
      expect(write.inTransaction).toBe(true)
    })
    test('the first waits in COMMIT for the read the other has left open, and commits when it is rolled back', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the other commits when it replays its transaction from the start', () => {
      expect(replayed.code).toBe('SQLITE_OK')
    })
    test('both changes are counted: n is 2', () => {
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })

  describe('when the refused one does not roll back', { tags: ['q10'] }, () => {
    let write: Outcome, commit: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 100 }, other: { timeout: 100 } }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = n + 1`
        write = await other`UPDATE counter SET n = n + 1`
        commit = await first`COMMIT`
        repeated = await other`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: of two that are locked, one always gets through', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the first is turned away at COMMIT with SQLITE_BUSY', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
    })
    test('the first is turned away after its whole timeout of 100 ms', () => {
      expect(commit.waited).toBeGreaterThanOrEqual(100)
      expect(commit.waited).toBeLessThan(5_000)
    })
    test('the other is turned away with SQLITE_BUSY, and again when it repeats its statement', () => {
      expect([write.code, repeated.code]).toEqual(['SQLITE_BUSY', 'SQLITE_BUSY'])
    })
  })

  describe('when the timeout is thirty seconds', { tags: ['q2'] }, () => {
    let write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 30_000 }, other: { timeout: 30_000 } }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = n + 1`
        write = await other`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: thirty seconds are enough where five are not', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY all the same', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the other is turned away no later than with five seconds', () => {
      expect(write.waited).toBeLessThan(1_000)
    })
  })

  describe('when the first statement of the waiter is a write', { tags: ['q4', 'q7'] }, () => {
    let write: Outcome, commit: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { holder: { timeout: 5_000 }, waiter: { timeout: 5_000 } }, async ({ holder, waiter }) => {
        await holder`BEGIN`
        await holder`UPDATE counter SET n = n + 1`
        await waiter`BEGIN`
        const turn = waiter`UPDATE counter SET n = n + 1`
        await turn.blocks()
        await holder`COMMIT`
        write = await turn
        commit = await waiter`COMMIT`
        total = await waiter`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a deferred transaction ignores the timeout', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the waiter waits for the holder, and its write is SQLITE_OK', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the waiter commits', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('both changes are counted: n is 2', () => {
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })

  describe('when the holder writes for longer than the timeout of the waiter', { tags: ['q4'] }, () => {
    let write: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { holder: { timeout: 5_000 }, waiter: { timeout: 100 } }, async ({ holder, waiter }) => {
        await holder`BEGIN`
        await holder`UPDATE counter SET n = n + 1`
        await waiter`BEGIN`
        write = await waiter`UPDATE counter SET n = n + 1`
        await holder`COMMIT`
        repeated = await waiter`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the waiter is turned away with SQLITE_BUSY', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the waiter is turned away after its whole timeout of 100 ms', () => {
      expect(write.waited).toBeGreaterThanOrEqual(100)
      expect(write.waited).toBeLessThan(5_000)
    })
    test('the waiter, having read nothing, writes when it repeats its statement after the COMMIT', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
  })
})
