/**
 * The other chapters believe what `contend` tells them. This one sets misbehaving contenders, misspelt statements and careless
 * scripts on it: each ends the story with a sentence that says who, and in which statement. And however a story ends, its
 * processes and its temporary folder end with it.
 *
 * Here alone SQLite is not the subject: ../helpers/contend.ts and ../helpers/child.ts are.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { ChildProcess } from 'node:child_process'
import { subscribe } from 'node:diagnostics_channel'
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { Child } from '../helpers/child.ts'
import { type Contender, contend, type Outcome, type Setting } from '../helpers/contend.ts'
import { runs, tellsProcesses } from '../helpers/kernel.ts'
import { look, nameOf } from '../helpers/matrix/look.ts'
import { timelineOf } from '../helpers/timeline.ts'
import { waiting } from '../helpers/troupe.ts'

type Started = Pick<ChildProcess, 'pid' | 'spawnargs'>

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url))
const unfinished = `${fixtures}unfinished-story.ts`
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))
const chapter = [vitest, 'run', 'unfinished', '--root', fixtures, '--no-cache', '--reporter', 'tree']
const withoutSignals = process.platform === 'win32' // which knows none of POSIX's

const { patience } = Child

const startedBy = new AsyncLocalStorage<Started[]>()
subscribe('child_process', (message) => startedBy.getStore()?.push((message as { process: ChildProcess }).process))

/** The folder of the database that a contender was started with. */
const folders = ({ spawnargs }: Started) => spawnargs.filter((argument) => argument.endsWith('database.db')).map(dirname)

/** What there still is of the processes, and of the folders of their databases. */
const left = (started: Started[]): string[] => [
  ...started.filter(({ pid }) => runs(pid as number)).map(({ pid, spawnargs }) => `${basename(spawnargs[1])} (${pid})`),
  ...new Set(started.flatMap(folders).filter(existsSync)),
]

/** Tells a story with contenders that play in no other. However it ends, they and its folder are gone by then. */
async function tell<Name extends string>(cast: Record<Name, Setting>, script: (cast: Record<Name, Contender>) => Promise<void>) {
  const started: Started[] = []
  const debutants = Object.entries<Setting>(cast).map(([name, setting]) => [name, { program: 'contender.ts', ...setting }])
  try {
    return await startedBy.run(started, () => contend('delete', Object.fromEntries(debutants) as typeof cast, script))
  } finally {
    const contenders = started.filter((process) => folders(process).length > 0)
    expect(contenders).toHaveLength(Object.keys(cast).length)
    expect(left(contenders)).toEqual([])
  }
}

/** Makes the referee impatient with what it does next, and with nothing else. */
function hurry(): void {
  Child.patience = 10
  process.nextTick(() => {
    Child.patience = patience
  })
}

/** Resolves to what the first message with this key says, whatever else is said before. */
const said = <What>(output: Readable, key: string) =>
  new Promise<What>((resolve) => {
    createInterface({ input: output }).on('line', (line) => line.startsWith(`{"${key}":`) && resolve(JSON.parse(line)[key]))
  })

/** Runs a program of `fixtures/` for somebody who types these lines, and then Ctrl-D. */
const byHand = (lines: string, program: string, ...args: string[]) =>
  execa(process.execPath, [fixtures + program, ...args], { input: lines, reject: false })

/** Has a command tell the unfinished story, ends it in the middle, and sees everything go that it has started. */
async function cutShort(command: string[], end: (pid: number) => void = () => {}) {
  const runner = execa(process.execPath, command, { detached: !withoutSignals, reject: false })
  const early = runner.then(({ stderr }) => Promise.reject(new Error(stderr)))
  const started = await Promise.race([said<Started[]>(runner.stdout, 'started'), early])
  expect(started).toHaveLength(4)
  end(runner.pid as number)
  await vi.waitFor(() => expect(left(started)).toEqual([]), { timeout: 10_000, interval: 10 })
  return runner
}

const first: Setting = { timeout: 0 }
const holder: Setting = { timeout: 5_000 }
const waiter: Setting = { timeout: 5_000 }
const rogue: Setting = { timeout: 0, program: 'miscreant.ts' }

