/**
 * Four processes run thousands of transactions on one database: they append to lists and read them, transfer amounts between accounts
 * and read all accounts, count counters up and read those. Meanwhile they are killed (SIGKILL) and stopped (SIGSTOP), again and again;
 * another takes the place of each that was killed, and nobody repairs anything. What each began and what it was answered, and when, by
 * the one clock they share, is written down. "Unknown" is an answer as well: it is that of one who was killed before it could answer.
 *
 * Then a checker reads this history: ../helpers/history/checker.ts, which chapter 97 is about. Whatever it finds is told in words, and the history
 * kept. Which transactions there are, and who is struck at which of them, is the same in every run; what the operating system makes of it
 * is not. `npm run soak -- --minutes 60` does the same for as long as you like, with other transactions each time.
 *
 * https://sqlite.org/atomiccommit.html · https://sqlite.org/isolation.html · https://jepsen.io/consistency/models/strong-serializable
 */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { JournalMode } from '../helpers/fresh-database.ts'
import type { Verdict } from '../helpers/history/checker.ts'
import type { Anomaly } from '../helpers/history/findings.ts'
import type { Event } from '../helpers/history/history.ts'
import { judged } from '../helpers/history/keep.ts'
import { type Fault, type Outcome, usual } from '../helpers/history/nemesis.ts'
import { processesOf, tellsLocks } from '../helpers/kernel.ts'
import { showResults } from '../helpers/show.ts'

/** What came of a campaign. */
class Run {
  readonly outcome: Outcome
  readonly verdict: Verdict
  /** What was found, and where the history is kept: shown when a test fails. */
  readonly report: string

  private constructor(outcome: Outcome, verdict: Verdict, report: string) {
    this.outcome = outcome
    this.verdict = verdict
    this.report = report
  }

  static async of(mode: JournalMode): Promise<Run> {
    const { outcome, verdict, report } = await judged({ mode, seed: 1, ...usual })
    return new Run(outcome, verdict, report)
  }

  /** What the checker has found of these kinds. */
  found(...anomalies: Anomaly[]): string[] {
    const { findings } = this.verdict
    return findings.filter(({ anomaly }) => anomalies.includes(anomaly)).map(({ sentence }) => sentence)
  }

  /** How many clients were struck in these ways. */
  struck(...faults: Fault[]): number {
    return this.outcome.struck.filter(({ fault }) => faults.includes(fault)).length
  }

  /** Of each client that was struck in a certain way and then ran no more: whether what it wrote last is there in the end. */
  isThere(fault: Fault): boolean[] {
    const { events, struck } = this.outcome
    const last = events.at(-1) as Event
    const there = new Set(
      last.value.flatMap(([kind, key, found]) => (kind === 'r' ? (found ?? []).map((each) => `${key}: ${each}`) : [])),
    )
    return struck
      .filter((strike) => strike.fault === fault)
      .map(({ process }) => {
        const { value } = events.findLast((event) => event.process === process && event.type === 'info') as Event
        const written = value.filter(([kind]) => kind === 'append' || kind === 'add')
        const found = written.filter(([, key, element]) => there.has(`${key}: ${element}`))
        if (found.length > 0 && found.length < written.length) throw new Error(`process ${process} has left one half of ${value}`)
        return found.length > 0
      })
  }

  /** Whether every client had this lock when it was struck before its COMMIT. */
  held(lock: string): boolean {
    const { struck } = this.outcome
    const holders = struck.filter(({ fault }) => fault === 'killed before COMMIT' || fault === 'stopped before COMMIT')
    return holders.length > 0 && holders.every(({ locks }) => locks?.includes(lock))
  }

  /** How many transactions were confirmed that do this among other things. */
  count(kind: 'append' | 'r' | 'add' | 'total'): number {
    return this.outcome.events.filter(({ type, value }) => type === 'ok' && value.some(([op]) => op === kind)).length
  }
}

const wholly = (times: number) => new Array<boolean>(times).fill(true)
const nowhere = (times: number) => new Array<boolean>(times).fill(false)

