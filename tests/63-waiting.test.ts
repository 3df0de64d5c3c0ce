/**
 * To wait is to sleep and to try again: SQLite's busy handler sleeps 1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50 ms and then 100 ms at a
 * time, and the last time for what is left, until its sleeps add up to the timeout. It looks at no clock, stands in no queue, and
 * nobody wakes it. It begins anew when a statement runs; the schema, which has to be known before, is waited for with what
 * the statement that ran last has left of its timeout. And it is not asked everywhere: where waiting could not help, or where
 * SQLite does without it, SQLITE_BUSY comes at once. The first page below says that at least the timeout is slept; what is asked of
 * the operating system is exactly that.
 *
 * https://sqlite.org/c3ref/busy_timeout.html · https://sqlite.org/c3ref/busy_handler.html · https://sqlite.org/pragma.html#pragma_busy_timeout
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import type { JournalMode } from '../helpers/fresh-database.ts'
import { tellsLocks, tellsSleep } from '../helpers/kernel.ts'
import { show } from '../helpers/show.ts'
import { heldWaiting } from '../helpers/timeline.ts'

/** For how long a waiter with a timeout of 527 ms sleeps, from try to try, in milliseconds. */
const sleeps = [1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100, 100, 99]

/** Where in that list the naps are that were seen; -1 for one that is not there, or not in this order. */
function placesOf(naps: number[]): number[] {
  let place = -1
  return naps.map((nap) => {
    place = sleeps.indexOf(nap, place + 1)
    return place
  })
}

/** Has a waiter refused after 527 ms, and again from the beginning until every sleep has been seen, for a short one can be missed. */
async function refused(mode: JournalMode) {
  const places: number[] = []
  const begins: Outcome[] = []
  let story: Story
  do {
    story = await contend(mode, { holder: { timeout: 0 }, waiter: { timeout: 527 } }, async ({ holder, waiter }) => {
      await holder`BEGIN IMMEDIATE`
      const turn = waiter`BEGIN IMMEDIATE`
      places.push(...placesOf(await turn.naps()))
      begins.push(await turn)
    })
  } while (!sleeps.every((_, place) => places.includes(place)) && begins.length < 40)
  return { places, seen: sleeps.filter((_, place) => places.includes(place)), begins, story }
}

describe.skipIf(!tellsSleep)('The sleeps of the busy handler, write-ahead log (needs /proc)', { tags: ['q35'] }, () => {
  describe('when a waiter with a timeout of 527 ms is refused', () => {
    let places: number[], seen: number[], begins: Outcome[], story: Story

    beforeAll(async () => {
      ;({ places, seen, begins, story } = await refused('wal'))
    })
    beforeEach((context) => show(context, story))

    test('the waiter sleeps 1, 2, 5, 10, 15, 20, 25, 25, 25, 50 and 50 ms, 100 ms twice, and 99 ms, all that is left of 527', () => {
      expect(seen).toEqual(sleeps)
    })
    test('the waiter sleeps for no other time, and in no other order', () => {
      expect(places).not.toContain(-1)
    })
    test('the waiter is never turned away with SQLITE_BUSY before its 527 ms are over', () => {
      expect(new Set(begins.map(({ code }) => code))).toEqual(new Set(['SQLITE_BUSY']))
      expect(Math.min(...begins.map(({ waited }) => waited))).toBeGreaterThanOrEqual(527)
    })
  })

  describe('when the holder leaves while the waiter sleeps for 100 ms', () => {
    let begin: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, waiter: { timeout: 5_000 } }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        const turn = waiter`BEGIN IMMEDIATE`
        await turn.blocks()
        await turn.naps({ until: 100 })
        await holder`COMMIT`
        begin = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: the waiter is woken when the lock is free', () => {
      expect(begin.waited).toBeLessThan(328)
    })
    test('the waiter sleeps its 100 ms out, 328 ms in all, although the lock is free: it finds out at its next try, SQLITE_OK', () => {
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
        begin = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the other waits in vain for 1,100 ms meanwhile', () => {
      expect(other.code).toBe('SQLITE_BUSY')
      expect(other.waited).toBeGreaterThanOrEqual(1_100)
    })
    test.fails('myth: a timeout of 1,000 ms is over when 1,000 ms have gone by', () => {
      expect(begin.waited).toBeLessThan(1_100)
    })
    test('the waiter waits on for what it has not slept yet, and is SQLITE_BUSY after 2,000 ms or more: only its sleeps are counted', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
      expect(begin.waited).toBeGreaterThanOrEqual(2_000)
    })
  })
})

