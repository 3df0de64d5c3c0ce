import { pbkdf2Sync } from 'node:crypto'
import { dot, line, ruleX, text } from '@observablehq/plot'
import { colour, picture, powersOfTen } from './chart.ts'
import { figures, type Section, type Shown, those, values } from './section.ts'
import { median, spread } from './statistics.ts'

const crowd = 4
/** The seed's README: ten users for ten seconds after the fix, requests answered a second, the fastest of them in ms, and Django 3.2's rounds of PBKDF2. */
const seed = { perSecond: 2.09, fastest: 465, rounds: 260_000 }

/** Who holds the lock so long, lets nobody else commit meanwhile: transactions a second at most, for a length in milliseconds. */
export const law = (length: number) => 1_000 / length

export const hold: Section = {
  name: 'hold',
  compares:
    'throughput and slowest wait as the transactions of four processes get longer, from 0 to 500 ms, with the law: at most 1 / length',
  rounds: { quick: 2, full: 5 },

  async prepare(size, processes) {
    const lengths = size === 'quick' ? [0, 2, 10, 50, 200, 500] : [0, 1, 2, 5, 10, 20, 50, 100, 200, 500]
    const races = lengths.map((length) => ({
      settings: [{ length, writers: crowd }],
      run: async () => {
        const lasts = Math.max(size === 'quick' ? 400 : 2_000, (size === 'quick' ? 3 : 20) * length)
        const strategy = { begin: 'BEGIN IMMEDIATE', timeout: 60_000, retry: 0 } as const
        const { shares, slowest, until } = await processes.race({
          journal: 'wal',
          synchronous: 'full',
          writers: crowd,
          strategy,
          work: length,
          lasts,
        })
        // From the first commit to the last in time: where there are few, what is cut off at either end would count.
        const committed = shares
          .flatMap(({ committed }) => committed.filter((when) => when <= until))
          .toSorted((one, other) => one - other)
        const seconds = ((committed.at(-1) as number) - committed[0]) / 1_000
        return [{ perSecond: (committed.length - 1) / seconds, slowest: slowest - length, lasts }]
      },
    }))
    const hash = {
      settings: [{ hash: seed.rounds }],
      run: async () => {
        const began = performance.now()
        pbkdf2Sync('password', 'salt', seed.rounds, 32, 'sha256')
        return [{ milliseconds: performance.now() - began }]
      },
    }
    return { batches: [...races, hash] }
  },

  show(data): Shown {
    const [writers] = values<number>(data, 'writers')
    const points = those(data, { writers }).map(({ setting, runs }) => ({
      length: setting.length as number,
      ...spread(runs.map(({ perSecond }) => perSecond as number)),
      slowest: spread(runs.map(({ slowest }) => slowest as number)),
      lasts: runs[0].lasts as number,
    }))
    const held = points.filter(({ length }) => length > 0)
    const shares = held.map(({ length, median }) => median / law(length))
    const hash = median(figures(data, { hash: seed.rounds }, 'milliseconds'))
    const isOver = ({ lasts, slowest }: (typeof points)[number]) => slowest.median >= lasts / 2
    const unserved = points.filter(isOver).map(({ length }) => length)
    const [first, last] = [held[0], held[held.length - 1]]
    const lengths = held.map(({ length }) => length)
    const [least, most] = [Math.min(...shares), Math.max(...shares)].map((share) => `${Math.round(100 * share)}`)
    const x = {
      type: 'log',
      domain: [1, 600],
      ticks: [1, 2, 5, 10, 20, 50, 100, 200, 500],
      tickFormat: String,
      label: 'length of the transaction, ms',
      labelAnchor: 'center',
    } as const
    return {
      head: ['length ms', 'commits/s', 'least … most', 'law: at most', '÷ law', 'slowest wait ms', 'of a race of ms'],
      rows: points.map(({ length, least, median, most, slowest, lasts }) => [
        length,
        median.toPrecision(3),
        `${least.toPrecision(3)} … ${most.toPrecision(3)}`,
        length > 0 ? law(length) : '–',
        length > 0 ? (median / law(length)).toFixed(2) : '–',
        Math.round(slowest.median),
        lasts,
      ]),
      pictures: {
        'bench-hold.svg': picture(data, {
          title: `A transaction that takes ${last.length} ms leaves ${law(last.length)} a second: for all together`,
          subtitle: `${writers} processes, BEGIN IMMEDIATE, write-ahead log; the length is spent between reading and writing. The line is not fitted: it is 1 / length`,
          columns: 2,
          room: 90,
          panels: [
            {
              heading: 'Committed transactions a second, all processes together',
              options: {
                x,
                y: powersOfTen([1, 1_000], 'a second'),
                marks: [
                  line([1, 600], { x: (length) => length, y: law, stroke: colour.ink, strokeDasharray: '4 3' }),
                  ruleX(held, { x: 'length', y1: 'least', y2: 'most', stroke: colour.blue, strokeWidth: 2 }),
                  dot(held, { x: 'length', y: 'median', fill: colour.blue, r: 5 }),
                  dot([seed], { x: 'fastest', y: 'perSecond', stroke: colour.orange, strokeWidth: 2, r: 7 }),
                  text([seed], {
                    x: 'fastest',
                    y: 'perSecond',
                    text: () => 'the seed’s README: 2.09',
                    fill: colour.orange,
                    textAnchor: 'end',
                    dx: -14,
                    fontSize: 12,
                    fontWeight: 600,
                  }),
                ],
              },
              labels: [{ x: 600, y: law(600), words: '1 / length', colour: colour.ink }],
            },
            {
              heading: 'The slowest wait of any of them, s',
              options: {
                x,
                y: powersOfTen(
                  held.flatMap(({ slowest, lasts }) => [slowest.least, slowest.most, lasts]),
                  null,
                  (ms) => `${ms / 1_000}`,
                ),
                marks: [
                  line(held, { x: 'length', y: 'lasts', stroke: colour.ink, strokeDasharray: '4 3' }),
                  line(held, { x: 'length', y: ({ slowest }) => slowest.median, stroke: colour.blue, strokeWidth: 2 }),
                  ruleX(held, {
                    x: 'length',
                    y1: ({ slowest }) => slowest.least,
                    y2: ({ slowest }) => slowest.most,
                    stroke: colour.blue,
                  }),
                  dot(held, { x: 'length', y: ({ slowest }) => slowest.median, fill: colour.blue, r: 4 }),
                ],
              },
              labels: [{ x: 600, y: last.lasts, words: 'the race itself', colour: colour.ink }],
            },
          ],
        }),
      },
      sees:
        `Transactions of ${lengths[0]} ms are committed ${first.median.toPrecision(3)} times a second by ${writers} processes together, transactions of ` +
        `${last.length} ms ${last.median.toPrecision(3)} times: ${least} to ${most} % of 1 / length. ` +
        (unserved.length > 0
          ? `With ${unserved.length} of the ${points.length} lengths somebody waited for half of the race or longer (the dashed line is its whole): until the others left off.`
          : 'Nobody waited for half of the race.'),
      why:
        `While one holds the lock, nobody else commits, however many processes and processors there are. The seed's README has ${seed.perSecond} requests a second, and ` +
        `${seed.fastest} ms for the fastest of them, which hash a password in their transaction (${seed.rounds.toLocaleString('en')} rounds): at most ${law(seed.fastest).toPrecision(3)} a second, and that is ` +
        `the ring. Here the hash takes ${Math.round(hash)} ms, which leaves ${law(hash).toPrecision(2)} a second at most.`,
      what: 'Shorten what happens between BEGIN IMMEDIATE and COMMIT, for nothing else raises the limit: hash, render and call others before BEGIN.',
    }
  },
}
