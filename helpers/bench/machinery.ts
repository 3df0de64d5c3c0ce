import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { dot, line, ruleX } from '@observablehq/plot'
import { execa } from 'execa'
import { Client } from 'undici'
import { Child, compileCache } from '../child.ts'
import { freshDatabase } from '../fresh-database.ts'
import { usersOf } from '../users.ts'
import { colour, picture, powersOfTen } from './chart.ts'
import { type Batch, type Data, figures, type Section, type Shown, those } from './section.ts'
import { median, spread } from './statistics.ts'

/** Resolves to where npm has put autocannon, so that it need not be asked again. */
const autocannon = async () =>
  (await execa('npm', ['exec', '--yes', '--package=autocannon@9.0.0', '-c', 'command -v autocannon'], { timeout: 20_000 })).stdout
const checker = fileURLToPath(new URL('../../fixtures/bench-checker.ts', import.meta.url))

/** What is compared with what, and the ratio that is aimed at. */
const comparisons = {
  start: { ours: 'a contender is ready', bare: 'a bare Node process has said a line', unit: 'ms', aim: '≤ 1.3' },
  // Where the rest of a start goes: to the library, which every contender needs; what is left is its own modules.
  library: {
    ours: 'a contender is ready',
    bare: 'a Node process has opened the file with better-sqlite3',
    unit: 'ms',
    aim: '',
  },
  statement: { ours: 'a statement in lock-step', bare: 'a round trip through two pipes', unit: 'ms', aim: '≤ 2.5' },
  users: { ours: 'ten users in closed loop', bare: 'autocannon with ten connections', unit: 'requests/s', aim: '≥ 0.7' },
  // And of the users: to undici, whose connections they have; to what they keep.
  client: { ours: 'ten users in closed loop', bare: 'ten connections of undici', unit: 'requests/s', aim: '' },
} as const
type Comparison = keyof typeof comparisons

async function milliseconds(task: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await task()
  return performance.now() - began
}

const echo = 'process.stdout.write("ready\\n"); process.stdin.pipe(process.stdout)'

/** The same that a bare process says, once the library is loaded and the file is open. */
const opens = `const Database = require('better-sqlite3')
  new Database(process.argv[1])
  process.stdout.write('ready\\n')
  process.stdin.pipe(process.stdout)`

/** A bare Node process that sends back what it is sent, once it has said its first line. */
async function bareProcess(...args: string[]): Promise<[ChildProcess, (line: string) => Promise<unknown>]> {
  const env = { ...process.env, NODE_COMPILE_CACHE: compileCache }
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'], env })
  const lines = createInterface({ input: child.stdout })
  await once(lines, 'line')
  const send = (line: string) => {
    child.stdin.write(`${line}\n`)
    return once(lines, 'line')
  }
  return [child, send]
}

/** The two of a comparison so many times in turns: what each took, the median. */
export function pairs(what: Comparison, times: number, ours: () => Promise<number>, bare: () => Promise<number>): Batch {
  return {
    settings: [
      { what, of: 'ours' },
      { what, of: 'bare' },
    ],
    run: async () => {
      const [some, others]: number[][] = [[], []]
      for (let i = 0; i < times; i += 1) {
        some.push(await ours())
        others.push(await bare())
      }
      return [{ figure: median(some) }, { figure: median(others) }]
    },
  }
}

/** Of each run, ours ÷ bare. */
export const ratios = (data: Data, what: Comparison) => {
  const bare = figures(data, { what, of: 'bare' }, 'figure')
  return spread(figures(data, { what, of: 'ours' }, 'figure').map((ours, i) => ours / bare[i]))
}

