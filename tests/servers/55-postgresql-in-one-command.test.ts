/**
 * `npm run postgresql` shows the experiment on both databases, with loads that are likely instead of certain, and with one process of the web
 * server, two, and more. These are the sentences about the command itself; what it measures is no claim.
 *
 * https://www.postgresql.org/docs/current/mvcc-intro.html
 */
import { execa } from 'execa'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { openClerk } from '../../helpers/servers/contend.ts'

const { url = '' } = inject('postgresql')

const postgresql = (...options: string[]) => on(url, ...options)
const on = (DATABASE_URL: string, ...options: string[]) =>
  execa(process.execPath, ['fixtures/postgresql.ts', ...options], { reject: false, env: { DATABASE_URL } })
type Result = Awaited<ReturnType<typeof postgresql>>

/** The schemas of the runs that there are. */
async function schemas(): Promise<unknown[]> {
  const clerk = await openClerk(url)
  const rows = await clerk.run(`SELECT nspname FROM pg_namespace WHERE nspname LIKE 'database_is_locked_%' ORDER BY nspname`)
  await clerk.child.end()
  return rows
}

describe.skipIf(!url)('npm run postgresql', () => {
  describe('when three users meet one process, and then two', () => {
    let result: Result, before: unknown[], after: unknown[]

    beforeAll(async () => {
      before = await schemas()
      result = await postgresql('--users', '3', '--seconds', '1', '--workers', '1,2', '--iterations', '10', '--wait', '1')
      after = await schemas()
    })

    test('the table has a row for each slow part, database, and number of processes', () => {
      const rows = result.stdout.split('\n').flatMap((line) => {
        const [slow, database, processes, requests] = line.split('│').map((cell) => cell.trim())
        return Number(requests) > 0 ? [[slow, database, processes]] : []
      })
      expect(rows).toEqual([
        ['hashes, 10 rounds', 'SQLite', '1'],
        ['hashes, 10 rounds', 'SQLite, slow part before BEGIN', '1'],
        ['hashes, 10 rounds', 'PostgreSQL', '1'],
        ['hashes, 10 rounds', 'SQLite', '2'],
        ['hashes, 10 rounds', 'SQLite, slow part before BEGIN', '2'],
        ['hashes, 10 rounds', 'PostgreSQL', '2'],
        ['waits for 1 ms', 'SQLite', '1'],
        ['waits for 1 ms', 'SQLite, slow part before BEGIN', '1'],
        ['waits for 1 ms', 'PostgreSQL', '1'],
        ['waits for 1 ms', 'SQLite', '2'],
        ['waits for 1 ms', 'SQLite, slow part before BEGIN', '2'],
        ['waits for 1 ms', 'PostgreSQL', '2'],
      ])
    })
    test('the command tells each run when it begins, and in the end how many times as many accounts two processes create as one', () => {
      expect(result.stderr.split('\n')).toHaveLength(12)
      expect(result.stdout).toMatch(
        /\nThe slow part waits for 1 ms: with 2 processes for 1, SQLite [\d.]+ times; .*PostgreSQL [\d.]+ times as many/,
      )
    })
    test('the command ends with exit code 0, and two sentences: nobody was turned away, and everybody confirmed is there', () => {
      const last = /\nPostgreSQL turned nobody away\.\nEvery account that was confirmed is there, and no other\.$/
      expect(result.stdout).toMatch(last)
      expect(result.exitCode).toBe(0)
    })
    test('nothing stays in the database that it was told of', () => {
      expect(after).toEqual(before)
    })
  })

  describe('when transactions are SERIALIZABLE, as the options of DATABASE_URL have it', () => {
    let result: Result

    beforeAll(async () => {
      const serializable = `${url}${encodeURIComponent(' -c default_transaction_isolation=serializable')}`
      result = await on(serializable, '--users', '5', '--seconds', '1', '--workers', '5', '--iterations', '10', '--wait', '5')
    })

    test('the command counts who was turned away with 40001, says so, and ends with exit code 1', () => {
      const failures = result.stdout.split('\n').flatMap((line) => {
        const [, database, , , failures] = line.split('│').map((cell) => cell.trim())
        return database === 'PostgreSQL' ? [Number.parseInt(failures, 10)] : []
      })
      expect(Math.min(...failures)).toBeGreaterThan(0)
      expect(result.stdout).toMatch(
        /\nPostgreSQL turned somebody away\.\nEvery account that was confirmed is there, and no other\.$/,
      )
      expect(result.exitCode).toBe(1)
    })
  })

  describe('when it is interrupted', () => {
    let result: Result, before: unknown[], after: unknown[]

    beforeAll(async () => {
      before = await schemas()
      const running = postgresql('--seconds', '60')
      while ((await schemas()).length === before.length); // until it has begun
      running.kill('SIGINT')
      result = await running
      after = await schemas()
    })

    test('the command ends with exit code 130, and says what it has measured until then', () => {
      expect(result.exitCode).toBe(130)
      expect(result.stdout).toMatch(/\nInterrupted: this is what was measured until then\.$/)
    })
    test('nothing stays in the database that it was told of', () => {
      expect(after).toEqual(before)
    })
  })

  describe('when an option makes no sense', () => {
    let result: Result

    beforeAll(async () => {
      result = await postgresql('--workers', '1,none')
    })

    test('the command ends with exit code 2, and says what the option takes', () => {
      expect(result.exitCode).toBe(2)
      expect(result.stderr).toContain('It takes a whole number from 1 to 64.')
    })
  })
})