describe.concurrent('A story in which something goes wrong', { timeout: 30_000 }, () => {
  describe('when a contender goes away', () => {
    test('the referee names the contender whose program is missing', async () => {
      const story = tell({ absent: { timeout: 0, program: 'no-such-program.ts' } }, async ({ absent }) => {
        await absent`BEGIN`
      })
      await expect(story).rejects.toThrow(
        /^absent ended with exit code 1 during its start\n.*Cannot find module .*no-such-program/s,
      )
    })
    test('the referee passes on why a contender cannot start', async () => {
      const story = tell({ first: { timeout: 0.5 } }, async ({ first }) => {
        await first`BEGIN`
      })
      await expect(story).rejects.toThrow(
        /^first ended with exit code 2 during its start\n.*--timeout takes whole milliseconds, not '0.5'$/,
      )
    })
    test('the referee names the statement in which a contender exits', async () => {
      const story = tell({ rogue }, async ({ rogue }) => {
        await rogue`exit with code 7`
      })
      await expect(story).rejects.toThrow('rogue ended with exit code 7 during `exit with code 7`')
    })
    test.skipIf(withoutSignals)('the referee names the statement in which a contender is killed', async () => {
      const story = tell({ rogue }, async ({ rogue }) => {
        await rogue`be killed`
      })
      await expect(story).rejects.toThrow('rogue was killed by SIGKILL during `be killed`')
    })
    test('the referee notices a contender that leaves between two statements', async () => {
      const story = tell({ rogue }, async ({ rogue }) => {
        await rogue`answer, and leave`
        await new Promise(() => {})
      })
      await expect(story).rejects.toThrow('rogue ended with exit code 0 after `answer, and leave`')
    })
    test('the referee notices a contender that ends badly after the last statement', async () => {
      const story = tell({ rogue }, async ({ rogue }) => {
        await rogue`answer, and end with code 7`
      })
      await expect(story).rejects.toThrow('rogue ended with exit code 7 after `answer, and end with code 7`')
    })
    test('the referee does not wait forever for a contender that stays after the last statement', async () => {
      const story = tell({ rogue }, async ({ rogue }) => {
        await rogue`answer, and stay`
        hurry()
      })
      await expect(story).rejects.toThrow('rogue did not end when its input did')
    })
  })

  describe.skipIf(withoutSignals)('when a contender is killed by the story itself', () => {
    test('the referee does not take that for an accident', async () => {
      const story = await tell({ first, other: first }, async ({ first, other }) => {
        await first`BEGIN IMMEDIATE`
        await first.signal('SIGKILL')
        await other`BEGIN IMMEDIATE`
      })
      expect(timelineOf(story).split('\n').slice(2)).toEqual([
        expect.stringMatching(/^first {2}BEGIN IMMEDIATE {2}SQLITE_OK/),
        'first  (SIGKILL)',
        expect.stringMatching(/^other {2}BEGIN IMMEDIATE {2}SQLITE_OK/),
      ])
    })
    test('the referee calls unknown what became of the statement that a contender is killed in', async () => {
      const story = await tell({ holder, waiter }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        await waiter`BEGIN IMMEDIATE`.blocks()
        await waiter.signal('SIGKILL')
        await holder`COMMIT`
      })
      expect(timelineOf(story)).toMatch(
        /\nwaiter {2}BEGIN IMMEDIATE +waits\nwaiter {2}\(SIGKILL\)\nwaiter {2}… BEGIN IMMEDIATE +unknown\n/,
      )
    })
    test('the referee does not let a script await what a contender was killed in', async () => {
      const story = tell({ holder, waiter }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        const turn = waiter`BEGIN IMMEDIATE`
        await turn.blocks()
        await waiter.signal('SIGKILL')
        await turn
      })
      await expect(story).rejects.toThrow('waiter was killed during `BEGIN IMMEDIATE`, and never told what became of it')
    })
    test('the referee does not let a script take the death of a contender for an answer', async () => {
      const story = tell({ holder, waiter }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        const turn = waiter`BEGIN IMMEDIATE`
        await turn.blocks()
        const begin = turn.then(null, () => 'refused')
        await waiter.signal('SIGKILL')
        await begin
      })
      await expect(story).rejects.toThrow('waiter was killed during `BEGIN IMMEDIATE`, and never told what became of it')
    })
    test('the referee does not let a story kill a contender that may be anywhere in its statement', async () => {
      const story = tell({ holder, waiter }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        waiter`BEGIN IMMEDIATE`
        await waiter.signal('SIGKILL')
      })
      await expect(story).rejects.toThrow('waiter is not known to wait in `BEGIN IMMEDIATE`, and would be killed anywhere in it')
    })
    test('the referee does not let the dead run a statement', async () => {
      const story = tell({ first }, async ({ first }) => {
        await first`BEGIN IMMEDIATE`
        await first.signal('SIGKILL')
        await first`COMMIT`
      })
      await expect(story).rejects.toThrow('first was killed and cannot run `COMMIT`')
    })
    test('the referee does not let the dead go on', async () => {
      const story = tell({ first }, async ({ first }) => {
        await first`BEGIN IMMEDIATE`
        await first.signal('SIGKILL')
        await first.signal('SIGCONT')
      })
      await expect(story).rejects.toThrow('first was killed and cannot get SIGCONT')
    })
  })

  describe('when a contender answers something else', () => {
    test('the referee does not take nonsense for an answer', async () => {
      const story = tell({ rogue }, async ({ rogue }) => {
        await rogue`mumble`
      })
      await expect(story).rejects.toThrow('rogue answered `mumble` with nonsense: once upon a time')
    })
    test('the referee does not take an object without a result code for an answer', async () => {
      const story = tell({ rogue }, async ({ rogue }) => {
        await rogue`answer without a code`
      })
      await expect(story).rejects.toThrow('rogue answered `answer without a code` with nonsense: {"n":0}')
    })
    test('the referee does not take two answers to one statement', async () => {
      const story = tell({ rogue }, async ({ rogue }) => {
        await rogue`answer twice`
      })
      await expect(story).rejects.toThrow('rogue spoke unasked after `answer twice`: {"code":"SQLITE_OK"')
    })
    test('the referee does not listen to a contender that speaks unasked', async () => {
      const story = tell({ rogue }, async ({ rogue }) => {
        await rogue`answer, and have the last word`
      })
      await expect(story).rejects.toThrow('rogue spoke unasked after `answer, and have the last word`: {"code":"SQLITE_OK"')
    })
    test('the referee loses patience with a contender that never answers', async () => {
      const story = tell({ rogue }, async ({ rogue }) => {
        hurry()
        await rogue`answer nothing`
      })
      await expect(story).rejects.toThrow('rogue never answered `answer nothing`: it had 0 ms for it, and 10 ms of patience')
    })
  })

  describe('when the SQL is wrong', () => {
    test('the referee does not take misspelt SQL for a refusal', async () => {
      const story = tell({ first }, async ({ first }) => {
        await first`SELECT n FROM conter`
      })
      await expect(story).rejects.toThrow('first cannot run `SELECT n FROM conter`: SQLITE_ERROR: no such table: conter')
    })
    test('the referee takes an error for an answer where the story is about that error', async () => {
      let misspelt: Outcome | undefined
      await tell({ first }, async ({ first }) => {
        misspelt = await first`SELECT n FROM conter`.mayAnswer('SQLITE_ERROR')
      })
      expect(misspelt).toMatchObject({ code: 'SQLITE_ERROR', message: 'no such table: conter', rows: [], inTransaction: false })
    })
    test('the referee does not take an error for an answer where the story is about another', async () => {
      const story = tell({ first }, async ({ first }) => {
        await first`SELECT n FROM conter`.mayAnswer('SQLITE_READONLY')
      })
      await expect(story).rejects.toThrow('first cannot run `SELECT n FROM conter`: SQLITE_ERROR: no such table: conter')
    })
    test('the referee does not take two statements for one', async () => {
      const story = tell({ first }, async ({ first }) => {
        await first`BEGIN; COMMIT`
      })
      await expect(story).rejects.toThrow('first cannot run `BEGIN; COMMIT`: RangeError: ')
    })
    test('the referee does not take SQL with a value put into it', async () => {
      const story = tell({ first }, async ({ first }) => {
        // @ts-expect-error: the types do not take it either
        await first`UPDATE counter SET n = ${1}`
      })
      await expect(story).rejects.toThrow(/^first: spell the SQL out.*`UPDATE counter SET n = …$/)
    })
    test('the referee does not wait for a script to await what went wrong', async () => {
      const story = tell({ first }, async ({ first }) => {
        first`SELECT n FROM conter`
        await new Promise(() => {})
      })
      await expect(story).rejects.toThrow('first cannot run `SELECT n FROM conter`: SQLITE_ERROR: no such table: conter')
    })
    test('the referee does not let a script catch what went wrong', async () => {
      const story = tell({ first }, async ({ first }) => {
        await first`SELECT n FROM conter`.then(null, () => 'never mind')
      })
      await expect(story).rejects.toThrow('first cannot run `SELECT n FROM conter`: SQLITE_ERROR: no such table: conter')
    })
  })

  describe('when the script is careless', () => {
    test('the referee does not let a script forget a statement', async () => {
      const story = tell({ holder, waiter }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        await waiter`BEGIN IMMEDIATE`.blocks()
      })
      await expect(story).rejects.toThrow("the story ends without awaiting what became of waiter's `BEGIN IMMEDIATE`")
    })
    test('the referee does not let a script end while a statement waits', async () => {
      const story = tell({ holder, waiter }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        await Promise.race([waiter`BEGIN IMMEDIATE`, holder`SELECT n FROM counter`])
      })
      await expect(story).rejects.toThrow('the story ends while waiter is still in `BEGIN IMMEDIATE`')
    })
    test('the referee does not let a contender run a statement while it waits in another', async () => {
      const story = tell({ holder, waiter }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        await Promise.all([waiter`BEGIN IMMEDIATE`, waiter`COMMIT`])
      })
      await expect(story).rejects.toThrow('waiter is still in `BEGIN IMMEDIATE` and cannot run `COMMIT`')
    })
    test('the referee does not believe that a statement waits', async () => {
      const story = tell({ first }, async ({ first }) => {
        const begin = first`BEGIN IMMEDIATE`
        await begin.blocks()
        await begin
      })
      await expect(story).rejects.toThrow('first does not wait in `BEGIN IMMEDIATE`: it answered SQLITE_OK')
    })
    test('the referee misses a contender that never acts', async () => {
      const story = tell({ first, idle: { timeout: 0 } }, async ({ first }) => {
        await first`BEGIN`
      })
      await expect(story).rejects.toThrow('idle has no statement in the story')
    })
    test('the referee passes on what a script throws', async () => {
      const story = tell({ first }, async ({ first }) => {
        await first`BEGIN`
        throw new Error('the author has lost the thread')
      })
      await expect(story).rejects.toThrow('the author has lost the thread')
    })
  })
})

describe.concurrent('What a story leaves behind', { timeout: 30_000 }, () => {
  test('a story told to its end leaves no contender and no folder', async () => {
    const story = await tell({ holder, waiter }, async ({ holder, waiter }) => {
      await holder`BEGIN IMMEDIATE`
      const turn = waiter`BEGIN IMMEDIATE`
      await turn.blocks()
      await holder`COMMIT`
      await turn
    })
    expect(story.moments.at(-1)?.outcome?.code).toBe('SQLITE_OK')
  })
  test('a story that fails while the waiter is inside SQLite leaves no contender and no folder', async () => {
    const story = tell({ holder, waiter, rogue }, async ({ holder, waiter, rogue }) => {
      await holder`BEGIN IMMEDIATE`
      const turn = waiter`BEGIN IMMEDIATE`
      await turn.blocks()
      await rogue`exit with code 7`
    })
    await expect(story).rejects.toThrow('rogue ended with exit code 7 during `exit with code 7`')
  })
  test('a story that outlives its time-out in Vitest leaves no process and no folder', async () => {
    const run = await cutShort([...chapter, '--hookTimeout', '1'])
    expect(run).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('Hook timed out in 1ms') })
  })
  test.skipIf(withoutSignals)('a story that Ctrl-C ends in Vitest leaves no process and no folder', async () => {
    const run = await cutShort([...chapter, '--hookTimeout', '60000'], (pid) => process.kill(-pid, 'SIGINT'))
    expect(run).toMatchObject({ exitCode: 130 })
  })
  test('a story whose runner exits in the middle leaves no process and no folder', async () => {
    const run = await cutShort([unfinished, 'exit'])
    expect(run).toMatchObject({ exitCode: 0 })
  })
  test.skipIf(withoutSignals)('a story whose terminal is closed leaves no process and no folder', async () => {
    const run = await cutShort([unfinished], (pid) => process.kill(-pid, 'SIGHUP'))
    expect(run).toMatchObject({ signal: 'SIGHUP' })
  })
  test.skipIf(withoutSignals)('a story whose runner is told to terminate leaves no process and no folder', async () => {
    const run = await cutShort([unfinished], (pid) => process.kill(pid, 'SIGTERM'))
    expect(run).toMatchObject({ signal: 'SIGTERM' })
  })
  test.skipIf(withoutSignals)('a story whose runner is killed without warning leaves no process and no folder', async () => {
    const run = await cutShort([unfinished], (pid) => process.kill(pid, 'SIGKILL'))
    expect(run).toMatchObject({ signal: 'SIGKILL' })
  })
  test.skipIf(withoutSignals)(
    'a dialogue of stacks whose runner is killed without warning leaves no process and no folder',
    async () => {
      const run = await cutShort([unfinished, 'stacks'], (pid) => process.kill(pid, 'SIGKILL'))
      expect(run).toMatchObject({ signal: 'SIGKILL' })
    },
  )
  test.skipIf(!tellsProcesses)(
    'a story whose runner is killed while the holder is stopped leaves no process and no folder',
    async () => {
      const run = await cutShort([unfinished, 'stop'], (pid) => process.kill(pid, 'SIGKILL'))
      expect(run).toMatchObject({ signal: 'SIGKILL' })
    },
  )
})

describe('A contender that has played well', () => {
  /** Tells a story of two; how many processes it has started. */
  async function told(
    script = async ({ first, other }: Record<'first' | 'other', Contender>) => {
      await first`BEGIN IMMEDIATE`
      await other`BEGIN IMMEDIATE`
    },
  ) {
    const started: Started[] = []
    await startedBy.run(started, () => contend('wal', { first, other: first }, script))
    return started.length
  }
  beforeAll(() => told())

  test('it plays in the next story as well, and no process is started for it', async () => {
    expect(await told()).toBe(0)
  })
  test.skipIf(!tellsProcesses)('it has let go of the database, and of its folder (needs /proc)', () => {
    const open = waiting().flatMap((pid) =>
      [`cwd`, ...readdirSync(`/proc/${pid}/fd`).map((fd) => `fd/${fd}`)].map((file) => readlinkSync(`/proc/${pid}/${file}`)),
    )
    expect(open.filter((file) => file.includes('database-is-locked-'))).toEqual([])
  })
  test.skipIf(withoutSignals)('it has to have been left alone: one that was stopped plays no more', async () => {
    const before = waiting()
    await told(async ({ first, other }) => {
      await first`BEGIN`
      await first.signal('SIGSTOP')
      await first.signal('SIGCONT')
      await other`BEGIN`
    })
    const after = waiting()
    expect(before.filter((pid) => !after.includes(pid))).toHaveLength(1)
  })
  test('it has to have played well: after a story that fails, nobody comes again', async () => {
    await told()
    const before = waiting()
    await expect(told(() => Promise.reject(new Error('the author has lost the thread')))).rejects.toThrow()
    const after = waiting()
    expect([before.length - after.length, after.filter((pid) => !before.includes(pid))]).toEqual([2, []])
  })
})

describe.concurrent('A program run by hand', { timeout: 30_000 }, () => {
  test('a contender wants a database', async () => {
    const run = await byHand('', 'contender.ts')
    expect(run).toMatchObject({ exitCode: 2, stderr: 'contender.ts: it takes one argument, the database' })
  })
  test('a contender wants its timeout in whole milliseconds', async () => {
    const run = await byHand('', 'contender.ts', ':memory:', '--timeout', 'soon')
    expect(run).toMatchObject({ exitCode: 2, stderr: "contender.ts: --timeout takes whole milliseconds, not 'soon'" })
  })
  test('a contender does not guess what an unknown option means', async () => {
    const run = await byHand('', 'contender.ts', ':memory:', '--patience', '5000')
    expect(run).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/^contender\.ts: Unknown option '--patience'\..*$/) })
  })
  test('a contender knows two drivers', async () => {
    const run = await byHand('', 'contender.ts', ':memory:', '--driver', 'sqlite3')
    const stderr = "contender.ts: --driver takes better-sqlite3 or node:sqlite, not 'sqlite3'"
    expect(run).toMatchObject({ exitCode: 2, stderr })
  })
  test('the specification knows two drivers', async () => {
    const run = await execa(process.execPath, [vitest, 'run'], { env: { DRIVER: 'sqlite3' }, reject: false })
    expect(run).toMatchObject({ exitCode: 1, stderr: "DRIVER is better-sqlite3 or node:sqlite, not 'sqlite3'." })
  })
  test('a contender says that the folder of its database does not exist', async () => {
    const run = await byHand('', 'contender.ts', 'no-such-folder/counter.db')
    const stderr = 'contender.ts: Cannot open database because the directory does not exist'
    expect(run).toMatchObject({ exitCode: 2, stderr })
  })
  test('a contender answers a line it does not understand with what is wrong, and goes on', async () => {
    const run = await byHand('hello\n{"query":"BEGIN"}\n{"sql":"BEGIN"}\n', 'contender.ts', ':memory:')
    expect(run).toMatchObject({ exitCode: 0, stderr: '' })
    expect(run.stdout.split('\n').map((line) => JSON.parse(line))).toMatchObject([
      { ready: true },
      { code: 'SyntaxError', message: expect.stringContaining('"hello" is not valid JSON') },
      { code: 'TypeError', message: 'no SQL in {"query":"BEGIN"}' },
      { code: 'SQLITE_OK', inTransaction: true },
    ])
  })
  test('the maker of databases says which wish it cannot fulfil, and leaves no folder', async () => {
    const run = await byHand('{"make":[]}\n{"make":["CREATE TABEL counter (n)"]}\n', 'fresh-database.ts')
    const stderr = 'fresh-database.ts: {"make":["CREATE TABEL counter (n)"]} cannot be fulfilled: near "TABEL": syntax error'
    expect(run).toMatchObject({ exitCode: 1, stderr })
    expect(existsSync(dirname(JSON.parse(run.stdout.split('\n')[1]).made))).toBe(false)
  })
  test('the maker of databases leaves no folder when nobody listens to it any more', async () => {
    const maker = execa(process.execPath, [`${fixtures}fresh-database.ts`], { buffer: false, reject: false })
    maker.stdin.write('{"make":[]}\n')
    const made = await said<string>(maker.stdout, 'made')
    maker.stdout.destroy()
    maker.stdin.end('{"make":[]}\n')
    await maker
    expect(existsSync(dirname(made))).toBe(false)
  })
})

describe.concurrent('A place of the matrix', { timeout: 300_000 }, () => {
  const chapter = '68-retries.test.ts'
  const host = { program: process.execPath, driver: 'better-sqlite3' }

  test.skipIf(withoutSignals)('the stories of a place are told by its own runtime', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'database-is-locked-'))
    const program = join(folder, 'another-node')
    const version = "data:text/javascript,Object.defineProperty(process,'versions',{value:{node:'1.2.3'}})"
    writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' --import "${version}" "$@"\n`, { mode: 0o755 })
    try {
      const another = { ...host, program }
      const name = await nameOf(another)
      expect(name).toMatch(/^Node 1\.2\.3 · better-sqlite3 /)
      const sights = await look(another, name, [chapter])
      expect(new Set(sights.flatMap(({ places }) => places))).toEqual(new Set([name]))
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
  test('a place cannot be seen if its stories are told in another runtime', async () => {
    const name = await nameOf(host)
    const wrong = name.replace(process.versions.node, '1.2.3')
    await expect(look(host, wrong, [chapter])).rejects.toThrow(`was told in ${name}, not in ${wrong}`)
  })
  test('a place cannot be seen if its stories are told with another library', async () => {
    const [name, wrong] = await Promise.all([host, { ...host, driver: 'node:sqlite' }].map(nameOf))
    await expect(look(host, wrong, [chapter])).rejects.toThrow(`was told in ${name}, not in ${wrong}`)
  })
  test('a place cannot be seen if a chapter has told no claims', async () => {
    const sights = look(host, await nameOf(host), [chapter, '00-nothing.test.ts'])
    await expect(sights).rejects.toThrow('tests/00-nothing.test.ts has told no claims')
  })
  test('the matrix knows the chapters that there are', async () => {
    const run = await byHand('', 'matrix.ts', 'nonsense')
    expect(run).toMatchObject({ exitCode: 2, stderr: "error: there is no chapter 'nonsense'" })
  })
})
