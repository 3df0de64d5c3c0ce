/**
 * A check that cannot fail is none. Each stack of fixtures/bad-stacks is bad in one way, and breaks exactly the promises that it cannot keep; each
 * adapter that is faulty is told what to change, before anything is said of its stack. Then the command itself: what it says and how it ends, what it
 * makes of nonsense, and of a verdict that is not as in the baseline. The rival is sabotaged as well.
 *
 * https://sqlite.org/rescode.html#busy · https://sqlite.org/isolation.html
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Child } from '../helpers/child.ts'
import { freshCounter, freshDatabase } from '../helpers/fresh-database.ts'
import { tellsProcesses } from '../helpers/kernel.ts'
import { type Report, reportOf } from '../helpers/stack/card.ts'
import { examine } from '../helpers/stack/examination.ts'
import { promises } from '../helpers/stack/findings.ts'
import { usual } from '../helpers/stack/scale.ts'
import { subjectOf } from '../helpers/stack/subject.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** How a program is started whose signals have to reach more than the process that was started. */
const inAShell = `sh fixtures/in-a-shell.sh ${process.execPath}`

/** A smaller crowd, shorter pauses, and no more time for a refusal than the bad stacks, which wait two seconds at most, may need. */
const small = { crowd: 3, rounds: 1, hold: 300, within: 4_000, patience: 5_000 }

/** What a bad stack came to: the promises it breaks, and what its adapter is told. */
async function look(reference: string, scale = small, database?: string) {
  const subject = { ...subjectOf(reference, root), database }
  const report = reportOf(subject, await examine(subject, { ...usual, ...scale }))
  const broken = report.findings.filter(({ verdict }) => verdict === 'broken').map(({ id }) => id)
  const [fault] = report.adapter.map(([, met]) => met).filter((met) => met !== true)
  return { report, broken, fault }
}

/** What became of a promise, and the number of the chapter that explains it. */
const finding = ({ findings }: Report, promise: string) => findings.find(({ id }) => id === promise)
const explains = (report: Report, promise: string) => finding(report, promise)?.chapter?.slice(6, 8)

