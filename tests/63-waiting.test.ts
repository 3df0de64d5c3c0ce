/**
 * To wait is to try, to sleep for a while, and to try again: SQLite's busy handler sleeps 1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50 and
 * then always 100 milliseconds (sqliteDefaultBusyCallback in main.c). Nobody is told that the lock is free, nobody stands in a line, and
 * what is compared with the timeout is the sum of these sleeps, and not a clock.
 *
 * The documentation says that the handler "sleeps multiple times until at least \"ms\" milliseconds of sleeping have accumulated": it means
 * sleeping, and a process that is stopped meanwhile has slept no more than it asked for.
 *
 * https://sqlite.org/c3ref/busy_timeout.html · https://sqlite.org/c3ref/busy_handler.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { tellsLocks } from '../helpers/kernel.ts'
import { show } from '../helpers/show.ts'

describe('How long one waits, write-ahead log', { tags: ['q35'] }, () => {
  describe('when the holder stays inside', () => {
    let one: Outcome, eight: Outcome, hundred: Outcome, odd: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, waiter: { timeout: 1 } }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        one = await waiter`BEGIN IMMEDIATE`
        await waiter`PRAGMA busy_timeout = 8`
        eight = await waiter`BEGIN IMMEDIATE`
        await waiter`PRAGMA busy_timeout = 100`
        hundred = await waiter`BEGIN IMMEDIATE`
        await waiter`PRAGMA busy_timeout = 330`
        odd = await waiter`BEGIN IMMEDIATE`
      })
    })
    beforeEach((context) => show(context, story))

    test('a timeout of 1 ms lasts 1 ms or longer', () => {
      expect(one.code).toBe('SQLITE_BUSY')
      expect(one.waited).toBeGreaterThanOrEqual(1)
    })
    test('a timeout of 8 ms lasts 8 ms or longer', () => {
      expect(eight.code).toBe('SQLITE_BUSY')
      expect(eight.waited).toBeGreaterThanOrEqual(8)
    })
    test('a timeout of 100 ms lasts 100 ms or longer', () => {
      expect(hundred.code).toBe('SQLITE_BUSY')
      expect(hundred.waited).toBeGreaterThanOrEqual(100)
    })
    test('a timeout of 330 ms lasts 330 ms or longer', () => {
      expect(odd.code).toBe('SQLITE_BUSY')
      expect(odd.waited).toBeGreaterThanOrEqual(330)
    })
  })

  describe('when the timeout is changed on the way', () => {
    let unset: Outcome, refused: Outcome, negative: Outcome, theirs: Outcome, begin: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, waiter: { timeout: 5_000 } }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        await waiter`PRAGMA busy_timeout = 0`
        unset = await waiter`BEGIN IMMEDIATE`
        negative = await waiter`PRAGMA busy_timeout = -1`
        refused = await waiter`BEGIN IMMEDIATE`
        await waiter`PRAGMA busy_timeout = 5000`
        theirs = await holder`PRAGMA busy_timeout`
        const turn = waiter`BEGIN IMMEDIATE`
        await turn.blocks()
        await holder`COMMIT`
        begin = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('PRAGMA busy_timeout = 0 ends the waiting: the waiter is turned away with SQLITE_BUSY at once', () => {
      expect(unset.code).toBe('SQLITE_BUSY')
      expect(unset.waited).toBeLessThan(1_000)
    })
    test.fails('myth: a negative timeout waits for ever', () => {
      expect(negative.rows).toEqual([{ timeout: -1 }])
    })
    test('a negative timeout is 0, and the waiter is turned away at once', () => {
      expect(negative.rows).toEqual([{ timeout: 0 }])
      expect(refused.waited).toBeLessThan(1_000)
    })
    test('the waiter waits again, and is let in, with a timeout of its own', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the holder still has its timeout of 0: it does not matter for those who wait', () => {
      expect(theirs.rows).toEqual([{ timeout: 0 }])
    })
  })
})

describe('How long one waits, rollback journal', { tags: ['q35'] }, () => {
  describe('when one transaction waits at BEGIN, and again at COMMIT', () => {
    let begin: Outcome, commit: Outcome, again: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, reader: { timeout: 0 }, waiter: { timeout: 200 } }
      story = await contend('delete', cast, async ({ holder, reader, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        const turn = waiter`BEGIN IMMEDIATE`
        await turn.blocks()
        await holder`COMMIT`
        begin = await turn
        await waiter`UPDATE counter SET n = 1`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        commit = await waiter`COMMIT`
        again = await waiter`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the waiter waits at BEGIN IMMEDIATE, and is let in', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test.fails('myth: the timeout is for the whole transaction', () => {
      expect(commit.waited).toBeLessThan(200)
    })
    test('the waiter waits at COMMIT for a whole timeout of 200 ms more: every statement has its own', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
      expect(commit.waited).toBeGreaterThanOrEqual(200)
    })
    test('the COMMIT that is said again waits for a whole timeout again', () => {
      expect(again.code).toBe('SQLITE_BUSY')
      expect(again.waited).toBeGreaterThanOrEqual(200)
    })
  })
})

const steps = [1, 2, 5, 10, 15, 20, 25, 50, 100]

describe.skipIf(!tellsLocks)('What the busy handler does (needs /proc), write-ahead log', { tags: ['q35'] }, () => {
  describe('when it has been asked for a while', () => {
    let naps: number[], begin: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, waiter: { timeout: 5_000 } }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        const turn = waiter`BEGIN IMMEDIATE`
        await turn.blocks()
        naps = await turn.naps({ last: 100 })
        await holder`COMMIT`
        begin = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the waiter sleeps for 100 ms at a time in the end', () => {
      expect(naps.at(-1)).toBe(100)
    })
    test('the waiter sleeps longer from try to try, for 1, 2, 5, 10, 15, 20, 25, 50 or 100 ms', () => {
      expect(naps).toEqual(steps.filter((step) => naps.includes(step)))
    })
    test.fails('myth: the waiter is woken when the lock is free', () => {
      expect(begin.waited).toBeLessThan(328)
    })
    test('the waiter sleeps its 100 ms out, 328 ms in all, although the lock is free: it finds out at its next try', () => {
      expect(begin.code).toBe('SQLITE_OK')
      expect(begin.waited).toBeGreaterThanOrEqual(328)
    })
  })

  describe('when the waiter is stopped for longer than its timeout', () => {
    let other: Outcome, begin: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, waiter: { timeout: 1_000 }, other: { timeout: 1_100 } }
      story = await contend('wal', cast, async (contenders) => {
        const { holder, waiter } = contenders
        await holder`BEGIN IMMEDIATE`
        const turn = waiter`BEGIN IMMEDIATE`
        await turn.blocks()
        await waiter.signal('SIGSTOP')
        other = await contenders.other`BEGIN IMMEDIATE`
        await waiter.signal('SIGCONT')
        await turn.blocks()
        await holder`COMMIT`
        begin = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the other waits in vain for 1,100 ms meanwhile', () => {
      expect(other.code).toBe('SQLITE_BUSY')
      expect(other.waited).toBeGreaterThanOrEqual(1_100)
    })
    test.fails('myth: a timeout of 1,000 ms is over after 1,000 ms', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
    test('the waiter, with a timeout of 1,000 ms, waits on after more than 1,100, and gets SQLITE_OK: only sleeps are counted', () => {
      expect(begin.code).toBe('SQLITE_OK')
      expect(begin.waited).toBeGreaterThanOrEqual(1_100)
    })
  })
})

describe.skipIf(!tellsLocks)('Who is served (needs /proc), write-ahead log', { tags: ['q34'] }, () => {
  describe('when two wait, and the first of them is asleep as the holder leaves', () => {
    let second: Outcome, first: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, first: { timeout: 5_000 }, second: { timeout: 5_000 } }
      story = await contend('wal', cast, async (contenders) => {
        const { holder } = contenders
        await holder`BEGIN IMMEDIATE`
        const turn = contenders.first`BEGIN IMMEDIATE`
        await turn.blocks()
        const laterTurn = contenders.second`BEGIN IMMEDIATE`
        await laterTurn.blocks()
        await contenders.first.signal('SIGSTOP')
        await holder`COMMIT`
        second = await laterTurn
        await contenders.first.signal('SIGCONT')
        await turn.blocks()
        await contenders.second`COMMIT`
        first = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the second, who came later, is served first', () => {
      expect(second.code).toBe('SQLITE_OK')
    })
    test('the first is served when the second has left', () => {
      expect(first.code).toBe('SQLITE_OK')
    })
  })

  describe('when others come and go while one is asleep', () => {
    let passing: Outcome[], begin: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, sleeper: { timeout: 100 }, newcomer: { timeout: 0 } }
      story = await contend('wal', cast, async ({ holder, sleeper, newcomer }) => {
        await holder`BEGIN IMMEDIATE`
        const turn = sleeper`BEGIN IMMEDIATE`
        await turn.blocks()
        await sleeper.signal('SIGSTOP')
        await holder`COMMIT`
        passing = []
        for (let i = 0; i < 3; i++) passing.push(await newcomer`UPDATE counter SET n = n + 1`)
        await newcomer`BEGIN IMMEDIATE`
        await sleeper.signal('SIGCONT')
        begin = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('three transactions of the newcomer pass by the one who waits', () => {
      expect(passing.map(({ code }) => code)).toEqual(['SQLITE_OK', 'SQLITE_OK', 'SQLITE_OK'])
    })
    test.fails('myth: whoever waits gets in as soon as the lock has been free', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the sleeper is turned away with SQLITE_BUSY, although the lock has been free four times', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when one waits at the door', () => {
    let story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, waiter: { timeout: 5_000 } }, async ({ holder, waiter }) => {
        await waiter`SELECT n FROM counter`
        await holder`BEGIN IMMEDIATE`
        const turn = waiter`BEGIN IMMEDIATE`
        await turn.blocks()
        await holder`COMMIT`
        await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the waiter, asleep, holds nothing that could be in the way of others: no mark and no WRITE', () => {
      expect(story.moments.find(({ waits }) => waits)?.locks).toEqual(['SHARED', 'DMS'])
    })
  })
})
