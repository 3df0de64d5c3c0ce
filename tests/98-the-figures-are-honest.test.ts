/**
 * `npm run bench` measures how much, and how far one writer goes. Its figures are no tests: they are those of a machine. These are the
 * sentences about what must be so on every machine: how the figures are made, kept, drawn and told.
 *
 * https://sqlite.org/whentouse.html
 */
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hold, law } from '../helpers/bench/hold.ts'
import { howMuch, retold } from '../helpers/bench/how-much.ts'
import { noise } from '../helpers/bench/machine.ts'
import { machinery, pairs, ratios } from '../helpers/bench/machinery.ts'
import { page } from '../helpers/bench/page.ts'
import { inTurns, measure } from '../helpers/bench/run.ts'
import type { Batch, Data, Run, Section, Size } from '../helpers/bench/section.ts'
import { chosen, sections } from '../helpers/bench/sections.ts'
import { jain, median, quantile, spread, unrest } from '../helpers/bench/statistics.ts'
import { type Outcome, type Race, Writers } from '../helpers/bench/writers.ts'
import { Child } from '../helpers/child.ts'
import { freshCounter } from '../helpers/fresh-database.ts'
import { processesOf, tellsProcesses } from '../helpers/kernel.ts'

const kept = async (name: string): Promise<Data> =>
  JSON.parse(await readFile(new URL(`bench/${name}.json`, import.meta.url), 'utf8'))

describe('Statistics', () => {
  test('the median of an even count lies between the two in the middle', () => {
    expect([median([3, 1, 2]), median([4, 1, 3, 2])]).toEqual([2, 2.5])
  })
  test('of a hundred and one numbers from 0 to 100, a quantile is its own percentage', () => {
    const numbers = Array.from({ length: 101 }, (_, i) => 100 - i)
    expect([0, 0.5, 0.99, 0.999, 1].map((share) => quantile(numbers, share))).toEqual([0, 50, 99, 99.9, 100])
  })
  test('a spread reaches from the least to the most', () => {
    expect(spread([5, 1, 3])).toEqual({ least: 1, median: 3, most: 5 })
  })
  test("Jain's index is 1 where all have the same, and 1/8 where one of eight has everything", () => {
    expect([jain([7, 7, 7]), jain([0, 0, 9, 0, 0, 0, 0, 0])]).toEqual([1, 1 / 8])
  })
  test('numbers whose middle half is as far apart as they are large have an unrest of 1', () => {
    expect([unrest([10, 10, 10]), unrest([5, 5, 10, 15, 15])]).toEqual([0, 1])
  })
})

