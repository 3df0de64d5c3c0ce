import { dot, line, ruleX } from '@observablehq/plot'
import { colour, picture } from './chart.ts'
import { type Data, figures, type Section, type Shown, those, values } from './section.ts'
import { median, spread } from './statistics.ts'
import { Writers } from './writers.ts'

/** Milliseconds: how long a transaction is, and how long a process does something else after it. */
type Load = { length: number; think: number }
const loads: Load[] = [
  { length: 20, think: 400 },
  { length: 20, think: 100 },
  { length: 20, think: 1 },
]
const colours = [colour.green, colour.orange, colour.red]
const processes = { quick: 5, full: 8 }
const isFew = 0.001

/** What all want of the one lock, as a share of the time there is, if nobody had to wait. */
const demand = ({ length, think }: Load, writers: number) => (writers * length) / (length + think)
const percent = (share: number) =>
  share === 0 ? '0 %' : share < 0.0995 ? `${(100 * share).toPrecision(2)} %` : `${Math.round(100 * share)} %`
const seconds = (ms: number) => `${ms / 1_000} s`

const share = (data: Data, load: Load, timeout: number) => spread(figures(data, { ...load, timeout }, 'share'))

export const timeout: Section = {
  name: 'timeout',
  compares:
    'the share of requests refused under timeouts from 0 to 30 s, all at the same time, for loads that want more or less of the lock',
  rounds: { quick: 2, full: 3 },

  async prepare(size) {
    const crowd = new Writers()
    const timeouts = size === 'quick' ? [0, 50, 200, 800, 2_000] : [0, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000]
    const writers = processes[size]
    const lasts = size === 'quick' ? 5_000 : 60_000
    const batch = (some: Load[]) => {
      const settings = some.flatMap((load) => timeouts.map((timeout) => ({ ...load, writers, timeout })))
      return {
        settings,
        // They sleep nearly all the time, and so can all be run at once: what disturbs the machine disturbs them all.
        run: () =>
          Promise.all(
            settings.map(async ({ length, think, timeout }) => {
              // Who is refused goes off, and comes back as late as it would have after a commit.
              const strategy = { begin: 'BEGIN IMMEDIATE', timeout, retry: null, pause: length + think } as const
              const outcome = await crowd.race({
                journal: 'wal',
                synchronous: 'full',
                writers,
                strategy,
                work: length,
                think,
                lasts,
              })
              const { refused, shares, slowest, perSecond } = outcome
              const confirmed = shares.reduce((sum, { confirmed }) => sum + confirmed, 0)
              return {
                share: refused / (refused + confirmed),
                requests: refused + confirmed,
                perSecond,
                slowest: slowest - length,
              }
            }),
          ),
      }
    }
    return { batches: size === 'quick' ? [batch(loads)] : loads.map((load) => batch([load])), close: () => crowd.kill() }
  },

  show(data): Shown {
    const [writers] = values<number>(data, 'writers')
    const timeouts = values<number>(data, 'timeout')
    const enough = loads.map((load) => timeouts.find((timeout) => share(data, load, timeout).median <= isFew))
    const told = loads.map(
      (load, i) =>
        `${Math.round(100 * demand(load, writers))} % of the lock: ${enough[i] === undefined ? `more than ${seconds(timeouts.at(-1) as number)}` : seconds(enough[i])}`,
    )
    const name = (load: Load) => `${Math.round(100 * demand(load, writers))} % of the lock wanted`
    const least = 20
    return {
      head: [
        'length ms',
        'pause ms',
        'lock wanted',
        'timeout ms',
        'refused',
        'least … most',
        'requests',
        'commits/s',
        'slowest wait ms',
      ],
      rows: loads.flatMap((load) =>
        timeouts.map((timeout) => {
          const { least, median: middle, most } = share(data, load, timeout)
          const [{ runs }] = those(data, { ...load, timeout })
          const of = (name: string) => median(runs.map((run) => run[name] as number))
          return [
            load.length,
            load.think,
            percent(demand(load, writers)),
            timeout,
            percent(middle),
            `${percent(least)} … ${percent(most)}`,
            Math.round(of('requests')),
            of('perSecond').toPrecision(3),
            Math.round(of('slowest')),
          ]
        }),
      ),
      pictures: {
        'bench-timeout.svg': picture(data, {
          title: 'How much timeout does it take? It depends on how much of the lock all want',
          subtitle: `${writers} processes, BEGIN IMMEDIATE, write-ahead log, transactions of ${loads[0].length} ms: a queue would let nobody wait longer than ${(writers - 1) * loads[0].length} ms`,
          room: 210,
          panels: [
            {
              heading: 'Requests that are refused',
              options: {
                x: {
                  type: 'log',
                  domain: [least, timeouts.at(-1) as number],
                  ticks: timeouts.filter((ms) => ms >= least),
                  tickFormat: (ms: number) => `${ms / 1_000}`,
                  label: 'timeout, s (the leftmost: 0)',
                  labelAnchor: 'center',
                },
                y: {
                  domain: [0, 1],
                  tickFormat: (share: number) => `${Math.round(share * 100)} %`,
                  label: 'refused',
                  grid: true,
                },
                marks: loads.flatMap((load, i) => {
                  const points = timeouts.map((timeout) => ({ timeout: Math.max(timeout, least), ...share(data, load, timeout) }))
                  return [
                    line(points, { x: 'timeout', y: 'median', stroke: colours[i], strokeWidth: 2 }),
                    ruleX(points, { x: 'timeout', y1: 'least', y2: 'most', stroke: colours[i], strokeWidth: 2 }),
                    dot(points, { x: 'timeout', y: 'median', fill: colours[i], r: 4 }),
                  ]
                }),
              },
              labels: loads.map((load, i) => ({
                x: timeouts.at(-1) as number,
                y: share(data, load, timeouts.at(-1) as number).median,
                words: name(load),
                colour: colours[i],
              })),
            },
          ],
        }),
      },
      sees:
        `The timeout at which at most one of a thousand requests is refused, for ${writers} processes with transactions of ${loads[0].length} ms: ${told.join('; ')}. ` +
        `A queue would let nobody wait longer than ${(writers - 1) * loads[0].length} ms.`,
      why:
        'Who waits looks again every 100 ms in the end, and finds the lock taken as often as it is taken: if it is free one time in five, five looks are half a second, and some take ten times as many. ' +
        'Where all together want more than there is, somebody always finds it taken, whatever the timeout.',
      what:
        'Measure the length of your transactions and how many you want a second: their product is the share of the lock. Below a half, five seconds are plenty; near one, no timeout is enough: ' +
        'shorten the transactions, or queue them yourself.',
    }
  },
}
