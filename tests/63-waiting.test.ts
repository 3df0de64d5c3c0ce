/**
 * To wait is to sleep and to try again: SQLite's busy handler sleeps 1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50 ms and then 100 ms at a
 * time, until what it has slept adds up to the timeout. It looks at no clock, stands in no queue, and nobody wakes it. And it is not
 * asked everywhere: where waiting could not help, or where SQLite does without it, SQLITE_BUSY comes at once.
 *
 * https://sqlite.org/c3ref/busy_timeout.html · https://sqlite.org/c3ref/busy_handler.html · https://sqlite.org/pragma.html#pragma_busy_timeout
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { tellsLocks, tellsSleep } from '../helpers/kernel.ts'
import { show } from '../helpers/show.ts'
import { heldWaiting } from '../helpers/timeline.ts'

describe('Where a timeout of five seconds applies, rollback journal', { tags: ['q35'] }, () => {
  describe('when a reader meets the holder of an exclusive lock', () => {
    let select: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { holder: { timeout: 0 }, reader: { timeout: 5_000 } }, async ({ holder, reader }) => {
        await holder`BEGIN EXCLUSIVE`
        await holder`UPDATE counter SET n = n + 1`
        const turn = reader`SELECT n FROM counter`
        await turn.blocks()
        await holder`COMMIT`
        select = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader waits in SELECT, and reads what the holder has committed', () => {
      expect(select).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
  })

  describe('when a reader meets a writer that waits in COMMIT', () => {
    let commit: Outcome, select: Outcome, story: Story

    beforeAll(async () => {
      const cast = { former: { timeout: 0 }, writer: { timeout: 5_000 }, reader: { timeout: 5_000 } }
      story = await contend('delete', cast, async ({ former, writer, reader }) => {
        await former`BEGIN`
        await former`SELECT n FROM counter`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        const leaving = writer`COMMIT`
        await leaving.blocks()
        const entering = reader`SELECT n FROM counter`
        await entering.blocks()
        await former`COMMIT`
        commit = await leaving
        select = await entering
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader waits in SELECT, behind the writer that waits for the former reader, and reads what it commits', () => {
      expect([commit.code, select.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
      expect(select.rows).toEqual([{ n: 1 }])
    })
    test.skipIf(!tellsLocks)('the writer holds PENDING while it waits (needs /proc)', () => {
      expect(heldWaiting(story, 'writer')).toEqual([['PENDING']])
    })
    test.skipIf(!tellsLocks)('the reader holds nothing while it waits (needs /proc)', () => {
      expect(heldWaiting(story, 'reader')).toEqual([[]])
    })
  })

  describe('when BEGIN EXCLUSIVE meets a reader', () => {
    let select: Outcome, begin: Outcome, story: Story

    beforeAll(async () => {
      const cast = { former: { timeout: 0 }, writer: { timeout: 5_000 }, reader: { timeout: 0 } }
      story = await contend('delete', cast, async ({ former, writer, reader }) => {
        await former`BEGIN`
        await former`SELECT n FROM counter`
        const turn = writer`BEGIN EXCLUSIVE`
        await turn.blocks()
        select = await reader`SELECT n FROM counter`
        await former`COMMIT`
        begin = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer waits for the former reader, and is admitted when it has left', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test.fails("myth: one who only waits is in nobody's way", () => {
      expect(select.code).toBe('SQLITE_OK')
    })
    test('a new reader is turned away with SQLITE_BUSY by the writer that waits', () => {
      expect(select.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when an UPDATE outside a transaction meets a reader', () => {
    let refused: Outcome, update: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, hasty: { timeout: 0 }, writer: { timeout: 5_000 } }
      story = await contend('delete', cast, async ({ reader, hasty, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        refused = await hasty`UPDATE counter SET n = n + 1`
        const turn = writer`UPDATE counter SET n = n + 1`
        await turn.blocks()
        await reader`COMMIT`
        update = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer waits inside its UPDATE, which commits by itself, until the reader has left', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
    test('the hasty one, without a timeout, is turned away with SQLITE_BUSY', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when the journal is switched to the write-ahead log while someone reads', () => {
    let switched: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, switcher: { timeout: 5_000 } }, async ({ reader, switcher }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        const turn = switcher`PRAGMA journal_mode = wal`
        await turn.blocks()
        await reader`COMMIT`
        switched = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the switcher waits until the reader has left, and switches', () => {
      expect(switched.rows).toEqual([{ journal_mode: 'wal' }])
    })
  })
})

describe('Where a timeout of five seconds does not apply, write-ahead log', { tags: ['q35'] }, () => {
  describe('when the journal is switched back to a rollback journal while someone reads', () => {
    let switched: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { reader: { timeout: 0 }, switcher: { timeout: 5_000 } }, async ({ reader, switcher }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        switched = await switcher`PRAGMA journal_mode = delete`
      })
    })
    beforeEach((context) => show(context, story))

    test('the switcher is turned away with SQLITE_BUSY', () => {
      expect(switched.code).toBe('SQLITE_BUSY')
    })
    test('the switcher is turned away at once, although a switch to the write-ahead log waits', () => {
      expect(switched.waited).toBeLessThan(1_000)
    })
  })
})

describe('What the timeout is for, rollback journal', { tags: ['q6', 'q35'] }, () => {
  describe('when a transaction has to wait more than once', () => {
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
    test('the writer waits its whole 100 ms again with every COMMIT that is SQLITE_BUSY: the timeout is for one statement', () => {
      expect([commit.code, repeated.code]).toEqual(['SQLITE_BUSY', 'SQLITE_BUSY'])
      expect(commit.waited).toBeGreaterThanOrEqual(100)
      expect(repeated.waited).toBeGreaterThanOrEqual(100)
    })
  })
})

describe('Whose timeout counts, write-ahead log', { tags: ['q35'] }, () => {
  describe('when the holder is impatient and the waiter is patient', () => {
    let begin: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, waiter: { timeout: 5_000 } }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        const turn = waiter`BEGIN IMMEDIATE`
        await turn.blocks()
        await holder`COMMIT`
        begin = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the waiter waits, whatever the timeout of the holder', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
  })

  describe('when the holder is patient and the waiter changes its own timeout', () => {
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

const steps = [1, 2, 5, 10, 15, 20, 25, 50, 100]

describe.skipIf(!tellsSleep)('What the busy handler does (needs /proc), write-ahead log', { tags: ['q35'] }, () => {
  describe('when it has been asked for a while', () => {
    let naps: number[], begin: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, waiter: { timeout: 5_000 } }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        const turn = waiter`BEGIN IMMEDIATE`
        await turn.blocks()
        naps = await turn.naps({ until: 100 })
        await holder`COMMIT`
        begin = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the waiter sleeps for 100 ms at a time in the end', () => {
      expect(naps.at(-1)).toBe(100)
    })
    test('the waiter sleeps longer from try to try, for 1, 2, 5, 10, 15, 20, 25, 50 or 100 ms', () => {
      expect([...new Set(naps)]).toEqual(steps.filter((step) => naps.includes(step)))
    })
    test.fails('myth: the waiter is woken when the lock is free', () => {
      expect(begin.waited).toBeLessThan(328)
    })
    test('the waiter sleeps its 100 ms out, 328 ms in all, although the lock is free: it finds out at its next try', () => {
      expect(begin.code).toBe('SQLITE_OK')
      expect(begin.waited).toBeGreaterThanOrEqual(328)
    })
  })
})

describe.skipIf(!tellsSleep)('Those who wait, write-ahead log (needs /proc)', { tags: ['q34'] }, () => {
  describe('when two wait, and the first is asleep as the holder leaves', () => {
    let ofFirst: Outcome, ofOther: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 5_000
      const cast = { holder: { timeout }, first: { timeout }, other: { timeout } }
      story = await contend('wal', cast, async ({ holder, first, other }) => {
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
    test('the first and the other hold no write lock and no snapshot while they wait', () => {
      expect([heldWaiting(story, 'first'), heldWaiting(story, 'other')]).toEqual([[['SHARED', 'DMS']], [['SHARED', 'DMS']]])
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

  describe('when the first statement of a transaction that waits is a write', () => {
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
    test('the first and the other hold nothing while they wait, not even SHARED', () => {
      expect([heldWaiting(story, 'first'), heldWaiting(story, 'other')]).toEqual([[[]], [[]]])
    })
  })
})