describe.skipIf(process.platform === 'win32')('Four processes, killed and stopped (needs signals)', { tags: ['q46'] }, () => {
  let log: Run, journal: Run

  beforeAll(async () => {
    ;[log, journal] = await Promise.all([Run.of('wal'), Run.of('delete')])
  }, 300_000)

  describe('when 100 are killed and 25 are stopped, write-ahead log', () => {
    test('every confirmed write is there, and is there once', () => {
      expect(log.found('lost write', 'duplicate', 'from nowhere'), log.report).toEqual([])
    })
    test('nothing is there of what was refused', () => {
      expect(log.found('G1a'), log.report).toEqual([])
    })
    test('what was under way when its process was killed is there wholly, or not at all', () => {
      expect(log.found('half there', 'G1b'), log.report).toEqual([])
    })
    test('nothing is there of those who were killed before their COMMIT, with their writes done', () => {
      expect(log.isThere('killed before COMMIT')).toEqual(nowhere(25))
    })
    test('everything is there of those who were killed after their COMMIT, before they could say so', () => {
      expect(log.isThere('killed after COMMIT')).toEqual(wholly(15))
    })
    test.skipIf(!tellsLocks)('those who are struck before COMMIT hold the write lock (needs /proc)', () => {
      expect(log.held('WRITE')).toBe(true)
    })
    test('whoever reads all accounts finds the same sum, and so does who is refused afterwards', () => {
      expect(log.found('varying sum'), log.report).toEqual([])
    })
    test('whoever reads an account or a counter finds the sum of what had been added to it until then', () => {
      expect(log.found('wrong total', 'internal'), log.report).toEqual([])
    })
    test('there is an order of all transactions that explains what each has read, and agrees with real time', () => {
      const { order, confirmed, happened } = log.verdict
      expect(log.verdict, log.report).toMatchObject({ findings: [], undecided: 0 })
      expect(order?.length).toBeGreaterThanOrEqual(confirmed + happened)
    })
    test('the database is intact: integrity_check says ok', () => {
      expect(log.outcome.integrity, log.report).toBe('ok')
    })
    test('there is something to lose: of more than 2,200 transactions, at least 500 are confirmed, and 100 of each kind', () => {
      const { transactions, confirmed } = log.verdict
      expect(transactions).toBeGreaterThan(2_200)
      expect(confirmed).toBeGreaterThanOrEqual(500)
      for (const kind of ['append', 'r', 'add', 'total'] as const) expect(log.count(kind), kind).toBeGreaterThanOrEqual(100)
    })
  })

  describe('when 100 are killed and 25 are stopped, rollback journal', () => {
    test('every confirmed write is there, and is there once', () => {
      expect(journal.found('lost write', 'duplicate', 'from nowhere'), journal.report).toEqual([])
    })
    test('nothing is there of what was refused', () => {
      expect(journal.found('G1a'), journal.report).toEqual([])
    })
    test('what was under way when its process was killed is there wholly, or not at all', () => {
      expect(journal.found('half there', 'G1b'), journal.report).toEqual([])
    })
    test('nothing is there of those who were killed before their COMMIT, with their writes done', () => {
      expect(journal.isThere('killed before COMMIT')).toEqual(nowhere(25))
    })
    test('everything is there of those who were killed after their COMMIT, before they could say so', () => {
      expect(journal.isThere('killed after COMMIT')).toEqual(wholly(15))
    })
    test.skipIf(!tellsLocks)('those who are struck before COMMIT hold RESERVED (needs /proc)', () => {
      expect(journal.held('RESERVED')).toBe(true)
    })
    test('whoever reads all accounts finds the same sum, and so does who is refused afterwards', () => {
      expect(journal.found('varying sum'), journal.report).toEqual([])
    })
    test('whoever reads an account or a counter finds the sum of what had been added to it until then', () => {
      expect(journal.found('wrong total', 'internal'), journal.report).toEqual([])
    })
    test('there is an order of all transactions that explains what each has read, and agrees with real time', () => {
      const { order, confirmed, happened } = journal.verdict
      expect(journal.verdict, journal.report).toMatchObject({ findings: [], undecided: 0 })
      expect(order?.length).toBeGreaterThanOrEqual(confirmed + happened)
    })
    test('the database is intact: integrity_check says ok', () => {
      expect(journal.outcome.integrity, journal.report).toBe('ok')
    })
    test('there is something to lose: of more than 2,200 transactions, at least 500 are confirmed, and 100 of each kind', () => {
      const { transactions, confirmed } = journal.verdict
      expect(transactions).toBeGreaterThan(2_200)
      expect(confirmed).toBeGreaterThanOrEqual(500)
      for (const kind of ['append', 'r', 'add', 'total'] as const) expect(journal.count(kind), kind).toBeGreaterThanOrEqual(100)
    })
  })

  describe('when all faults are counted', () => {
    test('200 are killed and 50 are stopped in all, and no confirmed write is lost', async (context) => {
      const count = (...faults: Fault[]) => [log, journal].map((run) => `${run.struck(...faults)}`)
      const lost = [log, journal].map((run) => `${run.found('lost write').length}`)
      const rows = [
        ['SIGKILL', 'in its transaction, or just before or after it', ...count('killed anywhere')],
        ['SIGKILL', 'before COMMIT, with the write lock', ...count('killed before COMMIT')],
        ['SIGKILL', 'about its COMMIT', ...count('killed in COMMIT')],
        ['SIGKILL', 'after COMMIT, before it could say so', ...count('killed after COMMIT')],
        ['SIGKILL', 'all four, whatever they do, five times', ...count('all killed')],
        ['SIGSTOP', 'in its transaction, or just before or after it', ...count('stopped anywhere')],
        ['SIGSTOP', 'before COMMIT, with the write lock', ...count('stopped before COMMIT')],
        ['confirmed writes lost', '', ...lost],
      ]
      await showResults(context, { head: ['fault', 'it strikes a process', 'write-ahead log', 'rollback journal'], rows })
      expect(count('killed anywhere', 'killed before COMMIT', 'killed in COMMIT', 'killed after COMMIT', 'all killed')).toEqual([
        '100',
        '100',
      ])
      expect(count('stopped anywhere', 'stopped before COMMIT')).toEqual(['25', '25'])
      expect(lost).toEqual(['0', '0'])
    })
  })
})

