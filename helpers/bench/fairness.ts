import { barX, dot, line, ruleX } from '@observablehq/plot'
import { colour, picture, powersOfTen } from './chart.ts'
import { type Data, figures, type Section, type Shown, values } from './section.ts'
import { jain, median, quantile } from './statistics.ts'
import type { Fed, Strategy } from './writers.ts'

const length = 1
const strategies: Record<string, Strategy | Fed> = {
  'SQLite’s back-off': { begin: 'BEGIN IMMEDIATE', timeout: 5_000, retry: 0 },
  'retried every 1 ms': { begin: 'BEGIN IMMEDIATE', timeout: 0, retry: 1 },
  'retried every 5 ms': { begin: 'BEGIN IMMEDIATE', timeout: 0, retry: 5 },
  'fed to one process': { fed: 'one by one' },
}
const names = Object.keys(strategies)
const [backOff, constant, , inLine] = names
const colours = [colour.blue, colour.orange, colour.red, colour.green]
const colourOf = (strategy: string) => colours[names.indexOf(strategy)]

/** Shares of the transactions, and how long so many of them take at most. */
const shares = [0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999]

const figure = (data: Data, writers: number, strategy: string, name: string) => median(figures(data, { writers, strategy }, name))

/** The figure so far in the list of each run: the median of the runs. */
const nth = (data: Data, writers: number, strategy: string, name: string, i: number) => {
  const [{ runs }] = data.cases.filter(({ setting }) => setting.writers === writers && setting.strategy === strategy)
  return median(runs.map((run) => (run[name] as number[])[i]))
}