describe.skipIf(!tellsSleep)('The sleeps of the busy handler, rollback journal (needs /proc)', { tags: ['q35'] }, () => {
  describe('when a waiter with a timeout of 527 ms is refused', () => {
    let places: number[], seen: number[], begins: Outcome[], story: Story

    beforeAll(async () => {
      ;({ places, seen, begins, story } = await refused('delete'))
    })
    beforeEach((context) => show(context, story))

    test('the waiter sleeps for the same times, in the same order, and for no other', () => {
      expect(seen).toEqual(sleeps)
      expect(places).not.toContain(-1)
    })
    test('the waiter is never turned away with SQLITE_BUSY before its 527 ms are over', () => {
      expect(new Set(begins.map(({ code }) => code))).toEqual(new Set(['SQLITE_BUSY']))
      expect(Math.min(...begins.map(({ waited }) => waited))).toBeGreaterThanOrEqual(527)
    })
  })
})

describe('What the timeout is for, rollback journal', { tags: ['q35'] }, () => {
  describe('when a transaction has to wait more than once', { tags: ['q6'] }, () => {
    let begin: Outcome, commit: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, reader: { timeout: 0 }, writer: { timeout: 100 } }
      story = await contend('delete', cast, async ({ holder, reader, writer }) => {
        await holder`BEGIN IMMEDIATE`
        begin = await writer`BEGIN IMMEDIATE`
        await holder`COMMIT`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        commit = await writer`COMMIT`
        repeated = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer waits at the door, and is turned away from BEGIN IMMEDIATE after its 100 ms', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
      expect(begin.waited).toBeGreaterThanOrEqual(100)
    })
    test.fails('myth: the timeout is for the whole transaction, and one who has used it up does not wait again', () => {
      expect(repeated.waited).toBeLessThan(100)
    })
    test('the writer waits its whole 100 ms again with every COMMIT that is SQLITE_BUSY: each statement has it anew', () => {
      expect([commit.code, repeated.code]).toEqual(['SQLITE_BUSY', 'SQLITE_BUSY'])
      expect(commit.waited).toBeGreaterThanOrEqual(100)
      expect(repeated.waited).toBeGreaterThanOrEqual(100)
    })
  })

  describe.skipIf(!tellsSleep)('when one UPDATE waits for the holder and, to commit, for a reader (needs /proc)', () => {
    let later: number[], update: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, reader: { timeout: 0 }, writer: { timeout: 1_027 } }
      story = await contend('delete', cast, async ({ holder, reader, writer }) => {
        await holder`BEGIN IMMEDIATE`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        const turn = writer`UPDATE counter SET n = n + 1`
        await turn.blocks()
        await turn.naps({ until: 100 })
        await holder`ROLLBACK`
        later = await turn.naps()
        update = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a statement that meets a second obstacle begins to wait anew', () => {
      expect(later).toContain(1)
    })
    test('the writer goes on with 100 ms at a time, and 99 ms at last, until it is SQLITE_BUSY: one timeout is for the whole statement', () => {
      expect(update.code).toBe('SQLITE_BUSY')
      expect(later.filter((nap) => nap < 99)).toEqual([])
    })
  })

  describe('when the statement after a refusal has to read the schema first', () => {
    let begin: Outcome, read: Outcome, repeated: Outcome, known: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, newcomer: { timeout: 1_000 }, regular: { timeout: 100 } }
      story = await contend('delete', cast, async ({ holder, newcomer, regular }) => {
        await regular`SELECT n FROM counter`
        await holder`BEGIN EXCLUSIVE`
        begin = await newcomer`BEGIN IMMEDIATE`
        read = await newcomer`SELECT n FROM counter`
        repeated = await newcomer`SELECT n FROM counter`
        await regular`BEGIN IMMEDIATE`
        known = await regular`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the newcomer is turned away from BEGIN IMMEDIATE with SQLITE_BUSY after its whole timeout of 1,000 ms', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
      expect(begin.waited).toBeGreaterThanOrEqual(1_000)
    })
    test.fails('myth: every statement waits for its whole timeout', () => {
      expect(read.waited).toBeGreaterThanOrEqual(1_000)
    })
    test('the newcomer is turned away from its next statement, a SELECT, with SQLITE_BUSY at once: the schema is read on what is left', () => {
      expect(read.code).toBe('SQLITE_BUSY')
      expect(read.waited).toBeLessThan(200)
    })
    test('the newcomer waits for its 1,000 ms when it repeats the SELECT', () => {
      expect(repeated.code).toBe('SQLITE_BUSY')
      expect(repeated.waited).toBeGreaterThanOrEqual(1_000)
    })
    test('the regular, who knows the schema, waits for its whole 100 ms in SELECT too', () => {
      expect(known.code).toBe('SQLITE_BUSY')
      expect(known.waited).toBeGreaterThanOrEqual(100)
    })
  })
})

describe('What the timeout is for, write-ahead log', { tags: ['q35'] }, () => {
  describe('when the statement after a refusal has to read the schema first', () => {
    let begin: Outcome, read: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { hermit: { timeout: 0 }, newcomer: { timeout: 1_000 } }, async ({ hermit, newcomer }) => {
        await hermit`PRAGMA locking_mode = EXCLUSIVE`
        await hermit`SELECT n FROM counter`
        begin = await newcomer`BEGIN IMMEDIATE`
        read = await newcomer`SELECT n FROM counter`
        repeated = await newcomer`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the newcomer waits for its 1,000 ms, is turned away from the next statement at once, and waits again, all SQLITE_BUSY', () => {
      expect([begin.code, read.code, repeated.code]).toEqual(['SQLITE_BUSY', 'SQLITE_BUSY', 'SQLITE_BUSY'])
      expect(begin.waited).toBeGreaterThanOrEqual(1_000)
      expect(read.waited).toBeLessThan(200)
      expect(repeated.waited).toBeGreaterThanOrEqual(1_000)
    })
  })
})

