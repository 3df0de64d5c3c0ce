import { type Finding, Findings } from './findings.ts'
import type { Event } from './history.ts'
import { orderOf, replay } from './order.ts'
import { add, confirmed, listed, outcomes, refused, Transactions, total, unknown } from './transactions.ts'
import { nobody, Versions } from './versions.ts'

export type Verdict = {
  /** What is wrong. Of each kind, only the first twenty are told. */
  findings: Finding[]
  /** How much is wrong in all. */
  found: number
  /**
   * An order of all that has happened which explains every read and agrees with real time, as numbers counted from 0: if there is one,
   * and nothing is undecided.
   */
  order?: number[]
  transactions: number
  confirmed: number
  refused: number
  unknown: number
  /** How many of those whose outcome is unknown have happened. */
  happened: number
  /** How many writes and totals could not be judged, because nobody has read late enough what they are to be compared with. */
  undecided: number
}

/** Accounts, and the sum of their totals. */
export type Accounts = { keys: string[]; sum: number }

/**
 * Judges a history: whether every confirmed write is there exactly once, no refused one, an unknown one wholly or not at all; whether
 * the accounts' sum is the same in every read; and whether there is an order of all transactions that explains every read and agrees
 * with real time, which is strict serialisability. It is a pure function, and linear in the length of the history.
 *
 * As in Elle (Kingsbury and Alvaro, https://github.com/jepsen-io/elle), the order of writes follows from the lists that were read, and
 * from that, who comes before whom: who wrote next (ww), who read what was written (wr), who wrote next after what was read (rw), and who
 * began after the end of whom (rt). Accounts and counters are in the same order: a total tells how many entries of its ledger it counts,
 * so it is a read of that beginning of the ledger, and has to be the sum of it. A cycle is an anomaly, and named by its edges. If there
 * is none, all transactions are replayed in the order found, and every read is compared once more.
 *
 * What was confirmed takes part; what is unknown does if something it wrote was found; what was refused does as a reader, for SQLite
 * shows nothing but what is committed to those who are refused later, either.
 *
 * What is not checked: whether a write is there that nobody has found, and nobody had to; it is then taken to have happened after all
 * that was found. And a total whose ledger nobody has read so far cannot be compared. Both are counted as undecided. A transaction that
 * reads all keys when everybody else has gone leaves nothing undecided.
 *
 * Throws a sentence if what it is given is no history (see `Transactions`), or if one of the accounts does not occur in it.
 */
export function check(history: Iterable<Event>, accounts: Accounts = { keys: [], sum: 0 }): Verdict {
  const log = new Transactions(history)
  const versions = new Versions(log)
  const findings = new Findings(log)
  const undecided = compareWrites(versions, findings) + compareTotals(versions, findings)
  tellStrange(versions, findings)
  tellContradictions(log, findings)
  tellHalves(versions, findings)
  compareSums(versions, findings, accounts)
  const order = orderOf(versions, findings)
  const isProven = order !== undefined && findings.count === 0 && undecided === 0
  if (isProven) replay(versions, order)

  const counts = outcomes.map((_, outcome) => log.outcome.reduce((count, each) => count + Number(each === outcome), 0))
  const happened = log.outcome.reduce((count, each, i) => count + Number(each === unknown && versions.takesPart[i] === 1), 0)
  return {
    findings: findings.told,
    found: findings.count,
    order: isProven ? order : undefined,
    transactions: log.length,
    confirmed: counts[confirmed],
    refused: counts[refused],
    unknown: counts[unknown],
    happened,
    undecided,
  }
}

/** Elements that should not be there. */
function tellStrange({ log, strange }: Versions, findings: Findings): void {
  for (const { what, key, element, writer } of strange) {
    const reader = log.longestIn[key]
    const finds = `${log.name(reader)} finds ${element} in ${log.keys[key]}`
    if (what === 'from nowhere') findings.add(what, `${finds}, and nobody has put it there`, [key], reader)
    if (what === 'duplicate') findings.add(what, `${finds} twice`, [key], writer, reader)
    if (what === 'G1a') findings.add(what, `${finds}, of ${log.name(writer)}, which was refused`, [key], writer, reader)
    if (what === 'wrong order')
      findings.add('internal', `${finds} behind what ${log.name(writer)} wrote later`, [key], writer, reader)
  }
}

/** Transactions that contradict each other about a list, or themselves. */
function tellContradictions({ contradictions, inconsistent, keys, name }: Transactions, findings: Findings): void {
  for (const { transaction, key, elements, other } of contradictions) {
    const reads = `${name(transaction)} reads ${keys[key]} = ${listed(elements)}`
    findings.add('incompatible order', `${reads}, and ${name(other)} reads it otherwise`, [key], transaction, other)
  }
  for (const { transaction, key, how } of inconsistent)
    findings.add('internal', `${name(transaction)} ${how}`, [key], transaction)
}

