/**
 * The anomalies by which the literature tells isolation levels apart (Adya; Bailis and others; Fekete, O'Neil and O'Neil), in the manner
 * of Hermitage, https://github.com/ept/hermitage, which has no page about SQLite: T1, T2 and T3 run a transaction each, on two rows with
 * the values 10 and 20. Between connections that share no cache none of the anomalies is seen within transactions, whichever the journal
 * and however they begin. What differs is the price: nobody is hindered, one waits, or one is refused. In the table,
 *
 * - deferred: all say BEGIN. Immediate: those who write say BEGIN IMMEDIATE, those who only read say BEGIN;
 * - waits: until the other has ended, for all have a timeout. Without one it is SQLITE_BUSY, at the same statement;
 * - refused: at once, whatever the timeout; with SQLITE_BUSY_SNAPSHOT for good, so that it has to roll back and to begin anew;
 * - happens: there is no order in which the transactions that were committed, run one after the other, would have read and left the
 *   same. That is computed from each story, by trying all the orders that agree with the clock. What one has read before its BEGIN counts
 *   as read after it.
 *
 * No transaction guards what was read before it: read, say BEGIN IMMEDIATE, write what you have computed from what you read, and an
 * update is lost without an error. By Adya's definitions that is no P4, for such a read is no part of the transaction. Where BEGIN IMMEDIATE
 * comes first, all that the anomalies cost is waiting.
 *
 * Transactions are serializable, says https://sqlite.org/isolation.html, because writes take turns. That alone is not enough: with
 * read_uncommitted in a shared cache writes take turns as well, and updates are lost. What it takes is that nobody writes upon what is
 * out of date. In the write-ahead log such a one is refused, as an example on that page shows; with a rollback journal nothing goes out of
 * date, for COMMIT waits for those who have read, and does not expel them, as it says there. What it calls snapshot isolation is stricter
 * than what the literature calls so: no write skew passes. After BEGIN IMMEDIATE a COMMIT can be refused with SQLITE_BUSY, where it says
 * that nothing can. And of read_uncommitted it says that uncommitted changes are seen, but not that updates are lost.
 *
 * https://sqlite.org/isolation.html · https://sqlite.org/sharedcache.html · https://sqlite.org/pragma.html#pragma_read_uncommitted
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Anomalies, answersIn, type Enter, filled, readUncommitted } from '../helpers/anomalies.ts'
import { type Contender, contend, type Outcome, type Story } from '../helpers/contend.ts'
import { serialOrders } from '../helpers/serial-order.ts'
import { type Results, show, showResults } from '../helpers/show.ts'

type Pair = Record<'t1' | 't2', Contender>
type Trio = Record<'t1' | 't2' | 't3', Contender>

const timeout = 5_000
const pair = { t1: { timeout }, t2: { timeout } }
const trio = { ...pair, t3: { timeout } }
const sharing = { timeout, driver: 'node:sqlite', uri: 'cache=shared', process: 'family' } as const
const sharingPair = { t1: sharing, t2: sharing }
const sharingTrio = { ...sharingPair, t3: sharing }

/** Rows of the table, by the values of the ids from 1 on. */
const values = (...values: number[]) => values.map((value, i) => ({ id: i + 1, value }))

const anomalies = new Anomalies()

describe('The anomalies of the literature, five-second timeout', { tags: ['q43'] }, () => {
  describe('when each is provoked in each setting', () => {
    let results: Results

    // It tells all the stories of the chapter; the time that each may take is bounded in itself.
    beforeAll(async () => {
      results = await anomalies.results()
    }, 600_000)
    beforeEach((context) => showResults(context, results))

    test('every anomaly is kept away, or seen, as the table says', () => {
      expect(results).toEqual({
        head: [
          'anomaly',
          'deferred, write-ahead log',
          'deferred, rollback journal',
          'immediate, write-ahead log',
          'immediate, rollback journal',
          'read_uncommitted, shared cache',
        ],
        rows: [
          [
            'Dirty write (G0)',
            'T2 waits at UPDATE',
            'T2 waits at UPDATE',
            'T2 waits at BEGIN',
            'T2 waits at BEGIN',
            'T2 refused at UPDATE: SQLITE_LOCKED_SHAREDCACHE',
          ],
          ['Aborted read (G1a)', 'never seen', 'never seen', 'never seen', 'never seen', 'happens'],
          ['Intermediate read (G1b)', 'never seen', 'T1 waits at COMMIT', 'never seen', 'T1 waits at COMMIT', 'happens'],
          [
            'Circular information flow (G1c)',
            'T2 waits at UPDATE',
            'T2 waits at UPDATE',
            'T2 waits at BEGIN',
            'T2 waits at BEGIN',
            'T2 refused at UPDATE: SQLITE_LOCKED_SHAREDCACHE',
          ],
          [
            'Observed transaction vanishes (OTV)',
            'T2 waits at UPDATE',
            'T2 waits at UPDATE; T2 waits at COMMIT',
            'T2 waits at BEGIN',
            'T2 waits at BEGIN; T2 waits at COMMIT',
            'happens',
          ],
          ['Predicate-many-preceders (PMP)', 'never seen', 'T2 waits at COMMIT', 'never seen', 'T2 waits at COMMIT', 'happens'],
          [
            'Predicate-many-preceders of a write (PMP)',
            'T2 waits at DELETE',
            'T2 waits at DELETE',
            'T2 waits at BEGIN',
            'T2 waits at BEGIN',
            'T2 refused at DELETE: SQLITE_LOCKED_SHAREDCACHE',
          ],
          [
            'Lost update (P4)',
            'T2 refused at UPDATE: SQLITE_BUSY, then SQLITE_BUSY_SNAPSHOT',
            'T2 refused at UPDATE: SQLITE_BUSY; T1 waits at COMMIT',
            'T2 waits at BEGIN',
            'T2 waits at BEGIN',
            'happens',
          ],
          ['Lost update of a value read before BEGIN', 'happens', 'happens', 'happens', 'happens', 'happens'],
          ['Read skew (G-single)', 'never seen', 'T2 waits at COMMIT', 'never seen', 'T2 waits at COMMIT', 'happens'],
          [
            'Read skew on a write predicate (G-single)',
            'T1 refused at DELETE: SQLITE_BUSY_SNAPSHOT',
            'T2 waits at COMMIT; T1 refused at DELETE: SQLITE_BUSY',
            'T2 waits at BEGIN',
            'T2 waits at BEGIN',
            'happens',
          ],
          [
            'Write skew (G2-item)',
            'T2 refused at UPDATE: SQLITE_BUSY, then SQLITE_BUSY_SNAPSHOT',
            'T2 refused at UPDATE: SQLITE_BUSY; T1 waits at COMMIT',
            'T2 waits at BEGIN',
            'T2 waits at BEGIN',
            'happens',
          ],
          [
            'Write skew on a search (G2)',
            'T2 refused at INSERT: SQLITE_BUSY, then SQLITE_BUSY_SNAPSHOT',
            'T2 refused at INSERT: SQLITE_BUSY; T1 waits at COMMIT',
            'T2 waits at BEGIN',
            'T2 waits at BEGIN',
            'happens',
          ],
          [
            'Read-only anomaly (G2, T3 only reads)',
            'T1 refused at UPDATE: SQLITE_BUSY_SNAPSHOT',
            'T2 waits at COMMIT; T3 waits at SELECT; T1 refused at UPDATE: SQLITE_BUSY',
            'T2 waits at BEGIN',
            'T2 waits at BEGIN',
            'happens',
          ],
        ],
      })
    })
  })
})