describe.concurrent('A stack that is bad in one way', { tags: ['q51'], timeout: 120_000 }, () => {
  describe('when it has no busy timeout', () => {
    let seen: Awaited<ReturnType<typeof look>>
    beforeAll(async () => {
      seen = await look('fixtures/bad-stacks/zero-timeout.ts')
    }, 120_000)

    test('it breaks progress, at the first opening too, and nothing else', () => {
      expect(seen.broken).toEqual(['progress between', 'progress held', 'progress crowd', 'progress fresh'])
    })
    test('it is told to set a timeout, by chapter 40', () => {
      expect(explains(seen.report, 'progress between')).toBe('40')
    })
    test('it is seen not to wait', () => {
      expect(seen.report.observed).toContain('does not wait for a lock')
    })
    test('one of the crowd is killed as it pauses, and what became of its increment is unknown', () => {
      expect(finding(seen.report, 'safety killed')?.why).toBe('0 confirmed, 1 unknown, 0 counted')
    })
  })

  describe('when it reads and writes without a transaction', () => {
    let seen: Awaited<ReturnType<typeof look>>
    beforeAll(async () => {
      seen = await look('fixtures/bad-stacks/careless.ts')
    }, 120_000)

    test('it breaks safety wherever another comes between its read and its write, and nothing else', () => {
      expect(seen.broken).toEqual(['safety between', 'safety crowd', 'safety killed', 'safety stopped'])
    })
    test('it is told to bind its write to its read, by chapter 71', () => {
      expect(explains(seen.report, 'safety between')).toBe('71')
    })
    test('it is seen that nothing binds them', () => {
      expect(seen.report.observed).toContain('nothing binds its write to its read')
    })
  })

  describe('when it swallows SQLITE_BUSY, and the lock is held for longer than its timeout', () => {
    let seen: Awaited<ReturnType<typeof look>>
    beforeAll(async () => {
      seen = await look('fixtures/bad-stacks/swallows-busy.ts', { ...small, hold: 6_000 }) // three times its timeout
    }, 120_000)

    test('it reports no refusal where it is refused, and confirms what is not there', () => {
      expect(seen.broken).toEqual(['safety held', 'safety stopped', 'manners refusal', 'manners commit'])
    })
    test('it is seen to confirm while another holds the lock, and told so by chapter 72', () => {
      expect(finding(seen.report, 'safety held')?.why).toBe('it confirmed, while another process held the write lock')
      expect(explains(seen.report, 'safety held')).toBe('72')
    })
  })

  describe('when it confirms before its COMMIT', () => {
    let seen: Awaited<ReturnType<typeof look>>
    beforeAll(async () => {
      seen = await look(`${inAShell} fixtures/bad-stacks/confirms-before-commit.ts`)
    }, 120_000)

    test('what it has confirmed is gone if it is killed in that moment, although its COMMIT would come by itself', () => {
      expect(finding(seen.report, 'safety confirmed')?.why).toBe('1 confirmed, 0 counted: 1 lost')
    })
    test('it is told so by chapter 74', () => {
      expect(explains(seen.report, 'safety confirmed')).toBe('74')
    })
  })

  describe('when it does not roll back', () => {
    let seen: Awaited<ReturnType<typeof look>>
    beforeAll(async () => {
      seen = await look('fixtures/bad-stacks/never-rolls-back.ts')
    }, 120_000)

    test('it cannot be used after a refusal, nor after a refused COMMIT; it begins with BEGIN too, and breaks progress', () => {
      expect(seen.broken).toEqual(['progress between', 'progress held', 'progress crowd', 'manners usable', 'manners commit'])
    })
    test('it is quoted: cannot start a transaction within a transaction', () => {
      expect(finding(seen.report, 'manners usable')?.why).toContain('cannot start a transaction within a transaction')
    })
  })

  describe('when it refuses what it has done, and says that it does not promise progress', () => {
    let seen: Awaited<ReturnType<typeof look>>
    beforeAll(async () => {
      seen = await look('fixtures/bad-stacks/refuses-what-it-has-done.ts')
    }, 120_000)

    test('more is counted than it has confirmed: safety is broken, which cannot be renounced', () => {
      expect(finding(seen.report, 'safety held')).toMatchObject({ verdict: 'broken', why: '0 confirmed, 1 counted' })
      expect(explains(seen.report, 'safety held')).toBe('68')
    })
    test('progress is not broken, for it is not promised', () => {
      expect(finding(seen.report, 'progress held')).toMatchObject({
        verdict: 'not promised',
        why: expect.stringMatching(/: Error: too late; not promised: the caller is patient$/),
      })
    })
  })

  describe('when it does with the next increment what it has refused before', () => {
    let seen: Awaited<ReturnType<typeof look>>
    beforeAll(async () => {
      seen = await look('fixtures/bad-stacks/does-it-later.ts')
    }, 120_000)

    test('its manners after a refusal are broken, and nothing else', () => {
      expect(seen.broken).toEqual(['manners usable', 'manners commit'])
    })
    test('two are counted after one was refused and one was confirmed', () => {
      expect(finding(seen.report, 'manners usable')?.why).toBe(
        'after it was refused its read, the next increment was confirmed, and the counter went up by 2',
      )
      expect(finding(seen.report, 'manners commit')?.why).toBe('SQLITE_BUSY: database is locked; and then: confirmed; 2 counted')
    })
  })

  describe('when it goes on reading after its write was refused', () => {
    let seen: Awaited<ReturnType<typeof look>>
    beforeAll(async () => {
      seen = await look('fixtures/bad-stacks/goes-on-reading.ts')
    }, 120_000)

    test('nobody else can commit, and so it cannot be used after a refusal; it begins with BEGIN too, and breaks progress', () => {
      expect(seen.broken).toEqual(['progress between', 'progress held', 'progress crowd', 'manners usable'])
      expect(finding(seen.report, 'manners usable')?.why).toBe(
        'after it was refused its write, the COMMIT of the one who held the lock is refused',
      )
    })
    test('it is told to let go of what it has, by chapter 65', () => {
      expect(explains(seen.report, 'manners usable')).toBe('65')
    })
  })

  describe('when it waits for longer than it says', () => {
    let seen: Awaited<ReturnType<typeof look>>
    beforeAll(async () => {
      seen = await look('fixtures/bad-stacks/waits-too-long.ts')
    }, 120_000)

    test('it refuses too late, and nothing else', () => {
      expect(seen.broken).toEqual(['manners refusal', 'manners commit'])
    })
    test('it is told how long it had by its own word, and to say so if it takes longer, by chapter 63', () => {
      expect(finding(seen.report, 'manners refusal')?.why).toBe('after 500 ms it was still waiting')
      expect([explains(seen.report, 'manners refusal'), explains(seen.report, 'manners commit')]).toEqual(['63', '63'])
    })
  })

  describe('when it takes the write lock to read', () => {
    let seen: Awaited<ReturnType<typeof look>>
    beforeAll(async () => {
      seen = await look('fixtures/bad-stacks/writes-to-read.ts')
    }, 120_000)

    test('its reader is turned away while a writer works, and nothing else', () => {
      expect(seen.broken).toEqual(['manners reader'])
      expect(finding(seen.report, 'manners reader')?.why).toBe(
        'SQLITE_BUSY: database is locked, while another process held the write lock',
      )
    })
    test('a process of it that is stopped between its read and its write has its turn when it goes on', () => {
      expect(finding(seen.report, 'safety stopped')?.why).toBe('2 confirmed, 2 counted')
    })
  })

  describe('when it switches to WAL mode at every opening', () => {
    let seen: Awaited<ReturnType<typeof look>>
    beforeAll(async () => {
      seen = await look('fixtures/bad-stacks/switches-at-every-opening.ts', { ...small, rounds: 2 })
    }, 120_000)

    test('it is turned away when all open a fresh database at once, and never again', () => {
      expect(seen.broken).toEqual(['progress fresh'])
    })
    test('a crowd of three that makes two increments each has six to confirm, and to count', () => {
      expect(finding(seen.report, 'safety crowd')?.why).toBe('6 confirmed, 6 counted')
    })
    test('it is told so by chapter 66', () => {
      expect(finding(seen.report, 'progress fresh')?.cause).toMatch(/^The switch to WAL does not wait for one who writes/)
      expect(explains(seen.report, 'progress fresh')).toBe('66')
    })
  })

  describe('when it opens the database before it has set a timeout, and ends if it is refused', () => {
    let seen: Awaited<ReturnType<typeof look>>
    beforeAll(async () => {
      seen = await look(`${process.execPath} fixtures/bad-stacks/opens-before-its-timeout.ts`)
    }, 120_000)

    test('it is turned away when all open a fresh database at once, and nothing else', () => {
      expect(seen.broken).toEqual(['progress fresh'])
    })
    test('it is quoted in a line: what it did, and the last error that tells of a lock', () => {
      expect(finding(seen.report, 'progress fresh')?.why).toMatch(
        /: It ended with exit code 1 at its start: SqliteError: database is locked$/,
      )
    })
    test('it says that it cannot pause, and is not tried where a pause is needed', () => {
      expect(finding(seen.report, 'safety between')).toMatchObject({
        verdict: 'not tried',
        why: 'it does not pause: one UPDATE reads and writes',
      })
    })
  })

  test('one that trusts its lease loses an update when it is stopped for longer than that', async () => {
    const stack = `${inAShell} fixtures/bad-stacks/trusts-its-lease.ts`
    const { report, broken } = await look(stack, { ...small, hold: 1_000 })
    expect(broken).toContain('safety stopped')
    expect(finding(report, 'safety stopped')?.why).toBe('2 confirmed, 1 counted: 1 lost')
  })
  test('one that logs to stdout is told what stdout is for', async () => {
    const { fault } = await look('fixtures/bad-stacks/talks-on-stdout.ts')
    expect(fault).toBe(
      'It wrote to stdout, after {"do":"increment"}: counting up\nstdout is for answers, one JSON object a line; logs go to stderr.',
    )
  })
  test('one that dies at its start is quoted', async () => {
    const { fault } = await look('fixtures/bad-stacks/dies-at-start.ts')
    expect(fault).toBe('dies-at-start.ts cannot be loaded: Error: there is no configuration (dies-at-start.ts:2:7)')
  })
  test('one that never answers is told to, when patience is over', async () => {
    const { fault } = await look('fixtures/bad-stacks/hangs.ts', { ...small, patience: 1_000 })
    expect(fault).toBe('It did not answer {"do":"describe"} within 1000 ms: read a line, answer with a line, and flush it.')
  })
  test('one that does not end when its input does is told to', async () => {
    const stack = `${process.execPath} fixtures/bad-stacks/ignores-the-end.ts`
    const { fault } = await look(stack, { ...small, patience: 1_500 })
    expect(fault).toBe(
      'It did not end within 1500 ms of the end of its input: leave the loop at the end of stdin, and close what keeps it alive.',
    )
  })
  test('one that does not pause is told where to', async () => {
    const { fault } = await look('fixtures/bad-stacks/no-pause.ts')
    expect(fault).toMatch(
      /^It confirmed \{"do":"increment","pause":true\} without a pause: between its read and its write it is to answer/,
    )
  })
  test('one that counts in memory is told that another process of it finds nothing', async () => {
    const { fault } = await look('fixtures/bad-stacks/counts-in-memory.ts')
    expect(fault).toMatch(/^Its total is 0, and not 2, after another process of it had counted so far/)
  })
  test('one that opens another file than it is given is told so', async () => {
    const { fault } = await look('fixtures/bad-stacks/forgets-the-path.ts')
    expect(fault).toMatch(/is the path of the database, its last argument, the file it opens\?$/)
  })
  test('a rival that answers, and runs nothing, is no reason for a verdict: the examination fails, and says so', async () => {
    const examination = examine(subjectOf('fixtures/stacks/tutorial.ts', root), { ...usual, ...small }, 'miscreant.ts')
    await expect(examination).rejects.toThrow('the rival answers, and runs nothing: PRAGMA journal_mode has no row')
  })
  test('each bad stack is in this chapter', () => {
    const chapter = readFileSync(fileURLToPath(import.meta.url), 'utf8')
    const stacks = readdirSync(join(root, 'fixtures/bad-stacks'))
    expect(stacks.filter((stack) => !chapter.includes(`bad-stacks/${stack}`))).toEqual([])
  })
})