describe('How the timeout is set, write-ahead log', { tags: ['q35'] }, () => {
  describe('when the waiter changes its timeout', () => {
    let off: Outcome, negative: Outcome, disabled: Outcome, replaced: Outcome, last: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 5_000 }, waiter: { timeout: 5_000 } }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        await waiter`PRAGMA busy_timeout = 0`
        off = await waiter`BEGIN IMMEDIATE`
        await waiter`PRAGMA busy_timeout = 5000`
        negative = await waiter`PRAGMA busy_timeout = -1`
        disabled = await waiter`BEGIN IMMEDIATE`
        await waiter`PRAGMA busy_timeout = 5000`
        replaced = await waiter`PRAGMA busy_timeout = 100`
        last = await waiter`BEGIN IMMEDIATE`
      })
    })
    beforeEach((context) => show(context, story))

    test('the waiter that sets its timeout to 0 is turned away with SQLITE_BUSY at once', () => {
      expect(off.code).toBe('SQLITE_BUSY')
      expect(off.waited).toBeLessThan(1_000)
    })
    test('the waiter that sets a negative timeout has set 0', () => {
      expect(negative.rows).toEqual([{ timeout: 0 }])
    })
    test.fails('myth: a timeout of -1 waits for ever', () => {
      expect(disabled.code).toBe('SQLITE_OK')
    })
    test('the waiter with a timeout of -1 is turned away with SQLITE_BUSY at once', () => {
      expect(disabled.code).toBe('SQLITE_BUSY')
      expect(disabled.waited).toBeLessThan(1_000)
    })
    test('the waiter that sets 5,000 ms and then 100 ms has 100 ms', () => {
      expect(replaced.rows).toEqual([{ timeout: 100 }])
      expect(last.waited).toBeGreaterThanOrEqual(100)
      expect(last.waited).toBeLessThan(1_000)
    })
  })

  describe('when the timeout is written in another way', () => {
    let seconds: Outcome, underscored: Outcome, big: Outcome, word: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { waiter: { timeout: 5_000 } }, async ({ waiter }) => {
        seconds = await waiter`PRAGMA busy_timeout = '5s'`
        underscored = await waiter`PRAGMA busy_timeout = '30_000'`
        big = await waiter`PRAGMA busy_timeout = 2147483648`
        word = await waiter`PRAGMA busy_timeout = forever`
      })
    })
    beforeEach((context) => show(context, story))

    test("the waiter that writes '5s' has a timeout of 5 ms", () => {
      expect(seconds.rows).toEqual([{ timeout: 5 }])
    })
    test("the waiter that writes '30_000' has a timeout of 30 ms", () => {
      expect(underscored.rows).toEqual([{ timeout: 30 }])
    })
    test('the waiter that writes a word, or a number of more than 31 bits, gets SQLITE_OK, and no such timeout', () => {
      expect([word.code, big.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
      expect(Math.max(Number(word.rows[0].timeout), Number(big.rows[0].timeout))).toBeLessThanOrEqual(30)
    })
  })
})

