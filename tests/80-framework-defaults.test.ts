/**
 * What frameworks and libraries do where nobody has told them anything else, and how five processes fare with it. Each is a file of
 * `fixtures/frameworks/`, which has what it says to SQLite, and where that is to be read. It is these settings and
 * statements that contend here, not the frameworks: five contenders connect, begin, save and commit in the words of one framework after
 * the other. A save is what the framework does to write a record back that was read before, where nobody asks for a transaction.
 *
 * Two things stand in for others. Rails has a busy handler of its own, which tries again every millisecond; here SQLite's waits in its
 * place, and what is told, that they wait and for whom, is the same with both. The requests that queue up inside a process of PocketBase
 * for the one connection that writes come one after the other.
 *
 * How long the slowest waits is a matter of the machine, and told in Vitest's UI, in milliseconds, by the clocks of those who wait. For whom it
 * waits is certain, and that is what the table has: for nobody ("at once"), for those before it ("until its turn"), or for the one that it
 * meets, until that commits. The timeout is what `PRAGMA busy_timeout` answers; nobody is made to wait it to its end, which is chapter 63.
 *
 * Django's defaults are those of Django before 5.1 as well, as its source has them in 4.2.7, 5.0 and 5.0.3: atomic() says BEGIN, and there is no
 * `transaction_mode`. As that of 5.1.1 and 5.2.17 has them, `transaction_mode` is None unless it is set, and atomic() says BEGIN still.
 *
 * Inside a transaction nobody loses a change, and whoever reads before it begins does. `select_for_update()`, `lockForUpdate()` and
 * `lock!` change nothing about that: SQLite has no FOR UPDATE, and they leave it out.
 *
 * https://docs.djangoproject.com/en/5.2/ref/databases/#sqlite-transaction-behavior · https://guides.rubyonrails.org/configuring.html ·
 * https://laravel.com/docs/13.x/database · https://pocketbase.io/docs/go-database/ · https://litestream.io/tips/
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { type Contest, contests, type Entry, type Meeting, type Tally } from '../helpers/contest.ts'
import { type Framework, frameworks } from '../helpers/framework.ts'
import { shares } from '../helpers/shares.ts'
import { type Results, show, showChart, showResults, showText } from '../helpers/show.ts'
import { table } from '../helpers/table.ts'

const entries = {
  sqlite: { as: 'sqlite' },
  nodeSqlite: { as: 'node-sqlite' },
  betterSqlite3: { as: 'better-sqlite3' },
  django: { as: 'django' },
  laravel: { as: 'laravel' },
  litestream: { as: 'litestream' },
  pocketbaseApart: { as: 'pocketbase', apart: true, of: 'PocketBase, five processes' },
  pocketbase: { as: 'pocketbase', of: 'PocketBase, one process' },
  djangoImmediate: { as: 'django-immediate' },
  rails: { as: 'rails' },
} satisfies Record<string, Entry & { of?: string }>

type Fared = Record<keyof typeof entries, Contest>

const seconds = (milliseconds: number) => `${milliseconds / 1_000} s`

/** What became of all five, in a few words; as numbers, if they did not fare alike. */
function inWords({ beside, after, refused, slowest }: Meeting): string {
  if (beside === 5) return 'confirmed beside it'
  if (after === 5) return 'waits until it commits'
  if (refused === 5) return slowest < 1_000 ? 'refused at once' : 'refused'
  return `${beside} beside it, ${after} after it, ${refused} refused`
}

/** For whom the slowest of fifty waits: a class, and not a figure, so that it is the same in every run. */
function slowestOf({ waited, longest, refused }: Tally, timeout: number): string {
  if (waited === 0 && longest < 1_000) return 'at once'
  if (waited === 40 && refused === 0 && longest < timeout) return 'until its turn'
  return `${waited} waited, ${Math.round(longest)} ms`
}

const rowsOf = (fared: Fared) =>
  Object.entries<Entry & { of?: string }>(entries).map(([name, { as, of }]) => {
    const { name: itself, begin }: Framework = frameworks[as]
    return { of: of ?? itself, begin, ...fared[name as keyof Fared] }
  })

const inNumbers = ({ refused, confirmed, lost }: Tally) => [`${refused}`, `${confirmed}`, `${lost}`]