describe('A race', () => {
  describe('when three processes hold the lock for 20 ms each time, for half a second', () => {
    const writers = new Writers()
    let outcome: Outcome

    beforeAll(async () => {
      const strategy = { begin: 'BEGIN IMMEDIATE', timeout: 10_000, retry: 0 } as const
      outcome = await writers.race({ journal: 'wal', synchronous: 'full', writers: 3, strategy, work: 20, lasts: 500 })
    })
    afterAll(() => writers.kill())

    test('they commit no more than the law allows: one every 20 ms, all together', () => {
      expect(law(20)).toBe(50)
      expect(outcome.perSecond).toBeLessThanOrEqual(law(20))
    })
    test('no two of their commits are less than 20 ms apart', () => {
      const committed = outcome.shares.flatMap(({ committed }) => committed).toSorted((one, other) => one - other)
      const gaps = committed.slice(1).map((when, i) => when - committed[i])
      expect(Math.min(...gaps)).toBeGreaterThan(19)
    })
    test('nobody is refused', () => {
      expect(outcome.refused).toBe(0)
    })
  })

  test('a writer has the settings that it is told: synchronous FULL is 2, NORMAL is 1, and its busy timeout', async () => {
    const writer = new Child('a writer', 'writer.ts')
    await writer.ready
    const { file, remove } = await freshCounter('wal')
    const opened = async (timeout: number, synchronous: string) => {
      const settings = await writer.ask({ open: file, timeout, synchronous }, 'the opening')
      await writer.ask({ close: true }, 'the closing')
      return settings
    }
    expect([await opened(5_000, 'full'), await opened(0, 'normal')]).toEqual([
      { opened: true, synchronous: 2, timeout: 5_000 },
      { opened: true, synchronous: 1, timeout: 0 },
    ])
    await writer.end()
    await remove()
  })
  test('a race is rejected when a process confirms what it has not done', async () => {
    const writers = new Writers('boaster.ts')
    const strategy = { begin: 'BEGIN IMMEDIATE', timeout: 0, retry: 0 } as const
    try {
      await expect(writers.race({ journal: 'wal', synchronous: 'full', writers: 2, strategy, lasts: 1 })).rejects.toThrow(
        '2 changes were confirmed, and n is 0',
      )
    } finally {
      await writers.kill()
    }
  })
  test('of three changes that arrive together, a process that writes for all others makes three commits, or one where it groups', async () => {
    const writer = new Child('the sole writer', 'sole-writer.ts')
    await writer.ready
    const commits = async (group: boolean) => {
      const { file, remove } = await freshCounter('wal')
      const { port } = await writer.ask({ open: file, synchronous: 'full', group, work: 0 }, 'the opening')
      const socket = connect(port as number, '127.0.0.1')
      socket.write('123')
      for (let answers = 0; answers < 3; ) answers += (await once(socket, 'data'))[0].length
      socket.destroy()
      const total = await writer.ask({ total: true }, 'the total')
      await writer.ask({ close: true }, 'the closing')
      await remove()
      return total
    }
    try {
      expect([await commits(false), await commits(true)]).toMatchObject([
        { n: 3, commits: 3 },
        { n: 3, commits: 1 },
      ])
      await writer.end()
    } finally {
      await writer.kill()
    }
  })
})

describe('A section', () => {
  const order: string[] = []
  const batch = (name: string, setting = name): Batch => ({
    settings: [{ name: setting }],
    run: async () => [{ figure: order.push(name) }],
  })

  test('its cases are run in turns: A B C A B C', async () => {
    order.length = 0
    const runs = await inTurns([batch('A'), batch('B'), batch('C')], 2, () => {})
    expect(order.join(' ')).toBe('A B C A B C')
    expect(runs).toEqual([[[{ figure: 1 }, { figure: 4 }]], [[{ figure: 2 }, { figure: 5 }]], [[{ figure: 3 }, { figure: 6 }]]])
  })
  test('its data keep all runs, the versions, the machine, and what always takes the same', async () => {
    order.length = 0
    const section = {
      name: 'made up',
      rounds: { quick: 2 },
      prepare: async () => ({ batches: [batch('A'), batch('B'), batch('A')], close: async () => {} }),
    } as unknown as Section
    const data = await measure(
      section,
      'quick',
      new Writers(),
      () => {},
      () => {},
    )
    expect(data.cases).toEqual([
      { setting: { name: 'A' }, runs: [{ figure: 1 }, { figure: 4 }, { figure: 3 }, { figure: 6 }] },
      { setting: { name: 'B' }, runs: [{ figure: 2 }, { figure: 5 }] },
    ])
    expect(Object.keys(data.versions)).toEqual(['node', 'better-sqlite3', 'SQLite'])
    expect(Object.keys(data.machine)).toEqual(['cores', 'model', 'kernel', 'fileSystem', 'fsync'])
    expect([data.reference.work.length, data.reference.fsync.length]).toEqual([7, 7])
  })
})

