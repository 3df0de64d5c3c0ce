/**
 * What may be repeated depends on what was refused, and on what the transaction has done before. Where it has read nothing, repeat
 * the statement. A COMMIT: repeat the COMMIT (chapter 61), and nothing before it. Where it has read, roll back and repeat it whole; its
 * statement alone may succeed after SQLITE_BUSY, if the obstacle ends without a change, and never after SQLITE_BUSY_SNAPSHOT, not even
 * after ROLLBACK TO (chapter 64). And where someone else always commits first, BEGIN IMMEDIATE gets through.
 *
 * After the other codes, which chapter 69 tells: repeat the statement after SQLITE_BUSY_RECOVERY, when the log is recovered, and after
 * SQLITE_PROTOCOL, when the writer has left. After SQLITE_LOCKED it can succeed only when this connection has let its own SELECT go
 * or, where a cache is shared, the sibling its transaction.
 *
 * https://sqlite.org/rescode.html#busy · https://sqlite.org/lang_transaction.html · https://sqlite.org/lang_savepoint.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { show } from '../helpers/show.ts'

const codesOf = (outcomes: Outcome[]) => outcomes.map(({ code }) => code)

describe('Retries, write-ahead log', { tags: ['q38'] }, () => {
  describe('when the first write of a deferred transaction is repeated', () => {
    let tries: Outcome[], commit: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, other: { timeout: 0 } }, async ({ holder, other }) => {
        await holder`BEGIN`
        await holder`UPDATE counter SET n = n + 1`
        await other`BEGIN`
        tries = [await other`UPDATE counter SET n = n + 1`, await other`UPDATE counter SET n = n + 1`]
        await holder`COMMIT`
        tries.push(await other`UPDATE counter SET n = n + 1`)
        commit = await other`COMMIT`
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other gets SQLITE_BUSY, SQLITE_BUSY, SQLITE_OK inside one transaction, which stays open and commits', () => {
      expect(tries).toMatchObject([
        { code: 'SQLITE_BUSY', inTransaction: true },
        { code: 'SQLITE_BUSY', inTransaction: true },
        { code: 'SQLITE_OK', inTransaction: true },
      ])
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the other is counted once, and the holder too: n is 2', () => {
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })

  describe('when an UPDATE without a transaction is repeated', () => {
    let tries: Outcome[], total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, other: { timeout: 0 } }, async ({ holder, other }) => {
        await holder`BEGIN`
        await holder`UPDATE counter SET n = n + 1`
        await other`SELECT n FROM counter`
        tries = [await other`UPDATE counter SET n = n + 1`, await other`UPDATE counter SET n = n + 1`]
        await holder`COMMIT`
        tries.push(await other`UPDATE counter SET n = n + 1`)
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other gets SQLITE_BUSY, SQLITE_BUSY, SQLITE_OK, and is never inside a transaction', () => {
      expect(tries).toMatchObject([
        { code: 'SQLITE_BUSY', inTransaction: false },
        { code: 'SQLITE_BUSY', inTransaction: false },
        { code: 'SQLITE_OK', inTransaction: false },
      ])
    })
    test('the other is counted once, and the holder too: n is 2', () => {
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })

  describe('when parts of a transaction with a stale snapshot are repeated', () => {
    let tries: Outcome[], read: Outcome, commit: Outcome, saved: Outcome, anew: Outcome[], total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await other`BEGIN`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = n + 1`
        tries = []
        for (let i = 0; i < 5; i++) tries.push(await other`UPDATE counter SET n = n + 1`)
        read = await other`SELECT n FROM counter`
        commit = await other`COMMIT`
        saved = await other`SELECT n FROM counter`
        anew = [
          await other`BEGIN`,
          await other`SELECT n FROM counter`,
          await other`UPDATE counter SET n = n + 1`,
          await other`COMMIT`,
        ]
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other repeats its statement 5 times, and gets SQLITE_BUSY_SNAPSHOT 5 times', () => {
      expect(codesOf(tries)).toEqual(Array(5).fill('SQLITE_BUSY_SNAPSHOT'))
    })
    test('the other reads again, and still sees that n is 0', () => {
      expect(read.rows).toEqual([{ n: 0 }])
    })
    test.fails('myth: when COMMIT succeeds, the change is saved', () => {
      expect(saved.rows).toEqual([{ n: 2 }])
    })
    test('the other gets SQLITE_OK for its COMMIT, and has saved nothing: n is 1, which is the change of the first', () => {
      expect(saved.rows).toEqual([{ n: 1 }])
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the other, having ended the old transaction with COMMIT, repeats it whole: all SQLITE_OK, and n is 2', () => {
      expect(codesOf(anew)).toEqual(['SQLITE_OK', 'SQLITE_OK', 'SQLITE_OK', 'SQLITE_OK'])
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })

  describe('when a refused transaction is begun again without ROLLBACK', () => {
    let begin: Outcome, immediate: Outcome, afterRollback: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await other`BEGIN`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = n + 1`
        await other`UPDATE counter SET n = n + 1`
        begin = await other`BEGIN`.mayAnswer('SQLITE_ERROR')
        immediate = await other`BEGIN IMMEDIATE`.mayAnswer('SQLITE_ERROR')
        await other`ROLLBACK`
        afterRollback = await other`BEGIN IMMEDIATE`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other gets SQLITE_ERROR for BEGIN: "cannot start a transaction within a transaction"', () => {
      expect(begin).toMatchObject({ code: 'SQLITE_ERROR', message: 'cannot start a transaction within a transaction' })
    })
    test.fails('myth: a retry with BEGIN IMMEDIATE gets through, whatever went before', () => {
      expect(immediate.code).toBe('SQLITE_OK')
    })
    test('the other gets SQLITE_BUSY_SNAPSHOT for BEGIN IMMEDIATE', () => {
      expect(immediate.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the other gets SQLITE_OK for BEGIN IMMEDIATE after ROLLBACK', () => {
      expect(afterRollback.code).toBe('SQLITE_OK')
    })
  })

  describe('when a neighbour commits between the read and the write of each try', () => {
    let neighbours: Outcome[], replays: Outcome[], late: Outcome, immediate: Outcome[], total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { neighbour: { timeout: 0 }, other: { timeout: 0 } }, async ({ neighbour, other }) => {
        neighbours = []
        replays = []
        for (let i = 0; i < 5; i++) {
          await other`BEGIN`
          await other`SELECT n FROM counter`
          neighbours.push(await neighbour`UPDATE counter SET n = n + 1`)
          replays.push(await other`UPDATE counter SET n = n + 1`)
          await other`ROLLBACK`
        }
        immediate = [await other`BEGIN IMMEDIATE`, await other`SELECT n FROM counter`]
        late = await neighbour`UPDATE counter SET n = n + 1`
        immediate.push(await other`UPDATE counter SET n = n + 1`, await other`COMMIT`)
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: it is enough to roll back and repeat the whole transaction, however often a neighbour commits first', () => {
      expect(replays[4].code).toBe('SQLITE_OK')
    })
    test('the other repeats its whole transaction 5 times, and gets SQLITE_BUSY_SNAPSHOT 5 times', () => {
      expect(codesOf(replays)).toEqual(Array(5).fill('SQLITE_BUSY_SNAPSHOT'))
    })
    test('the neighbour is never refused while the other says BEGIN: 5 times SQLITE_OK', () => {
      expect(codesOf(neighbours)).toEqual(Array(5).fill('SQLITE_OK'))
    })
    test('the other gets through at its first try with BEGIN IMMEDIATE', () => {
      expect(codesOf(immediate)).toEqual(['SQLITE_OK', 'SQLITE_OK', 'SQLITE_OK', 'SQLITE_OK'])
    })
    test('the neighbour is the one who has to come back, then: SQLITE_BUSY', () => {
      expect(late.code).toBe('SQLITE_BUSY')
    })
    test('everything that was answered with SQLITE_OK is counted, and nothing else: n is 6', () => {
      expect(total.rows).toEqual([{ n: 6 }])
    })
  })
})

describe('Retries, rollback journal', { tags: ['q38'] }, () => {
  describe('when BEGIN IMMEDIATE is repeated', () => {
    let tries: Outcome[], story: Story

    beforeAll(async () => {
      story = await contend('delete', { holder: { timeout: 0 }, other: { timeout: 0 } }, async ({ holder, other }) => {
        await holder`BEGIN IMMEDIATE`
        tries = [await other`BEGIN IMMEDIATE`, await other`BEGIN IMMEDIATE`]
        await holder`COMMIT`
        tries.push(await other`BEGIN IMMEDIATE`)
      })
    })
    beforeEach((context) => show(context, story))

    test('the other gets SQLITE_BUSY twice while the holder is inside, and SQLITE_OK for the same statement when it has left', () => {
      expect(codesOf(tries)).toEqual(['SQLITE_BUSY', 'SQLITE_BUSY', 'SQLITE_OK'])
    })
  })

  describe('when an UPDATE without a transaction is refused because someone reads, and repeated', () => {
    let tries: Outcome[], total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        tries = [await writer`UPDATE counter SET n = n + 1`, await writer`UPDATE counter SET n = n + 1`]
        await reader`COMMIT`
        tries.push(await writer`UPDATE counter SET n = n + 1`)
        total = await writer`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer gets SQLITE_BUSY, SQLITE_BUSY, SQLITE_OK, and is never inside a transaction', () => {
      expect(tries).toMatchObject([
        { code: 'SQLITE_BUSY', inTransaction: false },
        { code: 'SQLITE_BUSY', inTransaction: false },
        { code: 'SQLITE_OK', inTransaction: false },
      ])
    })
    test('the writer is counted once: each refused UPDATE is undone, and n is 1', () => {
      expect(total.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when two have read, and each repeats only its last statement', () => {
    let updates: Outcome[], commits: Outcome[], stuck: Outcome, free: Outcome[], total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await other`SAVEPOINT before_the_read`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = n + 1`
        updates = []
        commits = []
        for (let i = 0; i < 5; i++) {
          updates.push(await other`UPDATE counter SET n = n + 1`)
          commits.push(await first`COMMIT`)
        }
        await other`ROLLBACK TO before_the_read`
        stuck = await first`COMMIT`
        await first`ROLLBACK`
        free = [await other`UPDATE counter SET n = n + 1`, await other`COMMIT`]
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other gets SQLITE_BUSY for UPDATE and the first for COMMIT in 5 rounds of 5: nobody progresses', () => {
      expect(codesOf(updates)).toEqual(Array(5).fill('SQLITE_BUSY'))
      expect(codesOf(commits)).toEqual(Array(5).fill('SQLITE_BUSY'))
    })
    test.fails('myth: it is enough if one of the two goes back to a savepoint set before its read', () => {
      expect(stuck.code).toBe('SQLITE_OK')
    })
    test('the first gets SQLITE_BUSY after the ROLLBACK TO of the other as well', () => {
      expect(stuck.code).toBe('SQLITE_BUSY')
    })
    test('the other gets SQLITE_OK for the same UPDATE, and for COMMIT, once the first has rolled back', () => {
      expect(codesOf(free)).toEqual(['SQLITE_OK', 'SQLITE_OK'])
    })
    test('the other alone is counted: n is 1', () => {
      expect(total.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when the whole transaction is repeated after a refused COMMIT, without ROLLBACK', () => {
    let begin: Outcome, update: Outcome, commit: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        await writer`COMMIT`
        await reader`COMMIT`
        begin = await writer`BEGIN`.mayAnswer('SQLITE_ERROR')
        update = await writer`UPDATE counter SET n = n + 1`
        commit = await writer`COMMIT`
        total = await writer`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer gets SQLITE_ERROR for BEGIN: "cannot start a transaction within a transaction"', () => {
      expect(begin).toMatchObject({ code: 'SQLITE_ERROR', message: 'cannot start a transaction within a transaction' })
    })
    test.fails('myth: a refused COMMIT undoes its transaction', () => {
      expect(total.rows).toEqual([{ n: 1 }])
    })
    test('the writer, who ignores that, gets SQLITE_OK for UPDATE and COMMIT, and has counted twice: n is 2', () => {
      expect(total.rows).toEqual([{ n: 2 }])
      expect([update.code, commit.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
    })
  })

  describe('when a refused transaction is begun again without ROLLBACK, with a timeout of five seconds', () => {
    let immediate: Outcome, afterRollback: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await other`BEGIN`
        await other`SELECT n FROM counter`
        await first`BEGIN IMMEDIATE`
        await other`UPDATE counter SET n = n + 1`
        immediate = await other`BEGIN IMMEDIATE`.mayAnswer('SQLITE_ERROR')
        await other`ROLLBACK`
        const turn = other`BEGIN IMMEDIATE`
        await turn.blocks()
        await first`COMMIT`
        afterRollback = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: with a timeout, BEGIN IMMEDIATE waits its turn, whatever went before', () => {
      expect(immediate.code).toBe('SQLITE_OK')
    })
    test('the other gets SQLITE_BUSY for BEGIN IMMEDIATE at once, with most of its five seconds to spare', () => {
      expect(immediate.code).toBe('SQLITE_BUSY')
      expect(immediate.waited).toBeLessThan(1_000)
    })
    test('the other waits at the same BEGIN IMMEDIATE after ROLLBACK, and gets SQLITE_OK when the first has left', () => {
      expect(afterRollback.code).toBe('SQLITE_OK')
    })
  })

  describe('when a neighbour wants to commit between the read and the write of the other', () => {
    let refused: Outcome, tries: Outcome[], story: Story

    beforeAll(async () => {
      story = await contend('delete', { neighbour: { timeout: 0 }, other: { timeout: 0 } }, async ({ neighbour, other }) => {
        tries = [await other`BEGIN`, await other`SELECT n FROM counter`]
        refused = await neighbour`UPDATE counter SET n = n + 1`
        tries.push(await other`UPDATE counter SET n = n + 1`, await other`COMMIT`)
      })
    })
    beforeEach((context) => show(context, story))

    test('the neighbour is turned away with SQLITE_BUSY', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the other gets through at its first try', () => {
      expect(codesOf(tries)).toEqual(['SQLITE_OK', 'SQLITE_OK', 'SQLITE_OK', 'SQLITE_OK'])
    })
  })
})
