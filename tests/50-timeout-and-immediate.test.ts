/**
 * `BEGIN IMMEDIATE` with a busy timeout: the one cell of the four in which a transaction waits for its turn and then commits. It
 * waits at the door, where it has read nothing yet, so that the busy handler may be asked and nothing can be out of date.
 * The two changes are one word each, and neither does it alone. What remains is the waiting.
 *
 * https://sqlite.org/lang_transaction.html · https://sqlite.org/c3ref/busy_timeout.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Contender, contend, type Outcome, type Statement, type Story } from '../helpers/contend.ts'
import { tellsSleep } from '../helpers/kernel.ts'
import { show } from '../helpers/show.ts'

describe('Immediate transactions, five-second timeout, write-ahead log', () => {
  describe('when the holder is inside and the waiter wants to enter', { tags: ['q4', 'q5'] }, () => {
    let begin: Outcome, read: Outcome, commit: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 5_000 }, waiter: { timeout: 5_000 } }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        await holder`SELECT n FROM counter`
        const turn = waiter`BEGIN IMMEDIATE`
        await turn.blocks()
        await holder`UPDATE counter SET n = n + 1`
        await holder`COMMIT`
        begin = await turn
        read = await waiter`SELECT n FROM counter`
        await waiter`UPDATE counter SET n = n + 1`
        commit = await waiter`COMMIT`
        total = await waiter`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story, 'timeout-and-immediate.svg'))

    test('the waiter waits its turn, and is admitted when the holder has committed', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the waiter reads what the holder has written', () => {
      expect(read.rows).toEqual([{ n: 1 }])
    })
    test('the waiter commits', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('both changes are counted: n is 2', () => {
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })

  describe('when three wait at the same time', { tags: ['q5'] }, () => {
    let outcomes: Outcome[], total: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 5_000
      const cast = { holder: { timeout }, ann: { timeout }, bob: { timeout }, cay: { timeout } }
      story = await contend('wal', cast, async ({ holder, ann, bob, cay }) => {
        await holder`BEGIN IMMEDIATE`
        const turns = [ann`UPDATE counter SET n = n + 1`, bob`UPDATE counter SET n = n + 1`, cay`UPDATE counter SET n = n + 1`]
        for (const turn of turns) await turn.blocks()
        await holder`UPDATE counter SET n = n + 1`
        await holder`COMMIT`
        outcomes = await Promise.all(turns)
        total = await holder`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('all three are served', () => {
      expect(outcomes.map(({ code }) => code)).toEqual(['SQLITE_OK', 'SQLITE_OK', 'SQLITE_OK'])
    })
    test('all four changes are counted: n is 4', () => {
      expect(total.rows).toEqual([{ n: 4 }])
    })
  })

  describe('when the holder stays inside for longer than the timeout of the waiter', { tags: ['q6'] }, () => {
    let begin: Outcome, again: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 5_000 }, waiter: { timeout: 100 } }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        begin = await waiter`BEGIN IMMEDIATE`
        await holder`COMMIT`
        again = await waiter`BEGIN IMMEDIATE`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: with a timeout and BEGIN IMMEDIATE, nobody is ever turned away', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the waiter is turned away with SQLITE_BUSY', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
    test('the waiter is turned away after its whole timeout of 100 ms', () => {
      expect(begin.waited).toBeGreaterThanOrEqual(100)
      expect(begin.waited).toBeLessThan(5_000)
    })
    test('the waiter has no transaction to roll back', () => {
      expect(begin.inTransaction).toBe(false)
    })
    test('the waiter is admitted when it asks again after the COMMIT', () => {
      expect(again.code).toBe('SQLITE_OK')
    })
  })

  describe.skipIf(!tellsSleep)('when the one who waits is asleep as the holder leaves (needs /proc)', { tags: ['q34'] }, () => {
    let overtaking: Outcome, begin: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 5_000
      const cast = { holder: { timeout }, sleeper: { timeout }, newcomer: { timeout } }
      story = await contend('wal', cast, async ({ holder, sleeper, newcomer }) => {
        await holder`BEGIN IMMEDIATE`
        const turn = sleeper`BEGIN IMMEDIATE`
        await turn.blocks()
        await sleeper.signal('SIGSTOP')
        await holder`COMMIT`
        overtaking = await newcomer`BEGIN IMMEDIATE`
        await sleeper.signal('SIGCONT')
        await turn.blocks()
        await newcomer`COMMIT`
        begin = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: those who wait are served in the order in which they came', () => {
      expect(overtaking.code).toBe('SQLITE_BUSY')
    })
    test('a newcomer who asks at the right moment gets SQLITE_OK: to wait is to sleep and try again, not to queue', () => {
      expect(overtaking.code).toBe('SQLITE_OK')
    })
    test('the sleeper is served at one of its next tries', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
  })
})

describe('Immediate transactions, five-second timeout, rollback journal', () => {
  describe('when the holder is inside and the waiter wants to enter', { tags: ['q4', 'q5'] }, () => {
    let begin: Outcome, read: Outcome, commit: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { holder: { timeout: 5_000 }, waiter: { timeout: 5_000 } }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        await holder`SELECT n FROM counter`
        const turn = waiter`BEGIN IMMEDIATE`
        await turn.blocks()
        await holder`UPDATE counter SET n = n + 1`
        await holder`COMMIT`
        begin = await turn
        read = await waiter`SELECT n FROM counter`
        await waiter`UPDATE counter SET n = n + 1`
        commit = await waiter`COMMIT`
        total = await waiter`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the waiter waits its turn, and is admitted when the holder has committed', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the waiter reads what the holder has written', () => {
      expect(read.rows).toEqual([{ n: 1 }])
    })
    test('the waiter commits', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('both changes are counted: n is 2', () => {
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })

  describe('when someone is reading while the writer commits', { tags: ['q15', 'q16'] }, () => {
    let commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 5_000 }, writer: { timeout: 5_000 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        const turn = writer`COMMIT`
        await turn.blocks()
        await reader`COMMIT`
        commit = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer waits in COMMIT until the reader has left, and commits', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
  })

  describe('when the holder stays inside for longer than the timeout of the waiter', { tags: ['q6'] }, () => {
    let begin: Outcome, again: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { holder: { timeout: 5_000 }, waiter: { timeout: 100 } }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        begin = await waiter`BEGIN IMMEDIATE`
        await holder`COMMIT`
        again = await waiter`BEGIN IMMEDIATE`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: with a timeout and BEGIN IMMEDIATE, nobody is ever turned away', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the waiter is turned away with SQLITE_BUSY', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
    test('the waiter is turned away after its whole timeout of 100 ms', () => {
      expect(begin.waited).toBeGreaterThanOrEqual(100)
      expect(begin.waited).toBeLessThan(5_000)
    })
    test('the waiter is admitted when it asks again after the COMMIT', () => {
      expect(again.code).toBe('SQLITE_OK')
    })
  })

  describe.skipIf(!tellsSleep)('when the one who waits is asleep as the holder leaves (needs /proc)', { tags: ['q34'] }, () => {
    let overtaking: Outcome, begin: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 5_000
      const cast = { holder: { timeout }, sleeper: { timeout }, newcomer: { timeout } }
      story = await contend('delete', cast, async ({ holder, sleeper, newcomer }) => {
        await holder`BEGIN IMMEDIATE`
        const turn = sleeper`BEGIN IMMEDIATE`
        await turn.blocks()
        await sleeper.signal('SIGSTOP')
        await holder`COMMIT`
        overtaking = await newcomer`BEGIN IMMEDIATE`
        await sleeper.signal('SIGCONT')
        await turn.blocks()
        await newcomer`COMMIT`
        begin = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: those who wait are served in the order in which they came', () => {
      expect(overtaking.code).toBe('SQLITE_BUSY')
    })
    test('a newcomer who asks at the right moment gets SQLITE_OK: to wait is to sleep and try again, not to queue', () => {
      expect(overtaking.code).toBe('SQLITE_OK')
    })
    test('the sleeper is served at one of its next tries', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
  })
})

/** A program: count one up. It says when it has read, waits or is refused, and writes when it may. */
async function countUp(who: Contender, begin: (who: Contender) => Statement, come: () => void, mayWrite: Promise<unknown>) {
  const door = begin(who)
  door.blocks().then(come, () => {})
  const { code } = await door
  if (code === 'SQLITE_OK') await who`SELECT n FROM counter`
  come()
  if (code !== 'SQLITE_OK') return door
  await mayWrite
  const write = await who`UPDATE counter SET n = n + 1`
  return write.code === 'SQLITE_OK' ? who`COMMIT` : write
}