/** Writes that nobody has found, of those who take part. Returns of how many nobody could say whether they are there. */
function compareWrites(versions: Versions, findings: Findings): number {
  const { log, place, takesPart, lastReader } = versions
  const { length, first, outcome, key, value, began, ended, keys } = log
  let undecided = 0
  for (let transaction = 0; transaction < length; transaction += 1) {
    if (takesPart[transaction] === 0 || outcome[transaction] === refused) continue
    for (let op = first[transaction]; op < first[transaction + 1]; op += 1) {
      if (!versions.isWrite(op) || place[op] >= 0) continue
      const reader = lastReader[key[op]]
      const [who, what] = [log.name(transaction), `${value[op]} in ${keys[key[op]]}`]
      const other = log.opsOf(transaction).find((other) => place[other] >= 0)
      if (reader !== nobody && other !== undefined && finds(versions, reader, other)) {
        const there = `${value[other]} in ${keys[key[other]]}`
        const sentence = `${log.name(reader)} finds ${there}, of ${who}, and does not find its ${what}`
        findings.add('half there', sentence, [key[op], key[other]], transaction, reader)
      } else if (reader !== nobody && began[reader] > ended[transaction]) {
        const sentence = `${who} was confirmed, and ${log.name(reader)}, which began later, does not find its ${what}`
        findings.add('lost write', sentence, [key[op]], transaction, reader)
      } else {
        versions.unread.set(key[op], (versions.unread.get(key[op]) ?? new Set()).add(transaction))
        undecided += 1
      }
    }
  }
  return undecided
}

/** Whether a transaction has read a key late enough to find a write. */
function finds({ log, place }: Versions, reader: number, write: number): boolean {
  return log.opsOf(reader).some((op) => log.key[op] === log.key[write] && log.found[op] > place[write])
}

/** Reads that end in the middle of what one transaction wrote, or with what the reader itself was yet to write. */
function tellHalves(versions: Versions, findings: Findings): void {
  const { log, writers } = versions
  const { key, found, keys } = log
  for (const [reader, op] of versions.reads()) {
    const list = writers[key[op]]
    const writer = list[found[op] - 1] ?? nobody
    if (writer === nobody) continue
    if (writer === reader)
      findings.add('internal', `${log.name(reader)} finds in ${keys[key[op]]} what it writes later`, [key[op]], reader)
    else if (list[found[op]] === writer) {
      const sentence = `${log.name(reader)} finds in ${keys[key[op]]} a part of what ${log.name(writer)} wrote`
      findings.add('G1b', sentence, [key[op]], writer, reader)
    }
  }
}

/** Every total has to be the sum of the entries it counts. Returns how many could not be judged. */
function compareTotals(versions: Versions, findings: Findings): number {
  const { log, lastReader } = versions
  const { kind, key, value, amount, own, found, keys, longest, longestIn, began, ended } = log
  const sums = new Map<number, number[]>()
  let undecided = 0
  for (const [transaction, op] of versions.reads()) {
    if (kind[op] !== total) continue
    const list = key[op]
    const known = sums.get(list) ?? sumsOf(log, list)
    sums.set(list, known)
    const what = `${log.name(transaction)} reads the total of ${keys[list]} after ${found[op] + own[op]} entries`
    const reader = lastReader[list]
    if (found[op] <= longest[list].length) {
      const expected = known[found[op]] + amount[op]
      if (value[op] !== expected)
        findings.add('wrong total', `${what} as ${value[op]}, and their sum is ${expected}`, [list], transaction, longestIn[list])
    } else if (reader !== nobody && began[reader] > ended[transaction])
      findings.add('wrong total', `${what}, and ${log.name(reader)}, which began later, finds fewer`, [list], transaction, reader)
    else undecided += 1
  }
  return undecided
}

/** The sums of the first entries of a ledger: of none, of one, of two, … */
function sumsOf({ longest, writer, amount }: Transactions, key: number): number[] {
  const sums = [0]
  for (const [i, element] of longest[key].entries()) sums.push(sums[i] + (amount[writer[key].get(element) ?? -1] ?? 0))
  return sums
}

/**
 * The sum of all accounts, in every transaction that has read them all: as others have left them, without what it has moved itself
 * until then. One that puts more into the accounts than it takes from them, as the one that fills them does, is not judged.
 */
function compareSums(versions: Versions, findings: Findings, accounts: Accounts): void {
  const { log } = versions
  const keys = [...new Set(accounts.keys)].map((name) => log.numberOf(name))
  const missing = accounts.keys.find((name) => log.numberOf(name) === -1)
  if (missing !== undefined) throw new Error(`there is no account ${missing} in the history`)
  if (keys.length === 0) return
  const isBalanced = (transaction: number) => {
    const additions = log.opsOf(transaction).filter((op) => log.kind[op] === add && keys.includes(log.key[op]))
    return additions.reduce((sum, op) => sum + log.amount[op], 0) === 0
  }
  let [whose, totals] = [-1, new Map<number, number>()]
  for (const [transaction, op] of versions.reads()) {
    if (log.kind[op] !== total || !keys.includes(log.key[op])) continue
    if (transaction !== whose) [whose, totals] = [transaction, new Map()]
    if (totals.has(log.key[op])) continue
    totals.set(log.key[op], log.value[op] - log.amount[op])
    const sum = [...totals.values()].reduce((sum, each) => sum + each)
    if (totals.size === keys.length && sum !== accounts.sum && isBalanced(transaction))
      findings.add(
        'varying sum',
        `${log.name(transaction)} finds ${sum} in all accounts, and not ${accounts.sum}`,
        keys,
        transaction,
      )
  }
}
