import { dot, line, ruleX, ruleY } from '@observablehq/plot'
import { colour, type Panel, picture, powersOfTen } from './chart.ts'
import { type Data, figures, type Section, type Shown, those, values } from './section.ts'
import { median, type Spread, spread } from './statistics.ts'
import type { Fed, Race, Strategy } from './writers.ts'

const alone = 'one process alone'
const strategies: Record<string, Strategy | Fed> = {
  'BEGIN, retried at once': { begin: 'BEGIN', timeout: 5_000, retry: 0 },
  'BEGIN IMMEDIATE, timeout 5 s': { begin: 'BEGIN IMMEDIATE', timeout: 5_000, retry: 0 },
  'BEGIN IMMEDIATE, retried every 1 ms': { begin: 'BEGIN IMMEDIATE', timeout: 0, retry: 1 },
  'fed to one process': { fed: 'one by one' },
  'fed to one process, in groups': { fed: 'in groups' },
}
const [immediate, inGroups] = ['BEGIN IMMEDIATE, timeout 5 s', 'fed to one process, in groups']
const colours: Record<string, string> = {
  'BEGIN, retried at once': colour.red,
  [immediate]: colour.blue,
  'BEGIN IMMEDIATE, retried every 1 ms': colour.orange,
  'fed to one process': colour.green,
  [inGroups]: colour.purple,
}
const journals = { wal: 'write-ahead log', delete: 'rollback journal' } as const
type Log = Pick<Race, 'journal' | 'synchronous'>
const logs: Log[] = [
  { journal: 'wal', synchronous: 'full' },
  { journal: 'wal', synchronous: 'normal' },
  { journal: 'delete', synchronous: 'full' },
  { journal: 'delete', synchronous: 'normal' },
]

/** A logarithmic axis has no 0. */
const drawn = ({ median }: { median: number }) => Math.max(median, 0.001)

/** Committed transactions a second of each case, as a share of what one process alone has committed just before it with the same journal. */
function shares(data: Data, log: Log) {
  const limits = values<number>(data, 'beside').map((beside) => figures(data, { ...log, beside }, 'perSecond'))
  const limit = median(limits.flat())
  const points = those(data, { ...log })
    .filter(({ setting }) => setting.strategy !== alone)
    .map(({ setting: { strategy, writers }, runs }) => {
      const beside = figures(data, { ...log, beside: writers }, 'perSecond')
      return {
        strategy: strategy as string,
        writers: writers as number,
        perSecond: median(runs.map(({ perSecond }) => perSecond as number)),
        ...spread(runs.map(({ perSecond }, round) => (perSecond as number) / beside[round])),
        refused: median(runs.map(({ refused }) => refused as number)),
        slowest: median(runs.map(({ slowest }) => slowest as number)),
        cpu: median(runs.map(({ cpu }) => cpu as number)),
      }
    })
  return { limit, points }
}