describe.concurrent('npm run check', { tags: ['q51'], timeout: 120_000 }, () => {
  let folder: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'database-is-locked-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  const stack = (name: string) => join(root, 'fixtures', name)
  /** As few as can meet. */
  const few = ['--processes', '2', '--increments', '1']
  const check = async (...words: (string | Record<string, string>)[]) => {
    const [args, more] = [words.filter((word) => typeof word === 'string'), words.filter((word) => typeof word === 'object')]
    const summary = { GITHUB_STEP_SUMMARY: join(folder, 'summary.md') }
    const env = { INIT_CWD: folder, NO_COLOR: '1', FORCE_COLOR: undefined, ...summary, ...more[0] }
    const options = { reject: false, cwd: root, env, stdin: 'ignore' } as const
    const { exitCode, stdout, stderr } = await execa(process.execPath, [stack('check.ts'), ...args], options)
    return { exitCode, stdout: stripVTControlCharacters(stdout), stderr: stripVTControlCharacters(stderr) }
  }

  describe('when a stack breaks a promise', () => {
    let first: Awaited<ReturnType<typeof check>>, changed: typeof first

    beforeAll(async () => {
      const deferred = stack('bad-stacks/deferred.ts')
      first = await check(deferred, '--write-baseline', 'baseline.json', '--junit', 'junit.xml', ...few)
      const baseline = await readFile(join(folder, 'baseline.json'), 'utf8')
      const other = baseline
        .replace('"progress between": "broken"', '"progress between": "kept"')
        .replace('"progress fresh": "kept"', '"progress fresh": "broken"')
      await writeFile(join(folder, 'other.json'), other)
      changed = await check(deferred, '--baseline', 'other.json', '--within', '100', ...few)
    }, 120_000)

    test('the card names the promise, what was seen, the likely cause, and the chapter', () => {
      expect(first.stdout).toMatch(
        / {2}✗ nobody is turned away when another process writes between its read and its write\n {6}1 of 2 turned away, one .*: SQLITE_BUSY: database is locked\n {6}likely: What has read does not wait for the lock.* Begin with BEGIN IMMEDIATE\.\n {6}see tests\/30-a-timeout-is-not-enough\.test\.ts\n/,
      )
    })
    test('the card says that others were tried than the promises tell of', () => {
      expect(first.stdout).toContain('\ntried      with 2 processes, and 1 increment each, for eight and fifty\n')
    })
    test('the card ends with the verdict', () => {
      expect(first.stdout).toContain('\nverdict    progress broken (3 of 4) · safety kept · manners kept (3 of 4 tried)\n')
    })
    test('the stack, whose transaction begins with BEGIN, is seen to begin as a reader', () => {
      expect(first.stdout).toMatch(/^observed .* · a transaction begins as a reader · /m)
    })
    test('to write a baseline succeeds, and writes a verdict for each promise', async () => {
      expect(first.exitCode).toBe(0)
      const baseline = JSON.parse(await readFile(join(folder, 'baseline.json'), 'utf8'))
      expect(baseline).toMatchObject({ 'progress between': 'broken', 'safety between': 'kept', 'manners reader': 'not tried' })
    })
    test('a promise that is kept, and broken in the baseline, and one that is broken, and kept there, are not as in it: exit code 1', () => {
      expect(changed.exitCode).toBe(1)
      const [, changes] = changed.stdout.split('not as in the baseline\n')
      expect(changes).toMatch(
        /^ {2}nobody is turned away when another process writes between its read and its write: broken, and kept in the baseline .*\n {2}nobody is turned away when eight processes at once open a fresh database: kept, and broken in the baseline /,
      )
    })
    test('--within 100 lets a refusal take so long: with a timeout of two seconds, it comes too late', () => {
      expect(changed.stdout).toMatch(/✗ a refusal is reported as a refusal, and in time\n {6}after 100 ms it was still waiting\n/)
    })
    test("--junit writes Vitest's report, with the promises broken as failures", async () => {
      const report = await readFile(join(folder, 'junit.xml'), 'utf8')
      expect(report).toMatch(/<testsuites name="vitest tests" tests="20" failures="3"/)
    })
    test('the summary of a GitHub workflow has the verdict as a heading, and a row for each promise', async () => {
      const summary = await readFile(join(folder, 'summary.md'), 'utf8')
      expect(summary).toContain('deferred.ts: progress broken (3 of 4) · safety kept · manners kept (3 of 4 tried)\n')
      expect(summary).toContain('| ✗ | nobody is turned away when another process holds the lock for more than a second |')
    })
  })

  test('a faulty adapter: one sentence in the place of a verdict, and exit code 1', async () => {
    const { exitCode, stdout } = await check(stack('bad-stacks/dies-at-start.ts'))
    expect(exitCode).toBe(1)
    expect(stdout).toContain(`  ✗ it starts, and answers
      dies-at-start.ts cannot be loaded: Error: there is no configuration (dies-at-start.ts:2:7)

verdict    no verdict: the adapter comes first`)
  })
  test('of a faulty adapter no baseline is written: one sentence, and exit code 2', async () => {
    const { exitCode, stderr } = await check(stack('bad-stacks/dies-at-start.ts'), '--write-baseline', 'faulty.json')
    expect([exitCode, stderr]).toEqual([2, 'error: No baseline is written: the adapter comes first.'])
    expect(existsSync(join(folder, 'faulty.json'))).toBe(false)
  })
  test('--patience is how long an answer may take', async () => {
    const { stdout } = await check(stack('bad-stacks/hangs.ts'), '--patience', '300')
    expect(stdout).toContain('It did not answer {"do":"describe"} within 300 ms')
  })

  describe('when it is given a URL', () => {
    let alone: Awaited<ReturnType<typeof check>>, locked: typeof alone
    let strange: Awaited<ReturnType<typeof look>>, nobody: typeof strange

    beforeAll(async () => {
      const { file, remove } = await freshDatabase()
      const other = await freshCounter('delete')
      const tried = ['progress crowd', 'safety crowd']
      const baseline = Object.keys(promises).map((id) => [id, tried.includes(id) ? 'kept' : 'not tried'])
      await writeFile(join(folder, 'url.json'), JSON.stringify(Object.fromEntries(baseline)))
      const website = new Child('the website', 'counting-website.ts', file, 'immediate')
      try {
        const { address } = (await website.ready) as { address: string }
        alone = await check(address, '--baseline', 'url.json', ...few)
        locked = await check(address, '--database', file, ...few)
        strange = await look(address, small, other.file)
        await website.end()
        nobody = await look(address)
      } finally {
        await website.kill()
        await Promise.all([remove(), other.remove()])
      }
    }, 120_000)

    test('all is as in its baseline: exit code 0', () => {
      expect([alone.exitCode, alone.stdout.includes('\nas in the baseline\n')]).toEqual([0, true])
    })
    test('the crowd is tried: all are confirmed, and counted', () => {
      expect(alone.stdout).toContain('  ✓ nobody is turned away when eight processes make fifty increments each\n')
      expect(alone.stdout).toContain(
        '  ✓ what is confirmed is counted, and nothing else, when eight processes make fifty increments each\n',
      )
    })
    test('what takes a pause, a signal or its database is not tried, with the reason', () => {
      expect(alone.stdout).toContain('not tried: it does not pause: over HTTP nobody is told to go on')
      expect(alone.stdout).toContain('not tried: an application that is running is not killed, stopped or started')
      expect(alone.stdout).toContain('not tried: the database of the application is not known: name it with --database')
    })
    test('with --database, a rival locks it: the application, whose timeout is half a second, turns people away', () => {
      expect(locked.exitCode).toBe(1)
      expect(locked.stdout).toMatch(
        /✗ nobody is turned away when another process holds the lock for more than a second\n.*HTTP 503: SQLITE_BUSY: database is locked/,
      )
      expect(locked.stdout).toContain('  ✓ a refusal is reported as a refusal, and in time\n')
    })
    test('a database that it does not write to is not blamed on the application: one sentence says so', () => {
      expect(strange.fault).toMatch(
        /^http:\/\/localhost:\d+ has counted one, and nobody has written to .*database\.db: --database is to name the file that the application has opened\.$/,
      )
    })
    test('a page that answers with anything but 2xx refuses, and a redirection is no confirmation', async () => {
      const statuses: Record<string, number> = { '/gone/increment': 404, '/login/increment': 303 }
      const server = createServer(({ url = '' }, response) => {
        response.writeHead(statuses[url] ?? 200, { location: '/total' }).end('0')
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const faults = await Promise.all(['gone', 'login'].map((page) => look(`http://127.0.0.1:${port}/${page}`)))
      server.close()
      expect(faults.map(({ fault }) => fault)).toEqual([
        'It refused an increment, with nobody else at work: HTTP 404: 0',
        'It refused an increment, with nobody else at work: HTTP 303: 0',
      ])
    })
    test('a URL that nobody answers at gets one sentence', () => {
      expect(nobody.fault).toMatch(
        /^Nobody answers at http:\/\/localhost:\d+: ECONNREFUSED\. Start the application, and name its base URL\.$/,
      )
    })
  })

  describe('when it is given nonsense', () => {
    const refusal = async (...words: string[]) => {
      const { exitCode, stdout, stderr } = await check(...words)
      return { exitCode, stdout, stderr }
    }
    const sentence = (stderr: string) => ({ exitCode: 2, stdout: '', stderr: `error: ${stderr}` })

    test('no stack gets one sentence and exit code 2', async () => {
      expect(await refusal()).toEqual(sentence("missing required argument 'stack'"))
    })
    test('a file that does not exist gets one sentence and exit code 2', async () => {
      expect(await refusal('nowhere.ts')).toEqual(sentence(`There is no file 'nowhere.ts' in ${folder}.`))
    })
    test('a command that does not exist gets one sentence and exit code 2', async () => {
      expect(await refusal('nosuchcommand stack.py')).toEqual(
        sentence(`'nosuchcommand' is not a file in ${folder}, a command, or a URL.`),
      )
    })
    test('a file that cannot be run gets one sentence and exit code 2', async () => {
      await writeFile(join(folder, 'stack.py'), '')
      expect((await refusal('./stack.py')).stderr).toBe(
        "error: './stack.py' is neither a module of Node (.js, .ts) nor a program that can be run: name the command that runs it, such as 'python3 ./stack.py'.",
      )
    })
    test('a command without quotes gets one sentence and exit code 2', async () => {
      expect(await refusal('python3', 'stack.py')).toEqual(
        sentence('There is one stack at a time: put the command into quotes, as "python3 stack.py".'),
      )
    })
    test('a baseline that is not there gets one sentence and exit code 2', async () => {
      const { exitCode, stderr } = await refusal(stack('stacks/tutorial.ts'), '--baseline', 'nowhere.json')
      expect(exitCode).toBe(2)
      expect(stderr).toMatch(
        /^error: The baseline '.*nowhere\.json' cannot be read: ENOENT.* Write it: npm run check -- <stack> --write-baseline/,
      )
    })
    test('a baseline that is something else gets one sentence and exit code 2', async () => {
      await writeFile(join(folder, 'else.json'), '{"progress between":"fine"}')
      const { exitCode, stderr } = await refusal(stack('stacks/tutorial.ts'), '--baseline', 'else.json')
      expect(exitCode).toBe(2)
      expect(stderr).toMatch(/^error: The baseline '.*else\.json' is not one: it has no verdict on 'progress between'\./)
    })
    test('a baseline that is no object gets one sentence and exit code 2', async () => {
      await writeFile(join(folder, 'null.json'), 'null')
      const { exitCode, stderr } = await refusal(stack('stacks/tutorial.ts'), '--baseline', 'null.json')
      expect(exitCode).toBe(2)
      expect(stderr).toMatch(/^error: The baseline '.*null\.json' is not one: it is no object\./)
    })
    test('a database that does not exist gets one sentence and exit code 2, and is not made', async () => {
      const { exitCode, stderr } = await refusal('http://localhost:1', '--database', 'nowhere.db')
      expect(exitCode).toBe(2)
      expect(stderr).toMatch(
        /^error: The database '.*nowhere\.db' cannot be read: ENOENT.* Name the file that the application has opened\.$/,
      )
      expect(existsSync(join(folder, 'nowhere.db'))).toBe(false)
    })
    test('a database that is none gets one sentence and exit code 2', async () => {
      await writeFile(join(folder, 'README.md'), '# This is not a database.')
      const { exitCode, stderr } = await refusal('http://localhost:1', '--database', 'README.md')
      expect(exitCode).toBe(2)
      expect(stderr).toMatch(
        /^error: '.*README\.md' is not a database of SQLite\. Name the file that the application has opened\.$/,
      )
    })
    test('a place for temporary files that is not there gets one sentence and exit code 2, and nothing is said of the stack', async () => {
      const { exitCode, stdout, stderr } = await check(stack('stacks/tutorial.ts'), { TMPDIR: join(folder, 'nowhere') })
      expect([exitCode, stdout]).toEqual([2, ''])
      expect(stderr).toMatch(/^The examination itself failed, and nothing is known of the stack: .*ENOENT/)
    })
    test('a module whose path has spaces and a hash in it, and that is CommonJS of a compiler, is found and opened', async () => {
      await mkdir(join(folder, 'my stack #1'))
      const [file, opens] = [join(folder, 'my stack #1', 'stack.cjs'), '{ throw new Error("it is opened") }']
      await writeFile(file, `module.exports = { __esModule: true, default: () => ${opens} }`)
      const { fault } = await look(file)
      expect(fault).toBe('It refused to say what it is, with nobody else at work: Error: it is opened')
    })
    test('a module that has a database of its own is asked whether it opens the one that it is given', async () => {
      const good = pathToFileURL(stack('stacks/tutorial.ts')).href
      await writeFile(join(folder, 'own.mjs'), `import open from '${good}'\nexport default (path) => open(path + '-own')`)
      const { fault } = await look(join(folder, 'own.mjs'))
      expect(fault).toBe('There is no table in the database whose path is its last argument: is that the file it opens?')
    })
    test('a program that answers twice gets one sentence', async () => {
      const twice = 'process.stdin.on("data", () => process.stdout.write("{}\\n{}\\n"))'
      await writeFile(join(folder, 'twice.mjs'), twice)
      const { fault } = await look(`${process.execPath} ${join(folder, 'twice.mjs')}`)
      expect(fault).toBe(
        'It answered twice, after {"do":"describe"}: {}\nstdout is for answers, one JSON object a line; logs go to stderr.',
      )
    })
    test('a module that describes itself by a function gets one sentence', async () => {
      await writeFile(join(folder, 'describes.mjs'), 'export default () => ({ increment() {}, total() {}, describe() {} })')
      const { fault } = await look(join(folder, 'describes.mjs'))
      expect(fault).toBe("describes.mjs returns a function as describe: it is an object, such as { name: 'my ORM' }")
    })
    test('a module without the export gets one sentence, which says what to write', async () => {
      await writeFile(join(folder, 'named.mjs'), 'export const open = () => {}')
      const { fault } = await look(join(folder, 'named.mjs'))
      expect(fault).toBe('named.mjs does not export a function as default: it exports open. Write: export default (path) => …')
    })
    test('a module of the wrong shape gets one sentence', async () => {
      await writeFile(join(folder, 'shape.mjs'), 'export default () => ({ increment() {} })')
      const { fault } = await look(join(folder, 'shape.mjs'))
      expect(fault).toBe('shape.mjs returns no total(): it is to return { increment(pause), total() }')
    })
    test('a module that throws as it opens is quoted', async () => {
      await writeFile(join(folder, 'throws.mjs'), 'export default () => { throw new Error("no database today") }')
      const { fault } = await look(join(folder, 'throws.mjs'))
      expect(fault).toBe('It refused to say what it is, with nobody else at work: Error: no database today')
    })
    test('--help lists the options, with exit code 0', async () => {
      const { exitCode, stdout } = await check('--help')
      expect(stdout).toMatch(/--baseline[\s\S]*--write-baseline[\s\S]*--within[\s\S]*--patience[\s\S]*--database[\s\S]*--junit/)
      expect(exitCode).toBe(0)
    })
  })
})

describe('npm run check, interrupted', { tags: ['q51'] }, () => {
  describe.skipIf(!tellsProcesses).each([
    ['when Ctrl-C interrupts it (needs /proc)', 'SIGINT', 130],
    ['when SIGTERM ends it (needs /proc)', 'SIGTERM', 143],
  ] as const)('%s', (_, signal, expected) => {
    let exitCode: number | null, place: string

    /** The processes that were told of a file below the place. */
    const users = () => {
      const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
      return pids.filter((pid) => existsSync(`/proc/${pid}/cmdline`) && commandOf(pid).includes(place))
    }
    const commandOf = (pid: string) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
      } catch {
        return '' // it has gone meanwhile
      }
    }

    beforeAll(async () => {
      place = await mkdtemp(join(tmpdir(), 'database-is-locked-'))
      // A process group of its own, as a terminal gives it: Ctrl-C goes to every process in it. The stack is started by a shell.
      const stack = [process.execPath, join(root, 'fixtures/bad-stacks/ignores-the-end.ts')]
      const words = [join(root, 'fixtures/check.ts'), ['sh', join(root, 'fixtures/in-a-shell.sh'), ...stack].join(' ')]
      const child = spawn(process.execPath, words, {
        cwd: root,
        detached: true,
        stdio: 'ignore',
        env: { ...process.env, TMPDIR: place },
      })
      const ended = new Promise<number | null>((resolve) => child.on('exit', (code) => resolve(code)))
      while (users().length < 2) await pause(20) // the shell, and the stack
      process.kill(-(child.pid as number), signal)
      exitCode = await ended
    }, 120_000)
    afterAll(() => rm(place, { recursive: true }))

    test(`the command ends with exit code ${expected}`, () => {
      expect(exitCode).toBe(expected)
    })
    test('the command leaves no process behind, not even one that does not mind the end of its input', async () => {
      await expect.poll(users, { timeout: 10_000 }).toEqual([])
    })
    test('the command leaves no file behind', async () => {
      await expect.poll(() => readdirSync(place), { timeout: 10_000 }).toEqual([])
    })
  })
})