describe.skipIf(!tellsSleep)('Those who wait, write-ahead log (needs /proc)', { tags: ['q34'] }, () => {
  describe('when three wait, and the first two are asleep as the holder leaves', () => {
    let ofFirst: Outcome, ofOther: Outcome, ofThird: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 5_000
      const cast = { holder: { timeout }, first: { timeout }, other: { timeout }, third: { timeout } }
      story = await contend('wal', cast, async ({ holder, first, other, third }) => {
        await holder`BEGIN IMMEDIATE`
        const turnOfFirst = first`BEGIN IMMEDIATE`
        await turnOfFirst.blocks()
        await first.signal('SIGSTOP')
        const turnOfOther = other`BEGIN IMMEDIATE`
        await turnOfOther.blocks()
        await other.signal('SIGSTOP')
        const turnOfThird = third`BEGIN IMMEDIATE`
        await turnOfThird.blocks()
        await holder`COMMIT`
        ofThird = await turnOfThird
        await other.signal('SIGCONT')
        await turnOfOther.blocks()
        await third`COMMIT`
        ofOther = await turnOfOther
        await first.signal('SIGCONT')
        await turnOfFirst.blocks()
        await other`COMMIT`
        ofFirst = await turnOfFirst
      })
    })
    beforeEach((context) => show(context, story))

    test('the third, who came last, gets SQLITE_OK before the other, and the other before the first', () => {
      expect(ofThird.code).toBe('SQLITE_OK')
      expect(ofOther.code).toBe('SQLITE_OK')
    })
    test('the first, who came before everybody else, is served last, SQLITE_OK', () => {
      expect(ofFirst.code).toBe('SQLITE_OK')
    })
  })

  describe('when one sleeps, and another without a timeout asks again and again', () => {
    let refused: Outcome[], admitted: Outcome, begin: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, sleeper: { timeout: 5_000 }, pusher: { timeout: 0 } }
      story = await contend('wal', cast, async ({ holder, sleeper, pusher }) => {
        await holder`BEGIN IMMEDIATE`
        const turn = sleeper`BEGIN IMMEDIATE`
        await turn.blocks()
        await sleeper.signal('SIGSTOP')
        refused = [await pusher`BEGIN IMMEDIATE`, await pusher`BEGIN IMMEDIATE`]
        await holder`COMMIT`
        admitted = await pusher`BEGIN IMMEDIATE`
        await sleeper.signal('SIGCONT')
        await turn.blocks()
        await pusher`COMMIT`
        begin = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the pusher is turned away with SQLITE_BUSY as long as the holder is inside', () => {
      expect(refused.map(({ code }) => code)).toEqual(['SQLITE_BUSY', 'SQLITE_BUSY'])
    })
    test('the pusher gets SQLITE_OK before the sleeper, who came first and is patient: it is the one who tries while the lock is free', () => {
      expect(admitted.code).toBe('SQLITE_OK')
      expect(begin.code).toBe('SQLITE_OK')
    })
  })

  describe('when the lock is free five times while the waiter sleeps', () => {
    let passed: Outcome[], begin: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, waiter: { timeout: 200 } }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        const turn = waiter`BEGIN IMMEDIATE`
        await turn.blocks()
        await waiter.signal('SIGSTOP')
        passed = []
        for (let i = 0; i < 5; i++) {
          await holder`COMMIT`
          passed.push(await holder`BEGIN IMMEDIATE`)
        }
        await turn.blocks()
        await waiter.signal('SIGCONT')
        begin = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the holder leaves and enters again five times, and is SQLITE_OK without a timeout: it overtakes the waiter', () => {
      expect(passed.map(({ code }) => code)).toEqual(['SQLITE_OK', 'SQLITE_OK', 'SQLITE_OK', 'SQLITE_OK', 'SQLITE_OK'])
    })
    test.fails('myth: who waits is served when the lock is free for the first time', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the waiter is turned away with SQLITE_BUSY: what counts is who has the lock when it wakes', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
  })
})