export const ceiling: Section = {
  name: 'ceiling',
  compares: 'committed transactions a second of more and more processes under each strategy with those of one process alone',
  rounds: { quick: 2, full: 3 },

  async prepare(size, crowd) {
    const crowds = size === 'quick' ? [1, 8] : [1, 2, 4, 8, 16, 32, 64]
    const lasts = size === 'quick' ? 100 : 500
    const race = (setting: Log & { writers: number; strategy: string; beside?: number }) => ({
      settings: [setting],
      run: async () => {
        const strategy = strategies[setting.strategy] ?? strategies[immediate]
        const { perSecond, refused, slowest, cpu } = await crowd.race({ ...setting, strategy, lasts })
        return [{ perSecond, refused, slowest, cpu }]
      },
    })
    // The limit is measured anew beside each crowd, in each round: all else is told as a share of it.
    const batches = logs.flatMap((log) =>
      crowds.flatMap((writers) => [
        race({ ...log, strategy: alone, writers: 1, beside: writers }),
        ...Object.keys(strategies).map((strategy) => race({ ...log, strategy, writers })),
      ]),
    )
    return { batches }
  },

  show(data): Shown {
    const eight = (log: Log, strategy: string) =>
      shares(data, log).points.find(({ writers, strategy: other }) => writers === 8 && other === strategy)?.median as number
    const percent = (share: number) => `${Math.round(100 * share)} %`
    const [wal] = logs
    const itself = shares(data, wal).points.find(({ writers, strategy }) => writers === 1 && strategy === immediate) as Spread
    const crowds = values<number>(data, 'writers')
    const all = logs.flatMap((log) => shares(data, log).points.map(drawn))
    const panels = logs.map((log): Panel => {
      const { limit, points } = shares(data, log)
      const last = points.filter(({ writers }) => writers === crowds.at(-1))
      return {
        heading: `${journals[log.journal]}, synchronous = ${log.synchronous.toUpperCase()}`,
        options: {
          x: { type: 'log', base: 2, ticks: crowds, tickFormat: String, label: 'processes that write', labelAnchor: 'center' },
          y: powersOfTen(all, 'commits a second ÷ those of one alone'),
          marks: [
            ruleY([1], { stroke: colour.ink, strokeWidth: 1.5, strokeDasharray: '4 3' }),
            ...Object.entries(colours).flatMap(([strategy, stroke]) => {
              const own = points.filter((point) => point.strategy === strategy)
              return [
                line(own, { x: 'writers', y: drawn, stroke, strokeWidth: 2 }),
                ruleX(own, { x: 'writers', y1: 'least', y2: 'most', stroke, strokeWidth: 2 }),
                dot(own, { x: 'writers', y: drawn, fill: stroke, r: 3 }),
              ]
            }),
          ],
        },
        labels: [
          ...last.map(({ strategy, writers, median }) => ({
            x: writers,
            y: drawn({ median }),
            words: strategy,
            colour: colours[strategy],
          })),
          {
            x: crowds.at(-1) as number,
            y: 1,
            words: `one alone: ${Math.round(limit).toLocaleString('en')} a second`,
            colour: colour.ink,
          },
        ],
      }
    })
    return {
      head: [
        'journal',
        'synchronous',
        'processes',
        'strategy',
        'commits/s',
        '÷ one alone',
        'least … most',
        'refused',
        'slowest ms',
        'cores',
      ],
      rows: logs.flatMap((log) => {
        const { limit, points } = shares(data, log)
        const cores = median(those(data, { ...log, strategy: alone }).flatMap(({ runs }) => runs.map(({ cpu }) => cpu as number)))
        return [
          [log.journal, log.synchronous, 1, alone, Math.round(limit), '1', '', 0, '', cores.toFixed(2)],
          ...points.map(({ writers, strategy, perSecond, least, median, most, refused, slowest, cpu }) => [
            log.journal,
            log.synchronous,
            writers,
            strategy,
            Math.round(perSecond),
            median.toPrecision(2),
            `${least.toPrecision(2)} … ${most.toPrecision(2)}`,
            refused,
            Math.round(slowest),
            cpu.toFixed(2),
          ]),
        ]
      }),
      pictures: {
        'bench-ceiling.svg': picture(data, {
          title: `Eight writers together commit ${percent(eight(wal, immediate))} of what one alone can; fed to one, in groups, ${percent(eight(wal, inGroups))}`,
          subtitle:
            'Committed transactions a second (read, count up by one), as a share of those of one process alone with the same journal',
          columns: 2,
          panels,
          room: 250,
        }),
      },
      sees:
        `With BEGIN IMMEDIATE and a timeout, eight processes commit ${percent(eight(wal, immediate))} of what one alone commits (write-ahead log, ` +
        `synchronous = FULL); with BEGIN, retried at once, ${percent(eight(wal, 'BEGIN, retried at once'))}; fed to one process that commits ` +
        `what has arrived together, ${percent(eight(wal, inGroups))}. One process beside itself, which should be 100 %: ${percent(itself.least)} to ${percent(itself.most)}.`,
      why:
        'There is one writer at a time, however many there are: those who wait asleep cost nothing, those who read first and are ' +
        'then refused burn the processors of the one who works, and only who shares a COMMIT, and the fsync in it, gets past the limit.',
      what:
        'Use BEGIN IMMEDIATE with a timeout, never retry at once, and where the limit is too low, put many changes into one transaction, in one ' +
        'process if you can, before you look for another database.',
    }
  },
}
