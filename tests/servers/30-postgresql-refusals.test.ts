/**
 * What PostgreSQL refuses, and what comes next. 40001: the transaction cannot be put into any order with those that have committed. 40P01: two
 * wait for each other. After either, the transaction has failed as a whole: repeating the statement does not help, and COMMIT answers
 * without an error and has not committed. All of it is to be tried again, from BEGIN. A program that is ready for that needs what one needs
 * for SQLITE_BUSY_SNAPSHOT (chapter 68).
 *
 * https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html
 */
import { beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { contend, type Outcome, type Story, show } from '../../helpers/servers/contend.ts'

const { url = '' } = inject('postgresql')

describe.skipIf(!url)('After 40001', () => {
  describe('when the other repeats its statement, and says COMMIT', () => {
    let repeated: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['first', 'other'], async ({ first, other }) => {
        await other`BEGIN ISOLATION LEVEL REPEATABLE READ`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = 1`
        await other`UPDATE counter SET n = 2`
        repeated = await other`UPDATE counter SET n = 2`.mayAnswer('25P02')
        commit = await other`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the statement is not even tried: 25P02, "current transaction is aborted, commands ignored until end of transaction block"', () => {
      expect(repeated).toMatchObject({
        code: '25P02',
        message: 'current transaction is aborted, commands ignored until end of transaction block',
      })
    })
    test.fails('myth: a COMMIT that is answered without an error has committed', () => {
      expect([commit.code, commit.tag]).toEqual(['00000', 'COMMIT'])
    })
    test('its COMMIT is answered without an error, and says in its tag what it was: ROLLBACK', () => {
      expect([commit.code, commit.tag]).toEqual(['00000', 'ROLLBACK'])
    })
  })

  describe('when the other tries the whole transaction again', () => {
    let commit: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['first', 'other'], async ({ first, other }) => {
        await other`BEGIN ISOLATION LEVEL REPEATABLE READ`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = 1`
        await other`UPDATE counter SET n = 1`
        await other`ROLLBACK`
        await other`BEGIN ISOLATION LEVEL REPEATABLE READ`
        await other`SELECT n FROM counter`
        await other`UPDATE counter SET n = 2`
        commit = await other`COMMIT`
        total = await first`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other reads what the first has written, and commits: n is 2', () => {
      expect(commit.tag).toBe('COMMIT')
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })
})

describe.skipIf(!url)('Write skew: each reads both rows, whose sum is 30, and takes from another than the other', () => {
  describe('when both say REPEATABLE READ', () => {
    let ofFirst: Outcome, ofOther: Outcome, sum: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['first', 'other'], async ({ first, other }) => {
        await first`BEGIN ISOLATION LEVEL REPEATABLE READ`
        await other`BEGIN ISOLATION LEVEL REPEATABLE READ`
        await first`SELECT sum(value) FROM test`
        await other`SELECT sum(value) FROM test`
        await first`UPDATE test SET value = value - 30 WHERE id = 1`
        await other`UPDATE test SET value = value - 30 WHERE id = 2`
        ofFirst = await first`COMMIT`
        ofOther = await other`COMMIT`
        sum = await first`SELECT sum(value) FROM test`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a snapshot is enough to keep a rule that two rows have in common', () => {
      expect(sum.rows).toEqual([{ sum: '0' }])
    })
    test('both commit, and 30 is taken twice: the sum is -30, where SQLite refuses the other at its UPDATE', () => {
      expect([ofFirst.tag, ofOther.tag]).toEqual(['COMMIT', 'COMMIT'])
      expect(sum.rows).toEqual([{ sum: '-30' }])
    })
  })

  describe('when both say SERIALIZABLE', () => {
    let update: Outcome, commit: Outcome, sum: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['first', 'other'], async ({ first, other }) => {
        await first`BEGIN ISOLATION LEVEL SERIALIZABLE`
        await other`BEGIN ISOLATION LEVEL SERIALIZABLE`
        await first`SELECT sum(value) FROM test`
        await other`SELECT sum(value) FROM test`
        await first`UPDATE test SET value = value - 30 WHERE id = 1`
        update = await other`UPDATE test SET value = value - 30 WHERE id = 2`
        await first`COMMIT`
        commit = await other`COMMIT`
        sum = await first`SELECT sum(value) FROM test`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other waits for nobody, and is refused at its COMMIT, when all its work is done: 40001', () => {
      expect(update.tag).toBe('UPDATE')
      expect(commit).toMatchObject({
        code: '40001',
        message: 'could not serialize access due to read/write dependencies among transactions',
      })
      expect(sum.rows).toEqual([{ sum: '0' }])
    })
    test('its transaction is over then, where after a refused COMMIT of SQLite it is still open', () => {
      expect(commit.transaction).toBe('none')
    })
  })

  describe('when only the other says SERIALIZABLE', () => {
    let commit: Outcome, sum: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['first', 'other'], async ({ first, other }) => {
        await first`BEGIN ISOLATION LEVEL REPEATABLE READ`
        await other`BEGIN ISOLATION LEVEL SERIALIZABLE`
        await first`SELECT sum(value) FROM test`
        await other`SELECT sum(value) FROM test`
        await first`UPDATE test SET value = value - 30 WHERE id = 1`
        await other`UPDATE test SET value = value - 30 WHERE id = 2`
        await first`COMMIT`
        commit = await other`COMMIT`
        sum = await first`SELECT sum(value) FROM test`
      })
    })
    beforeEach((context) => show(context, story))

    test('nobody is refused, and 30 is taken twice: SERIALIZABLE protects those who all use it', () => {
      expect(commit.tag).toBe('COMMIT')
      expect(sum.rows).toEqual([{ sum: '-30' }])
    })
  })

  describe('when both say READ COMMITTED, and read FOR UPDATE', () => {
    let lock: string, read: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['first', 'other'], async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`SELECT value FROM test ORDER BY id FOR UPDATE`
        const select = other`SELECT value FROM test ORDER BY id FOR UPDATE`
        lock = await select.blocks()
        await first`UPDATE test SET value = value - 30 WHERE id = 1`
        await first`COMMIT`
        read = await select
        await other`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other waits, and reads what is left: nobody is refused', () => {
      expect(lock).toBe('transactionid, of first')
      expect(read.rows).toEqual([{ value: -20 }, { value: 20 }])
    })
  })
})

describe.skipIf(!url)('Two who hold a row each, and want that of the other', () => {
  describe('when both wait', () => {
    let first: Outcome, other: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['one', 'another'], async ({ one, another }) => {
        await one`BEGIN`
        await another`BEGIN`
        await one`UPDATE test SET value = 0 WHERE id = 1`
        await another`UPDATE test SET value = 0 WHERE id = 2`
        const update = one`UPDATE test SET value = 0 WHERE id = 2`
        await update.blocks()
        const back = another`UPDATE test SET value = 0 WHERE id = 1`
        ;[first, other] = await Promise.all([update, back])
        await one`COMMIT`
        await another`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('one of the two is refused with 40P01, "deadlock detected", and the other goes on, as of two who upgrade in SQLite', () => {
      expect([first, other].map(({ code }) => code).sort()).toEqual(['00000', '40P01'])
      expect([first, other].find(({ code }) => code === '40P01')?.message).toBe('deadlock detected')
    })
    test('PostgreSQL looks for a deadlock when one has waited for a second, where SQLite refuses to wait as soon as it could be one', () => {
      expect([first, other].find(({ code }) => code === '40P01')?.waited).toBeGreaterThanOrEqual(900)
    })
  })
})