export const machinery: Section = {
  name: 'machinery',
  compares:
    'what contenders, statements and users cost, each with the barest thing that does the same; and how the checker of histories grows',
  rounds: { quick: 2, full: 5 },

  async prepare(size) {
    const { file, remove } = await freshDatabase()
    const asked = new Child('contender', 'contender.ts', file)
    await asked.ready
    const [bare, send] = await bareProcess('-e', echo)
    const serve = `const server = require('node:http').createServer((_, response) => response.end('OK'))
      server.listen(0, '127.0.0.1', () => console.log(server.address().port))
      process.stdin.on('end', () => process.exit()).resume()`
    const server = spawn(process.execPath, ['-e', serve], { stdio: ['pipe', 'pipe', 'inherit'] })
    const [port] = await once(createInterface({ input: server.stdout }), 'line')
    const url = `http://127.0.0.1:${port}`

    const startContender = async () => {
      const child = new Child('contender', 'contender.ts', file)
      const took = await milliseconds(() => child.ready)
      await child.end()
      return took
    }
    const startBare = (...args: string[]) => milliseconds(async () => (await bareProcess(...args))[0].stdin?.end())
    const seconds = size === 'quick' ? 1 : 5
    const ourUsers = async () => (await usersOf(url, { users: 10, seconds })).length / seconds
    const clients = async () => {
      const deadline = performance.now() + seconds * 1_000
      let answers = 0
      const client = async () => {
        const connection = new Client(url)
        while (performance.now() < deadline) {
          await (await connection.request({ method: 'GET', path: '/' })).body.dump()
          answers += 1
        }
        await connection.destroy()
      }
      await Promise.all(Array.from({ length: 10 }, client))
      return answers / seconds
    }
    const cannon = (program: string) => async () => {
      const { stdout } = await execa(program, ['-j', '-c', '10', '-d', `${seconds}`, url])
      return JSON.parse(stdout).requests.average as number
    }

    const batches = [
      pairs('start', 5, startContender, () => startBare('-e', echo)),
      pairs('library', 5, startContender, () => startBare('-e', opens, file)),
      pairs(
        'statement',
        1_000,
        () => milliseconds(() => asked.ask({ sql: 'SELECT 1' }, 'SELECT 1')),
        () => milliseconds(() => send('SELECT 1')),
      ),
      pairs('client', 1, ourUsers, clients),
    ]
    try {
      batches.push(pairs('users', 2, ourUsers, cannon(await autocannon())))
    } catch {} // without a network, it is not to be had; the table says so
    for (const transactions of size === 'quick'
      ? [1_000, 10_000, 100_000]
      : [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000])
      batches.push({
        settings: [{ transactions }],
        run: async () => {
          const { seconds, megabytes } = JSON.parse((await execa(process.execPath, [checker, `${transactions}`])).stdout)
          return [{ seconds, megabytes }]
        },
      })
    const close = async () => {
      await asked.kill()
      for (const child of [bare, server]) child.kill()
      await remove()
    }
    return { batches, close }
  },

  show(data): Shown {
    const compared = (Object.keys(comparisons) as Comparison[]).filter((what) => those(data, { what }).length > 0)
    const histories = those(data, {})
      .filter(({ setting }) => setting.transactions)
      .map(({ setting, runs }) => ({
        transactions: setting.transactions as number,
        seconds: median(runs.map(({ seconds }) => seconds as number)),
        megabytes: median(runs.map(({ megabytes }) => megabytes as number)),
      }))
    const each = ({ seconds, transactions }: { seconds: number; transactions: number }) => (seconds / transactions) * 1e6
    const [base] = histories.filter(({ transactions }) => transactions === 10_000)
    const growth = histories.map((history) => ({ ...history, ratio: each(history) / each(base) }))
    const last = growth.at(-1) as (typeof growth)[number]
    // The line that rises in proportion is drawn from where it enters the frame.
    const above = (name: 'seconds' | 'megabytes') =>
      growth.filter(
        ({ transactions }) => (last[name] / last.transactions) * transactions >= Math.min(...growth.map((one) => one[name])) / 2,
      )
    const two = (number: number) => number.toFixed(2)
    const rows = compared.map((what) => {
      const { ours, bare, unit, aim } = comparisons[what]
      const [one, other] = ['ours', 'bare'].map((of) => median(figures(data, { what, of }, 'figure')))
      const { least, median: ratio, most } = ratios(data, what)
      return [
        `${ours} ÷ ${bare}`,
        `${one.toPrecision(3)} ${unit}`,
        `${other.toPrecision(3)} ${unit}`,
        two(ratio),
        `${two(least)} … ${two(most)}`,
        aim,
      ]
    })
    if (!compared.includes('users'))
      rows.push([
        `${comparisons.users.ours} ÷ ${comparisons.users.bare}`,
        'not compared: npm cannot fetch autocannon',
        '',
        '',
        '',
        comparisons.users.aim,
      ])
    const checked = growth.map(({ transactions, seconds, megabytes, ratio }) => [
      `a transaction in a history of ${transactions.toLocaleString('en')} ÷ in one of 10,000`,
      `${each({ seconds, transactions }).toPrecision(3)} µs`,
      `${each(base).toPrecision(3)} µs`,
      two(ratio),
      `${seconds.toPrecision(2)} s, ${Math.round(megabytes)} MB`,
      '',
    ])
    const points = [
      ...compared.map((what) => ({
        what: `${comparisons[what].ours} ÷ ${comparisons[what].bare}`,
        ...ratios(data, what),
        colour: colour.blue,
      })),
      ...growth.map(({ transactions, ratio }) => ({
        what: `checker: a transaction of ${transactions.toLocaleString('en')} ÷ of 10,000`,
        least: ratio,
        median: ratio,
        most: ratio,
        colour: colour.purple,
      })),
    ]
    const told = compared
      .filter((what) => comparisons[what].aim)
      .map((what) => `${comparisons[what].ours}: ${two(ratios(data, what).median)} (${comparisons[what].aim})`)
    const took = (what: Comparison, of: string) => median(figures(data, { what, of }, 'figure'))
    const ms = (number: number) => `${number.toFixed(1)} ms`
    const measured = compared.filter((what) => comparisons[what].aim).map((what) => `${what} ${two(ratios(data, what).median)}`)
    return {
      head: ['ours ÷ bare', 'ours', 'bare', 'ratio', 'least … most', 'aim'],
      rows: [...rows, ...checked],
      pictures: {
        'bench-machinery.svg': picture(data, {
          title: `Beside the barest thing that does the same: ${measured.join(', ')}`,
          subtitle: 'Ratios of what was measured in pairs, in turns; the line is 1: as good as bare',
          room: 30,
          panels: [
            {
              heading: 'Ours ÷ bare',
              options: {
                width: 950,
                height: 40 + 26 * points.length,
                marginLeft: 470,
                x: {
                  domain: [0, Math.max(2, ...points.map(({ most }) => most))],
                  label: 'ratio',
                  labelAnchor: 'center',
                  grid: true,
                },
                y: { domain: points.map(({ what }) => what), label: null, tickSize: 0 },
                marks: [
                  ruleX([1], { stroke: colour.ink, strokeDasharray: '4 3' }),
                  ...points.flatMap((point) => [
                    line([point.least, point.most], {
                      x: (ratio) => ratio,
                      y: () => point.what,
                      stroke: point.colour,
                      strokeWidth: 3,
                    }),
                    dot([point], { x: 'median', y: 'what', fill: point.colour, r: 5 }),
                  ]),
                ],
              },
            },
          ],
        }),
        'bench-checker.svg': picture(data, {
          title: `The checker judges ${last.transactions.toLocaleString('en')} transactions in ${last.seconds.toPrecision(2)} s and ${Math.round(last.megabytes)} MB`,
          subtitle:
            'Histories in which all is well, each judged in a process of its own on Node’s default heap; the line rises in proportion',
          columns: 2,
          room: 40,
          panels: (['seconds', 'megabytes'] as const).map((name) => ({
            heading: { seconds: 'Seconds', megabytes: 'Peak memory of the process, MB' }[name],
            options: {
              x: {
                ...powersOfTen(
                  growth.map(({ transactions }) => transactions),
                  'transactions',
                ),
                labelAnchor: 'center' as const,
              },
              y: powersOfTen(
                growth.map((history) => history[name]),
                null,
              ),
              marks: [
                line(above(name), {
                  x: 'transactions',
                  y: ({ transactions }) => (last[name] / last.transactions) * transactions,
                  stroke: name === 'seconds' ? colour.ink : 'none',
                  strokeDasharray: '4 3',
                }),
                line(growth, { x: 'transactions', y: name, stroke: colour.purple, strokeWidth: 2 }),
                dot(growth, { x: 'transactions', y: name, fill: colour.purple, r: 4 }),
              ],
            },
          })),
        }),
      },
      sees: `Ratios, with what is aimed at: ${told.join('; ')}; a transaction in a history of ${last.transactions.toLocaleString('en')} costs the checker ${two(last.ratio)} times what it costs in one of 10,000.`,
      why:
        `A contender is a Node process that loads a SQLite library and opens a file: of the ${ms(took('start', 'ours') - took('start', 'bare'))} that its start takes more than that of a bare process, ` +
        `${ms(took('library', 'bare') - took('start', 'bare'))} are that, and the rest its own modules. A statement is a line of JSON each way. ` +
        `Users have ${two(ratios(data, 'client').median)} times the rate of bare connections of undici; autocannon has a client of its own.`,
      what: 'Do nothing: it says that what the other sections and the chapters see is SQLite, and not the machinery around it.',
    }
  },
}