function resultsOf(fared: Fared): Results {
  return {
    head: [
      'defaults of',
      'timeout',
      'journal',
      'begins with',
      'transactions refused',
      'confirmed',
      'lost',
      'the slowest waits',
      'saves refused',
      'confirmed',
      'lost',
      'a transaction meets a writer',
      'a save meets a writer',
      'a save meets a reader',
    ],
    rows: rowsOf(fared).map(({ of, begin, timeout, journal, transactions, saves, besideWriter, besideReader }) => [
      of,
      seconds(timeout),
      journal === 'wal' ? 'WAL' : 'rollback',
      begin,
      ...inNumbers(transactions),
      slowestOf(transactions, timeout),
      ...inNumbers(saves),
      inWords(besideWriter.transactions),
      inWords(besideWriter.saves),
      inWords(besideReader.saves),
    ]),
  }
}

/** The slowest waits of this run, as text. */
function waitsOf(fared: Fared): string {
  const head = ['', 'seen to wait', 'the longest of them, ms']
  const rows = rowsOf(fared).map(({ of, transactions: { waited, longest } }) => [of, `${waited} of 50`, longest.toFixed(1)])
  return table(head, rows)
}

function chartOf(fared: Fared): string {
  const kinds = [
    { look: 'bar snapshot', meaning: 'confirmed, and there' },
    { look: 'wait + hatched + edge', meaning: 'confirmed, and lost' },
    { look: 'refusal', meaning: 'refused' },
  ]
  const heads = ['Read and written in a transaction', 'Read, then saved without one']
  const rows = rowsOf(fared).map(({ of, timeout, journal, begin, transactions, saves }) => ({
    name: of,
    told: `${seconds(timeout)}, ${journal === 'wal' ? 'WAL' : 'rollback journal'}, ${begin.toUpperCase().replace(' TRANSACTION', '')}`,
    columns: [transactions, saves].map(({ confirmed, lost, refused }) => [confirmed - lost, lost, refused]),
  }))
  return shares('Five processes make ten changes each, under the defaults of frameworks and libraries', kinds, heads, rows)
}