/** Two processes run it. The other comes once the first has read, and the first writes once the other has come. */
async function twice(timeout: number, begin: (who: Contender) => Statement): Promise<[Story, Outcome, Outcome]> {
  let outcomes: [Outcome, Outcome] | undefined
  const story = await contend('wal', { first: { timeout }, other: { timeout } }, async ({ first, other }) => {
    const [firstHasRead, otherHasCome] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const ofFirst = countUp(first, begin, firstHasRead.resolve, otherHasCome.promise)
    await firstHasRead.promise
    const ofOther = countUp(other, begin, otherHasCome.resolve, ofFirst)
    outcomes = [await ofFirst, await ofOther]
  })
  return [story, ...(outcomes as [Outcome, Outcome])]
}

describe('One program in two processes, write-ahead log', { tags: ['q8'] }, () => {
  describe('when it says BEGIN and has no timeout', () => {
    let first: Outcome, other: Outcome, story: Story

    beforeAll(async () => {
      ;[story, first, other] = await twice(0, (who) => who`BEGIN`)
    })
    beforeEach((context) => show(context, story))

    test('the first commits, and the other is turned away with SQLITE_BUSY_SNAPSHOT', () => {
      expect([first.code, other.code]).toEqual(['SQLITE_OK', 'SQLITE_BUSY_SNAPSHOT'])
    })
  })

  describe('when only the timeout is changed, to five seconds', () => {
    let first: Outcome, other: Outcome, story: Story

    beforeAll(async () => {
      ;[story, first, other] = await twice(5_000, (who) => who`BEGIN`)
    })
    beforeEach((context) => show(context, story))

    test('the first commits, and the other is turned away with SQLITE_BUSY_SNAPSHOT', () => {
      expect([first.code, other.code]).toEqual(['SQLITE_OK', 'SQLITE_BUSY_SNAPSHOT'])
    })
  })

  describe('when only BEGIN is changed, to BEGIN IMMEDIATE', () => {
    let first: Outcome, other: Outcome, story: Story

    beforeAll(async () => {
      ;[story, first, other] = await twice(0, (who) => who`BEGIN IMMEDIATE`)
    })
    beforeEach((context) => show(context, story))

    test('the first commits, and the other is turned away with SQLITE_BUSY', () => {
      expect([first.code, other.code]).toEqual(['SQLITE_OK', 'SQLITE_BUSY'])
    })
  })

  describe('when both are changed', () => {
    let first: Outcome, other: Outcome, story: Story

    beforeAll(async () => {
      ;[story, first, other] = await twice(5_000, (who) => who`BEGIN IMMEDIATE`)
    })
    beforeEach((context) => show(context, story))

    test('the first commits, and so does the other', () => {
      expect([first.code, other.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
    })
  })
})
