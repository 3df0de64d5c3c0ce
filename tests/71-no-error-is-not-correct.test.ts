/**
 * "database is locked" is SQLite refusing to lose a change. An application that reads a value, computes the next one and writes it
 * back meets no error as long as it never says BEGIN, and loses changes instead: every statement is correct, and the whole is not.
 * Inside a transaction the same schedule ends in a refusal, and nothing is lost; under BEGIN IMMEDIATE it ends in neither.
 *
 * https://sqlite.org/isolation.html · https://sqlite.org/rescode.html#busy_snapshot · https://sqlite.org/lang_transaction.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { countUp, crowd, type Tally } from '../helpers/crowd.ts'
import type { JournalMode } from '../helpers/fresh-database.ts'
import { type Results, show, showResults } from '../helpers/show.ts'

describe('Two who read n, add one, and write it back, five-second timeout, write-ahead log', { tags: ['q40'] }, () => {
  describe('when nobody says BEGIN', () => {
    let ofFirst: Outcome, ofOther: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        ofFirst = await first`UPDATE counter SET n = 1`
        ofOther = await other`UPDATE counter SET n = 1`
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story, 'a-lost-update.svg'))

    test('the first and the other write with SQLITE_OK: nobody is refused', () => {
      expect([ofFirst.code, ofOther.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
    })
    test.fails('myth: two changes that were confirmed are both there: where there is no error, nothing is lost', () => {
      expect(total.rows).toEqual([{ n: 2 }])
    })
    test('one of the two confirmed changes is lost, SQLITE_OK or not: n is 1', () => {
      expect(total).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
  })

  describe('when both say BEGIN', { tags: ['q42'] }, () => {
    let write: Outcome, repeated: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = 1`
        await first`COMMIT`
        write = await other`UPDATE counter SET n = 1`
        await other`ROLLBACK`
        await other`BEGIN`
        await other`SELECT n FROM counter`
        await other`UPDATE counter SET n = 2`
        repeated = await other`COMMIT`
        total = await first`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: in a transaction, the other may write what it has computed from what it has read', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY_SNAPSHOT from the very UPDATE that, without BEGIN, loses the change of the first', () => {
      expect(write.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('the other, who repeats its whole transaction, reads what the first has written, and no change is lost: n is 2', () => {
      expect(repeated.code).toBe('SQLITE_OK')
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })

  describe('when both say BEGIN IMMEDIATE', () => {
    let reads: Outcome[], commit: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await first`BEGIN IMMEDIATE`
        const turn = other`BEGIN IMMEDIATE`
        await turn.blocks()
        const read = await first`SELECT n FROM counter`
        await first`UPDATE counter SET n = 1`
        await first`COMMIT`
        await turn
        reads = [read, await other`SELECT n FROM counter`]
        await other`UPDATE counter SET n = 2`
        commit = await other`COMMIT`
        total = await first`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other waits before it reads, and reads not what the first has read, 0, but what it has written, 1', () => {
      expect(reads.map(({ rows }) => rows)).toEqual([[{ n: 0 }], [{ n: 1 }]])
    })
    test('nobody is refused, and no change is lost: n is 2', () => {
      expect(commit.code).toBe('SQLITE_OK')
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })

  describe('when both say BEGIN IMMEDIATE, but have read before', { tags: ['q42'] }, () => {
    let commit: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`BEGIN IMMEDIATE`
        const turn = other`BEGIN IMMEDIATE`
        await turn.blocks()
        await first`UPDATE counter SET n = 1`
        await first`COMMIT`
        await turn
        await other`UPDATE counter SET n = 1`
        commit = await other`COMMIT`
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: BEGIN IMMEDIATE protects what is written, wherever it was read', () => {
      expect(total.rows).toEqual([{ n: 2 }])
    })
    test('the other commits with SQLITE_OK what it had computed before its BEGIN IMMEDIATE, and one change is lost: n is 1', () => {
      expect(commit.code).toBe('SQLITE_OK')
      expect(total.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when nobody says BEGIN, and the UPDATE says which n it was computed from', () => {
    let ofFirst: Outcome, ofOther: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        ofFirst = await first`UPDATE counter SET n = 1 WHERE n = 0 RETURNING n`
        ofOther = await other`UPDATE counter SET n = 1 WHERE n = 0 RETURNING n`
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the first has a row back, and its change is there', () => {
      expect(ofFirst.rows).toEqual([{ n: 1 }])
      expect(total.rows).toEqual([{ n: 1 }])
    })
    test('the other gets SQLITE_OK and no row: it is told, not by an error, that it has changed nothing', () => {
      expect(ofOther).toMatchObject({ code: 'SQLITE_OK', rows: [] })
    })
  })
})

describe('Two who read n, add one, and write it back, five-second timeout, rollback journal', { tags: ['q40'] }, () => {
  describe('when nobody says BEGIN', () => {
    let ofFirst: Outcome, ofOther: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        ofFirst = await first`UPDATE counter SET n = 1`
        ofOther = await other`UPDATE counter SET n = 1`
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the first and the other write with SQLITE_OK, and one of the two confirmed changes is lost: n is 1', () => {
      expect([ofFirst.code, ofOther.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
      expect(total.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when both say BEGIN', { tags: ['q42'] }, () => {
    let write: Outcome, commit: Outcome, repeated: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = 1`
        const leaving = first`COMMIT`
        await leaving.blocks()
        write = await other`UPDATE counter SET n = 1`
        await other`ROLLBACK`
        commit = await leaving
        await other`BEGIN`
        await other`SELECT n FROM counter`
        await other`UPDATE counter SET n = 2`
        repeated = await other`COMMIT`
        total = await first`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other is turned away with SQLITE_BUSY, and the first, who waits in COMMIT until the other has left, commits', () => {
      expect([write.code, commit.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test('the other, who repeats its whole transaction, loses no change: n is 2', () => {
      expect(repeated.code).toBe('SQLITE_OK')
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })
})

/** Five processes count up at the same time, ten times each, in each of five ways. Nobody begins a step before all have done the last. */
async function countUpInEachWay(mode: JournalMode) {
  return crowd(mode, 5, ['counts-up.ts', '--timeout', '5000'], async (members, places) => ({
    places,
    bare: await countUp(members, 10, ['.read'], ['.write']),
    before: await countUp(members, 10, ['.read'], ['BEGIN IMMEDIATE', '.write', 'COMMIT']),
    deferred: await countUp(members, 10, ['BEGIN', '.read'], ['.write', 'COMMIT']),
    immediate: await countUp(members, 10, ['BEGIN IMMEDIATE', '.read', '.write', 'COMMIT']),
    single: await countUp(members, 10, ['UPDATE counter SET n = n + 1']),
  }))
}