describe.skipIf(!url)('One who has written, and does not commit', () => {
  describe('when its process is stopped', () => {
    let lock: string, later: string, turn: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['holder', 'waiter'], async ({ holder, waiter }) => {
        await holder`BEGIN`
        await holder`UPDATE counter SET n = 1`
        await holder.signal('SIGSTOP')
        const update = waiter`UPDATE counter SET n = 2`
        lock = await update.blocks()
        await holder.signal('SIGCONT')
        later = await update.blocks()
        await holder`COMMIT`
        turn = await update
      })
    })
    beforeEach((context) => show(context, story))

    test('the waiter waits for it, as in SQLite: nobody takes the lock from one who is alive', () => {
      expect([lock, later]).toEqual(['transactionid, of holder', 'transactionid, of holder'])
      expect(turn.tag).toBe('UPDATE')
    })
  })

  describe('when its process is killed', () => {
    let turn: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['holder', 'waiter'], async ({ holder, waiter }) => {
        await holder`BEGIN`
        await holder`UPDATE counter SET n = n + 10`
        const update = waiter`UPDATE counter SET n = n + 1`
        await update.blocks()
        await holder.signal('SIGKILL')
        turn = await update
        total = await waiter`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the waiter goes on, and nothing of what was not committed is there, as in SQLite', () => {
      expect(turn.tag).toBe('UPDATE')
      expect(total.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when the server has been told for how long it may be idle', () => {
    let turn: Outcome, commit: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['holder', 'waiter'], async ({ holder, waiter }) => {
        await holder`SET idle_in_transaction_session_timeout = 2000`
        await holder`BEGIN`
        await holder`UPDATE counter SET n = n + 10`
        const update = waiter`UPDATE counter SET n = n + 1`
        await update.blocks()
        turn = await update
        commit = await holder`COMMIT`.mayAnswer('25P03')
        total = await waiter`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the waiter goes on although the holder does nothing, which no setting of SQLite can do for it', () => {
      expect(turn.tag).toBe('UPDATE')
    })
    test('the holder has lost its transaction, and its connection: 25P03', () => {
      expect(commit).toMatchObject({
        code: '25P03',
        message: 'terminating connection due to idle-in-transaction timeout',
        transaction: 'none',
      })
      expect(total.rows).toEqual([{ n: 1 }])
    })
  })
})