describe('The races of a section', () => {
  const share = { confirmed: 3, refused: 1, committed: [1, 2, 3], took: [1, 1, 1], unfinished: 4_000, cpu: 1 }

  /** Each setting of a section, with the race that it is, and what came of it, where writers only note what they are told. */
  async function races(name: string, size: Size) {
    const noted: Race[] = []
    const race = async (one: Race) => {
      noted.push(one)
      return { perSecond: 1, until: 9, refused: 1, slowest: 4_000, cpu: 1, shares: [share, share] }
    }
    const [section] = chosen([name])
    const { batches } = await section.prepare(size, { race } as unknown as Writers)
    const runs: Run[] = []
    for (const { settings, run } of batches) if (settings.every(({ hash }) => !hash)) runs.push(...(await run()))
    const settings = batches.flatMap(({ settings }) => settings).filter(({ hash }) => !hash)
    return settings.map((setting, i) => ({ setting, race: noted[i], run: runs[i] }))
  }
  const both = async (name: string) => [...(await races(name, 'quick')), ...(await races(name, 'full'))]
  const range = (numbers: unknown[]) => [Math.min(...(numbers as number[])), Math.max(...(numbers as number[]))]

  test('ceiling: each strategy is what it is called, in the journal, with the fsync and the processes that the table names', async () => {
    const called: Record<string, Race['strategy']> = {
      'one process alone': { begin: 'BEGIN IMMEDIATE', timeout: 5_000, retry: 0 },
      'BEGIN, retried at once': { begin: 'BEGIN', timeout: 5_000, retry: 0 },
      'BEGIN IMMEDIATE, timeout 5 s': { begin: 'BEGIN IMMEDIATE', timeout: 5_000, retry: 0 },
      'BEGIN IMMEDIATE, retried every 1 ms': { begin: 'BEGIN IMMEDIATE', timeout: 0, retry: 1 },
      'fed to one process': { fed: 'one by one' },
      'fed to one process, in groups': { fed: 'in groups' },
    }
    for (const { setting, race } of await both('ceiling')) {
      const { strategy, beside, ...rest } = setting
      expect(race).toMatchObject({ ...rest, strategy: called[strategy] })
    }
  })
  test('ceiling: from 1 to 64 processes in full, and 1 and 8 of them quickly', async () => {
    expect(range((await races('ceiling', 'full')).map(({ setting }) => setting.writers))).toEqual([1, 64])
    expect([...new Set((await races('ceiling', 'quick')).map(({ setting }) => setting.writers))]).toEqual([1, 8])
  })
  test('hold: the length of a transaction is how long it works, from 0 to 500 ms', async () => {
    const all = await both('hold')
    expect(all.map(({ race }) => race.work)).toEqual(all.map(({ setting }) => setting.length))
    expect(range(all.map(({ race }) => race.work))).toEqual([0, 500])
  })
  test('timeout: from 0 to 30 s in full, and all together want as much of the lock as is told', async () => {
    const all = await both('timeout')
    const wanted = ({ writers, work = 0, think = 0 }: Race) => (writers * work) / (work + think)
    expect(all.map(({ race }) => wanted(race))).toEqual(all.map(({ setting }) => expect.closeTo(setting.demand as number)))
    expect(all.map(({ race }) => race.strategy)).toMatchObject(all.map(({ setting: { timeout } }) => ({ timeout })))
    expect(range((await races('timeout', 'full')).map(({ setting }) => setting.timeout))).toEqual([0, 30_000])
  })
  test('fairness: who has waited in vain until the race was over has waited as well', async () => {
    for (const { run } of await both('fairness'))
      expect(run).toMatchObject({ unserved: 2, tail: expect.arrayContaining([expect.closeTo(3_999)]) })
  })
})

test('a pair is measured in turns, ours first, and its ratio is ours ÷ bare', async () => {
  const order: string[] = []
  const took = (name: string, figure: number) => async () => {
    order.push(name)
    return figure
  }
  const { settings, run } = pairs('start', 2, took('ours', 30), took('bare', 20))
  const runs = await run()
  expect([settings.map(({ of }) => of), runs, order.join(' ')]).toEqual([
    ['ours', 'bare'],
    [{ figure: 30 }, { figure: 20 }],
    'ours bare ours bare',
  ])
  const data = { ...(await kept('machinery')), cases: settings.map((setting, i) => ({ setting, runs: [runs[i]] })) }
  expect(ratios(data, 'start').median).toBe(1.5)
})