type Tallies = Awaited<ReturnType<typeof countUpInEachWay>>

function resultsOf({ places, bare, before, deferred, immediate, single }: Tallies): Results {
  const row = (how: string, { confirmed, refused, counted }: Tally) => {
    return [how, `${refused}`, `${confirmed}`, `${counted}`, `${confirmed - counted}`]
  }
  return {
    places,
    head: ['each of five processes, ten times', 'refused', 'confirmed', 'counted', 'lost'],
    rows: [
      row('SELECT, then UPDATE', bare),
      row('SELECT, then BEGIN IMMEDIATE, UPDATE, COMMIT', before),
      row('BEGIN, SELECT, then UPDATE, COMMIT', deferred),
      row('BEGIN IMMEDIATE, SELECT, UPDATE, COMMIT', immediate),
      row('UPDATE … SET n = n + 1', single),
    ],
  }
}

describe('Five processes that count up at the same time, ten times each, five-second timeout, write-ahead log', {
  tags: ['q40'],
}, () => {
  let tallies: Tallies

  beforeAll(async () => {
    tallies = await countUpInEachWay('wal')
  })
  beforeEach((context) => showResults(context, resultsOf(tallies)))

  test('those who read and write by themselves are never refused, and lose 40 of their 50 confirmed changes', () => {
    expect(tallies.bare).toEqual({ confirmed: 50, refused: 0, counted: 10 })
  })
  test('those who read before their BEGIN IMMEDIATE are never refused, and lose 40 as well', () => {
    expect(tallies.before).toEqual({ confirmed: 50, refused: 0, counted: 10 })
  })
  test('those who begin with BEGIN are refused 40 times, and lose nothing', () => {
    expect(tallies.deferred).toEqual({ confirmed: 10, refused: 40, counted: 10 })
  })
  test('those who begin with BEGIN IMMEDIATE are never refused, and lose nothing', () => {
    expect(tallies.immediate).toEqual({ confirmed: 50, refused: 0, counted: 50 })
  })
  test('those who leave the sum to a single UPDATE are never refused, and lose nothing', () => {
    expect(tallies.single).toEqual({ confirmed: 50, refused: 0, counted: 50 })
  })
})

describe('Five processes that count up at the same time, ten times each, five-second timeout, rollback journal', {
  tags: ['q40'],
}, () => {
  let tallies: Tallies

  beforeAll(async () => {
    tallies = await countUpInEachWay('delete')
  })
  beforeEach((context) => showResults(context, resultsOf(tallies)))

  test('those who read and write by themselves are never refused, and lose 40 of their 50 confirmed changes', () => {
    expect(tallies.bare).toEqual({ confirmed: 50, refused: 0, counted: 10 })
  })
  test('those who read before their BEGIN IMMEDIATE are never refused, and lose 40 as well', () => {
    expect(tallies.before).toEqual({ confirmed: 50, refused: 0, counted: 10 })
  })
  test('those who begin with BEGIN are refused 40 times, and lose nothing', () => {
    expect(tallies.deferred).toEqual({ confirmed: 10, refused: 40, counted: 10 })
  })
  test('those who begin with BEGIN IMMEDIATE are never refused, and lose nothing', () => {
    expect(tallies.immediate).toEqual({ confirmed: 50, refused: 0, counted: 50 })
  })
  test('those who leave the sum to a single UPDATE are never refused, and lose nothing', () => {
    expect(tallies.single).toEqual({ confirmed: 50, refused: 0, counted: 50 })
  })
})
