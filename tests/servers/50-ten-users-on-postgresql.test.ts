/**
 * The seed's experiment on PostgreSQL: ten users create accounts on a web server of ten processes, each account in one transaction that reads,
 * hashes a password, and inserts. The application is the same on both databases. All ten are at their hashes at the same time: a hash lasts until the
 * last of them is at its own, or has been turned away before. In SQLite one of them comes that far, whatever is set (chapter 55); in PostgreSQL
 * all ten do, for they write ten rows. Who asks PostgreSQL for what SQLite gives, SERIALIZABLE, is turned away as in SQLite.
 *
 * How many accounts a second that makes, with how many processes: `npm run postgresql`.
 *
 * https://github.com/anze3db/django-sqlite-dblock
 */
import { beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { report } from '../../helpers/report.ts'
import { onPostgreSQL, onSQLite } from '../../helpers/servers/website.ts'
import { showText } from '../../helpers/show.ts'
import { type Answer, confirmed, refused } from '../../helpers/users.ts'

const { url = '' } = inject('postgresql')

const names = (answers: Answer[]) =>
  confirmed(answers)
    .map(({ username }) => username)
    .sort()

/** How many pairs of transactions were inside at the same time. */
const overlaps = (answers: Answer[]) => {
  const visits = confirmed(answers).map(({ inside = [0n, 0n] }) => inside)
  return visits.flatMap(([began, ended], i) => visits.slice(i + 1).filter((other) => other[0] < ended && began < other[1])).length
}

describe.skipIf(!url)('Ten users on ten processes', () => {
  describe('when all ten are at their hashes at the same time, inside their transactions', () => {
    let postgresql: Answer[], there: string[], sqlite: Answer[]

    beforeAll(async () => {
      const unlucky = { users: 10, requests: 10, rendezvous: 10 }
      const server = await onPostgreSQL(url, { workers: 10, iterations: 1 })
      postgresql = await server.run(unlucky)
      there = await server.users()
      await server.close()
      const file = await onSQLite({ workers: 10, iterations: 1, timeout: 2_000 })
      sqlite = await file.run(unlucky)
      await file.close()
    })
    beforeEach((context) => showText(context, 'PostgreSQL', report(postgresql)))

    test('nine of the ten are turned away by SQLite, with BEGIN IMMEDIATE, after their timeout of 2,000 ms', () => {
      expect([confirmed(sqlite).length, refused(sqlite).length]).toEqual([1, 9])
    })
    test('nobody is turned away by PostgreSQL: all ten are inside at the same time', () => {
      expect([confirmed(postgresql).length, refused(postgresql).length]).toEqual([10, 0])
      expect(overlaps(postgresql)).toBe(45)
    })
    test('every confirmed user is in the table of PostgreSQL, and nobody else', () => {
      expect(there).toEqual(names(postgresql))
    })
  })

  describe('when they create fifty accounts, each the next when the last is there', () => {
    let answers: Answer[], there: string[]

    beforeAll(async () => {
      const website = await onPostgreSQL(url, { workers: 10, iterations: 1_000 })
      answers = await website.run({ users: 10, requests: 50 })
      there = await website.users()
      await website.close()
    })
    beforeEach((context) => showText(context, 'PostgreSQL', report(answers)))

    test('nobody is turned away, and every confirmed user is in the table, and nobody else', () => {
      expect([confirmed(answers).length, refused(answers).length]).toEqual([50, 0])
      expect(there).toEqual(names(answers))
    })
  })

  describe('when all ten have read, before any of them writes, on the pages of the seed that came later', () => {
    let answers: Answer[]

    beforeAll(async () => {
      const website = await onPostgreSQL(url, { workers: 10 })
      answers = await website.run({ users: 10, requests: 10, rendezvous: 10, page: 'read_write_transaction' })
      await website.close()
    })
    beforeEach((context) => showText(context, 'PostgreSQL', report(answers)))

    test('read_write_transaction: nobody is turned away, where SQLite turns away nine of ten', () => {
      expect([confirmed(answers).length, refused(answers).length]).toEqual([10, 0])
    })
  })

  describe('when transactions are SERIALIZABLE, and all ten are at their hashes at the same time', () => {
    let answers: { status: number; body: string }[], there: string[]

    beforeAll(async () => {
      const website = await onPostgreSQL(url, { workers: 10, iterations: 1, begin: 'BEGIN ISOLATION LEVEL SERIALIZABLE' })
      const visit = async (_: unknown, i: number) => {
        const response = await fetch(`${website.url}/create_user/?rendezvous=10&username=user-${i}`)
        return { status: response.status, body: await response.text() }
      }
      answers = await Promise.all(Array.from({ length: 10 }, visit))
      there = await website.users()
      await website.close()
    })

    test.fails('myth: nobody is turned away by PostgreSQL, whatever is asked of it', () => {
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(10)
    })
    test('nine of the ten are turned away with 40001, as nine are by SQLite: each has counted the users, and inserted one', () => {
      const refusals = answers.filter(({ status }) => status === 500).map(({ body }) => JSON.parse(body).code)
      expect(refusals).toEqual(Array.from({ length: 9 }, () => '40001'))
    })
    test('the one confirmed user is in the table, and nobody else', () => {
      expect(there).toHaveLength(1)
    })
  })
})