describe('A machine that is too noisy', () => {
  const quiet = { work: [10, 10, 10, 10, 10], fsync: [1, 1, 1, 1, 1], busy: 0.05 }

  test('a machine on which the same takes the same is quiet', () => {
    expect(noise({ reference: quiet })).toBeUndefined()
  })
  test('others that keep it busy are noise', () => {
    expect(noise({ reference: { ...quiet, busy: 0.5 } })).toBe('others kept it 50 % busy before it began')
  })
  test('a piece of work that takes now this, now that, is noise', () => {
    const reason = 'the middle half of 5 times of a piece of work that is always the same is 50 % of their median apart'
    expect(noise({ reference: { ...quiet, work: [10, 10, 10, 15, 15] } })).toBe(reason)
  })
  test('an fsync that takes now this, now that, is noise', () => {
    const reason = 'the middle half of 5 times of an fsync is 100 % of their median apart'
    expect(noise({ reference: { ...quiet, fsync: [1, 1, 1, 2, 2] } })).toBe(reason)
  })
  test('the picture and the page say then that nothing is to be concluded', async () => {
    const data = { ...(await kept('hold')), reference: { ...quiet, busy: 0.5 } }
    const shown = hold.show(data)
    expect(shown.pictures['bench-hold.svg']).toContain('>The machine was too noisy to conclude</text>')
    const told = page([{ section: hold, data, shown }])
    expect(told).toContain('**The machine was too noisy to conclude:** others kept it 50 % busy')
    expect(told).not.toContain('What you see')
  })
})

describe('The figures that are kept', () => {
  test('the data name of their machine the cores, the model, the kernel, the file system and an fsync, and no more', async () => {
    for (const { name } of sections) {
      const { machine, ...data } = await kept(name)
      expect(Object.keys(data)).toEqual(['section', 'size', 'date', 'versions', 'reference', 'cases'])
      expect(Object.keys(machine)).toEqual(['cores', 'model', 'kernel', 'fileSystem', 'fsync'])
      expect(machine.kernel).toMatch(/^\w+ \d+\.\d+$/)
    }
  })
  test('the pictures are those of the data', async () => {
    for (const section of sections)
      for (const [file, svg] of Object.entries(section.show(await kept(section.name)).pictures))
        expect(await readFile(new URL(`pictures/${file}`, import.meta.url), 'utf8'), file).toBe(svg)
  })
  test('the page is that of the data', async () => {
    const all = await Promise.all(
      sections.map(async (section) => {
        const data = await kept(section.name)
        return { section, data, shown: section.show(data) }
      }),
    )
    expect(await readFile(new URL('bench/README.md', import.meta.url), 'utf8')).toBe(page(all))
  })
  test('they are those of a quiet machine', async () => {
    for (const { name } of sections) expect([name, noise(await kept(name))]).toEqual([name, undefined])
  })
  test('the specification tells them as the page does, also when they have been measured anew', async () => {
    const before = await readFile(new URL('bench/README.md', import.meta.url), 'utf8')
    const chapters = ['10', '50', '55', '62', '63', '97']
    const specification = chapters.flatMap((chapter) => [`## ${chapter}`, ...howMuch(before, chapter)]).join('\n\n')
    const after = before.replaceAll('**What you see.** ', '**What you see.** Another figure. ')
    expect(retold(specification, before, after).match(/Another figure\./g)).toHaveLength(7)
    expect(retold(specification, before, before)).toBe(specification)
  })
  test('where npm cannot fetch autocannon, the table says so', async () => {
    const data = await kept('machinery')
    const cases = data.cases.filter(({ setting }) => setting.what !== 'users')
    expect(machinery.show({ ...data, cases }).rows).toContainEqual(
      expect.arrayContaining(['not compared: npm cannot fetch autocannon']),
    )
  })
})

