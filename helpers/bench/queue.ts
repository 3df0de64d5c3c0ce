import { areaY, dot, line } from '@observablehq/plot'
import { confirmed, took } from '../users.ts'
import { Website } from '../website.ts'
import { colour, picture, powersOfTen } from './chart.ts'
import { figures, type Section, type Shown, values } from './section.ts'
import { median, quantile, spread } from './statistics.ts'

const iterations = 20_000
const places = ['inside', 'outside'] as const
const colours = { inside: colour.red, outside: colour.green }

export const queue: Section = {
  name: 'queue',
  compares:
    'median and slowest request of more and more users of a web server, with the password hashed inside the transaction and before it',
  rounds: { quick: 2, full: 3 },

  async prepare(size) {
    const crowds = size === 'quick' ? [1, 2, 4, 8, 16] : [1, 2, 4, 8, 16, 32]
    const seconds = size === 'quick' ? 0.4 : 3
    const interrupt = new AbortController()
    const workers = Math.max(...crowds)
    const website = await Website.open({ journalMode: 'wal', begin: 'immediate', timeout: 60_000, iterations, workers })
    const batches = crowds.flatMap((users) =>
      places.map((hash) => ({
        settings: [{ users, hash }],
        run: async () => {
          const began = performance.now()
          const run = await website.run({ users, hash, seconds, signal: interrupt.signal })
          const lasted = (performance.now() - began) / 1_000
          const times = confirmed(run.answers).map(took)
          if (times.length !== run.answers.length) throw new Error(`${run.answers.length - times.length} users were refused`)
          if (times.length !== run.users.length)
            throw new Error(`${times.length} users were confirmed, and ${run.users.length} are there`)
          return [
            { median: median(times), slowest: quantile(times, 1), perSecond: times.length / lasted, lasts: seconds * 1_000 },
          ]
        },
      })),
    )
    const close = async () => {
      interrupt.abort()
      await website.kill()
    }
    return { batches, close }
  },

  show(data): Shown {
    const crowds = values<number>(data, 'users')
    const of = (users: number, hash: string, name: string) => median(figures(data, { users, hash }, name))
    const points = (hash: string) =>
      crowds.map((users) => ({ users, median: of(users, hash, 'median'), slowest: of(users, hash, 'slowest') }))
    const most = crowds.at(-1) as number
    const slowest = (users: number, hash: string) => {
      const { least, most } = spread(figures(data, { users, hash }, 'slowest'))
      return `${Math.round(least)} … ${Math.round(most)}`
    }
    const ms = (number: number) => (number < 1_000 ? `${Math.round(number)} ms` : `${(number / 1_000).toPrecision(2)} s`)
    return {
      head: ['users', 'hash', 'requests/s', 'median ms', 'slowest ms', 'least … most', 'slowest ÷ median'],
      rows: crowds.flatMap((users) =>
        places.map((hash) => [
          users,
          hash,
          Math.round(of(users, hash, 'perSecond')),
          of(users, hash, 'median').toFixed(1),
          Math.round(of(users, hash, 'slowest')),
          slowest(users, hash),
          Math.round(of(users, hash, 'slowest') / of(users, hash, 'median')),
        ]),
      ),
      pictures: {
        'bench-queue.svg': picture(data, {
          title: `${most} users: the slowest request takes ${ms(of(most, 'inside', 'slowest'))}; with the hash before BEGIN, ${ms(of(most, 'outside', 'slowest'))}`,
          subtitle: `Each user sends its next request when its last is answered; BEGIN IMMEDIATE, timeout 60 s: nobody is refused. From the median to the slowest request`,
          room: 210,
          panels: [
            {
              heading: 'Time of a request',
              options: {
                x: { type: 'log', base: 2, ticks: crowds, tickFormat: String, label: 'users', labelAnchor: 'center' },
                y: powersOfTen(
                  places.flatMap((hash) => points(hash).flatMap(({ median, slowest }) => [median, slowest])),
                  'ms',
                ),
                marks: places.flatMap((hash) => [
                  areaY(points(hash), { x: 'users', y1: 'median', y2: 'slowest', fill: colours[hash], fillOpacity: 0.16 }),
                  line(points(hash), {
                    x: 'users',
                    y: 'slowest',
                    stroke: colours[hash],
                    strokeWidth: 1.5,
                    strokeDasharray: '5 3',
                  }),
                  line(points(hash), { x: 'users', y: 'median', stroke: colours[hash], strokeWidth: 2.5 }),
                  dot(points(hash), { x: 'users', y: 'median', fill: colours[hash], r: 3.5 }),
                ]),
              },
              labels: places.flatMap((hash) => [
                { x: most, y: of(most, hash, 'slowest'), words: `slowest, hash ${hash}`, colour: colours[hash] },
                { x: most, y: of(most, hash, 'median'), words: `median, hash ${hash}`, colour: colours[hash] },
              ]),
            },
          ],
        }),
      },
      sees:
        `With the hash inside the transaction, ${most} users have a median of ${ms(of(most, 'inside', 'median'))}, and a slowest request of ${ms(of(most, 'inside', 'slowest'))}; ` +
        `with the hash before it, ${ms(of(most, 'outside', 'median'))} and ${ms(of(most, 'outside', 'slowest'))}.` +
        (of(most, 'inside', 'slowest') >= of(most, 'inside', 'lasts') / 2
          ? ' Inside, the slowest waited for half of the run or longer: until others left.'
          : ''),
      why:
        'Inside, all users share one lock, and those who wait are not served in order: few requests carry the whole wait, so the median looks fine while the slowest explodes; ' +
        'outside, they share the processors, which the operating system divides evenly, and the lock is held too briefly to be met.',
      what: 'Look at the slowest request, not at the median, to see a lock that is held too long; and move what is slow to before BEGIN.',
    }
  },
}
