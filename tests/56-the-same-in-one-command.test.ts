/**
 * `npm run reproduce` shows the experiment on your own machine, with loads that are likely instead of certain: it prints each run's
 * report, one closing table and a verdict. These are the sentences about the command itself.
 *
 * https://sqlite.org/faq.html#q5
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { processesOf, tellsProcesses } from '../helpers/kernel.ts'
import { report } from '../helpers/report.ts'
import type { Answer } from '../helpers/users.ts'
import { verdict } from '../helpers/verdict.ts'

const reproduce = (...options: string[]) => execa(process.execPath, ['fixtures/reproduce.ts', ...options], { reject: false })

/** Made-up answers, one a 100 ms: so many confirmed, then so many refused. */
const answers = (confirmed: number, refused: number): Answer[] =>
  Array.from({ length: confirmed + refused }, (_, i) => ({
    user: 1,
    page: 'create_user',
    username: `user-${i}`,
    began: BigInt(i) * 100_000_000n,
    ended: BigInt(i) * 100_000_000n + BigInt(i + 1) * 10_000_000n,
    body: '',
    ...(i >= confirmed && { refusal: { code: 'SQLITE_BUSY', message: 'database is locked', statement: 'BEGIN IMMEDIATE' } }),
  }))

describe('npm run reproduce', { tags: ['q11'] }, () => {
  describe('when the runs are judged', () => {
    const judged = (before: number, fixed: number, last: number) => {
      const runs = [before, 9, 9, fixed, last].map((refused) => answers(10, refused))
      const [sentences, success] = verdict(runs, 5_000)
      return [success, ...sentences.map((sentence) => sentence.split(':')[0])]
    }

    test('the command succeeds if the failure appeared before and is gone at the end', () => {
      expect(judged(3, 0, 0)).toEqual([true, '"database is locked" met 3 of 13 requests before, and none of 10 at the end'])
    })
    test('the command fails if the failure did not appear before', () => {
      expect(judged(0, 0, 0)).toEqual([false, 'The failure did not appear before'])
    })
    test('the command fails if the failure is not gone at the end', () => {
      expect(judged(3, 0, 1)).toEqual([false, 'The failure is not gone at the end'])
    })
    test('the command succeeds, and says so, if the fix fails but its last form does not', () => {
      expect(judged(3, 1, 0)).toEqual([
        true,
        'The fix itself turned 1 of 11 requests away, as it can',
        '"database is locked" met 3 of 13 requests before, and none of 10 at the end',
      ])
    })
  })

  describe('when four requests are reported, two of them refused', () => {
    const lines = report(answers(2, 2)).split('\n')
    const cells = (line: string) => line.split('│').map((cell) => cell.trim())

    test('the table of requests counts them, and gives milliseconds and rates', () => {
      const [, , row, all] = lines
      expect(cells(row)).toEqual(['GET', '/create_user/', '4', '2 (50.00%)', '25', '10', '40', '20', '11.76', '5.88'])
      expect(cells(all).slice(1)).toEqual(['Aggregated', ...cells(row).slice(2)])
    })
    test('the table of percentiles reaches from the median to the slowest', () => {
      const title = lines.indexOf('Response time percentiles, in milliseconds')
      const expected = ['20', '30', '30', '30', '40', '40', '40', '40', '40', '40', '40']
      expect(cells(lines[title + 4])).toEqual(['GET', '/create_user/', ...expected, '4'])
    })
    test('the table of errors counts each error with its code, message and statement', () => {
      const error = 'GET /create_user/: 500, SQLITE_BUSY: database is locked, at BEGIN IMMEDIATE'
      expect(cells(lines.at(-1) as string)).toEqual(['2', error])
    })
  })

  describe('when one user is alone', () => {
    let result: Awaited<ReturnType<typeof reproduce>>

    beforeAll(async () => {
      result = await reproduce('--users', '1', '--workers', '1', '--requests', '3', '--iterations', '1')
    })

    test('the command runs all four cells, and the fix with the password hashed before BEGIN', () => {
      const titles = result.stdout.split('\n').filter((line) => /^\d of 5 · /.test(line))
      expect(titles).toEqual([
        '1 of 5 · BEGIN, no timeout',
        '2 of 5 · BEGIN, timeout 5000 ms',
        '3 of 5 · BEGIN IMMEDIATE, no timeout',
        '4 of 5 · BEGIN IMMEDIATE, timeout 5000 ms',
        '5 of 5 · … and the password hashed before BEGIN',
      ])
    })
    test('the command says that the failure did not appear, and fails with exit code 1', () => {
      expect(result.stdout).toContain('The failure did not appear before: none of 3 requests was turned away.')
      expect(result.exitCode).toBe(1)
    })
  })

  describe.concurrent('when it is called with nonsense', () => {
    const refusal = async (...options: string[]) => {
      const { exitCode, stdout, stderr } = await reproduce(...options)
      return { exitCode, stdout, stderr }
    }

    test('a number of users that is none gets one sentence and exit code 2', async () => {
      const stderr = "error: option '--users <n>' argument 'many' is invalid. It takes a whole number from 1 to 1000."
      expect(await refusal('--users', 'many')).toEqual({ exitCode: 2, stdout: '', stderr })
    })
    test('no seconds at all get one sentence and exit code 2', async () => {
      const stderr = "error: option '--seconds <n>' argument '0' is invalid. It takes a whole number from 1 to 3600."
      expect(await refusal('--seconds', '0')).toEqual({ exitCode: 2, stdout: '', stderr })
    })
    test('seconds and requests together get one sentence and exit code 2', async () => {
      const stderr = "error: option '--requests <n>' cannot be used with option '--seconds <n>'"
      expect(await refusal('--seconds', '1', '--requests', '1')).toEqual({ exitCode: 2, stdout: '', stderr })
    })
    test('an option that does not exist gets one sentence, a suggestion, and exit code 2', async () => {
      const stderr = "error: unknown option '--wrokers'\n(Did you mean --workers?)"
      expect(await refusal('--wrokers', '3')).toEqual({ exitCode: 2, stdout: '', stderr })
    })
    test('--help lists the options, with exit code 0', async () => {
      const { exitCode, stdout } = await reproduce('--help')
      expect(stdout).toMatch(
        /--users[\s\S]*--seconds[\s\S]*--requests[\s\S]*--workers[\s\S]*--timeout[\s\S]*--journal-mode[\s\S]*--iterations/,
      )
      expect(exitCode).toBe(0)
    })
  })

  describe.skipIf(!tellsProcesses)('when Ctrl-C interrupts the second run (needs /proc)', () => {
    let folder: string, stdout: string, exitCode: number | undefined, group: number

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'database-is-locked-'))
      // A process group of its own, as a terminal gives it: Ctrl-C goes to every process in it.
      const options = { reject: false, detached: true, cleanup: false, buffer: false, env: { TMPDIR: folder } } as const
      const child = execa(
        process.execPath,
        ['fixtures/reproduce.ts', '--users', '3', '--workers', '3', '--requests', '30'],
        options,
      )
      group = child.pid as number
      stdout = ''
      for await (const line of child) {
        stdout += `${line}\n`
        if (line.startsWith('2 of 5')) process.kill(-group, 'SIGINT')
      }
      exitCode = (await child).exitCode
    })
    afterAll(() => rm(folder, { recursive: true }))

    test('the command prints what was measured so far', () => {
      expect(stdout).toMatch(/created\/s[\s\S]*\n BEGIN, no timeout +│[\s\S]*Interrupted in run 2 of 5/)
    })
    test('the command ends with exit code 130', () => {
      expect(exitCode).toBe(130)
    })
    test('the command leaves no process behind', async () => {
      await expect.poll(() => processesOf(group), { timeout: 10_000 }).toEqual([])
    })
    test('the command leaves no file behind', async () => {
      await expect.poll(() => readdir(folder), { timeout: 10_000 }).toEqual([])
    })
  })
})
