import { dot, line, ruleY } from '@observablehq/plot'
import { install } from '../servers/install.ts'
import { startPostgreSQL } from '../servers/postgresql.ts'
import { experiment, type Rival, rivals } from '../servers/website.ts'
import { colour, type Panel, picture } from './chart.ts'
import { law } from './hold.ts'
import { figures, type Section, type Shown, those, values } from './section.ts'
import { median, spread } from './statistics.ts'

const [users, iterations, wait] = [10, 20_000, 20]
const slowParts = {
  hash: { site: { iterations }, words: `hashes, ${iterations.toLocaleString('en')} rounds` },
  wait: { site: { wait }, words: `waits for ${wait} ms` },
}
type Slow = keyof typeof slowParts
const colours: Record<Rival, string> = {
  SQLite: colour.red,
  'SQLite, slow part before BEGIN': colour.green,
  PostgreSQL: colour.blue,
}
const [sqlite, early, server] = Object.keys(colours) as Rival[]

export const postgresql: Section = {
  name: 'postgresql',
  compares:
    'accounts a second that ten users create on a web server of 1 to 10 processes, each account one transaction with a slow part in it, on SQLite and on PostgreSQL',
  rounds: { quick: 2, full: 3 },
  isApart: true,

  async prepare(size) {
    await install()
    const database = await startPostgreSQL()
    if (typeof database === 'string') throw new Error(`there is no PostgreSQL: ${database}`)
    const counts = size === 'quick' ? [1, 2, 5, 10] : [1, 2, 3, 4, 5, 6, 8, 10]
    const seconds = size === 'quick' ? 1.5 : 4
    const interrupt = new AbortController()
    let underWay: Promise<unknown> = Promise.resolve()
    const batches = (Object.keys(slowParts) as Slow[]).flatMap((slow) =>
      counts.flatMap((workers) =>
        Object.entries(rivals(database.url)).map(([rival, open]) => ({
          settings: [{ slow, workers, rival }],
          run: async () => {
            const run = open({ workers, ...slowParts[slow].site }).then((website) =>
              experiment(website, { users, seconds, signal: interrupt.signal }),
            )
            underWay = run
            const { createdPerSecond, failures, percentile, most, isThere } = await run
            if (!isThere) throw new Error(`${rival} does not have whom it has confirmed, or has others`)
            return [{ perSecond: createdPerSecond, refused: failures, median: percentile(50), slowest: most }]
          },
        })),
      ),
    )
    const close = async () => {
      interrupt.abort()
      await underWay.catch(() => {})
      await database.stop()
    }
    return { batches, close, versions: { PostgreSQL: database.version } }
  },

  show(data): Shown {
    const counts = values<number>(data, 'workers')
    const [fewest, most] = [counts[0], counts[counts.length - 1]]
    const rate = (slow: Slow, rival: Rival, workers: number) => median(figures(data, { slow, rival, workers }, 'perSecond'))
    const growth = (slow: Slow, rival: Rival) => (rate(slow, rival, most) / rate(slow, rival, fewest)).toPrecision(2)
    const refused = (rival: Rival) => {
      const all = those(data, { rival }).flatMap(({ runs }) => runs.map(({ refused }) => refused as number))
      return all.reduce((sum, count) => sum + count, 0).toLocaleString('en')
    }
    const panels = (Object.keys(slowParts) as Slow[]).map((slow): Panel => {
      const limit = slow === 'wait' ? [{ rate: law(wait), words: `1 / length: ${law(wait)} a second` }] : []
      const points = (rival: Rival) =>
        counts.map((workers) => ({ workers, ...spread(figures(data, { slow, rival, workers }, 'perSecond')) }))
      return {
        heading: `The slow part ${slowParts[slow].words}`,
        options: {
          x: {
            domain: [0, most],
            ticks: counts,
            tickFormat: String,
            label: 'processes of the web server',
            labelAnchor: 'center',
          },
          y: { label: 'accounts a second', zero: true, grid: true, ticks: 6 },
          marks: [
            ...limit.map(({ rate }) => ruleY([rate], { stroke: colour.ink, strokeDasharray: '4 3' })),
            ...Object.entries(colours).flatMap(([rival, stroke]) => [
              line(points(rival as Rival), { x: 'workers', y: 'median', stroke, strokeWidth: 2 }),
              dot(points(rival as Rival), { x: 'workers', y: 'median', fill: stroke, r: 3 }),
            ]),
          ],
        },
        labels: [
          ...Object.entries(colours).map(([rival, colour]) => ({
            x: most,
            y: rate(slow, rival as Rival, most),
            words: rival,
            colour,
          })),
          ...limit.map(({ rate, words }) => ({ x: most, y: rate, words, colour: colour.ink })),
        ],
      }
    })
    return {
      head: [
        'the slow part',
        'processes',
        'database',
        'accounts/s',
        `÷ with ${fewest}`,
        'least … most',
        'refused',
        'median ms',
        'slowest ms',
      ],
      rows: those(data, {}).map(({ setting, runs }) => {
        const { slow, workers, rival } = setting as { slow: Slow; workers: number; rival: Rival }
        const of = (name: string) => runs.map((run) => run[name] as number)
        const { least, median: middle, most } = spread(of('perSecond'))
        return [
          slowParts[slow].words,
          workers,
          rival,
          middle.toPrecision(3),
          (middle / rate(slow, rival, fewest)).toPrecision(2),
          `${least.toPrecision(3)} … ${most.toPrecision(3)}`,
          Math.max(...of('refused')),
          Math.round(median(of('median'))),
          Math.round(Math.max(...of('slowest'))),
        ]
      }),
      pictures: {
        'bench-postgresql.svg': picture(data, {
          title: `${most} processes of a web server, beside ${fewest}: PostgreSQL creates ${growth('wait', server)} times as many accounts, SQLite ${growth('wait', sqlite)} times`,
          subtitle: `Ten users create accounts, each one transaction with a slow part in it; SQLite with BEGIN IMMEDIATE and a timeout. PostgreSQL ${data.versions.PostgreSQL}`,
          columns: 2,
          room: 240,
          panels,
        }),
      },
      sees:
        `Where a transaction waits for ${wait} ms, ${most} processes create ${growth('wait', server)} times as many accounts a second as ${fewest} on PostgreSQL, ` +
        `and ${growth('wait', sqlite)} times as many on SQLite; where it hashes a password, ${growth('hash', server)} and ${growth('hash', sqlite)} times. ` +
        `With the slow part before BEGIN, SQLite creates ${growth('wait', early)} and ${growth('hash', early)} times as many. Requests refused: ${refused(server)} by PostgreSQL, ${refused(sqlite)} by SQLite.`,
      why:
        'PostgreSQL locks rows, so those who insert different rows are in their transactions at the same time; SQLite lets in one after the other, and all together ' +
        `create what the length of one transaction allows. A hash takes a processor, of which there are ${data.machine.cores}: more processes than that hash no faster.`,
      what:
        'Put what is slow before BEGIN first: it is the length of the transaction that limits SQLite, not the number of users. Where it must stay inside, or ' +
        'two must write at once, take a server, and its price with it (`npm run servers`).',
    }
  },
}