describe('Five processes under the defaults of a framework', { tags: ['q49'] }, () => {
  let fared: Fared

  beforeAll(async () => {
    fared = await contests(entries)
  })

  describe('when each makes ten changes', () => {
    beforeEach(async (context) => {
      await showResults(context, resultsOf(fared))
      await showChart(context, chartOf(fared), 'framework-defaults.svg')
      await showText(context, 'the slowest waits of fifty transactions, by the clocks of the children', waitsOf(fared))
    })
    const those = (test: (contest: Contest) => boolean) =>
      rowsOf(fared)
        .filter(test)
        .map(({ of }) => of)

    test('only where a transaction begins with BEGIN IMMEDIATE, or one connection writes for all, is no transaction refused', () => {
      expect(those(({ transactions }) => transactions.refused === 0)).toEqual([
        'PocketBase, one process',
        'Django, transaction_mode IMMEDIATE',
        'Rails 8',
      ])
    })
    test('everybody else has 40 of 50 refused, with a timeout of 0, 5, 10 or 60 seconds, in WAL mode or not', () => {
      expect(those(({ transactions }) => transactions.refused === 40)).toHaveLength(7)
    })
    test('40 of 50 wait for their turn where a transaction begins with BEGIN IMMEDIATE, and get it before the timeout is over', () => {
      expect(those(({ transactions, timeout }) => slowestOf(transactions, timeout) === 'until its turn')).toEqual([
        'Django, transaction_mode IMMEDIATE',
        'Rails 8',
      ])
    })
    test('nobody else waits in a transaction: confirmed or refused, they are answered at once, whatever the timeout', () => {
      expect(those(({ transactions, timeout }) => slowestOf(transactions, timeout) === 'at once')).toHaveLength(8)
    })
    test('nobody loses a change inside a transaction', () => {
      expect(those(({ transactions }) => transactions.lost === 0)).toHaveLength(10)
    })
    test('everybody loses 40 of 50 changes that are read before, and saved without a transaction around both', () => {
      expect(those(({ saves }) => saves.lost === 40 && saves.confirmed === 50)).toHaveLength(10)
    })
  })

  describe('when they connect as SQLite does by itself', () => {
    test('they have a timeout of 0 and a rollback journal', () => {
      expect(fared.sqlite).toMatchObject({ timeout: 0, journal: 'delete' })
    })
    test('40 of their 50 transactions are refused with SQLITE_BUSY, and nothing confirmed is lost', () => {
      expect(fared.sqlite.transactions).toMatchObject({ refused: 40, confirmed: 10, lost: 0, codes: ['SQLITE_BUSY'] })
    })
    test('of 50 changes that they read, and then save, all are confirmed, and 40 are lost', () => {
      expect(fared.sqlite.saves).toMatchObject({ refused: 0, confirmed: 50, lost: 40 })
    })
    test('their saves are refused with SQLITE_BUSY while another writes', () => {
      expect(fared.sqlite.besideWriter.saves).toMatchObject({ refused: 5, codes: ['SQLITE_BUSY'] })
    })
    test('their saves are refused with SQLITE_BUSY while another reads', () => {
      expect(fared.sqlite.besideReader.saves).toMatchObject({ refused: 5, codes: ['SQLITE_BUSY'] })
    })
  })

  describe('when they connect as node:sqlite does without options', () => {
    test('they have a timeout of 0 and a rollback journal, as SQLite by itself', () => {
      expect(fared.nodeSqlite).toMatchObject({ timeout: 0, journal: 'delete' })
    })
    test('40 of their 50 transactions are refused with SQLITE_BUSY, and nothing confirmed is lost', () => {
      expect(fared.nodeSqlite.transactions).toMatchObject({ refused: 40, confirmed: 10, lost: 0, codes: ['SQLITE_BUSY'] })
    })
    test('of 50 changes that they read, and then save, all are confirmed, and 40 are lost', () => {
      expect(fared.nodeSqlite.saves).toMatchObject({ refused: 0, confirmed: 50, lost: 40 })
    })
    test('their saves are refused with SQLITE_BUSY while another writes', () => {
      expect(fared.nodeSqlite.besideWriter.saves).toMatchObject({ refused: 5, codes: ['SQLITE_BUSY'] })
    })
    test('their saves are refused with SQLITE_BUSY while another reads', () => {
      expect(fared.nodeSqlite.besideReader.saves).toMatchObject({ refused: 5, codes: ['SQLITE_BUSY'] })
    })
  })

  describe('when they connect as better-sqlite3 does without options', () => {
    test('they have a timeout of 5,000 ms and a rollback journal', () => {
      expect(fared.betterSqlite3).toMatchObject({ timeout: 5_000, journal: 'delete' })
    })
    test('40 of their 50 transactions are refused with SQLITE_BUSY, at once, and nothing confirmed is lost', () => {
      const { transactions } = fared.betterSqlite3
      expect(transactions).toMatchObject({ refused: 40, confirmed: 10, lost: 0, codes: ['SQLITE_BUSY'] })
      expect(transactions.slowest).toBeLessThan(1_000)
    })
    test('of 50 changes that they read, and then save, all are confirmed, and 40 are lost', () => {
      expect(fared.betterSqlite3.saves).toMatchObject({ refused: 0, confirmed: 50, lost: 40 })
    })
    test('their saves wait while another writes, and are confirmed when it has left', () => {
      expect(fared.betterSqlite3.besideWriter.saves).toMatchObject({ refused: 0, after: 5 })
    })
    test('their saves wait while another reads, and are confirmed when it has left', () => {
      expect(fared.betterSqlite3.besideReader.saves).toMatchObject({ refused: 0, after: 5 })
    })
  })

  describe('when they connect as Django does in a new project', () => {
    test('they have a timeout of 5,000 ms, which is that of Python, and a rollback journal', () => {
      expect(fared.django).toMatchObject({ timeout: 5_000, journal: 'delete' })
    })
    test.fails('myth: since Python waits for five seconds, a transaction of atomic() waits its turn', () => {
      expect(fared.django.transactions.refused).toBe(0)
    })
    test('40 of their 50 transactions are refused with SQLITE_BUSY, at once, and nothing confirmed is lost', () => {
      const { transactions } = fared.django
      expect(transactions).toMatchObject({ refused: 40, confirmed: 10, lost: 0, codes: ['SQLITE_BUSY'] })
      expect(transactions.slowest).toBeLessThan(1_000)
    })
    test('of 50 changes that they get(), and then save(), all are confirmed, and 40 are lost', () => {
      expect(fared.django.saves).toMatchObject({ refused: 0, confirmed: 50, lost: 40 })
    })
    test('their transactions are refused with SQLITE_BUSY at once while another writes', () => {
      const { transactions } = fared.django.besideWriter
      expect(transactions).toMatchObject({ refused: 5, codes: ['SQLITE_BUSY'] })
      expect(transactions.slowest).toBeLessThan(1_000)
    })
    test('their saves wait while another writes, and are confirmed when it has left', () => {
      expect(fared.django.besideWriter.saves).toMatchObject({ refused: 0, after: 5 })
    })
    test('their saves wait while another reads, and are confirmed when it has left', () => {
      expect(fared.django.besideReader.saves).toMatchObject({ refused: 0, after: 5 })
    })
  })

  describe('when they connect as Django does with transaction_mode IMMEDIATE, which there is since 5.1', () => {
    test('none of their 50 transactions is refused, and nothing is lost', () => {
      expect(fared.djangoImmediate.transactions).toMatchObject({ refused: 0, confirmed: 50, lost: 0 })
    })
    test('their transactions wait while another writes, and are confirmed when it has left', () => {
      expect(fared.djangoImmediate.besideWriter.transactions).toMatchObject({ refused: 0, after: 5 })
    })
    test.fails('myth: transaction_mode IMMEDIATE protects what is saved without atomic() as well', () => {
      expect(fared.djangoImmediate.saves.lost).toBe(0)
    })
    test('of 50 changes that they get(), and then save(), all are confirmed with SQLITE_OK, and 40 are lost', () => {
      expect(fared.djangoImmediate.saves).toMatchObject({ refused: 0, confirmed: 50, lost: 40 })
    })
    test('they have the rollback journal still, and their saves wait while another reads', () => {
      expect(fared.djangoImmediate.journal).toBe('delete')
      expect(fared.djangoImmediate.besideReader.saves).toMatchObject({ refused: 0, after: 5 })
    })
  })

  describe('when they connect as Rails 8 does in a new application', () => {
    test('they have a timeout of 5,000 ms, and switch to WAL', () => {
      expect(fared.rails).toMatchObject({ timeout: 5_000, journal: 'wal' })
    })
    test('none of their 50 transactions is refused, and nothing is lost', () => {
      expect(fared.rails.transactions).toMatchObject({ refused: 0, confirmed: 50, lost: 0 })
    })
    test.fails('myth: since every update has a transaction of its own, which begins with BEGIN IMMEDIATE, no change is lost', () => {
      expect(fared.rails.saves.lost).toBe(0)
    })
    test('of 50 changes that they find, and then update, all are confirmed with SQLITE_OK, and 40 are lost', () => {
      expect(fared.rails.saves).toMatchObject({ refused: 0, confirmed: 50, lost: 40 })
    })
    test('their transactions wait while another writes, and are confirmed when it has left', () => {
      expect(fared.rails.besideWriter.transactions).toMatchObject({ refused: 0, after: 5 })
    })
    test('their saves wait while another writes, and are confirmed when it has left', () => {
      expect(fared.rails.besideWriter.saves).toMatchObject({ refused: 0, after: 5 })
    })
    test('their saves are confirmed beside another who reads', () => {
      expect(fared.rails.besideReader.saves).toMatchObject({ refused: 0, beside: 5 })
    })
  })

  describe('when they connect as Laravel does, with what its skeleton says', () => {
    test('they have a timeout of 60,000 ms, which is that of PDO, and a rollback journal', () => {
      expect(fared.laravel).toMatchObject({ timeout: 60_000, journal: 'delete' })
    })
    test.fails('myth: since busy_timeout is null in the skeleton, a save is refused while another writes', () => {
      expect(fared.laravel.besideWriter.saves.refused).toBe(5)
    })
    test('their saves wait while another writes, and are confirmed with SQLITE_OK when it has left', () => {
      expect(fared.laravel.besideWriter.saves).toMatchObject({ refused: 0, after: 5 })
    })
    test('their saves wait while another reads, and are confirmed when it has left', () => {
      expect(fared.laravel.besideReader.saves).toMatchObject({ refused: 0, after: 5 })
    })
    test('40 of their 50 transactions are refused with SQLITE_BUSY, at once, with a minute to spare', () => {
      const { transactions } = fared.laravel
      expect(transactions).toMatchObject({ refused: 40, confirmed: 10, lost: 0, codes: ['SQLITE_BUSY'] })
      expect(transactions.slowest).toBeLessThan(1_000)
    })
    test('of 50 changes that they find(), and then save(), all are confirmed, and 40 are lost', () => {
      expect(fared.laravel.saves).toMatchObject({ refused: 0, confirmed: 50, lost: 40 })
    })
  })

  describe('when they are five requests to one process of PocketBase', () => {
    test('its connections have a timeout of 10,000 ms, and switch to WAL', () => {
      expect(fared.pocketbase).toMatchObject({ timeout: 10_000, journal: 'wal' })
    })
    test('none of their 50 transactions is refused, although they begin with BEGIN, for they all use one connection', () => {
      expect(fared.pocketbase.transactions).toMatchObject({ refused: 0, confirmed: 50, lost: 0 })
    })
    test.fails('myth: where one connection writes for all, no change is lost', () => {
      expect(fared.pocketbase.saves.lost).toBe(0)
    })
    test('of 50 changes that they find, and then save, all are confirmed with SQLITE_OK, and 40 are lost', () => {
      expect(fared.pocketbase.saves).toMatchObject({ refused: 0, confirmed: 50, lost: 40 })
    })
    test('their transactions are refused with SQLITE_BUSY at once while another process writes', () => {
      const { transactions } = fared.pocketbase.besideWriter
      expect(transactions).toMatchObject({ refused: 5, codes: ['SQLITE_BUSY'] })
      expect(transactions.slowest).toBeLessThan(1_000)
    })
    test('their saves wait while another process writes, and are confirmed when it has left', () => {
      expect(fared.pocketbase.besideWriter.saves).toMatchObject({ refused: 0, after: 5 })
    })
    test('their saves are confirmed beside another process that reads', () => {
      expect(fared.pocketbase.besideReader.saves).toMatchObject({ refused: 0, beside: 5 })
    })
  })

  describe('when they are five processes of PocketBase', () => {
    test('40 of their 50 transactions are refused with SQLITE_BUSY, at once, and nothing confirmed is lost', () => {
      const { transactions } = fared.pocketbaseApart
      expect(transactions).toMatchObject({ refused: 40, confirmed: 10, lost: 0, codes: ['SQLITE_BUSY'] })
      expect(transactions.slowest).toBeLessThan(1_000)
    })
  })

  describe('when they connect as Litestream advises', () => {
    test('they have a timeout of 5,000 ms, and find the database in WAL mode', () => {
      expect(fared.litestream).toMatchObject({ timeout: 5_000, journal: 'wal' })
    })
    test('their saves wait while another writes, and are confirmed when it has left', () => {
      expect(fared.litestream.besideWriter.saves).toMatchObject({ refused: 0, after: 5 })
    })
    test.fails('myth: with a busy timeout of five seconds a transaction, too, waits while another holds the write lock', () => {
      expect(fared.litestream.besideWriter.transactions.refused).toBe(0)
    })
    test('their transactions, which have read, are refused with SQLITE_BUSY at once while another writes', () => {
      const { transactions } = fared.litestream.besideWriter
      expect(transactions).toMatchObject({ refused: 5, codes: ['SQLITE_BUSY'] })
      expect(transactions.slowest).toBeLessThan(1_000)
    })
    test('40 of their 50 transactions are refused with SQLITE_BUSY, at once, and nothing confirmed is lost', () => {
      const { transactions } = fared.litestream
      expect(transactions).toMatchObject({ refused: 40, confirmed: 10, lost: 0, codes: ['SQLITE_BUSY'] })
      expect(transactions.slowest).toBeLessThan(1_000)
    })
    test('of 50 changes that they read, and then save, all are confirmed, and 40 are lost', () => {
      expect(fared.litestream.saves).toMatchObject({ refused: 0, confirmed: 50, lost: 40 })
    })
  })
})

