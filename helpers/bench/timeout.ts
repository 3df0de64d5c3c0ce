import { dot, line, ruleX } from '@observablehq/plot'
import { colour, type Panel, picture } from './chart.ts'
import { type Data, figures, type Section, type Shown, those, values } from './section.ts'
import { median, spread } from './statistics.ts'

/** How much all together want of the one lock, if nobody had to wait: 1 is all the time there is. */
const demands = [0.25, 0.8, 4]
const colours = [colour.green, colour.orange, colour.red]
const isFew = 0.01

const percent = (share: number) =>
  share === 0 ? '0 %' : share < 0.0995 ? `${(100 * share).toPrecision(2)} %` : `${Math.round(100 * share)} %`
const seconds = (ms: number) => `${ms / 1_000} s`
const share = (data: Data, length: number, demand: number, timeout: number) =>
  spread(figures(data, { length, demand, timeout }, 'share'))

/** Of the requests of all runs together. */
const refused = (data: Data, length: number, demand: number, timeout: number) => {
  const [{ runs }] = those(data, { length, demand, timeout })
  const sum = (of: (run: Record<'share' | 'requests', number>) => number) =>
    runs.reduce((sum, run) => sum + of(run as Record<'share' | 'requests', number>), 0)
  return sum(({ share, requests }) => share * requests) / sum(({ requests }) => requests)
}

export const timeout: Section = {
  name: 'timeout',
  compares: 'the share of requests refused under longer and longer timeouts, for loads that want more or less of the one lock',
  rounds: { quick: 2, full: 3 },

  async prepare(size, crowd) {
    const timeouts = size === 'quick' ? [0, 50, 200, 800, 2_000] : [0, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000]
    const [writers, lasts, lengths] = size === 'quick' ? [4, 3_000, [20]] : [8, 30_000, [20, 100]]
    // They sleep nearly all the time, and so many can be run at once: what disturbs the machine disturbs them all.
    const batch = (length: number, some: number[]) => {
      const settings = some.flatMap((demand) => timeouts.map((timeout) => ({ length, writers, demand, timeout })))
      const run = ({ demand, timeout }: (typeof settings)[number]) => {
        const think = (writers * length) / demand - length
        // Who is refused goes off for as long as its transaction would have taken.
        const strategy = { begin: 'BEGIN IMMEDIATE', timeout, retry: null, pause: length } as const
        return crowd.race({ journal: 'wal', synchronous: 'full', writers, strategy, work: length, think, lasts })
      }
      return {
        settings,
        run: async () =>
          (await Promise.all(settings.map(run))).map(({ refused, shares, slowest, perSecond }) => {
            const requests = shares.reduce((sum, { confirmed }) => sum + confirmed, refused)
            return { share: refused / requests, requests, perSecond, slowest: slowest - length }
          }),
      }
    }
    const batches = lengths.flatMap((length) =>
      size === 'quick' ? [batch(length, demands)] : demands.map((demand) => batch(length, [demand])),
    )
    return { batches }
  },

  show(data): Shown {
    const [writers] = values<number>(data, 'writers')
    const timeouts = values<number>(data, 'timeout')
    const lengths = values<number>(data, 'length')
    const longest = timeouts.at(-1) as number
    const fair = (length: number) => (writers - 1) * length
    const enough = (length: number, demand: number) => {
      const found = timeouts.findLast((timeout) => refused(data, length, demand, timeout) > isFew)
      const next = timeouts[timeouts.indexOf(found as number) + 1]
      return next === undefined ? `more than ${seconds(longest)}` : `${seconds(next)}`
    }
    const [length] = lengths
    const told = demands.map((demand) => `${enough(length, demand)} where all want ${percent(demand)} of the lock`)
    const left = 20 // where 0 is drawn on a logarithmic axis, in ms
    const panel = (length: number): Panel => ({
      heading: `Requests refused, transactions of ${length} ms: a queue would let nobody wait longer than ${fair(length)} ms`,
      options: {
        width: 720,
        x: {
          type: 'log',
          domain: [left, longest],
          ticks: timeouts.map((ms) => Math.max(ms, left)),
          tickFormat: (ms: number) => (ms === left ? '0' : `${ms / 1_000}`),
          label: 'timeout, s',
          labelAnchor: 'center',
        },
        y: {
          type: 'sqrt',
          domain: [0, 1],
          ticks: [0, isFew, 0.05, 0.2, 0.5, 1],
          tickFormat: (share: number) => `${Math.round(share * 100)} %`,
          label: 'refused',
          grid: true,
        },
        marks: [
          ruleX([fair(length)], { stroke: colour.ink, strokeDasharray: '4 3' }),
          ...demands.flatMap((demand, i) => {
            const points = timeouts.map((timeout) => ({
              timeout: Math.max(timeout, left),
              ...share(data, length, demand, timeout),
            }))
            return [
              line(points, { x: 'timeout', y: 'median', stroke: colours[i], strokeWidth: 2 }),
              ruleX(points, { x: 'timeout', y1: 'least', y2: 'most', stroke: colours[i], strokeWidth: 2 }),
              dot(points, { x: 'timeout', y: 'median', fill: colours[i], r: 4 }),
            ]
          }),
        ],
      },
      // Those that end at the same height stand in the order of their curves.
      labels: demands
        .map((demand, i) => ({
          x: longest,
          y: share(data, length, demand, longest).median,
          words: `all want ${percent(demand)} of the lock`,
          colour: colours[i],
        }))
        .reverse(),
    })
    return {
      head: ['length ms', 'lock wanted', 'timeout ms', 'refused', 'least … most', 'requests', 'commits/s', 'slowest wait ms'],
      rows: lengths.flatMap((length) =>
        demands.flatMap((demand) =>
          timeouts.map((timeout) => {
            const { least, median: middle, most } = share(data, length, demand, timeout)
            const [{ runs }] = those(data, { length, demand, timeout })
            const of = (name: string) => median(runs.map((run) => run[name] as number))
            return [
              length,
              percent(demand),
              timeout,
              percent(middle),
              `${percent(least)} … ${percent(most)}`,
              Math.round(of('requests')),
              of('perSecond').toPrecision(3),
              Math.round(of('slowest')),
            ]
          }),
        ),
      ),
      pictures: {
        'bench-timeout.svg': picture(data, {
          title: `Wanting ${percent(demands[0])} of the lock takes a timeout of ${enough(length, demands[0])}; ${percent(demands[1])}, ${enough(length, demands[1])}; ${percent(demands[2])}, ${enough(length, demands[2])}`,
          subtitle: `${writers} processes, BEGIN IMMEDIATE, write-ahead log; random pauses in between, or none where they want all they can get`,
          room: 190,
          panels: lengths.map(panel),
        }),
      },
      sees:
        `Of the timeouts tried, the first from which on at most one request of a hundred was refused, for ${writers} processes with transactions of ${length} ms, is ` +
        `${told.join(', ')}; a queue would let nobody wait longer than ${fair(length)} ms (the dashed line).`,
      why:
        'Who waits does not stand in line but looks again, every 100 ms in the end, and finds the lock taken as often as it is taken: the more of it all ' +
        'together want, the longer the unlucky wait.',
      what:
        'Multiply the length of your transactions by how many you want a second, which is the share of the lock you want, and see how much ' +
        'timeout it takes; where it is more than there is, shorten the transactions, or queue them yourself.',
    }
  },
}
