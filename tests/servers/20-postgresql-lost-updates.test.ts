/**
 * Two read n, add one and write it back, the interleaving of chapters 30 and 71, in each of PostgreSQL's isolation levels. As it comes,
 * READ COMMITTED, nobody is refused and an update is lost, as in SQLite without a transaction. With `SELECT … FOR UPDATE` the other waits before
 * it reads, as after BEGIN IMMEDIATE. From REPEATABLE READ on it is refused with 40001, which is "database is locked" by another name: no
 * timeout helps, the whole transaction is to be tried again, as after SQLITE_BUSY_SNAPSHOT. What PostgreSQL spares its writers is to wait
 * for those who write something else, not to be refused.
 *
 * https://www.postgresql.org/docs/current/transaction-iso.html
 */
import { beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { countUp as countUpInSqlite, crowd, type Tally } from '../../helpers/crowd.ts'
import { contend, type Outcome, type Story, show } from '../../helpers/servers/contend.ts'
import { countUp } from '../../helpers/servers/crowd.ts'
import { type Results, showResults } from '../../helpers/show.ts'

const { url = '' } = inject('postgresql')

describe.skipIf(!url)('Two who read n, add one, and write it back, in PostgreSQL', () => {
  describe('when both say BEGIN, which is READ COMMITTED', () => {
    let level: Outcome, commit: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['first', 'other'], async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        level = await other`SHOW transaction_isolation`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = 1`
        await first`COMMIT`
        await other`UPDATE counter SET n = 1`
        commit = await other`COMMIT`
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a transaction of PostgreSQL protects what it has read', () => {
      expect(total.rows).toEqual([{ n: 2 }])
    })
    test('both commit, and one change is lost, without an error, where SQLite refuses the other with SQLITE_BUSY_SNAPSHOT', () => {
      expect(level.rows).toEqual([{ transaction_isolation: 'read committed' }])
      expect(commit.tag).toBe('COMMIT')
      expect(total.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when both read with FOR UPDATE', () => {
    let lock: string, read: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['first', 'other'], async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`SELECT n FROM counter FOR UPDATE`
        const select = other`SELECT n FROM counter FOR UPDATE`
        lock = await select.blocks()
        await first`UPDATE counter SET n = 1`
        await first`COMMIT`
        read = await select
        await other`UPDATE counter SET n = 2`
        await other`COMMIT`
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other waits before it reads, as with BEGIN IMMEDIATE, and reads what the first has written', () => {
      expect(lock).toBe('transactionid, of first')
      expect(read.rows).toEqual([{ n: 1 }])
    })
    test('nobody is refused, and no change is lost: n is 2', () => {
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })

  describe('when both say REPEATABLE READ', () => {
    let write: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['first', 'other'], async ({ first, other }) => {
        await first`BEGIN ISOLATION LEVEL REPEATABLE READ`
        await other`BEGIN ISOLATION LEVEL REPEATABLE READ`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = 1`
        await first`COMMIT`
        write = await other`UPDATE counter SET n = 1`
        await other`ROLLBACK`
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: nobody is turned away by PostgreSQL', () => {
      expect(write.code).toBe('00000')
    })
    test('the other is refused at its UPDATE with 40001, as with SQLITE_BUSY_SNAPSHOT, and no change is lost', () => {
      expect(write).toMatchObject({ code: '40001', message: 'could not serialize access due to concurrent update' })
      expect(total.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when both say REPEATABLE READ, and the first has not committed yet', () => {
    let lock: string, write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['first', 'other'], async ({ first, other }) => {
        await first`BEGIN ISOLATION LEVEL REPEATABLE READ`
        await other`BEGIN ISOLATION LEVEL REPEATABLE READ`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = 1`
        const update = other`UPDATE counter SET n = 1`
        lock = await update.blocks()
        await first`COMMIT`
        write = await update
        await other`ROLLBACK`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other waits for the first, and is refused with 40001 when the first commits: it has waited for nothing', () => {
      expect(lock).toBe('transactionid, of first')
      expect(write.code).toBe('40001')
    })
  })

  describe('when both say REPEATABLE READ, and the first rolls back', () => {
    let write: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['first', 'other'], async ({ first, other }) => {
        await first`BEGIN ISOLATION LEVEL REPEATABLE READ`
        await other`BEGIN ISOLATION LEVEL REPEATABLE READ`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = 1`
        const update = other`UPDATE counter SET n = 1`
        await update.blocks()
        await first`ROLLBACK`
        write = await update
        commit = await other`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other waits, and commits: the lock alone refuses nobody, where SQLite has refused it already', () => {
      expect([write.tag, commit.tag]).toEqual(['UPDATE', 'COMMIT'])
    })
  })

  describe('when both say SERIALIZABLE', () => {
    let write: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['first', 'other'], async ({ first, other }) => {
        await first`BEGIN ISOLATION LEVEL SERIALIZABLE`
        await other`BEGIN ISOLATION LEVEL SERIALIZABLE`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = 1`
        await first`COMMIT`
        write = await other`UPDATE counter SET n = 1`
        await other`ROLLBACK`
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other is refused at its UPDATE with 40001, and no change is lost', () => {
      expect(write).toMatchObject({ code: '40001', message: 'could not serialize access due to concurrent update' })
      expect(total.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when nobody says BEGIN, and the UPDATE says which n it was computed from', () => {
    let ofFirst: Outcome, ofOther: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['first', 'other'], async ({ first, other }) => {
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        ofFirst = await first`UPDATE counter SET n = 1 WHERE n = 0 RETURNING n`
        ofOther = await other`UPDATE counter SET n = 1 WHERE n = 0 RETURNING n`
      })
    })
    beforeEach((context) => show(context, story))

    test('the first has a row back, and the other none, as in SQLite: it is told, not by an error, that it has changed nothing', () => {
      expect(ofFirst.rows).toEqual([{ n: 1 }])
      expect(ofOther).toMatchObject({ code: '00000', rows: [] })
    })
  })
})

const levels = {
  committed: 'BEGIN ISOLATION LEVEL READ COMMITTED',
  repeatable: 'BEGIN ISOLATION LEVEL REPEATABLE READ',
  serializable: 'BEGIN ISOLATION LEVEL SERIALIZABLE',
}
const read = 'SELECT n FROM counter'

describe.skipIf(!url)('Five processes that count up at the same time, ten times each', () => {
  let tallies: Record<string, Tally>

  beforeAll(async () => {
    const inPostgresql = (steps: string[][], options?: { retry: boolean }) => countUp(url, 5, 10, steps, options)
    const readThenWrite = (begin: string) => [
      [begin, read],
      ['.write', 'COMMIT'],
    ]
    tallies = {
      committed: await inPostgresql(readThenWrite(levels.committed)),
      forUpdate: await inPostgresql([[levels.committed, `${read} FOR UPDATE`, '.write', 'COMMIT']]),
      repeatable: await inPostgresql(readThenWrite(levels.repeatable)),
      serializable: await inPostgresql(readThenWrite(levels.serializable)),
      retried: await inPostgresql(readThenWrite(levels.serializable), { retry: true }),
      single: await inPostgresql([['UPDATE counter SET n = n + 1']]),
      ...(await crowd('wal', 5, ['counts-up.ts', '--timeout', '5000'], async (members) => ({
        bare: await countUpInSqlite(members, 10, ['.read'], ['.write']),
        deferred: await countUpInSqlite(members, 10, ['BEGIN', '.read'], ['.write', 'COMMIT']),
        immediate: await countUpInSqlite(members, 10, ['BEGIN IMMEDIATE', '.read', '.write', 'COMMIT']),
      }))),
    }
  })
  beforeEach(async (context) => {
    const row = (database: string, how: string, { refused, confirmed, counted }: Tally) => {
      return [database, how, `${refused}`, `${confirmed}`, `${counted}`, `${confirmed - counted}`]
    }
    const results: Results = {
      head: ['', 'each of five processes, ten times', 'refused', 'confirmed', 'counted', 'lost'],
      rows: [
        row('PostgreSQL', 'READ COMMITTED: SELECT, then UPDATE', tallies.committed),
        row('PostgreSQL', 'READ COMMITTED: SELECT … FOR UPDATE, UPDATE', tallies.forUpdate),
        row('PostgreSQL', 'REPEATABLE READ: SELECT, then UPDATE', tallies.repeatable),
        row('PostgreSQL', 'SERIALIZABLE: SELECT, then UPDATE', tallies.serializable),
        row('PostgreSQL', 'the same, and those who are refused again, until all are confirmed', tallies.retried),
        row('PostgreSQL', 'UPDATE … SET n = n + 1', tallies.single),
        row('SQLite', 'SELECT, then UPDATE', tallies.bare),
        row('SQLite', 'BEGIN, SELECT, then UPDATE, COMMIT', tallies.deferred),
        row('SQLite', 'BEGIN IMMEDIATE, SELECT, UPDATE, COMMIT', tallies.immediate),
      ],
    }
    await showResults(context, results)
  })

  test('those under READ COMMITTED, in transactions, lose 40 of their 50 confirmed changes, as those do in SQLite who use none', () => {
    expect(tallies.committed).toEqual({ confirmed: 50, refused: 0, counted: 10 })
    expect(tallies.bare).toEqual(tallies.committed)
  })
  test('those who read with FOR UPDATE are never refused, and lose nothing, as with BEGIN IMMEDIATE in SQLite', () => {
    expect(tallies.forUpdate).toEqual({ confirmed: 50, refused: 0, counted: 50 })
    expect(tallies.immediate).toEqual(tallies.forUpdate)
  })
  test('those under REPEATABLE READ and SERIALIZABLE are refused 40 times, and lose nothing, as with BEGIN in SQLite', () => {
    expect(tallies.repeatable).toEqual({ confirmed: 10, refused: 40, counted: 10 })
    expect(tallies.serializable).toEqual(tallies.repeatable)
    expect(tallies.deferred).toEqual(tallies.repeatable)
  })
  test('those who try again until they are confirmed are refused 100 times on the way to 50 changes', () => {
    expect(tallies.retried).toEqual({ confirmed: 50, refused: 100, counted: 50 })
  })
  test('those who leave the sum to a single UPDATE are never refused, and lose nothing', () => {
    expect(tallies.single).toEqual({ confirmed: 50, refused: 0, counted: 50 })
  })
})