describe('A framework that repeats the statement, ten-second timeout, write-ahead log', { tags: ['q49'] }, () => {
  describe('when PocketBase is in a transaction that has read, and another process writes', () => {
    let write: Outcome, repeated: Outcome, begun: Outcome, story: Story

    beforeAll(async () => {
      const cast = { pocketbase: { timeout: 10_000 }, migration: { timeout: 5_000 } }
      story = await contend('wal', cast, async ({ pocketbase, migration }) => {
        await pocketbase`BEGIN`
        await pocketbase`SELECT n FROM counter`
        await migration`BEGIN IMMEDIATE`
        await migration`UPDATE counter SET n = n + 1`
        write = await pocketbase`UPDATE counter SET n = 1`
        await migration`COMMIT`
        repeated = await pocketbase`UPDATE counter SET n = 1`
        await pocketbase`ROLLBACK`
        await pocketbase`BEGIN`
        await pocketbase`SELECT n FROM counter`
        await pocketbase`UPDATE counter SET n = 2`
        begun = await pocketbase`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('its statement is refused with SQLITE_BUSY at once, while the other writes', () => {
      expect(write.code).toBe('SQLITE_BUSY')
      expect(write.waited).toBeLessThan(1_000)
    })
    test.fails('myth: to repeat the statement, as PocketBase does up to twelve times, helps once the other has committed', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
    test('its statement is refused again, with SQLITE_BUSY_SNAPSHOT, when the other has committed', () => {
      expect(repeated.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('its transaction, begun anew, is confirmed', () => {
      expect(begun.code).toBe('SQLITE_OK')
    })
  })
})
