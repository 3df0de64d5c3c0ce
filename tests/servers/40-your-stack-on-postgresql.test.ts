/**
 * The promises of chapter 90, asked of PostgreSQL through pg in each isolation level, and of SQLite through better-sqlite3, in the same contests.
 * PostgreSQL with FOR UPDATE and a lock_timeout keeps them all. SQLite with BEGIN IMMEDIATE and a timeout breaks none; its reader is not tried (–),
 * for this database is not in WAL mode. As it comes, PostgreSQL turns nobody away, and loses updates that it has confirmed; from REPEATABLE READ on
 * it loses none, and turns away. A program that moves from one to the other takes its retries with it.
 *
 * https://www.postgresql.org/docs/current/transaction-iso.html
 */
import pLimit from 'p-limit'
import { beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { examined, type Sight } from '../../helpers/servers/promises.ts'
import { showResults } from '../../helpers/show.ts'
import { type PromiseId, promises } from '../../helpers/stack/findings.ts'

const { url = '' } = inject('postgresql')

const stacks = {
  'PostgreSQL, as it comes': 'servers/postgres.ts',
  'FOR UPDATE': 'servers/postgres.ts#forUpdate',
  'FOR UPDATE, lock_timeout': 'servers/postgres.ts#timeout',
  'REPEATABLE READ': 'servers/postgres.ts#repeatableRead',
  SERIALIZABLE: 'servers/postgres.ts#serializable',
  'SERIALIZABLE, tried again': 'servers/postgres.ts#retried',
  'SQLite, BEGIN': 'stacks/better-sqlite3.ts',
  'SQLite, BEGIN IMMEDIATE': 'stacks/better-sqlite3.ts#fixed',
}
type Name = keyof typeof stacks
const names = Object.keys(stacks) as Name[]
const ids = Object.keys(promises) as PromiseId[]

describe.skipIf(!url)('The promises of a stack, on PostgreSQL and on SQLite', () => {
  let seen: Record<Name, Sight>

  const broken = (name: Name) => ids.filter((id) => seen[name].verdicts[id] === 'broken')

  beforeAll(async () => {
    process.env.DATABASE_URL = url
    const limit = pLimit(2)
    const looks = names.map((name) =>
      limit(async () => {
        const rival = name.startsWith('SQLite') ? undefined : 'servers/rival.ts'
        return [name, await examined(stacks[name], rival)] as const
      }),
    )
    seen = Object.fromEntries(await Promise.all(looks)) as Record<Name, Sight>
  }, 600_000)
  beforeEach(async (context) => {
    const marks = { kept: '✓', broken: '✗', 'not tried': '–', 'not promised': '–' }
    const rows = ids.map((id) => [promises[id], ...names.map((name) => marks[seen[name].verdicts[id]])])
    await showResults(context, { head: ['', ...names], rows })
  })

  test.fails('myth: PostgreSQL, as it comes, loses no update of those who use transactions', () => {
    expect(broken('PostgreSQL, as it comes')).not.toContain('safety between')
  })
  test('PostgreSQL, as it comes, turns nobody away, and loses updates', () => {
    expect(broken('PostgreSQL, as it comes')).toEqual([
      'safety between',
      'safety crowd',
      'safety killed',
      'safety stopped',
      'manners refusal',
    ])
  })
  test('with FOR UPDATE nobody is turned away, and nothing is lost; what is left is that it waits for a lock for ever', () => {
    expect(broken('FOR UPDATE')).toEqual(['manners refusal'])
  })
  test('with FOR UPDATE and a lock_timeout it breaks no promise, and neither does SQLite with BEGIN IMMEDIATE and a timeout', () => {
    expect(broken('FOR UPDATE, lock_timeout')).toEqual([])
    expect(broken('SQLite, BEGIN IMMEDIATE')).toEqual([])
    expect(seen['FOR UPDATE, lock_timeout'].refusal?.code).toBe('55P03')
  })
  test('under REPEATABLE READ and SERIALIZABLE somebody is turned away with 40001, and nothing is lost', () => {
    const expected = ['progress between', 'progress crowd', 'manners refusal']
    expect([broken('REPEATABLE READ'), broken('SERIALIZABLE')]).toEqual([expected, expected])
    expect(seen['REPEATABLE READ'].refusal?.code).toBe('40001')
    expect(seen.SERIALIZABLE.refusal?.code).toBe('40001')
  })
  test('where 40001 is tried again, nobody is turned away, and nothing is lost', () => {
    expect(broken('SERIALIZABLE, tried again')).toEqual(['manners refusal'])
  })
  test('SQLite with BEGIN breaks the same promises of progress, and one more: it does not wait for a lock that is held', () => {
    expect(broken('SQLite, BEGIN')).toEqual(['progress between', 'progress held', 'progress crowd'])
  })
})
