import { isDeepStrictEqual } from 'node:util'
import Database from 'better-sqlite3'
import type { Moment, Story } from './timeline.ts'

/** What one contender has committed as one: its statements that were not refused. `from` and `to` are places in the story. */
type Transaction = { contender: string; statements: Moment[]; from: number; to: number }

/**
 * The serial orders that explain a story, each as the names of the contenders by their first transactions: run one after the other by
 * one alone, the committed transactions give every row that they gave in the story. One that was over before another began comes before
 * it. Where there is no such order, the story shows an anomaly.
 *
 * What a contender has read before its BEGIN counts as part of the transaction, for that is what it writes upon; by Adya's definitions
 * it is none. After its last COMMIT, each statement stands for itself. What comes before the first BEGIN or SELECT of the story makes the
 * database. Throws if a transaction is left open.
 */
export function serialOrders({ moments }: Story): string[][] {
  const start = moments.findIndex(({ text }) => /^(BEGIN|SELECT)\b/.test(text))
  const made = moments.slice(0, start).map(({ text }) => text)
  const contenders = [...new Set(moments.map(({ contender }) => contender))]
  const transactions = contenders.flatMap((contender) => committedBy(contender, moments, start))
  const explaining = [...orders(transactions)].filter((order) => explains(order, made))
  const named = explaining.map((order) => [...new Set(order.map(({ contender }) => contender))])
  return named.filter((order, i) => !named.slice(0, i).some((other) => isDeepStrictEqual(other, order)))
}

function committedBy(contender: string, moments: Moment[], start: number): Transaction[] {
  const isDone = (i: number) => moments[i].outcome?.code === 'SQLITE_OK'
  const committed: number[][] = []
  let open: number[] = []
  for (const [i, { contender: whose, text }] of moments.entries()) {
    if (i < start || whose !== contender) continue
    open.push(i)
    if (text === 'COMMIT' && isDone(i)) committed.push(open)
    if (/^(COMMIT|ROLLBACK)$/.test(text) && isDone(i)) open = []
  }
  if (open.some((i) => moments[i].text.startsWith('BEGIN'))) throw new Error(`${contender} leaves a transaction open`)
  return [...committed, ...open.map((i) => [i])].map((places) => ({
    contender,
    statements: places.filter(isDone).map((i) => moments[i]),
    from: places[0],
    to: places[places.length - 1],
  }))
}

/** All orders of the transactions that agree with the clock. */
function* orders(rest: Transaction[], placed: Transaction[] = []): Generator<Transaction[]> {
  if (rest.length === 0) yield placed
  for (const next of rest) {
    const others = rest.filter((other) => other !== next)
    if (others.every(({ to }) => to > next.from)) yield* orders(others, [...placed, next])
  }
}

/** Whether the transactions give the rows that they gave when one connection, in memory, runs them in this order. */
function explains(order: Transaction[], made: string[]): boolean {
  const database = new Database(':memory:')
  try {
    for (const sql of made) database.exec(sql)
    return order.every(({ statements }) =>
      statements.every(({ text, outcome }) => {
        const statement = database.prepare(text)
        if (statement.reader) return isDeepStrictEqual(statement.all(), outcome?.rows)
        statement.run()
        return true
      }),
    )
  } finally {
    database.close()
  }
}
