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
import { processesOf } from '../helpers/kernel.ts'

const reproduce = (...options: string[]) => execa(process.execPath, ['fixtures/reproduce.ts', ...options], { reject: false })

describe('npm run reproduce', () => {
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

  describe.skipIf(process.platform !== 'linux')('when Ctrl-C interrupts the second run (needs /proc)', () => {
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
