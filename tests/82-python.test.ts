/**
 * The four cells once more, by processes of Python, and where its `sqlite3` is as it comes, which is in none of them. Every process is
 * `fixtures/stacks/python.py`: in one block of `with connection:` it reads n, pauses, and writes n + 1.
 *
 * As it comes, sqlite3 has a timeout of five seconds, and says BEGIN by itself, but only before the first *write*. What is read earlier in
 * the block is outside of the transaction: nobody is turned away, and changes are lost. `isolation_level = 'IMMEDIATE'` is the word behind
 * that BEGIN, and does not move it. In one of the four cells is who says BEGIN or BEGIN IMMEDIATE itself, as a statement, before it reads.
 *
 * The documentation says of `with connection:` that it commits or rolls back, and begins nothing; and of `autocommit=False`, which is there
 * since Python 3.12, that it is recommended. That one says BEGIN at once and always: measured with 3.12 and 3.13, whoever has read is turned
 * away at once, whatever its timeout, and `isolation_level = 'IMMEDIATE'` changes nothing. Where the COMMIT of `with connection:` is refused,
 * Python 3.8 leaves the transaction open; later ones roll back.
 *
 * https://docs.python.org/3/library/sqlite3.html#transaction-control ·
 * https://docs.python.org/3/library/sqlite3.html#how-to-use-the-connection-context-manager
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { tellsLocks } from '../helpers/kernel.ts'
import { python } from '../helpers/python.ts'
import { converse, type Dialogue, inPython, type Reply, showDialogue } from '../helpers/stack/dialogue.ts'

const { version = 0 } = python ?? {}

/** How it refuses, whatever its version. */
const locked = { message: 'database is locked', error: { class: 'OperationalError' } }

