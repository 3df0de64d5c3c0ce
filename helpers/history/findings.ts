import type { Transactions } from './transactions.ts'

/** What can be wrong with a history, by the names of the literature where it has one, and what that means. */
export const anomalies = {
  'lost write': 'a transaction was confirmed, and one that began later does not find what it wrote',
  'half there': 'a transaction is there in part',
  duplicate: 'what was written once is there twice',
  'from nowhere': 'what nobody wrote is there',
  G1a: 'aborted read: what a refused transaction wrote is there',
  G1b: 'intermediate read: what another wrote is found before it had written all',
  'incompatible order': 'two transactions find the same list in different orders',
  internal: 'a transaction contradicts what it has seen or done itself',
  'wrong total': 'a total is not the sum of the entries that it counts',
  'varying sum': 'the sum of all accounts is not what it has to be',
  G0: 'dirty write: transactions write over each other',
  G1c: 'circular information flow: transactions find what each other wrote',
  'lost update': 'two transactions have read the same state, and both have written to it',
  'G-single': 'read skew: a transaction finds one thing that has happened, and misses another that had to be there then',
  'write skew': 'two transactions have each read what the other then wrote',
  G2: 'transactions miss what each other wrote, in a circle',
  'G0-realtime': 'a transaction writes before another that had ended before it began',
  'G1c-realtime': 'a transaction finds what was written after it had ended',
  'stale read': 'a transaction misses what was there before it began (G-single-realtime)',
  'G2-realtime': 'transactions miss what each other wrote, in a circle that real time closes',
} as const

export type Anomaly = keyof typeof anomalies

export type Finding = {
  anomaly: Anomaly
  /** Who, and what. */
  sentence: string
  /** The transactions that prove it, in words, in the order in which they began. */
  proof: string[]
}

/** How many findings of a kind are told; the others are counted. */
const enough = 20

/** Collects what is found, in the words of the transactions it is about. */
export class Findings {
  readonly told: Finding[] = []
  /** How many there are in all. */
  count = 0
  readonly #transactions: Transactions
  readonly #counts = new Map<Anomaly, number>()

  constructor(transactions: Transactions) {
    this.#transactions = transactions
  }

  /** Who has done what to these keys proves it: the numbers of keys and transactions. A transaction -1 is none. */
  add(anomaly: Anomaly, sentence: string, keys: number[], ...transactions: number[]): void {
    this.count += 1
    const count = (this.#counts.get(anomaly) ?? 0) + 1
    this.#counts.set(anomaly, count)
    if (count > enough) return
    const proof = [...new Set(transactions)].filter((each) => each >= 0).toSorted((one, other) => one - other)
    this.told.push({ anomaly, sentence, proof: proof.map((each) => this.#transactions.describe(each, keys)) })
  }
}

/** A finding as lines of text. */
export function tell({ anomaly, sentence, proof }: Finding): string {
  return [`${anomaly} (${anomalies[anomaly]}): ${sentence}`, ...proof.map((line) => `    ${line}`)].join('\n')
}
