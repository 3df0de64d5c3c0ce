import { availableParallelism } from 'node:os'
import { dot, line, ruleY } from '@observablehq/plot'
import pLimit from 'p-limit'
import { Child } from '../child.ts'
import { now } from '../clock.ts'
import { freshCounter, type JournalMode } from '../fresh-database.ts'
import { colour, picture, powersOfTen } from './chart.ts'
import { type Data, figures, type Section, type Shown, values } from './section.ts'
import { median, spread } from './statistics.ts'

const journals = { wal: 'write-ahead log', delete: 'rollback journal' } as const
const modes = Object.keys(journals) as JournalMode[]
const colours = { wal: colour.blue, delete: colour.orange }
const think = 2
const strategy = { begin: 'BEGIN IMMEDIATE', retry: 0, work: 0 }
const steps = 12

type Sum = { reads: number; median: number; most: number; slowest: number }

const of = (data: Data, readers: number, journal: string, writer: string, name: string) =>
  median(figures(data, { readers, journal, writer }, name))

export const readers: Section = {
  name: 'readers',
  compares:
    'reads a second and their latency beside one writer, write-ahead log against rollback journal; and the log behind a reader that does not end',
  rounds: { quick: 2, full: 5 },

  async prepare(size) {
    const crowds = size === 'quick' ? [1, 2, 8] : [1, 2, 4, 8, 16]
    const lasts = size === 'quick' ? 250 : 2_000
    const starts = pLimit(availableParallelism())
    const start = (name: string, program: string) => {
      const child = new Child(name, program)
      started.push(child)
      return child.ready.then(() => child)
    }
    const started: Child[] = []
    const [writer, ...children] = await Promise.all([
      start('the writer', 'writer.ts'),
      ...Array.from({ length: Math.max(...crowds) }, (_, i) => starts(() => start(`reader ${i}`, 'reader.ts'))),
    ])

    const on = async (
      journal: JournalMode,
      synchronous: 'full' | 'normal',
      count: number,
      act: (readers: Child[]) => Promise<{ confirmed: number; run: Record<string, number | number[]> }>,
    ) => {
      const { file, remove } = await freshCounter(journal)
      const some = children.slice(0, count)
      await writer.ask({ open: file, timeout: 30_000, synchronous }, 'the opening')
      await Promise.all(some.map((reader) => reader.ask({ open: file }, 'the opening')))
      const { confirmed, run } = await act(some)
      const { n } = await writer.ask({ total: true }, 'the total')
      await Promise.all([...some, writer].map((child) => child.ask({ close: true }, 'the closing')))
      await remove()
      if (n !== confirmed) throw new Error(`${confirmed} changes were confirmed, and n is ${n}`)
      return [run]
    }

    const crowd = (journal: JournalMode, count: number, isWritten: boolean) => ({
      settings: [{ readers: count, journal, writer: isWritten ? 'one' : 'none' }],
      run: () =>
        on(journal, 'full', count, async (some) => {
          // Also where nobody writes, somebody has written: to read beside an empty log takes longer.
          const began = now()
          const before = await writer.ask({ ...strategy, think: 0, from: began, until: began + 20 }, 'the first writing', 30_000)
          const from = now() + 10
          const turn = { from, until: from + lasts }
          const [written, ...sums] = await Promise.all([
            isWritten ? writer.ask({ ...strategy, think, ...turn }, 'its turn to write', 30_000 + lasts) : { committed: [] },
            ...some.map((reader) => reader.ask(turn, 'its turn to read', 30_000 + lasts)),
          ])
          const all = sums as Sum[]
          const committed = written.committed as number[]
          return {
            confirmed: committed.length + (before.confirmed as number),
            run: {
              perSecond: all.reduce((sum, { reads }) => sum + reads, 0) / (lasts / 1_000),
              median: median(all.map(({ median }) => median)),
              most: median(all.map(({ most }) => most)),
              slowest: Math.max(...all.map(({ slowest }) => slowest)),
              writes: committed.filter((when) => when <= turn.until).length / (lasts / 1_000),
            },
          }
        }),
    })
    const growth = (reader: 'none' | 'long') => ({
      settings: [{ growth: reader }],
      run: () =>
        on('wal', 'normal', 1, async ([child]) => {
          if (reader === 'long') await child.ask({ hold: true }, 'the long read')
          let confirmed = 0
          const [commits, bytes]: number[][] = [[], []]
          for (let step = 0; step < steps; step += 1) {
            const from = now()
            const { committed } = await writer.ask(
              { ...strategy, think: 0, from, until: from + lasts / 4 },
              'its turn to write',
              30_000,
            )
            confirmed += (committed as number[]).length
            commits.push(confirmed)
            bytes.push((await child.ask({ size: true }, 'the size')).bytes as number)
          }
          return { confirmed, run: { commits, bytes } }
        }),
    })
    const batches = [
      ...crowds.flatMap((count) =>
        [false, true].flatMap((isWritten) => modes.map((journal) => crowd(journal, count, isWritten))),
      ),
      growth('none'),
      growth('long'),
    ]
    return { batches, close: async () => void (await Promise.all(started.map((child) => child.kill()))) }
  },

  show(data): Shown {
    const crowds = values<number>(data, 'readers')
    const most = crowds.at(-1) as number
    const kept = (readers: number, journal: string) =>
      of(data, readers, journal, 'one', 'perSecond') / of(data, readers, journal, 'none', 'perSecond')
    const ranged = (readers: number, journal: string) => {
      const alone = figures(data, { readers, journal, writer: 'none' }, 'perSecond')
      const { least, most } = spread(
        figures(data, { readers, journal, writer: 'one' }, 'perSecond').map((reads, i) => reads / alone[i]),
      )
      return `${least.toFixed(2)} … ${most.toFixed(2)}`
    }
    const grown = (growth: string) => {
      const [{ runs }] = data.cases.filter(({ setting }) => setting.growth === growth)
      // The one that ends in the middle: half a run of each would be no run.
      const last = (run: (typeof runs)[number]) => (run.commits as number[]).at(-1) as number
      const run = runs.toSorted((one, other) => last(one) - last(other))[Math.floor(runs.length / 2)]
      return (run.commits as number[]).map((commits, i) => ({ commits, megabytes: (run.bytes as number[])[i] / 1e6 }))
    }
    const percent = (share: number) => `${Math.round(100 * share)} %`
    const [long, none] = ['long', 'none'].map(grown)
    const perCommit = ((long.at(-1)?.megabytes as number) * 1e6) / (long.at(-1)?.commits as number)
    const x = {
      type: 'log',
      base: 2,
      ticks: crowds,
      tickFormat: String,
      label: 'processes that read',
      labelAnchor: 'center',
    } as const
    const curve = (name: (readers: number, journal: string) => number) => (journal: JournalMode) => {
      const points = crowds.map((readers) => ({ readers, y: name(readers, journal) }))
      return [
        line(points, { x: 'readers', y: 'y', stroke: colours[journal], strokeWidth: 2 }),
        dot(points, { x: 'readers', y: 'y', fill: colours[journal], r: 4 }),
      ]
    }
    const latency = (readers: number, journal: string) => of(data, readers, journal, 'one', 'most')
    const label = (name: (readers: number, journal: string) => number) =>
      modes.map((journal) => ({ x: most, y: name(most, journal), words: journals[journal], colour: colours[journal] }))
    return {
      head: [
        'readers',
        'journal',
        'reads/s alone',
        'beside a writer',
        '÷ alone',
        'least … most',
        'median ms',
        '99.9 % ms',
        'slowest ms',
        'writes/s',
      ],
      rows: [
        ...crowds.flatMap((readers) =>
          modes.map((journal) => [
            readers,
            journals[journal],
            Math.round(of(data, readers, journal, 'none', 'perSecond')),
            Math.round(of(data, readers, journal, 'one', 'perSecond')),
            kept(readers, journal).toFixed(2),
            ranged(readers, journal),
            of(data, readers, journal, 'one', 'median').toPrecision(2),
            latency(readers, journal).toPrecision(2),
            of(data, readers, journal, 'one', 'slowest').toFixed(1),
            Math.round(of(data, readers, journal, 'one', 'writes')),
          ]),
        ),
      ],
      pictures: {
        'bench-readers.svg': picture(data, {
          title: `Beside one writer, ${most} readers keep ${percent(kept(most, 'wal'))} of their reads with the write-ahead log, ${percent(kept(most, 'delete'))} with the rollback journal`,
          subtitle: `One writer pauses for ${think} ms after each commit; readers read one row, one after the other. Right: no pause, and a reader that stays in its transaction`,
          columns: 3,
          room: 140,
          panels: [
            {
              heading: 'Reads a second, ÷ those without a writer',
              options: {
                width: 300,
                x,
                y: {
                  domain: [0, Math.max(1.2, ...crowds.flatMap((readers) => modes.map((journal) => kept(readers, journal))))],
                  label: 'beside a writer ÷ alone',
                  grid: true,
                },
                marks: [ruleY([1], { stroke: colour.ink, strokeDasharray: '4 3' }), ...modes.flatMap(curve(kept))],
              },
              labels: label(kept),
            },
            {
              heading: 'Of a thousand reads, the slowest but one',
              options: {
                width: 300,
                x,
                y: powersOfTen(
                  crowds.flatMap((readers) => modes.map((journal) => latency(readers, journal))),
                  'ms',
                ),
                marks: modes.flatMap(curve(latency)),
              },
              labels: label(latency),
            },
            {
              heading: 'The write-ahead log behind a reader',
              options: {
                width: 300,
                x: { label: 'commits', labelAnchor: 'center', ticks: 4 },
                y: { domain: [0, Math.max(...[...long, ...none].map(({ megabytes }) => megabytes))], label: 'MB', grid: true },
                marks: [long, none].map((points, i) =>
                  line(points, { x: 'commits', y: 'megabytes', stroke: [colour.red, colour.green][i], strokeWidth: 2.5 }),
                ),
              },
              labels: [
                {
                  x: long.at(-1)?.commits as number,
                  y: long.at(-1)?.megabytes as number,
                  words: 'one stays',
                  colour: colour.red,
                },
                { x: none.at(-1)?.commits as number, y: none.at(-1)?.megabytes as number, words: 'none', colour: colour.green },
              ],
            },
          ],
        }),
      },
      sees:
        `Beside one writer, ${most} readers keep ${percent(kept(most, 'wal'))} of their reads with the write-ahead log and ${percent(kept(most, 'delete'))} with the rollback journal, whose writer commits ` +
        `${Math.round(of(data, most, 'delete', 'one', 'writes'))} times a second instead of ${Math.round(of(data, most, 'wal', 'one', 'writes'))}; behind a reader that stays, the log has ` +
        `${long.at(-1)?.megabytes.toFixed(0)} MB after ${long.at(-1)?.commits.toLocaleString('en')} commits, ${Math.round(perCommit).toLocaleString('en')} bytes each, and without one ${none.at(-1)?.megabytes.toFixed(0)} MB.`,
      why:
        'With the write-ahead log, readers read what was there when they began while the writer writes behind them, and the log begins anew only when nobody ' +
        'reads in it any more; with a rollback journal, a COMMIT waits until all readers have left, and keeps new ones out meanwhile.',
      what: 'Where many read while one writes, use the write-ahead log, end every read transaction soon, and watch the size of the log.',
    }
  },
}