describe('Dirty write (G0), five-second timeout', { tags: ['q43'] }, () => {
  describe('when T2 writes a row that T1 has written, deferred', () => {
    const told = anomalies.about('Dirty write (G0)', pair, ['wal', 'delete'], async ({ t1, t2 }) => {
      await t1`BEGIN`
      await t2`BEGIN`
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      const turn = t2`UPDATE test SET value = 12 WHERE id = 1`
      await turn.blocks()
      await t1`UPDATE test SET value = 21 WHERE id = 2`
      await t1`COMMIT`
      const update = await turn
      const between = await t1`SELECT * FROM test`
      await t2`UPDATE test SET value = 22 WHERE id = 2`
      await t2`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { update, between, total }
    })

    test('T2 waits at UPDATE until T1 has committed', () => {
      expect(told.update.code).toBe('SQLITE_OK')
    })
    test('both values are those of T1, 11 and 21, until T2 commits, and those of T2, 12 and 22, from then on', () => {
      expect([told.between.rows, told.total.rows]).toEqual([values(11, 21), values(12, 22)])
    })
    test('T1 and T2 get the same answers with a rollback journal', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })

  describe('when T2 writes a row that T1 has written, immediate', () => {
    const told = anomalies.about('Dirty write (G0)', pair, ['wal', 'delete'], async ({ t1, t2 }) => {
      await t1`BEGIN IMMEDIATE`
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      const turn = t2`BEGIN IMMEDIATE`
      await turn.blocks()
      await t1`UPDATE test SET value = 21 WHERE id = 2`
      await t1`COMMIT`
      const begin = await turn
      const between = await t1`SELECT * FROM test`
      await t2`UPDATE test SET value = 12 WHERE id = 1`
      await t2`UPDATE test SET value = 22 WHERE id = 2`
      await t2`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { begin, between, total }
    })

    test('T2 waits at BEGIN IMMEDIATE until T1 has committed', () => {
      expect(told.begin.code).toBe('SQLITE_OK')
    })
    test('both values are those of T1, 11 and 21, until T2 commits, and those of T2, 12 and 22, from then on', () => {
      expect([told.between.rows, told.total.rows]).toEqual([values(11, 21), values(12, 22)])
    })
    test('T1 and T2 get the same answers with a rollback journal', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })

  describe('when T2 writes a row that T1 has written, read_uncommitted in a shared cache', () => {
    const told = anomalies.about('Dirty write (G0)', sharingPair, ['wal'], async ({ t1, t2 }) => {
      await t1`BEGIN`
      await t2`BEGIN`
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      const update = await t2`UPDATE test SET value = 12 WHERE id = 1`
      await t1`UPDATE test SET value = 21 WHERE id = 2`
      await t1`COMMIT`
      const between = await t1`SELECT * FROM test`
      await t2`UPDATE test SET value = 12 WHERE id = 1`
      await t2`UPDATE test SET value = 22 WHERE id = 2`
      await t2`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { update, between, total }
    })

    test('T2 is refused at UPDATE with SQLITE_LOCKED_SHAREDCACHE at once: not even here do two write at the same time', () => {
      expect(told.update.code).toBe('SQLITE_LOCKED_SHAREDCACHE')
      expect(told.update.waited).toBeLessThan(1_000)
    })
    test('T2 repeats its UPDATE when T1 has committed: both values are those of T1, 11 and 21, and then those of T2, 12 and 22', () => {
      expect([told.between.rows, told.total.rows]).toEqual([values(11, 21), values(12, 22)])
    })
  })
})

describe('Aborted read (G1a), five-second timeout', { tags: ['q43'] }, () => {
  const script = async ({ t1, t2 }: Pair, enter: Enter) => {
    await enter(t1)
    await t2`BEGIN`
    await t1`UPDATE test SET value = 101 WHERE id = 1`
    const own = await t1`SELECT * FROM test`
    const before = await t2`SELECT * FROM test`
    await t1`ROLLBACK`
    const after = await t2`SELECT * FROM test`
    await t2`COMMIT`
    const total = await t2`SELECT * FROM test`
    return { own, before, after, total }
  }

  describe('when T2 reads between an UPDATE of T1 and its ROLLBACK', () => {
    const told = anomalies.about('Aborted read (G1a)', pair, ['wal', 'delete', 'wal immediate', 'delete immediate'], script)

    test('T2 reads 10 before the ROLLBACK and after it: the 101 that T1 takes back is seen by T1 alone', () => {
      expect([told.own.rows, told.before.rows, told.after.rows]).toEqual([values(101, 20), values(10, 20), values(10, 20)])
      expect(told.total.rows).toEqual(values(10, 20))
    })
    test('T1 and T2 get the same answers with a rollback journal, and with BEGIN IMMEDIATE in both journals', () => {
      for (const story of told.alike) expect(answersIn(story)).toEqual(answersIn(told.story))
    })
  })

  describe('when T2 reads between an UPDATE of T1 and its ROLLBACK, read_uncommitted in a shared cache', () => {
    const told = anomalies.about('Aborted read (G1a)', sharingPair, ['wal', 'delete'], script)

    test('T2 reads the 101 that T1 takes back, then 10: no order of the two explains that', () => {
      expect([told.before.rows, told.after.rows, told.total.rows]).toEqual([values(101, 20), values(10, 20), values(10, 20)])
      expect(told.orders).toEqual([])
    })
    test('T1 and T2 get the same answers with a rollback journal', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })
})

describe('Intermediate read (G1b), five-second timeout', { tags: ['q43'] }, () => {
  const script = async ({ t1, t2 }: Pair, enter: Enter) => {
    await enter(t1)
    await t2`BEGIN`
    await t1`UPDATE test SET value = 101 WHERE id = 1`
    const own = await t1`SELECT * FROM test`
    const before = await t2`SELECT * FROM test`
    await t1`UPDATE test SET value = 11 WHERE id = 1`
    await t1`COMMIT`
    const after = await t2`SELECT * FROM test`
    await t2`COMMIT`
    const total = await t2`SELECT * FROM test`
    return { own, before, after, total }
  }

  describe('when T2 reads before T1 has written its last value, write-ahead log', () => {
    const told = anomalies.about('Intermediate read (G1b)', pair, ['wal', 'wal immediate'], script)

    test('T2 reads 10 until it has ended, and then the 11 of the COMMIT: the 101 between them is seen by T1 alone', () => {
      expect([told.own.rows, told.before.rows, told.after.rows]).toEqual([values(101, 20), values(10, 20), values(10, 20)])
      expect(told.total.rows).toEqual(values(11, 20))
    })
    test('T1 and T2 get the same answers with BEGIN IMMEDIATE', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })

  describe('when T2 reads before T1 has written its last value, rollback journal', () => {
    const told = anomalies.about('Intermediate read (G1b)', pair, ['delete', 'delete immediate'], async ({ t1, t2 }, enter) => {
      await enter(t1)
      await t2`BEGIN`
      await t1`UPDATE test SET value = 101 WHERE id = 1`
      const own = await t1`SELECT * FROM test`
      const before = await t2`SELECT * FROM test`
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      const turn = t1`COMMIT`
      await turn.blocks()
      const after = await t2`SELECT * FROM test`
      await t2`COMMIT`
      const commit = await turn
      const total = await t2`SELECT * FROM test`
      return { own, before, after, commit, total }
    })

    test('T1 waits at COMMIT until T2, which only reads, has ended', () => {
      expect(told.commit.code).toBe('SQLITE_OK')
    })
    test('T2 reads 10 until it has ended, and then the 11 of the COMMIT: the 101 between them is seen by T1 alone', () => {
      expect([told.own.rows, told.before.rows, told.after.rows]).toEqual([values(101, 20), values(10, 20), values(10, 20)])
      expect(told.total.rows).toEqual(values(11, 20))
    })
    test('T1 and T2 get the same answers with BEGIN IMMEDIATE', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })

  describe('when T2 reads before T1 has written its last value, read_uncommitted in a shared cache', () => {
    const told = anomalies.about('Intermediate read (G1b)', sharingPair, ['wal'], script)

    test('T2 reads the 101 that T1 never commits, then the 11 that it does: no order of the two explains that', () => {
      expect([told.before.rows, told.after.rows, told.total.rows]).toEqual([values(101, 20), values(11, 20), values(11, 20)])
      expect(told.orders).toEqual([])
    })
  })
})

describe('Circular information flow (G1c), five-second timeout', { tags: ['q43'] }, () => {
  describe('when each writes one row and reads the row of the other, deferred', () => {
    const told = anomalies.about('Circular information flow (G1c)', pair, ['wal', 'delete'], async ({ t1, t2 }) => {
      await t1`BEGIN`
      await t2`BEGIN`
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      const turn = t2`UPDATE test SET value = 22 WHERE id = 2`
      await turn.blocks()
      const read1 = await t1`SELECT * FROM test WHERE id = 2`
      await t1`COMMIT`
      const update = await turn
      const read2 = await t2`SELECT * FROM test WHERE id = 1`
      await t2`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { update, read1, read2, total }
    })

    test('T2 waits at UPDATE until T1 has committed, though it writes another row: the lock is on the file', () => {
      expect(told.update.code).toBe('SQLITE_OK')
    })
    test('T2 reads the 11 of T1, and T1 reads 20, not the 22 of T2: information flows one way', () => {
      expect([told.read1.rows, told.read2.rows]).toEqual([[{ id: 2, value: 20 }], [{ id: 1, value: 11 }]])
      expect(told.total.rows).toEqual(values(11, 22))
    })
    test('T1 and T2 get the same answers with a rollback journal', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })

  describe('when each writes one row and reads the row of the other, immediate', () => {
    const told = anomalies.about('Circular information flow (G1c)', pair, ['wal', 'delete'], async ({ t1, t2 }) => {
      await t1`BEGIN IMMEDIATE`
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      const turn = t2`BEGIN IMMEDIATE`
      await turn.blocks()
      const read1 = await t1`SELECT * FROM test WHERE id = 2`
      await t1`COMMIT`
      const begin = await turn
      await t2`UPDATE test SET value = 22 WHERE id = 2`
      const read2 = await t2`SELECT * FROM test WHERE id = 1`
      await t2`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { begin, read1, read2, total }
    })

    test('T2 waits at BEGIN IMMEDIATE until T1 has committed', () => {
      expect(told.begin.code).toBe('SQLITE_OK')
    })
    test('T2 reads the 11 of T1, and T1 reads 20, not the 22 of T2: information flows one way', () => {
      expect([told.read1.rows, told.read2.rows]).toEqual([[{ id: 2, value: 20 }], [{ id: 1, value: 11 }]])
      expect(told.total.rows).toEqual(values(11, 22))
    })
    test('T1 and T2 get the same answers with a rollback journal', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })

  describe('when each writes one row and reads the row of the other, read_uncommitted in a shared cache', () => {
    const told = anomalies.about('Circular information flow (G1c)', sharingPair, ['wal'], async ({ t1, t2 }) => {
      await t1`BEGIN`
      await t2`BEGIN`
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      const update = await t2`UPDATE test SET value = 22 WHERE id = 2`
      const read1 = await t1`SELECT * FROM test WHERE id = 2`
      const read2 = await t2`SELECT * FROM test WHERE id = 1`
      await t1`COMMIT`
      await t2`UPDATE test SET value = 22 WHERE id = 2`
      await t2`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { update, read1, read2, total }
    })

    test('T2 is refused at UPDATE with SQLITE_LOCKED_SHAREDCACHE while T1 is writing', () => {
      expect(told.update.code).toBe('SQLITE_LOCKED_SHAREDCACHE')
    })
    test('T2 reads the 11 of T1 before it is committed, and T1 reads 20: even here information flows one way', () => {
      expect([told.read1.rows, told.read2.rows]).toEqual([[{ id: 2, value: 20 }], [{ id: 1, value: 11 }]])
      expect(told.total.rows).toEqual(values(11, 22))
    })
  })
})

describe('Observed transaction vanishes (OTV), five-second timeout', { tags: ['q43'] }, () => {
  describe('when T3 reads while T2, which has waited for T1, overwrites both values, deferred, write-ahead log', () => {
    const told = anomalies.about('Observed transaction vanishes (OTV)', trio, ['wal'], async ({ t1, t2, t3 }) => {
      await t1`BEGIN`
      await t2`BEGIN`
      await t3`BEGIN`
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      await t1`UPDATE test SET value = 19 WHERE id = 2`
      const turn = t2`UPDATE test SET value = 12 WHERE id = 1`
      await turn.blocks()
      await t1`COMMIT`
      const update = await turn
      const between = await t3`SELECT * FROM test`
      await t2`UPDATE test SET value = 18 WHERE id = 2`
      const during = await t3`SELECT * FROM test`
      await t2`COMMIT`
      const after = await t3`SELECT * FROM test`
      await t3`COMMIT`
      const total = await t3`SELECT * FROM test`
      return { update, between, during, after, total }
    })

    test('T2 waits at UPDATE until T1 has committed', () => {
      expect(told.update.code).toBe('SQLITE_OK')
    })
    test('T3 reads both values of T1, 11 and 19, until it has ended, and then both of T2, 12 and 18', () => {
      const seen = [told.between.rows, told.during.rows, told.after.rows]
      expect(seen).toEqual([values(11, 19), values(11, 19), values(11, 19)])
      expect(told.total.rows).toEqual(values(12, 18))
    })
    test('T1, T3, T2 is the only order that explains what the three have done', () => {
      expect(told.orders).toEqual([['t1', 't3', 't2']])
    })
  })

  describe('when T3 reads while T2, which has waited for T1, overwrites both values, deferred, rollback journal', () => {
    const told = anomalies.about('Observed transaction vanishes (OTV)', trio, ['delete'], async ({ t1, t2, t3 }) => {
      await t1`BEGIN`
      await t2`BEGIN`
      await t3`BEGIN`
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      await t1`UPDATE test SET value = 19 WHERE id = 2`
      const turn = t2`UPDATE test SET value = 12 WHERE id = 1`
      await turn.blocks()
      await t1`COMMIT`
      const update = await turn
      const between = await t3`SELECT * FROM test`
      await t2`UPDATE test SET value = 18 WHERE id = 2`
      const during = await t3`SELECT * FROM test`
      const door = t2`COMMIT`
      await door.blocks()
      const after = await t3`SELECT * FROM test`
      await t3`COMMIT`
      const commit = await door
      const total = await t3`SELECT * FROM test`
      return { update, between, during, after, commit, total }
    })

    test('T2 waits at UPDATE until T1 has committed, and at COMMIT until T3, which only reads, has ended', () => {
      expect([told.update.code, told.commit.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
    })
    test('T3 reads both values of T1, 11 and 19, until it has ended, and then both of T2, 12 and 18', () => {
      const seen = [told.between.rows, told.during.rows, told.after.rows]
      expect(seen).toEqual([values(11, 19), values(11, 19), values(11, 19)])
      expect(told.total.rows).toEqual(values(12, 18))
    })
  })

  describe('when T3 reads while T2, which has waited for T1, overwrites both values, immediate, write-ahead log', () => {
    const told = anomalies.about('Observed transaction vanishes (OTV)', trio, ['wal'], async ({ t1, t2, t3 }) => {
      await t1`BEGIN IMMEDIATE`
      await t3`BEGIN`
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      await t1`UPDATE test SET value = 19 WHERE id = 2`
      const turn = t2`BEGIN IMMEDIATE`
      await turn.blocks()
      await t1`COMMIT`
      const begin = await turn
      await t2`UPDATE test SET value = 12 WHERE id = 1`
      const between = await t3`SELECT * FROM test`
      await t2`UPDATE test SET value = 18 WHERE id = 2`
      const during = await t3`SELECT * FROM test`
      await t2`COMMIT`
      const after = await t3`SELECT * FROM test`
      await t3`COMMIT`
      const total = await t3`SELECT * FROM test`
      return { begin, between, during, after, total }
    })

    test('T2 waits at BEGIN IMMEDIATE until T1 has committed', () => {
      expect(told.begin.code).toBe('SQLITE_OK')
    })
    test('T3 reads both values of T1, 11 and 19, until it has ended, and then both of T2, 12 and 18', () => {
      const seen = [told.between.rows, told.during.rows, told.after.rows]
      expect(seen).toEqual([values(11, 19), values(11, 19), values(11, 19)])
      expect(told.total.rows).toEqual(values(12, 18))
    })
  })

  describe('when T3 reads while T2, which has waited for T1, overwrites both values, immediate, rollback journal', () => {
    const told = anomalies.about('Observed transaction vanishes (OTV)', trio, ['delete'], async ({ t1, t2, t3 }) => {
      await t1`BEGIN IMMEDIATE`
      await t3`BEGIN`
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      await t1`UPDATE test SET value = 19 WHERE id = 2`
      const turn = t2`BEGIN IMMEDIATE`
      await turn.blocks()
      await t1`COMMIT`
      const begin = await turn
      await t2`UPDATE test SET value = 12 WHERE id = 1`
      const between = await t3`SELECT * FROM test`
      await t2`UPDATE test SET value = 18 WHERE id = 2`
      const during = await t3`SELECT * FROM test`
      const door = t2`COMMIT`
      await door.blocks()
      const after = await t3`SELECT * FROM test`
      await t3`COMMIT`
      const commit = await door
      const total = await t3`SELECT * FROM test`
      return { begin, between, during, after, commit, total }
    })

    test('T2 waits at BEGIN IMMEDIATE until T1 has committed, and at COMMIT until T3, which only reads, has ended', () => {
      expect([told.begin.code, told.commit.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
    })
    test('T3 reads both values of T1, 11 and 19, until it has ended, and then both of T2, 12 and 18', () => {
      const seen = [told.between.rows, told.during.rows, told.after.rows]
      expect(seen).toEqual([values(11, 19), values(11, 19), values(11, 19)])
      expect(told.total.rows).toEqual(values(12, 18))
    })
  })

  describe('when T3 reads while T2 overwrites both values of T1, read_uncommitted in a shared cache', () => {
    const told = anomalies.about('Observed transaction vanishes (OTV)', sharingTrio, ['wal'], async ({ t1, t2, t3 }) => {
      await t1`BEGIN`
      await t2`BEGIN`
      await t3`BEGIN`
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      await t1`UPDATE test SET value = 19 WHERE id = 2`
      const update = await t2`UPDATE test SET value = 12 WHERE id = 1`
      await t1`COMMIT`
      await t2`UPDATE test SET value = 12 WHERE id = 1`
      const between = await t3`SELECT * FROM test`
      await t2`UPDATE test SET value = 18 WHERE id = 2`
      const during = await t3`SELECT * FROM test`
      await t2`COMMIT`
      const after = await t3`SELECT * FROM test`
      await t3`COMMIT`
      return { update, between, during, after }
    })

    test('T2 is refused at UPDATE with SQLITE_LOCKED_SHAREDCACHE while T1 is writing, and repeats it when T1 has committed', () => {
      expect(told.update.code).toBe('SQLITE_LOCKED_SHAREDCACHE')
    })
    test('T3 reads the 12 of T2 beside the 19 of T1, then 12 and 18: no order of the three explains that', () => {
      const seen = [told.between.rows, told.during.rows, told.after.rows]
      expect(seen).toEqual([values(12, 19), values(12, 18), values(12, 18)])
      expect(told.orders).toEqual([])
    })
  })
})

describe('Predicate-many-preceders (PMP), five-second timeout', { tags: ['q43'] }, () => {
  const script = async ({ t1, t2 }: Pair, enter: Enter) => {
    await t1`BEGIN`
    const first = await t1`SELECT * FROM test WHERE value = 30`
    await enter(t2)
    await t2`INSERT INTO test VALUES (3, 30)`
    await t2`COMMIT`
    const second = await t1`SELECT * FROM test WHERE value % 3 = 0`
    await t1`COMMIT`
    const total = await t1`SELECT * FROM test`
    return { first, second, total }
  }

  describe('when T2 inserts a row between two searches of T1, write-ahead log', () => {
    const told = anomalies.about('Predicate-many-preceders (PMP)', pair, ['wal', 'wal immediate'], script)

    test('T1 finds nothing until it has ended, though T2 has committed row 3, and finds it afterwards', () => {
      expect([told.first.rows, told.second.rows, told.total.rows]).toEqual([[], [], values(10, 20, 30)])
    })
    test('T1 and T2 get the same answers with BEGIN IMMEDIATE', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })

  describe('when T2 inserts a row between two searches of T1, rollback journal', () => {
    const settings = ['delete', 'delete immediate'] as const
    const told = anomalies.about('Predicate-many-preceders (PMP)', pair, settings, async ({ t1, t2 }, enter) => {
      await t1`BEGIN`
      const first = await t1`SELECT * FROM test WHERE value = 30`
      await enter(t2)
      await t2`INSERT INTO test VALUES (3, 30)`
      const turn = t2`COMMIT`
      await turn.blocks()
      const second = await t1`SELECT * FROM test WHERE value % 3 = 0`
      await t1`COMMIT`
      const commit = await turn
      const total = await t1`SELECT * FROM test`
      return { first, second, commit, total }
    })

    test('T2 waits at COMMIT until T1, which only reads, has ended', () => {
      expect(told.commit.code).toBe('SQLITE_OK')
    })
    test('T1 finds nothing until it has ended, and finds row 3 afterwards', () => {
      expect([told.first.rows, told.second.rows, told.total.rows]).toEqual([[], [], values(10, 20, 30)])
    })
    test('T1 and T2 get the same answers with BEGIN IMMEDIATE', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })

  describe('when T2 inserts a row between two searches of T1, read_uncommitted in a shared cache', () => {
    const told = anomalies.about('Predicate-many-preceders (PMP)', sharingPair, ['wal'], script)

    test('T1 finds nothing, then the row that T2 has inserted meanwhile: no order of the two explains that', () => {
      expect([told.first.rows, told.second.rows, told.total.rows]).toEqual([[], [{ id: 3, value: 30 }], values(10, 20, 30)])
      expect(told.orders).toEqual([])
    })
  })
})

describe('Predicate-many-preceders of a write (PMP), five-second timeout', { tags: ['q43'] }, () => {
  const anomaly = 'Predicate-many-preceders of a write (PMP)'

  describe('when T2 deletes by a value that T1 is changing, deferred', () => {
    const told = anomalies.about(anomaly, pair, ['wal', 'delete'], async ({ t1, t2 }) => {
      await t1`BEGIN`
      await t2`BEGIN`
      await t1`UPDATE test SET value = value + 10`
      const turn = t2`DELETE FROM test WHERE value = 20`
      await turn.blocks()
      await t1`COMMIT`
      const remove = await turn
      await t2`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { remove, total }
    })

    test('T2 waits at DELETE until T1 has committed', () => {
      expect(told.remove.code).toBe('SQLITE_OK')
    })
    test('T2 deletes the row that is 20 by then, which was 10, and leaves the one that was 20, which is 30', () => {
      expect(told.total.rows).toEqual([{ id: 2, value: 30 }])
    })
    test('T1 and T2 get the same answers with a rollback journal', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })

  describe('when T2 deletes by a value that T1 is changing, immediate', () => {
    const told = anomalies.about(anomaly, pair, ['wal', 'delete'], async ({ t1, t2 }) => {
      await t1`BEGIN IMMEDIATE`
      await t1`UPDATE test SET value = value + 10`
      const turn = t2`BEGIN IMMEDIATE`
      await turn.blocks()
      await t1`COMMIT`
      const begin = await turn
      await t2`DELETE FROM test WHERE value = 20`
      await t2`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { begin, total }
    })

    test('T2 waits at BEGIN IMMEDIATE until T1 has committed', () => {
      expect(told.begin.code).toBe('SQLITE_OK')
    })
    test('T2 deletes the row that is 20 by then, which was 10, and leaves the one that was 20, which is 30', () => {
      expect(told.total.rows).toEqual([{ id: 2, value: 30 }])
    })
    test('T1 and T2 get the same answers with a rollback journal', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })

  describe('when T2 deletes by a value that T1 is changing, read_uncommitted in a shared cache', () => {
    const told = anomalies.about(anomaly, sharingPair, ['wal'], async ({ t1, t2 }) => {
      await t1`BEGIN`
      await t2`BEGIN`
      await t1`UPDATE test SET value = value + 10`
      const remove = await t2`DELETE FROM test WHERE value = 20`
      await t1`COMMIT`
      await t2`DELETE FROM test WHERE value = 20`
      await t2`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { remove, total }
    })

    test('T2 is refused at DELETE with SQLITE_LOCKED_SHAREDCACHE while T1 is writing', () => {
      expect(told.remove.code).toBe('SQLITE_LOCKED_SHAREDCACHE')
    })
    test('T2 repeats its DELETE when T1 has committed, and deletes the row that is 20 by then', () => {
      expect(told.total.rows).toEqual([{ id: 2, value: 30 }])
    })
  })
})

describe('Lost update (P4), five-second timeout', { tags: ['q43'] }, () => {
  describe('when T1 adds one and T2 two to the 10 that both have read, deferred, write-ahead log', () => {
    const told = anomalies.about('Lost update (P4)', pair, ['wal'], async ({ t1, t2 }) => {
      await t1`BEGIN`
      await t2`BEGIN`
      const read1 = await t1`SELECT * FROM test WHERE id = 1`
      const read2 = await t2`SELECT * FROM test WHERE id = 1`
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      const update = await t2`UPDATE test SET value = 12 WHERE id = 1`
      await t1`COMMIT`
      const repeated = await t2`UPDATE test SET value = 12 WHERE id = 1`
      await t2`ROLLBACK`
      await t2`BEGIN`
      const anew = await t2`SELECT * FROM test WHERE id = 1`
      await t2`UPDATE test SET value = 13 WHERE id = 1`
      await t2`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { read1, read2, update, repeated, anew, total }
    })

    test('T2 is refused at UPDATE with SQLITE_BUSY, and for good with SQLITE_BUSY_SNAPSHOT: the 10 is out of date', () => {
      expect([told.read1.rows, told.read2.rows]).toEqual([values(10), values(10)])
      expect([told.update.code, told.repeated.code]).toEqual(['SQLITE_BUSY', 'SQLITE_BUSY_SNAPSHOT'])
    })
    test('T2 is refused at once both times, with most of its five seconds to spare', () => {
      expect(Math.max(told.update.waited, told.repeated.waited)).toBeLessThan(1_000)
    })
    test('T2 begins anew, reads the 11 of T1 and adds two: the value is 13, and neither addition is lost', () => {
      expect([told.anew.rows, told.total.rows]).toEqual([values(11), values(13, 20)])
    })
  })

  describe('when T1 adds one and T2 two to the 10 that both have read, deferred, rollback journal', () => {
    const told = anomalies.about('Lost update (P4)', pair, ['delete'], async ({ t1, t2 }) => {
      await t1`BEGIN`
      await t2`BEGIN`
      const read1 = await t1`SELECT * FROM test WHERE id = 1`
      const read2 = await t2`SELECT * FROM test WHERE id = 1`
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      const update = await t2`UPDATE test SET value = 12 WHERE id = 1`
      const turn = t1`COMMIT`
      await turn.blocks()
      await t2`ROLLBACK`
      const commit = await turn
      await t2`BEGIN`
      const anew = await t2`SELECT * FROM test WHERE id = 1`
      await t2`UPDATE test SET value = 13 WHERE id = 1`
      await t2`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { read1, read2, update, commit, anew, total }
    })

    test('T2 is refused at UPDATE with SQLITE_BUSY at once, for T1 is writing', () => {
      expect([told.read1.rows, told.read2.rows]).toEqual([values(10), values(10)])
      expect(told.update.code).toBe('SQLITE_BUSY')
      expect(told.update.waited).toBeLessThan(1_000)
    })
    test('T1 waits at COMMIT until T2, which has read the 10, has rolled back', () => {
      expect(told.commit.code).toBe('SQLITE_OK')
    })
    test('T2 begins anew, reads the 11 of T1 and adds two: the value is 13, and neither addition is lost', () => {
      expect([told.anew.rows, told.total.rows]).toEqual([values(11), values(13, 20)])
    })
  })

  describe('when T1 adds one and T2 two, immediate', () => {
    const told = anomalies.about('Lost update (P4)', pair, ['wal', 'delete'], async ({ t1, t2 }) => {
      await t1`BEGIN IMMEDIATE`
      const read1 = await t1`SELECT * FROM test WHERE id = 1`
      const turn = t2`BEGIN IMMEDIATE`
      await turn.blocks()
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      await t1`COMMIT`
      const begin = await turn
      const read2 = await t2`SELECT * FROM test WHERE id = 1`
      await t2`UPDATE test SET value = 13 WHERE id = 1`
      await t2`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { read1, begin, read2, total }
    })

    test('T2 waits at BEGIN IMMEDIATE until T1 has committed', () => {
      expect(told.begin.code).toBe('SQLITE_OK')
    })
    test('T2 reads the 11 of T1 and adds two: nobody is refused, the value is 13, and neither addition is lost', () => {
      expect([told.read1.rows, told.read2.rows, told.total.rows]).toEqual([values(10), values(11), values(13, 20)])
    })
    test('T1 and T2 get the same answers with a rollback journal', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })

  describe('when T1 adds one and T2 two to the 10 that both have read, read_uncommitted in a shared cache', () => {
    const told = anomalies.about('Lost update (P4)', sharingPair, ['wal', 'delete'], async ({ t1, t2 }) => {
      await t1`BEGIN`
      await t2`BEGIN`
      const read1 = await t1`SELECT * FROM test WHERE id = 1`
      const read2 = await t2`SELECT * FROM test WHERE id = 1`
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      const update = await t2`UPDATE test SET value = 12 WHERE id = 1`
      await t1`COMMIT`
      const between = await t1`SELECT * FROM test`
      const repeated = await t2`UPDATE test SET value = 12 WHERE id = 1`
      await t2`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { read1, read2, update, between, repeated, total }
    })

    test('T2 is refused at UPDATE with SQLITE_LOCKED_SHAREDCACHE while T1 is writing', () => {
      expect(told.update.code).toBe('SQLITE_LOCKED_SHAREDCACHE')
    })
    test.fails('myth: read_uncommitted endangers those who only read, but no update is lost', () => {
      expect(told.repeated.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('T2 repeats its UPDATE with SQLITE_OK when T1 has committed, though the 10 it has read is out of date', () => {
      expect([told.read1.rows, told.read2.rows]).toEqual([values(10), values(10)])
      expect(told.repeated.code).toBe('SQLITE_OK')
    })
    test('the value is 11 when T1 has committed, and 12 when T2 has: the one that T1 has added is lost', () => {
      expect([told.between.rows, told.total.rows]).toEqual([values(11, 20), values(12, 20)])
      expect(told.orders).toEqual([])
    })
    test('T1 and T2 get the same answers with a rollback journal', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })

  describe('when both say BEGIN IMMEDIATE before they read, read_uncommitted in a shared cache', () => {
    let refused: Outcome, read: Outcome, commit: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', sharingPair, async ({ t1, t2 }) => {
        await filled(t1)
        await readUncommitted(t1, t2)
        await t1`BEGIN IMMEDIATE`
        refused = await t2`BEGIN IMMEDIATE`
        await t1`UPDATE test SET value = 11 WHERE id = 1`
        await t1`COMMIT`
        await t2`BEGIN IMMEDIATE`
        read = await t2`SELECT * FROM test WHERE id = 1`
        await t2`UPDATE test SET value = 13 WHERE id = 1`
        commit = await t2`COMMIT`
        total = await t1`SELECT * FROM test`
      })
    })
    beforeEach((context) => show(context, story))

    test('T2 is refused at BEGIN IMMEDIATE with SQLITE_LOCKED_SHAREDCACHE, at once', () => {
      expect(refused.code).toBe('SQLITE_LOCKED_SHAREDCACHE')
      expect(refused.waited).toBeLessThan(1_000)
    })
    test('T2 repeats it when T1 has committed, reads 11 and adds two: the value is 13, and neither addition is lost', () => {
      expect([read.rows, commit.code, total.rows]).toEqual([values(11), 'SQLITE_OK', values(13, 20)])
    })
  })
})

describe('Lost update of a value read before BEGIN, five-second timeout', { tags: ['q43'] }, () => {
  const anomaly = 'Lost update of a value read before BEGIN'
  const script = async ({ t1, t2 }: Pair, enter: Enter) => {
    const read1 = await t1`SELECT * FROM test WHERE id = 1`
    const read2 = await t2`SELECT * FROM test WHERE id = 1`
    await enter(t1)
    await t1`UPDATE test SET value = 11 WHERE id = 1`
    await t1`COMMIT`
    const between = await t1`SELECT * FROM test`
    await enter(t2)
    await t2`UPDATE test SET value = 12 WHERE id = 1`
    const commit = await t2`COMMIT`
    const total = await t1`SELECT * FROM test`
    return { read1, read2, between, commit, total }
  }

  describe('when T1 adds one and T2 two to the 10 that both have read, immediate', () => {
    const told = anomalies.about(anomaly, pair, ['wal immediate', 'delete immediate', 'wal', 'delete'], script)

    test.fails('myth: BEGIN IMMEDIATE keeps updates from being lost', () => {
      expect(told.total.rows).toEqual(values(13, 20))
    })
    test('T2 commits with SQLITE_OK, and the value is 12: the one that T1 has added is lost', () => {
      expect([told.read1.rows, told.read2.rows, told.between.rows]).toEqual([values(10), values(10), values(11, 20)])
      expect(told.commit.code).toBe('SQLITE_OK')
      expect(told.total.rows).toEqual(values(12, 20))
    })
    test('nobody is refused anything: BEGIN IMMEDIATE guards what is read after it', () => {
      expect(new Set(told.story.moments.map(({ outcome }) => outcome?.code))).toEqual(new Set(['SQLITE_OK']))
    })
    test('T1 and T2 get the same answers with a rollback journal, and with BEGIN in both journals', () => {
      for (const story of told.alike) expect(answersIn(story)).toEqual(answersIn(told.story))
    })
  })

  describe('when T1 adds one and T2 two to the 10 that both have read, read_uncommitted in a shared cache', () => {
    const told = anomalies.about(anomaly, sharingPair, ['wal'], script)

    test('the value is 12 here as well: the one that T1 has added is lost', () => {
      expect([told.read1.rows, told.read2.rows, told.between.rows]).toEqual([values(10), values(10), values(11, 20)])
      expect(told.total.rows).toEqual(values(12, 20))
    })
  })
})

describe('Read skew (G-single), five-second timeout', { tags: ['q43'] }, () => {
  const script = async ({ t1, t2 }: Pair, enter: Enter) => {
    await t1`BEGIN`
    const first = await t1`SELECT * FROM test WHERE id = 1`
    await enter(t2)
    await t2`UPDATE test SET value = 12 WHERE id = 1`
    await t2`UPDATE test SET value = 18 WHERE id = 2`
    await t2`COMMIT`
    const second = await t1`SELECT * FROM test WHERE id = 2`
    await t1`COMMIT`
    const total = await t1`SELECT * FROM test`
    return { first, second, total }
  }

  describe('when T2 changes both values between two reads of T1, write-ahead log', () => {
    const told = anomalies.about('Read skew (G-single)', pair, ['wal', 'wal immediate'], script)

    test.fails('myth: each SELECT sees all that has been committed before it', () => {
      expect(told.second.rows).toEqual([{ id: 2, value: 18 }])
    })
    test('T1 gets SQLITE_OK, and the 20 that belongs to the 10 it has read', () => {
      expect(told.first.rows).toEqual([{ id: 1, value: 10 }])
      expect(told.second).toMatchObject({ code: 'SQLITE_OK', rows: [{ id: 2, value: 20 }] })
    })
    test('T1, which ends last, comes first in the only order that explains what both have done', () => {
      expect(told.total.rows).toEqual(values(12, 18))
      expect(told.orders).toEqual([['t1', 't2']])
    })
    test('T1 and T2 get the same answers with BEGIN IMMEDIATE', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })

  describe('when T2 changes both values between two reads of T1, rollback journal', () => {
    const told = anomalies.about('Read skew (G-single)', pair, ['delete', 'delete immediate'], async ({ t1, t2 }, enter) => {
      await t1`BEGIN`
      const first = await t1`SELECT * FROM test WHERE id = 1`
      await enter(t2)
      await t2`UPDATE test SET value = 12 WHERE id = 1`
      await t2`UPDATE test SET value = 18 WHERE id = 2`
      const turn = t2`COMMIT`
      await turn.blocks()
      const second = await t1`SELECT * FROM test WHERE id = 2`
      await t1`COMMIT`
      const commit = await turn
      const total = await t1`SELECT * FROM test`
      return { first, second, commit, total }
    })

    test('T2 waits at COMMIT until T1, which only reads, has ended', () => {
      expect(told.commit.code).toBe('SQLITE_OK')
    })
    test('T1 reads the 20 that belongs to the 10 it has read, and 12 and 18 when it has ended', () => {
      expect([told.first.rows, told.second.rows]).toEqual([[{ id: 1, value: 10 }], [{ id: 2, value: 20 }]])
      expect(told.total.rows).toEqual(values(12, 18))
    })
    test('T1 and T2 get the same answers with BEGIN IMMEDIATE', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })

  describe('when T2 changes both values between two reads of T1, read_uncommitted in a shared cache', () => {
    const told = anomalies.about('Read skew (G-single)', sharingPair, ['wal'], script)

    test('T1 reads 10 and 18, which have never been there together: no order of the two explains that', () => {
      expect([told.first.rows, told.second.rows]).toEqual([[{ id: 1, value: 10 }], [{ id: 2, value: 18 }]])
      expect(told.total.rows).toEqual(values(12, 18))
      expect(told.orders).toEqual([])
    })
  })
})

describe('Read skew on a write predicate (G-single), five-second timeout', { tags: ['q43'] }, () => {
  const anomaly = 'Read skew on a write predicate (G-single)'

  describe('when T2 changes both values, and T1, which has read one, deletes by the other, deferred, write-ahead log', () => {
    const told = anomalies.about(anomaly, pair, ['wal'], async ({ t1, t2 }) => {
      await t1`BEGIN`
      const read1 = await t1`SELECT * FROM test WHERE id = 1`
      await t2`BEGIN`
      await t2`SELECT * FROM test`
      await t2`UPDATE test SET value = 12 WHERE id = 1`
      await t2`UPDATE test SET value = 18 WHERE id = 2`
      await t2`COMMIT`
      const remove = await t1`DELETE FROM test WHERE value = 20`
      const still = await t1`SELECT * FROM test WHERE value = 20`
      await t1`ROLLBACK`
      const total = await t1`SELECT * FROM test`
      return { read1, remove, still, total }
    })

    test('T1, which has read 10, is refused at DELETE with SQLITE_BUSY_SNAPSHOT at once, though it finds the row that is 20', () => {
      expect([told.read1.rows, told.still.rows]).toEqual([values(10), [{ id: 2, value: 20 }]])
      expect(told.remove.code).toBe('SQLITE_BUSY_SNAPSHOT')
      expect(told.remove.waited).toBeLessThan(1_000)
    })
    test('T2 is hindered by nobody: the values are 12 and 18', () => {
      expect(told.total.rows).toEqual(values(12, 18))
    })
  })

  describe('when T2 changes both values, and T1, which has read one, deletes by the other, deferred, rollback journal', () => {
    const told = anomalies.about(anomaly, pair, ['delete'], async ({ t1, t2 }) => {
      await t1`BEGIN`
      const read1 = await t1`SELECT * FROM test WHERE id = 1`
      await t2`BEGIN`
      await t2`SELECT * FROM test`
      await t2`UPDATE test SET value = 12 WHERE id = 1`
      await t2`UPDATE test SET value = 18 WHERE id = 2`
      const turn = t2`COMMIT`
      await turn.blocks()
      const remove = await t1`DELETE FROM test WHERE value = 20`
      await t1`ROLLBACK`
      const commit = await turn
      const total = await t1`SELECT * FROM test`
      return { read1, remove, commit, total }
    })

    test('T1, which has read 10, is refused at DELETE with SQLITE_BUSY at once, for T2 is writing', () => {
      expect(told.read1.rows).toEqual(values(10))
      expect(told.remove.code).toBe('SQLITE_BUSY')
      expect(told.remove.waited).toBeLessThan(1_000)
    })
    test('T2 waits at COMMIT until T1 has rolled back: the values are 12 and 18', () => {
      expect(told.commit.code).toBe('SQLITE_OK')
      expect(told.total.rows).toEqual(values(12, 18))
    })
  })

  describe('when T2 wants to change both values, and T1, which has read one, deletes by the other, immediate', () => {
    const told = anomalies.about(anomaly, pair, ['wal', 'delete'], async ({ t1, t2 }) => {
      await t1`BEGIN IMMEDIATE`
      const read1 = await t1`SELECT * FROM test WHERE id = 1`
      const turn = t2`BEGIN IMMEDIATE`
      await turn.blocks()
      await t1`DELETE FROM test WHERE value = 20`
      await t1`COMMIT`
      const begin = await turn
      const read2 = await t2`SELECT * FROM test`
      await t2`UPDATE test SET value = 12 WHERE id = 1`
      await t2`UPDATE test SET value = 18 WHERE id = 2`
      await t2`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { read1, begin, read2, total }
    })

    test('T2 waits at BEGIN IMMEDIATE until T1 has committed', () => {
      expect(told.begin.code).toBe('SQLITE_OK')
    })
    test('T1 deletes the row that is 20, and T2, which does not find it any more, leaves the other with 12', () => {
      expect([told.read1.rows, told.read2.rows, told.total.rows]).toEqual([values(10), values(10), values(12)])
    })
    test('T1 and T2 get the same answers with a rollback journal', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })

  describe('when T2 changes both values, and T1, which has read one, deletes by the other, read_uncommitted in a shared cache', () => {
    const told = anomalies.about(anomaly, sharingPair, ['wal'], async ({ t1, t2 }) => {
      await t1`BEGIN`
      const read1 = await t1`SELECT * FROM test WHERE id = 1`
      await t2`BEGIN`
      await t2`SELECT * FROM test`
      await t2`UPDATE test SET value = 12 WHERE id = 1`
      await t2`UPDATE test SET value = 18 WHERE id = 2`
      await t2`COMMIT`
      const remove = await t1`DELETE FROM test WHERE value = 20`
      await t1`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { read1, remove, total }
    })

    test('T1, which has read 10, deletes nothing, and gets SQLITE_OK for it', () => {
      expect(told.read1.rows).toEqual(values(10))
      expect(told.remove.code).toBe('SQLITE_OK')
    })
    test('the values are 12 and 18, though T1, which has read 10, has deleted what is 20: no order of the two explains that', () => {
      expect(told.total.rows).toEqual(values(12, 18))
      expect(told.orders).toEqual([])
    })
  })
})

describe('Write skew (G2-item), five-second timeout', { tags: ['q43'] }, () => {
  describe('when each has read both rows and writes another one, deferred, write-ahead log', () => {
    const told = anomalies.about('Write skew (G2-item)', pair, ['wal'], async ({ t1, t2 }) => {
      await t1`BEGIN`
      await t2`BEGIN`
      const read1 = await t1`SELECT * FROM test`
      const read2 = await t2`SELECT * FROM test`
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      const update = await t2`UPDATE test SET value = 21 WHERE id = 2`
      await t1`COMMIT`
      const repeated = await t2`UPDATE test SET value = 21 WHERE id = 2`
      await t2`ROLLBACK`
      const total = await t2`SELECT * FROM test`
      return { read1, read2, update, repeated, total }
    })

    test.fails('myth: the write-ahead log gives snapshot isolation, so that write skew passes', () => {
      expect(told.repeated.code).toBe('SQLITE_OK')
    })
    test('T2 is refused with SQLITE_BUSY_SNAPSHOT, though nobody else has touched the row that it writes', () => {
      expect(told.repeated.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('T2 is refused with SQLITE_BUSY before, while T1 is still writing', () => {
      expect(told.update.code).toBe('SQLITE_BUSY')
    })
    test('of the two who have decided on 10 and 20, only T1 has written: the values are 11 and 20', () => {
      expect([told.read1.rows, told.read2.rows, told.total.rows]).toEqual([values(10, 20), values(10, 20), values(11, 20)])
    })
  })

  describe('when each has read both rows and writes another one, deferred, rollback journal', () => {
    const told = anomalies.about('Write skew (G2-item)', pair, ['delete'], async ({ t1, t2 }) => {
      await t1`BEGIN`
      await t2`BEGIN`
      const read1 = await t1`SELECT * FROM test`
      const read2 = await t2`SELECT * FROM test`
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      const update = await t2`UPDATE test SET value = 21 WHERE id = 2`
      const turn = t1`COMMIT`
      await turn.blocks()
      await t2`ROLLBACK`
      const commit = await turn
      const total = await t2`SELECT * FROM test`
      return { read1, read2, update, commit, total }
    })

    test('T2 is refused at UPDATE with SQLITE_BUSY, and T1 waits at COMMIT until T2 has rolled back', () => {
      expect([told.update.code, told.commit.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test('of the two who have decided on 10 and 20, only T1 has written: the values are 11 and 20', () => {
      expect([told.read1.rows, told.read2.rows, told.total.rows]).toEqual([values(10, 20), values(10, 20), values(11, 20)])
    })
  })

  describe('when each has read both rows and writes another one, immediate', () => {
    const told = anomalies.about('Write skew (G2-item)', pair, ['wal', 'delete'], async ({ t1, t2 }) => {
      await t1`BEGIN IMMEDIATE`
      const read1 = await t1`SELECT * FROM test`
      const turn = t2`BEGIN IMMEDIATE`
      await turn.blocks()
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      await t1`COMMIT`
      const begin = await turn
      const read2 = await t2`SELECT * FROM test`
      await t2`UPDATE test SET value = 21 WHERE id = 2`
      await t2`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { read1, begin, read2, total }
    })

    test('T2 waits at BEGIN IMMEDIATE until T1 has committed', () => {
      expect(told.begin.code).toBe('SQLITE_OK')
    })
    test('T1 decides on 10 and 20, and T2 on what T1 has left, 11 and 20: the values are 11 and 21', () => {
      expect([told.read1.rows, told.read2.rows, told.total.rows]).toEqual([values(10, 20), values(11, 20), values(11, 21)])
    })
    test('T1 and T2 get the same answers with a rollback journal', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })

  describe('when each has read both rows and writes another one, read_uncommitted in a shared cache', () => {
    const told = anomalies.about('Write skew (G2-item)', sharingPair, ['wal'], async ({ t1, t2 }) => {
      await t1`BEGIN`
      await t2`BEGIN`
      const read1 = await t1`SELECT * FROM test`
      const read2 = await t2`SELECT * FROM test`
      await t1`UPDATE test SET value = 11 WHERE id = 1`
      await t1`COMMIT`
      const update = await t2`UPDATE test SET value = 21 WHERE id = 2`
      await t2`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { read1, read2, update, total }
    })

    test('T2 writes with SQLITE_OK, though T1 has committed since it read', () => {
      expect(told.update.code).toBe('SQLITE_OK')
    })
    test('both have decided on 10 and 20, and the values are 11 and 21: no order of the two explains that', () => {
      expect([told.read1.rows, told.read2.rows, told.total.rows]).toEqual([values(10, 20), values(10, 20), values(11, 21)])
      expect(told.orders).toEqual([])
    })
  })
})

describe('Write skew on a search (G2), five-second timeout', { tags: ['q43'] }, () => {
  describe('when each has found nothing and inserts what the other has searched for, deferred, write-ahead log', () => {
    const told = anomalies.about('Write skew on a search (G2)', pair, ['wal'], async ({ t1, t2 }) => {
      await t1`BEGIN`
      await t2`BEGIN`
      const found1 = await t1`SELECT * FROM test WHERE value % 3 = 0`
      const found2 = await t2`SELECT * FROM test WHERE value % 3 = 0`
      await t1`INSERT INTO test VALUES (3, 30)`
      const insert = await t2`INSERT INTO test VALUES (4, 42)`
      await t1`COMMIT`
      const repeated = await t2`INSERT INTO test VALUES (4, 42)`
      await t2`ROLLBACK`
      const total = await t2`SELECT * FROM test`
      return { found1, found2, insert, repeated, total }
    })

    test('T2 is refused at INSERT with SQLITE_BUSY, and for good with SQLITE_BUSY_SNAPSHOT: its search is out of date', () => {
      expect([told.insert.code, told.repeated.code]).toEqual(['SQLITE_BUSY', 'SQLITE_BUSY_SNAPSHOT'])
    })
    test('of the two who have found nothing, only T1 has inserted a row', () => {
      expect([told.found1.rows, told.found2.rows, told.total.rows]).toEqual([[], [], values(10, 20, 30)])
    })
  })

  describe('when each has found nothing and inserts what the other has searched for, deferred, rollback journal', () => {
    const told = anomalies.about('Write skew on a search (G2)', pair, ['delete'], async ({ t1, t2 }) => {
      await t1`BEGIN`
      await t2`BEGIN`
      const found1 = await t1`SELECT * FROM test WHERE value % 3 = 0`
      const found2 = await t2`SELECT * FROM test WHERE value % 3 = 0`
      await t1`INSERT INTO test VALUES (3, 30)`
      const insert = await t2`INSERT INTO test VALUES (4, 42)`
      const turn = t1`COMMIT`
      await turn.blocks()
      await t2`ROLLBACK`
      const commit = await turn
      const total = await t2`SELECT * FROM test`
      return { found1, found2, insert, commit, total }
    })

    test('T2 is refused at INSERT with SQLITE_BUSY, and T1 waits at COMMIT until T2 has rolled back', () => {
      expect([told.insert.code, told.commit.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test('of the two who have found nothing, only T1 has inserted a row', () => {
      expect([told.found1.rows, told.found2.rows, told.total.rows]).toEqual([[], [], values(10, 20, 30)])
    })
  })

  describe('when each searches, and inserts if it has found nothing, immediate', () => {
    const told = anomalies.about('Write skew on a search (G2)', pair, ['wal', 'delete'], async ({ t1, t2 }) => {
      await t1`BEGIN IMMEDIATE`
      const found1 = await t1`SELECT * FROM test WHERE value % 3 = 0`
      const turn = t2`BEGIN IMMEDIATE`
      await turn.blocks()
      await t1`INSERT INTO test VALUES (3, 30)`
      await t1`COMMIT`
      const begin = await turn
      const found2 = await t2`SELECT * FROM test WHERE value % 3 = 0`
      await t2`COMMIT`
      return { found1, begin, found2 }
    })

    test('T2 waits at BEGIN IMMEDIATE until T1 has committed', () => {
      expect(told.begin.code).toBe('SQLITE_OK')
    })
    test('T1 finds nothing, and T2 finds the row of T1', () => {
      expect([told.found1.rows, told.found2.rows]).toEqual([[], [{ id: 3, value: 30 }]])
    })
    test('T1 and T2 get the same answers with a rollback journal', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })

  describe('when each has found nothing and inserts what the other has searched for, read_uncommitted in a shared cache', () => {
    const told = anomalies.about('Write skew on a search (G2)', sharingPair, ['wal'], async ({ t1, t2 }) => {
      await t1`BEGIN`
      await t2`BEGIN`
      const found1 = await t1`SELECT * FROM test WHERE value % 3 = 0`
      const found2 = await t2`SELECT * FROM test WHERE value % 3 = 0`
      await t1`INSERT INTO test VALUES (3, 30)`
      await t1`COMMIT`
      const insert = await t2`INSERT INTO test VALUES (4, 42)`
      await t2`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { found1, found2, insert, total }
    })

    test('T2 inserts with SQLITE_OK, though T1 has committed since it searched', () => {
      expect(told.insert.code).toBe('SQLITE_OK')
    })
    test('both have found nothing, and there are two rows more: no order of the two explains that', () => {
      expect([told.found1.rows, told.found2.rows, told.total.rows]).toEqual([[], [], values(10, 20, 30, 42)])
      expect(told.orders).toEqual([])
    })
  })
})

describe('Read-only anomaly (G2, T3 only reads), five-second timeout', { tags: ['q43'] }, () => {
  const anomaly = 'Read-only anomaly (G2, T3 only reads)'

  describe('when T3 reads what T2 has written and T1 has not seen, deferred, write-ahead log', () => {
    const told = anomalies.about(anomaly, trio, ['wal'], async ({ t1, t2, t3 }) => {
      await t1`BEGIN`
      const read1 = await t1`SELECT * FROM test`
      await t2`BEGIN`
      await t2`UPDATE test SET value = value + 5 WHERE id = 2`
      await t2`COMMIT`
      await t3`BEGIN`
      const read3 = await t3`SELECT * FROM test`
      await t3`COMMIT`
      const update = await t1`UPDATE test SET value = 0 WHERE id = 1`
      await t1`ROLLBACK`
      const total = await t1`SELECT * FROM test`
      return { read1, read3, update, total }
    })

    test('T1 is refused at UPDATE with SQLITE_BUSY_SNAPSHOT: it has read 20, and T3 has read the 25 of T2', () => {
      expect([told.read1.rows, told.read3.rows]).toEqual([values(10, 20), values(10, 25)])
      expect(told.update.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('T3 is hindered by nobody, and what it has read is in the table: 10 and 25', () => {
      expect(told.total.rows).toEqual(values(10, 25))
    })
  })

  describe('when T3 wants to read what T2 has written and T1 has not seen, deferred, rollback journal', () => {
    const told = anomalies.about(anomaly, trio, ['delete'], async ({ t1, t2, t3 }) => {
      await t1`BEGIN`
      const read1 = await t1`SELECT * FROM test`
      await t2`BEGIN`
      await t2`UPDATE test SET value = value + 5 WHERE id = 2`
      const turn = t2`COMMIT`
      await turn.blocks()
      await t3`BEGIN`
      const door = t3`SELECT * FROM test`
      await door.blocks()
      const update = await t1`UPDATE test SET value = 0 WHERE id = 1`
      await t1`ROLLBACK`
      const commit = await turn
      const read3 = await door
      await t3`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { read1, update, commit, read3, total }
    })

    test('T1, which has read 10 and 20, is refused at UPDATE with SQLITE_BUSY, for T2 is writing', () => {
      expect(told.read1.rows).toEqual(values(10, 20))
      expect(told.update.code).toBe('SQLITE_BUSY')
    })
    test('T2 waits at COMMIT until T1 has rolled back, and T3 at SELECT until T2 has committed: it reads 10 and 25', () => {
      expect(told.commit.code).toBe('SQLITE_OK')
      expect([told.read3.rows, told.total.rows]).toEqual([values(10, 25), values(10, 25)])
    })
  })

  describe('when T3 reads while T2 waits for T1, immediate', () => {
    const told = anomalies.about(anomaly, trio, ['wal', 'delete'], async ({ t1, t2, t3 }) => {
      await t1`BEGIN IMMEDIATE`
      const read1 = await t1`SELECT * FROM test`
      const turn = t2`BEGIN IMMEDIATE`
      await turn.blocks()
      await t3`BEGIN`
      const read3 = await t3`SELECT * FROM test`
      await t3`COMMIT`
      await t1`UPDATE test SET value = 0 WHERE id = 1`
      await t1`COMMIT`
      const begin = await turn
      await t2`UPDATE test SET value = value + 5 WHERE id = 2`
      await t2`COMMIT`
      const total = await t1`SELECT * FROM test`
      return { read1, read3, begin, total }
    })

    test('T2 waits at BEGIN IMMEDIATE until T1 has committed', () => {
      expect(told.begin.code).toBe('SQLITE_OK')
    })
    test('T1 and T3, which is hindered by nobody, read 10 and 20, and the values are 0 and 25: T3, T1, T2 is the order', () => {
      expect([told.read1.rows, told.read3.rows, told.total.rows]).toEqual([values(10, 20), values(10, 20), values(0, 25)])
      expect(told.orders).toEqual([['t3', 't1', 't2']])
    })
    test('T1, T2 and T3 get the same answers with a rollback journal', () => {
      expect(answersIn(told.alike[0])).toEqual(answersIn(told.story))
    })
  })

  describe('when T3 reads what T2 has written and T1 has not seen, read_uncommitted in a shared cache', () => {
    const told = anomalies.about(anomaly, sharingTrio, ['wal'], async ({ t1, t2, t3 }) => {
      await t1`BEGIN`
      const read1 = await t1`SELECT * FROM test`
      await t2`BEGIN`
      await t2`UPDATE test SET value = value + 5 WHERE id = 2`
      await t2`COMMIT`
      await t3`BEGIN`
      const read3 = await t3`SELECT * FROM test`
      await t3`COMMIT`
      const update = await t1`UPDATE test SET value = 0 WHERE id = 1`
      await t1`COMMIT`
      const total = await t2`SELECT * FROM test`
      return { read1, read3, update, total }
    })

    test('T1, which has read 20, writes with SQLITE_OK, though T3 has read the 25 of T2', () => {
      expect([told.read1.rows, told.read3.rows]).toEqual([values(10, 20), values(10, 25)])
      expect(told.update.code).toBe('SQLITE_OK')
    })
    test('the values are 0 and 25, and T3 has read 10 and 25: no order of the three explains that', () => {
      expect(told.total.rows).toEqual(values(0, 25))
      expect(told.orders).toEqual([])
    })
  })
})

describe('read_uncommitted without a shared cache, five-second timeout', { tags: ['q43'] }, () => {
  describe('when T2, in its own process, and T3, in that of T1, read what T1 has not committed', () => {
    let setting: Outcome, own: Outcome, read2: Outcome, read3: Outcome, story: Story, journal: Story

    beforeAll(async () => {
      const cast = { t1: { timeout, process: 'family' }, t2: { timeout }, t3: { timeout, process: 'family' } }
      const script = async ({ t1, t2, t3 }: Trio) => {
        await filled(t1)
        await readUncommitted(t1, t2, t3)
        await t1`BEGIN`
        await t1`UPDATE test SET value = 101 WHERE id = 1`
        setting = await t2`PRAGMA read_uncommitted`
        own = await t1`SELECT * FROM test`
        read2 = await t2`SELECT * FROM test`
        read3 = await t3`SELECT * FROM test`
      }
      journal = await contend('delete', cast, script)
      story = await contend('wal', cast, script)
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: with PRAGMA read_uncommitted, T2 reads what T1 has not committed', () => {
      expect(read2.rows).toEqual(values(101, 20))
    })
    test('T2 has turned the pragma on, and gets SQLITE_OK and 10, where T1 reads its own 101', () => {
      expect([setting.rows, own.rows]).toEqual([[{ read_uncommitted: 1 }], values(101, 20)])
      expect(read2).toMatchObject({ code: 'SQLITE_OK', rows: values(10, 20) })
    })
    test('T3 reads 10 as well: to be in one process is not to share a cache', () => {
      expect(read3.rows).toEqual(values(10, 20))
    })
    test('T1, T2 and T3 get the same answers with a rollback journal', () => {
      expect(answersIn(journal)).toEqual(answersIn(story))
    })
  })

  describe('when T1 and T2 ask for a shared cache, each in its own process', () => {
    let own: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      const apart = { timeout, driver: 'node:sqlite', uri: 'cache=shared' } as const
      story = await contend('wal', { t1: apart, t2: apart }, async ({ t1, t2 }) => {
        await filled(t1)
        await readUncommitted(t1, t2)
        await t1`BEGIN`
        await t1`UPDATE test SET value = 101 WHERE id = 1`
        own = await t1`SELECT * FROM test`
        read = await t2`SELECT * FROM test`
      })
    })
    beforeEach((context) => show(context, story))

    test('T2 reads 10, where T1 reads its own 101: no cache is shared between processes', () => {
      expect([own.rows, read.rows]).toEqual([values(101, 20), values(10, 20)])
    })
  })

  describe('when better-sqlite3 is asked whether it can share a cache', () => {
    let option: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { t1: { timeout, driver: 'better-sqlite3' } }, async ({ t1 }) => {
        option = await t1`SELECT sqlite_compileoption_used('OMIT_SHARED_CACHE') AS omitted`
      })
    })
    beforeEach((context) => show(context, story))

    test('its SQLite is compiled with OMIT_SHARED_CACHE: through it, nothing uncommitted is ever seen', () => {
      expect(option.rows).toEqual([{ omitted: 1 }])
    })
  })
})

describe('Read skew (G-single), no timeout, rollback journal', { tags: ['q43'] }, () => {
  describe('when T2, which has said BEGIN IMMEDIATE, commits between two reads of T1', () => {
    let commit: Outcome, second: Outcome, repeated: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { t1: { timeout: 0 }, t2: { timeout: 0 } }, async ({ t1, t2 }) => {
        await filled(t1)
        await t1`BEGIN`
        await t1`SELECT * FROM test WHERE id = 1`
        await t2`BEGIN IMMEDIATE`
        await t2`UPDATE test SET value = 12 WHERE id = 1`
        await t2`UPDATE test SET value = 18 WHERE id = 2`
        commit = await t2`COMMIT`
        second = await t1`SELECT * FROM test WHERE id = 2`
        await t1`COMMIT`
        repeated = await t2`COMMIT`
        total = await t1`SELECT * FROM test`
      })
    })
    beforeEach((context) => show(context, story))

    test('the COMMIT of T2 is refused with SQLITE_BUSY, where with a timeout it waits', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
    })
    test('T1 reads the 20 that belongs to the 10 it has read', () => {
      expect(second.rows).toEqual([{ id: 2, value: 20 }])
    })
    test('T2 repeats its COMMIT with SQLITE_OK when T1 has ended: the values are 12 and 18', () => {
      expect([repeated.code, total.rows]).toEqual(['SQLITE_OK', values(12, 18)])
    })
  })
})

describe('One connection for two users, write-ahead log', { tags: ['q43'] }, () => {
  describe('when one user reads and writes in the middle of the transaction of the other', () => {
    let read: Outcome, written: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { connection: { timeout } }, async ({ connection }) => {
        await filled(connection)
        await connection`BEGIN IMMEDIATE`
        await connection`UPDATE test SET value = 101 WHERE id = 1`
        read = await connection`SELECT * FROM test`
        await connection`INSERT INTO test VALUES (3, 30)`
        written = await connection`SELECT * FROM test`
        await connection`ROLLBACK`
        after = await connection`SELECT * FROM test`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: transactions are isolated from each other, so that users are', () => {
      expect(read.rows).toEqual(values(10, 20))
    })
    test('the connection shows the one, with SQLITE_OK, the 101 that the other then takes back', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: values(101, 20) })
    })
    test('the ROLLBACK of the other takes back what the one has inserted as well: there is one transaction, not two users', () => {
      expect([written.rows, after.rows]).toEqual([values(101, 20, 30), values(10, 20)])
    })
  })
})

describe('The judge of these stories', () => {
  /** The orders that the judge finds for a story that nobody has lived: who says what, and the rows of each SELECT. */
  function ordersOf(lines: string, ...rows: Outcome['rows'][]): string[][] {
    const made = ['t1 CREATE TABLE test (id INTEGER PRIMARY KEY, value INTEGER)', 't1 INSERT INTO test VALUES (1, 10), (2, 20)']
    const moments = [...made, ...lines.trim().split(/\n */)].map((line) => {
      const [contender, text] = [line.slice(0, 2), line.slice(3)]
      const given = text.startsWith('SELECT') ? (rows.shift() ?? []) : []
      const outcome = { code: 'SQLITE_OK', rows: given, waited: 0, inTransaction: text !== 'COMMIT' }
      return { contender, text, kind: 'statement' as const, waits: false, outcome }
    })
    return serialOrders({ mode: 'wal', cast: {}, moments })
  }

  describe('when it is shown what SQLite never does, and what it may do', () => {
    test('the judge finds no order for a dirty write, where one value of T1 and one of T2 are left', () => {
      const story = `
        t1 BEGIN
        t2 BEGIN
        t1 UPDATE test SET value = 11 WHERE id = 1
        t2 UPDATE test SET value = 12 WHERE id = 1
        t2 UPDATE test SET value = 22 WHERE id = 2
        t1 UPDATE test SET value = 21 WHERE id = 2
        t1 COMMIT
        t2 COMMIT
        t3 SELECT * FROM test`
      expect(ordersOf(story, values(12, 21))).toEqual([])
      expect(ordersOf(story, values(12, 22))).toEqual([['t1', 't2', 't3']])
      expect(ordersOf(story, values(11, 21))).toEqual([['t2', 't1', 't3']])
    })
    test('the judge finds no order for a circular information flow, where each has read what the other has written', () => {
      const story = `
        t1 BEGIN
        t2 BEGIN
        t1 UPDATE test SET value = 11 WHERE id = 1
        t2 UPDATE test SET value = 22 WHERE id = 2
        t1 SELECT * FROM test
        t2 SELECT * FROM test
        t1 COMMIT
        t2 COMMIT`
      expect(ordersOf(story, values(11, 22), values(11, 22))).toEqual([])
      expect(ordersOf(story, values(11, 20), values(11, 22))).toEqual([['t1', 't2']])
    })
    test('the judge finds no order for a DELETE that misses its row, because T1 is changing it', () => {
      const story = `
        t1 BEGIN
        t2 BEGIN
        t1 UPDATE test SET value = value + 10
        t1 COMMIT
        t2 DELETE FROM test WHERE value = 20
        t2 SELECT * FROM test
        t2 COMMIT`
      expect(ordersOf(story, values(20, 30))).toEqual([])
      expect(ordersOf(story, [{ id: 2, value: 30 }])).toEqual([['t1', 't2']])
    })
    test('the judge finds no order for a T2 that has read what T1 takes back', () => {
      const story = `
        t1 BEGIN
        t1 UPDATE test SET value = 101 WHERE id = 1
        t2 SELECT * FROM test
        t1 ROLLBACK`
      expect(ordersOf(story, values(101, 20))).toEqual([])
      expect(ordersOf(story, values(10, 20))).toEqual([['t2']])
    })
    test('the judge finds no order for a T2 that begins after the COMMIT of T1, and does not see it', () => {
      const story = `
        t1 BEGIN
        t1 UPDATE test SET value = 11 WHERE id = 1
        t1 COMMIT
        t2 BEGIN
        t2 SELECT * FROM test
        t2 COMMIT`
      expect(ordersOf(story, values(10, 20))).toEqual([])
      expect(ordersOf(story, values(11, 20))).toEqual([['t1', 't2']])
    })
  })
})