export const fairness: Section = {
  name: 'fairness',
  compares: `commits and waits of each of eight processes, their evenness and their tail: SQLite's back-off, a constant retry, and a queue`,
  rounds: { quick: 2, full: 3 },

  async prepare(size, crowd) {
    const lasts = size === 'quick' ? 2_000 : 5_000
    const batches = (size === 'quick' ? [8] : [2, 8, 32]).flatMap((writers) =>
      Object.entries(strategies).map(([name, strategy]) => ({
        settings: [{ writers, strategy: name }],
        run: async () => {
          const race = { journal: 'wal', synchronous: 'full', writers, strategy, work: length, lasts } as const
          const { perSecond, refused, slowest, shares: all } = await crowd.race(race)
          const commits = all.map(({ confirmed }) => confirmed).toSorted((one, other) => other - one)
          const waits = all
            .flatMap(({ took, unfinished }) => [...took, ...(unfinished > 0 ? [unfinished] : [])])
            .map((ms) => Math.max(ms - length, 0.001))
          const tail = shares.map((share) => quantile(waits, share))
          const unserved = all.filter(({ took, unfinished }) => Math.max(unfinished, ...took) >= lasts / 2).length
          return [
            { perSecond, refused, commits, jain: jain(commits), tail, slowest, unserved, transactions: waits.length, lasts },
          ]
        },
      })),
    )
    return { batches }
  },

  show(data): Shown {
    const crowds = values<number>(data, 'writers')
    const writers = 8
    const even = names.flatMap((strategy) => {
      const [{ runs }] = data.cases.filter(({ setting }) => setting.writers === writers && setting.strategy === strategy)
      return runs.flatMap(({ commits }) => {
        const all = commits as number[]
        const mean = all.reduce((sum, n) => sum + n, 0) / all.length
        return all.map((n) => ({ strategy, share: n / mean }))
      })
    })
    // A tail of which less than ten transactions have been seen is none.
    const seen = Math.min(
      ...names.map((strategy) =>
        figures(data, { writers, strategy }, 'transactions').reduce((sum, transactions) => sum + transactions, 0),
      ),
    )
    const told = shares.filter((share) => Math.round((1 - share) * seen) >= 10)
    const rarest = Math.round(1 / (1 - (told.at(-1) as number)))
    const tails = names.flatMap((strategy) =>
      told.map((share, i) => ({ strategy, rarity: 1 / (1 - share), wait: nth(data, writers, strategy, 'tail', i) })),
    )
    const evenness = names.map((strategy) => ({ strategy, jain: figure(data, writers, strategy, 'jain') }))
    const two = (number: number) => number.toFixed(2)
    const worst = Math.max(...even.filter(({ strategy }) => strategy === backOff).map(({ share }) => share))
    const wait = (strategy: string, i: number) => Number(nth(data, writers, strategy, 'tail', i).toPrecision(2))
    const [lasts] = figures(data, { writers, strategy: backOff }, 'lasts')
    const unserved = (strategy: string) => {
      const count = Math.round(figure(data, writers, strategy, 'unserved'))
      return count === 0 ? 'nobody' : `${count} of ${writers}`
    }
    const rarities: Record<number, string> = { 2: '50 %', 10: '90 %', 100: '99 %', 1000: '99.9 %' }
    return {
      head: [
        'processes',
        'strategy',
        'commits/s',
        'refused',
        'Jain',
        'fewest',
        'most',
        'median wait ms',
        '99 %',
        'slowest ms',
        `waited for half of ${lasts / 1_000} s`,
      ],
      rows: crowds.flatMap((writers) =>
        names.map((strategy) => [
          writers,
          strategy,
          Math.round(figure(data, writers, strategy, 'perSecond')),
          Math.round(figure(data, writers, strategy, 'refused')),
          two(figure(data, writers, strategy, 'jain')),
          Math.round(nth(data, writers, strategy, 'commits', writers - 1)),
          Math.round(nth(data, writers, strategy, 'commits', 0)),
          ...[0, 4].map((i) => nth(data, writers, strategy, 'tail', i).toPrecision(3)),
          Math.round(figure(data, writers, strategy, 'slowest')),
          Math.round(figure(data, writers, strategy, 'unserved')),
        ]),
      ),
      pictures: {
        'bench-fairness.svg': picture(data, {
          title: `SQLite’s back-off is not a queue: ${unserved(backOff)} waited for half of the race or longer; in a real one, ${unserved(inLine)}`,
          subtitle: `${writers} processes with transactions of ${length} ms, one after the other, BEGIN IMMEDIATE, write-ahead log`,
          columns: 2,
          room: 250,
          panels: [
            {
              heading: 'Commits of each process, compared with an even share',
              options: {
                x: { domain: [0, 8], label: 'commits ÷ even share', labelAnchor: 'center', grid: true },
                y: { domain: names, axis: null, padding: 0.5 },
                marginLeft: 16,
                marks: [
                  ruleX([1], { stroke: colour.ink, strokeDasharray: '4 3' }),
                  barX(evenness, { y: 'strategy', x1: 0, x2: 8, fill: colour.faint, fillOpacity: 0.35, rx: 4 }),
                  dot(even, {
                    y: 'strategy',
                    x: 'share',
                    stroke: ({ strategy }) => colourOf(strategy),
                    strokeWidth: 1.5,
                    fill: ({ strategy }) => colourOf(strategy),
                    fillOpacity: 0.35,
                    r: 5,
                  }),
                ],
              },
              labels: evenness.map(({ strategy, jain }) => ({
                x: 8,
                y: strategy,
                words: `${strategy}: Jain ${two(jain)}`,
                colour: colourOf(strategy),
              })),
            },
            {
              heading: 'So many of all transactions wait at most so long',
              options: {
                x: {
                  type: 'log',
                  domain: [2, rarest],
                  ticks: [2, 10, 100, 1_000].filter((rarity) => rarity <= rarest),
                  tickFormat: (rarity: number) => rarities[Math.round(rarity)],
                  label: 'of all transactions',
                  labelAnchor: 'center',
                },
                y: powersOfTen(
                  tails.map(({ wait }) => wait),
                  'ms',
                ),
                marks: names.flatMap((strategy) => {
                  const own = tails.filter((each) => each.strategy === strategy)
                  return [
                    line(own, { x: 'rarity', y: 'wait', stroke: colourOf(strategy), strokeWidth: 2 }),
                    dot(own, { x: 'rarity', y: 'wait', fill: colourOf(strategy), r: 3 }),
                  ]
                }),
              },
              labels: tails
                .filter(({ rarity }) => Math.round(rarity) === rarest)
                .map(({ strategy, wait }) => ({ x: rarest, y: wait, words: strategy, colour: colourOf(strategy) })),
            },
          ],
        }),
      },
      sees:
        `With SQLite's back-off one of eight processes commits up to ${worst.toPrecision(2)} times its even share (Jain's index ${two(evenness[0].jain)}, where 1 is even and 0.125 is one ` +
        `for all), and half of all transactions waited ${wait(backOff, 0)} ms at most, while ${unserved(backOff)} waited for half of the race's ${lasts / 1_000} s or longer; retried every millisecond, Jain's ` +
        `index is ${two(evenness[1].jain)}, and ${unserved(constant)} did so; in a queue it is ${two(evenness[3].jain)}, and ${unserved(inLine)} did: the slowest waited ${Math.round(figure(data, writers, inLine, 'slowest'))} ms.`,
      why:
        'Who waits does not stand in line but sleeps, 1 ms the first time and 100 ms in the end, while the one who has just committed comes back at ' +
        'once and finds the door open: the longer one has waited, the more seldom it looks.',
      what:
        'Judge a crowd by its slowest, not by its median, and where nobody may starve, let one process write for all: a short, constant pause before each ' +
        'retry is more even, and no queue.',
    }
  },
}