describe('npm run bench', () => {
  const bench = (...options: string[]) => execa(process.execPath, ['fixtures/benchmark.ts', ...options], { reject: false })
  const refusal = async (...options: string[]) => {
    const { exitCode, stdout, stderr } = await bench(...options)
    return { exitCode, stdout, stderr }
  }

  test('a section that does not exist gets one sentence and exit code 2', async () => {
    const names = sections.map(({ name }) => name).join(', ')
    const stderr = `error: command-argument value 'speed' is invalid for argument 'section'. Allowed choices are ${names}.`
    expect(await refusal('speed')).toEqual({ exitCode: 2, stdout: '', stderr })
  })
  test('an option that does not exist gets one sentence, a suggestion, and exit code 2', async () => {
    const stderr = "error: unknown option '--ful'\n(Did you mean --full?)"
    expect(await refusal('--ful')).toEqual({ exitCode: 2, stdout: '', stderr })
  })
  test('to draw in full gets one sentence and exit code 2, for nothing is measured then', async () => {
    const stderr = "error: option '--draw' cannot be used with option '--full'"
    expect(await refusal('--draw', '--full')).toEqual({ exitCode: 2, stdout: '', stderr })
  })
  test('to draw a section gets one sentence and exit code 2, for all that is kept is drawn', async () => {
    const stderr = 'error: --draw draws all that is kept: it takes no section'
    expect(await refusal('--draw', 'hold')).toEqual({ exitCode: 2, stdout: '', stderr })
  })
  test('a folder that is none gets one sentence and exit code 2, before anything is measured', async () => {
    const stderr = 'error: nothing can be kept in package.json: it is no folder, or not yours'
    expect(await refusal('--to', 'package.json')).toEqual({ exitCode: 2, stdout: '', stderr })
  })
  test('sections are measured by name, and without one all that install nothing first: PostgreSQL is left out', () => {
    expect(chosen(['postgresql', 'hold']).map(({ name }) => name)).toEqual(['hold', 'postgresql'])
    const all = sections.map(({ name }) => name).filter((name) => name !== 'postgresql')
    expect(chosen([]).map(({ name }) => name)).toEqual(all)
  })
  test('--help lists the sections and the options, with exit code 0', async () => {
    const { exitCode, stdout } = await bench('--help')
    expect(stdout).toMatch(
      /ceiling:[\s\S]*hold:[\s\S]*timeout:[\s\S]*fairness:[\s\S]*queue:[\s\S]*readers:[\s\S]*machinery:[\s\S]*--full[\s\S]*--draw/,
    )
    expect(exitCode).toBe(0)
  })

  describe.skipIf(!tellsProcesses)('when Ctrl-C interrupts a section (needs /proc)', () => {
    let folder: string, results: string, exitCode: number | undefined, group: number, stdout: string, stderr: string

    beforeAll(async () => {
      const make = () => mkdtemp(join(tmpdir(), 'database-is-locked-'))
      folder = await make()
      results = await make()
      // A process group of its own, as a terminal gives it: Ctrl-C goes to every process in it.
      const options = { reject: false, detached: true, cleanup: false, env: { TMPDIR: folder } } as const
      const child = execa(process.execPath, ['fixtures/benchmark.ts', 'hold', '--to', results], options)
      group = child.pid as number
      for await (const line of child.iterable({ from: 'stderr' })) if (line.startsWith('hold: ')) process.kill(-group, 'SIGINT')
      ;({ exitCode, stdout, stderr } = await child)
    })
    afterAll(() => Promise.all([folder, results].map((each) => rm(each, { recursive: true }))))

    test('the command ends with exit code 130, and tells no result and no error', () => {
      expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 130, stdout: '', stderr: 'hold: 14 runs …' })
    })
    test('the command keeps nothing', async () => {
      expect(await readdir(results, { recursive: true })).toEqual(['bench', 'pictures'])
    })
    test('the command leaves no process behind', async () => {
      await expect.poll(() => processesOf(group), { timeout: 10_000 }).toEqual([])
    })
    test('the command leaves no file behind', async () => {
      await expect.poll(() => readdir(folder), { timeout: 10_000 }).toEqual([])
    })
  })
})