describe.skipIf(!python)("Python's sqlite3 (needs python3)", () => {
  describe('As it comes, write-ahead log', { tags: ['q40'] }, () => {
    describe('when both have read, and both go on to write', () => {
      let paused: Reply, ofFirst: Reply, ofOther: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const cast = { first: inPython('--trace'), other: inPython('--trace') }
        story = await converse('wal', cast, async ({ first, other }) => {
          await first`increment, pause`
          paused = await other`increment, pause`
          ofFirst = await first`continue`
          ofOther = await other`continue`
          total = await other`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('the other says no BEGIN before it reads', () => {
        expect(paused.said).toEqual(['SELECT n FROM counter'])
      })
      test.skipIf(!tellsLocks)('the other holds nothing that binds it to what it has read (needs /proc)', () => {
        expect(paused.locks).toEqual(['SHARED', 'DMS'])
      })
      test('the other says BEGIN before it writes, and COMMIT where `with connection:` ends', () => {
        expect(ofOther.said).toEqual(['BEGIN', 'UPDATE counter SET n = 1', 'COMMIT'])
      })
      test.fails('myth: what stands in one block of `with connection:` is one transaction', () => {
        expect(total.total).toBe(2)
      })
      test('the first and the other are confirmed, without an error, and one of the two changes is lost: n is 1', () => {
        expect([ofFirst.confirmed, ofOther.confirmed]).toEqual([true, true])
        expect(total.total).toBe(1)
      })
    })

    describe('when the holder is inside, and the waiter comes', () => {
      let ofHolder: Reply, ofWaiter: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const cast = { holder: inPython('--begin', 'immediate', '--trace'), waiter: inPython('--trace') }
        story = await converse('wal', cast, async ({ holder, waiter }) => {
          await holder`increment, pause`
          const turn = waiter`increment`
          await turn.blocks()
          ofHolder = await holder`continue`
          ofWaiter = await turn
          total = await holder`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('the waiter waits until the holder has committed, for it has a timeout: both are confirmed', () => {
        expect([ofHolder.confirmed, ofWaiter.confirmed]).toEqual([true, true])
      })
      test('the waiter writes what it has computed before it waited, and the change of the holder is lost: n is 1', () => {
        expect(ofWaiter.said).toEqual(['SELECT n FROM counter', 'BEGIN', 'UPDATE counter SET n = 1', 'COMMIT'])
        expect(total.total).toBe(1)
      })
    })
  })

  describe("isolation_level = 'IMMEDIATE', write-ahead log", { tags: ['q40'] }, () => {
    describe('when both have read, and both go on to write', () => {
      let paused: Reply, ofFirst: Reply, ofOther: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const immediate = inPython('--isolation-level', 'IMMEDIATE', '--trace')
        story = await converse('wal', { first: immediate, other: immediate }, async ({ first, other }) => {
          await first`increment, pause`
          paused = await other`increment, pause`
          ofFirst = await first`continue`
          ofOther = await other`continue`
          total = await other`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('the other says BEGIN IMMEDIATE, and says it after its read', () => {
        expect(paused.said).toEqual(['SELECT n FROM counter'])
        expect(ofOther.said).toEqual(['BEGIN IMMEDIATE', 'UPDATE counter SET n = 1', 'COMMIT'])
      })
      test.fails("myth: isolation_level = 'IMMEDIATE' is BEGIN IMMEDIATE for the whole block of `with connection:`", () => {
        expect(total.total).toBe(2)
      })
      test('the first and the other are confirmed, and one of the two changes is lost all the same: n is 1', () => {
        expect([ofFirst.confirmed, ofOther.confirmed]).toEqual([true, true])
        expect(total.total).toBe(1)
      })
    })
  })

  describe('isolation_level = None, write-ahead log', { tags: ['q40'] }, () => {
    describe('when another writes between its read and its write', () => {
      let paused: Reply, ofFirst: Reply, ofOther: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const none = inPython('--isolation-level', 'none', '--trace')
        story = await converse('wal', { first: none, other: none }, async ({ first, other }) => {
          paused = await first`increment, pause`
          ofOther = await other`increment`
          ofFirst = await first`continue`
          total = await other`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('`with connection:` says neither BEGIN nor COMMIT: each statement is a transaction', () => {
        expect([paused.said, ofFirst.said]).toEqual([['SELECT n FROM counter'], ['UPDATE counter SET n = 1']])
      })
      test('both are confirmed, and the change of the other is lost: n is 1', () => {
        expect([ofFirst.confirmed, ofOther.confirmed]).toEqual([true, true])
        expect(total.total).toBe(1)
      })
    })
  })

  describe('Timeout 0, BEGIN, write-ahead log', () => {
    describe('when both have read, and both go on to write', () => {
      let refused: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const stack = inPython('--timeout', '0', '--begin', 'deferred', '--trace')
        story = await converse('wal', { first: stack, other: stack }, async ({ first, other }) => {
          await first`increment, pause`
          await other`increment, pause`
          await first`continue`
          refused = await other`continue`
          total = await other`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('the other is turned away on the spot, in the middle of the transaction: OperationalError, "database is locked"', () => {
        expect(refused).toMatchObject(locked)
        expect(refused.took).toBeLessThan(1_000)
      })
      test.skipIf(version < 311)('the code in it is SQLITE_BUSY_SNAPSHOT (needs Python 3.11, which tells)', () => {
        expect(refused.refused).toBe('SQLITE_BUSY_SNAPSHOT')
      })
      test('the other rolls back, where `with connection:` ends', () => {
        expect(refused.said).toEqual(['UPDATE counter SET n = 1', 'ROLLBACK'])
      })
      test('nothing that was confirmed is lost: n is 1', () => {
        expect(total.total).toBe(1)
      })
    })
  })

  describe('Timeout 0, BEGIN IMMEDIATE, write-ahead log', () => {
    describe('when the first is inside, and the other wants to enter', () => {
      let refused: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const stack = inPython('--timeout', '0', '--begin', 'immediate', '--trace')
        story = await converse('wal', { first: stack, other: stack }, async ({ first, other }) => {
          await first`increment, pause`
          refused = await other`increment, pause`
          await first`continue`
          total = await other`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('the other is turned away at the door: OperationalError, "database is locked"', () => {
        expect(refused).toMatchObject(locked)
      })
      test('the other is turned away at once, before anything is read', () => {
        expect(refused.said).toEqual(['BEGIN IMMEDIATE'])
        expect(refused.took).toBeLessThan(1_000)
      })
      test('nothing that was confirmed is lost: n is 1', () => {
        expect(total.total).toBe(1)
      })
    })
  })

  describe('Timeout 5 s, BEGIN, write-ahead log', () => {
    describe('when both have read, and both go on to write', { tags: ['q1'] }, () => {
      let refused: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const stack = inPython('--timeout', '5000', '--begin', 'deferred', '--trace')
        story = await converse('wal', { first: stack, other: stack }, async ({ first, other }) => {
          await first`increment, pause`
          await other`increment, pause`
          await first`continue`
          refused = await other`continue`
          total = await other`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test.fails("myth: sqlite3's timeout of five seconds lets the other wait its turn", () => {
        expect(refused.confirmed).toBe(true)
      })
      test('the other, once it has read, is still turned away: OperationalError, "database is locked"', () => {
        expect(refused).toMatchObject(locked)
      })
      test.skipIf(version < 311)('the code in it is SQLITE_BUSY_SNAPSHOT (needs Python 3.11, which tells)', () => {
        expect(refused.refused).toBe('SQLITE_BUSY_SNAPSHOT')
      })
      test('the other is turned away at once, with most of its five seconds to spare', () => {
        expect(refused.took).toBeLessThan(1_000)
      })
      test('nothing that was confirmed is lost: n is 1', () => {
        expect(total.total).toBe(1)
      })
    })
  })

  describe('Timeout 5 s, BEGIN IMMEDIATE, write-ahead log', () => {
    describe('when the holder is inside, and the waiter wants to enter', () => {
      let paused: Reply, confirmed: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const stack = inPython('--timeout', '5000', '--begin', 'immediate', '--trace')
        story = await converse('wal', { holder: stack, waiter: stack }, async ({ holder, waiter }) => {
          await holder`increment, pause`
          const turn = waiter`increment, pause`
          await turn.blocks()
          await holder`continue`
          paused = await turn
          confirmed = await waiter`continue`
          total = await holder`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('the waiter waits its turn, and reads when the holder has committed', () => {
        expect(paused).toMatchObject({ paused: true, said: ['BEGIN IMMEDIATE', 'SELECT n FROM counter'] })
      })
      test('the waiter commits what it has computed from what the holder has written: n is 2', () => {
        expect(confirmed).toMatchObject({ confirmed: true, said: ['UPDATE counter SET n = 2', 'COMMIT'] })
        expect(total.total).toBe(2)
      })
    })
  })

  describe('As it comes, rollback journal', { tags: ['q40'] }, () => {
    describe('when both have read, and both go on to write', () => {
      let paused: Reply, ofFirst: Reply, ofOther: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const cast = { first: inPython('--trace'), other: inPython('--trace') }
        story = await converse('delete', cast, async ({ first, other }) => {
          await first`increment, pause`
          paused = await other`increment, pause`
          ofFirst = await first`continue`
          ofOther = await other`continue`
          total = await other`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('the other says no BEGIN before it reads', () => {
        expect(paused.said).toEqual(['SELECT n FROM counter'])
      })
      test.skipIf(!tellsLocks)('the other holds no lock after it has read (needs /proc)', () => {
        expect(paused.locks).toEqual([])
      })
      test('the other says BEGIN before it writes, and COMMIT where `with connection:` ends', () => {
        expect(ofOther.said).toEqual(['BEGIN', 'UPDATE counter SET n = 1', 'COMMIT'])
      })
      test.fails('myth: what stands in one block of `with connection:` is one transaction', () => {
        expect(total.total).toBe(2)
      })
      test('the first and the other are confirmed, without an error, and one of the two changes is lost: n is 1', () => {
        expect([ofFirst.confirmed, ofOther.confirmed]).toEqual([true, true])
        expect(total.total).toBe(1)
      })
    })

    describe('when the holder is inside, and the waiter comes', () => {
      let ofHolder: Reply, ofWaiter: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const cast = { holder: inPython('--begin', 'immediate', '--trace'), waiter: inPython('--trace') }
        story = await converse('delete', cast, async ({ holder, waiter }) => {
          await holder`increment, pause`
          const turn = waiter`increment`
          await turn.blocks()
          ofHolder = await holder`continue`
          ofWaiter = await turn
          total = await holder`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('the waiter waits until the holder has committed, for it has a timeout: both are confirmed', () => {
        expect([ofHolder.confirmed, ofWaiter.confirmed]).toEqual([true, true])
      })
      test('the waiter writes what it has computed before it waited, and the change of the holder is lost: n is 1', () => {
        expect(ofWaiter.said).toEqual(['SELECT n FROM counter', 'BEGIN', 'UPDATE counter SET n = 1', 'COMMIT'])
        expect(total.total).toBe(1)
      })
    })
  })

  describe("isolation_level = 'IMMEDIATE', rollback journal", { tags: ['q40'] }, () => {
    describe('when both have read, and both go on to write', () => {
      let paused: Reply, ofFirst: Reply, ofOther: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const immediate = inPython('--isolation-level', 'IMMEDIATE', '--trace')
        story = await converse('delete', { first: immediate, other: immediate }, async ({ first, other }) => {
          await first`increment, pause`
          paused = await other`increment, pause`
          ofFirst = await first`continue`
          ofOther = await other`continue`
          total = await other`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('the other says BEGIN IMMEDIATE, and says it after its read', () => {
        expect(paused.said).toEqual(['SELECT n FROM counter'])
        expect(ofOther.said).toEqual(['BEGIN IMMEDIATE', 'UPDATE counter SET n = 1', 'COMMIT'])
      })
      test.fails("myth: isolation_level = 'IMMEDIATE' is BEGIN IMMEDIATE for the whole block of `with connection:`", () => {
        expect(total.total).toBe(2)
      })
      test('the first and the other are confirmed, and one of the two changes is lost all the same: n is 1', () => {
        expect([ofFirst.confirmed, ofOther.confirmed]).toEqual([true, true])
        expect(total.total).toBe(1)
      })
    })
  })

  describe('isolation_level = None, rollback journal', { tags: ['q40'] }, () => {
    describe('when another writes between its read and its write', () => {
      let paused: Reply, ofFirst: Reply, ofOther: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const none = inPython('--isolation-level', 'none', '--trace')
        story = await converse('delete', { first: none, other: none }, async ({ first, other }) => {
          paused = await first`increment, pause`
          ofOther = await other`increment`
          ofFirst = await first`continue`
          total = await other`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('`with connection:` says neither BEGIN nor COMMIT: each statement is a transaction', () => {
        expect([paused.said, ofFirst.said]).toEqual([['SELECT n FROM counter'], ['UPDATE counter SET n = 1']])
      })
      test('both are confirmed, and the change of the other is lost: n is 1', () => {
        expect([ofFirst.confirmed, ofOther.confirmed]).toEqual([true, true])
        expect(total.total).toBe(1)
      })
    })
  })

  describe('Timeout 0, BEGIN, rollback journal', () => {
    describe.skipIf(version < 309)('when both have read, and both go on to write (needs Python 3.9, which rolls back)', () => {
      let refused: Reply, confirmed: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const stack = inPython('--timeout', '0', '--begin', 'deferred', '--trace')
        story = await converse('delete', { first: stack, other: stack }, async ({ first, other }) => {
          await first`increment, pause`
          await other`increment, pause`
          refused = await first`continue`
          confirmed = await other`continue`
          total = await other`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('the first is turned away on the spot, by one who reads: OperationalError, "database is locked"', () => {
        expect(refused).toMatchObject(locked)
        expect(refused.took).toBeLessThan(1_000)
      })
      test('the first is turned away at COMMIT, and rolls back, where `with connection:` ends', () => {
        expect(refused.said).toEqual(['UPDATE counter SET n = 1', 'COMMIT', 'ROLLBACK'])
      })
      test('the other is confirmed then, and nothing that was confirmed is lost: n is 1', () => {
        expect(confirmed.confirmed).toBe(true)
        expect(total.total).toBe(1)
      })
    })
  })

  describe('Timeout 0, BEGIN IMMEDIATE, rollback journal', () => {
    describe('when the first is inside, and the other wants to enter', () => {
      let refused: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const stack = inPython('--timeout', '0', '--begin', 'immediate', '--trace')
        story = await converse('delete', { first: stack, other: stack }, async ({ first, other }) => {
          await first`increment, pause`
          refused = await other`increment, pause`
          await first`continue`
          total = await other`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('the other is turned away at the door: OperationalError, "database is locked"', () => {
        expect(refused).toMatchObject(locked)
      })
      test('the other is turned away at once, before anything is read', () => {
        expect(refused.said).toEqual(['BEGIN IMMEDIATE'])
        expect(refused.took).toBeLessThan(1_000)
      })
      test('nothing that was confirmed is lost: n is 1', () => {
        expect(total.total).toBe(1)
      })
    })
  })

  describe('Timeout 5 s, BEGIN, rollback journal', () => {
    describe('when both have read, and both go on to write', { tags: ['q1'] }, () => {
      let refused: Reply, confirmed: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const stack = inPython('--timeout', '5000', '--begin', 'deferred', '--trace')
        story = await converse('delete', { first: stack, other: stack }, async ({ first, other }) => {
          await first`increment, pause`
          await other`increment, pause`
          const leaving = first`continue`
          await leaving.blocks()
          refused = await other`continue`
          confirmed = await leaving
          total = await other`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test.fails("myth: sqlite3's timeout of five seconds lets the other wait its turn", () => {
        expect(refused.confirmed).toBe(true)
      })
      test('the other, once it has read, is still turned away: OperationalError, "database is locked"', () => {
        expect(refused).toMatchObject(locked)
      })
      test('the other is turned away at once, with most of its five seconds to spare', () => {
        expect(refused.took).toBeLessThan(1_000)
      })
      test('the first, who waits in COMMIT for the other, is confirmed when that has rolled back: n is 1', () => {
        expect(confirmed.confirmed).toBe(true)
        expect(total.total).toBe(1)
      })
    })
  })

  describe('Timeout 5 s, BEGIN IMMEDIATE, rollback journal', () => {
    describe('when the holder is inside, and the waiter wants to enter', () => {
      let paused: Reply, confirmed: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const stack = inPython('--timeout', '5000', '--begin', 'immediate', '--trace')
        story = await converse('delete', { holder: stack, waiter: stack }, async ({ holder, waiter }) => {
          await holder`increment, pause`
          const turn = waiter`increment, pause`
          await turn.blocks()
          await holder`continue`
          paused = await turn
          confirmed = await waiter`continue`
          total = await holder`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('the waiter waits its turn, and reads when the holder has committed', () => {
        expect(paused).toMatchObject({ paused: true, said: ['BEGIN IMMEDIATE', 'SELECT n FROM counter'] })
      })
      test('the waiter commits what it has computed from what the holder has written: n is 2', () => {
        expect(confirmed).toMatchObject({ confirmed: true, said: ['UPDATE counter SET n = 2', 'COMMIT'] })
        expect(total.total).toBe(2)
      })
    })
  })
})