describe.skipIf(!tellsSleep)('Those who wait, rollback journal (needs /proc)', { tags: ['q34'] }, () => {
  describe('when two wait, and the first is asleep as the holder leaves', () => {
    let ofFirst: Outcome, ofOther: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 5_000
      const cast = { holder: { timeout }, first: { timeout }, other: { timeout } }
      story = await contend('delete', cast, async ({ holder, first, other }) => {
        await holder`BEGIN IMMEDIATE`
        const turn = first`BEGIN IMMEDIATE`
        await turn.blocks()
        await first.signal('SIGSTOP')
        const turnOfOther = other`BEGIN IMMEDIATE`
        await turnOfOther.blocks()
        await holder`COMMIT`
        ofOther = await turnOfOther
        await first.signal('SIGCONT')
        await turn.blocks()
        await other`COMMIT`
        ofFirst = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the other, who came later and waited as well, is served before the first', () => {
      expect(ofOther.code).toBe('SQLITE_OK')
    })
    test('the first is served after the other', () => {
      expect(ofFirst.code).toBe('SQLITE_OK')
    })
  })
})

describe.skipIf(!(tellsLocks && tellsSleep))('A waiter inside BEGIN, write-ahead log (needs /proc)', { tags: ['q7'] }, () => {
  describe('when its first statement is a write', () => {
    let update: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, waiter: { timeout: 5_000 } }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        await waiter`BEGIN`
        const turn = waiter`UPDATE counter SET n = n + 1`
        await turn.blocks()
        await holder`COMMIT`
        update = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the waiter holds no snapshot while it waits', () => {
      expect(heldWaiting(story, 'waiter')).toEqual([['SHARED', 'DMS']])
    })
    test('the waiter holds the write lock and a snapshot when it has its turn', () => {
      expect(update.locks).toEqual(expect.arrayContaining(['WRITE', 'READ(0)']))
    })
  })
})