describe.skipIf(process.platform === 'win32')('npm run soak (needs signals)', { tags: ['q46'] }, () => {
  const soak = (env: Record<string, string>, ...options: string[]) =>
    execa(process.execPath, ['fixtures/soak.ts', ...options], { env, reject: false })

  describe.concurrent('when it is called with nonsense', () => {
    const refusal = async (env: Record<string, string>, ...options: string[]) => {
      const { exitCode, stdout, stderr } = await soak(env, ...options)
      return { exitCode, stdout, stderr }
    }

    test('no minutes at all get one sentence and exit code 2', async () => {
      const stderr = "error: option '--minutes <n>' argument '0' is invalid. It takes a whole number from 1 to 1000000000."
      expect(await refusal({}, '--minutes', '0')).toEqual({ exitCode: 2, stdout: '', stderr })
    })
    test('a journal that is none gets one sentence and exit code 2', async () => {
      const stderr = "error: option '--journal <mode>' argument 'diary' is invalid. Allowed choices are wal, delete."
      expect(await refusal({}, '--journal', 'diary')).toEqual({ exitCode: 2, stdout: '', stderr })
    })
    test('a driver that is none gets one sentence and exit code 2', async () => {
      const stderr = "error: DRIVER is better-sqlite3 or node:sqlite, not 'sqlite3'"
      expect(await refusal({ DRIVER: 'sqlite3' })).toEqual({ exitCode: 2, stdout: '', stderr })
    })
    test('--help lists the options, with exit code 0', async () => {
      const { exitCode, stdout } = await soak({}, '--help')
      expect(stdout).toMatch(/--minutes[\s\S]*--seed[\s\S]*--journal[\s\S]*--processes/)
      expect(exitCode).toBe(0)
    })
  })

  describe.skipIf(process.platform !== 'linux')('when Ctrl-C interrupts it (needs /proc)', () => {
    let folder: string, stdout: string, exitCode: number | undefined, group: number

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'database-is-locked-'))
      // A process group of its own, as a terminal gives it: Ctrl-C goes to every process in it.
      const options = { reject: false, detached: true, cleanup: false, env: { TMPDIR: folder } } as const
      const child = execa(process.execPath, ['fixtures/soak.ts', '--journal', 'wal', '--minutes', '60'], options)
      group = child.pid as number
      // A log of so many bytes has more transactions than the one that fills the accounts.
      const log = async () => (await readdir(folder, { recursive: true })).find((name) => name.endsWith('-wal')) as string
      const size = async () => (await stat(join(folder, await log()))).size
      await vi.waitFor(async () => expect(await size()).toBeGreaterThan(200_000), { timeout: 30_000, interval: 10 })
      process.kill(-group, 'SIGINT')
      ;({ stdout, exitCode } = await child)
    })
    afterAll(async () => {
      for (const pid of processesOf(group)) process.kill(pid, 'SIGKILL')
      await rm(folder, { recursive: true })
    })

    test('the command ends with the verdict until then', () => {
      expect(stdout).toMatch(/wal +│ +1 │[\s\S]*Interrupted after 0\.\d of 60 min[\s\S]*\nEvery confirmed write was there/)
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
