import type { Event, Op } from './history.ts'

type Transaction = { ended: number; began: number; type: Event['type']; value: Op[] }

/**
 * Whether there is an order of all transactions that explains every read and agrees with real time. It knows one way to find out: it
 * tries all orders, on a database made of lists and totals. That takes forever for more than a handful, and leaves no room for error.
 * What is unknown may have happened or not; what was refused has happened for nobody but itself.
 */
export function isExplained(events: Event[]): boolean {
  const lists = new Map<string, number[]>()
  const totals = new Map<string, number>()
  const waiting = new Set(transactionsOf(events))

  /** Runs a transaction. What undoes it again, if all it has read was there; nothing, and nothing has happened, otherwise. */
  function run({ type, value }: Transaction): (() => void) | undefined {
    const before: (() => void)[] = []
    const undo = () => {
      for (const step of before.reverse()) step()
    }
    for (const [kind, key, what, amount = 0] of value) {
      const [list, total] = [lists.get(key) ?? [], totals.get(key) ?? 0]
      if (kind === 'append' || kind === 'add') {
        lists.set(key, [...list, what as number])
        totals.set(key, total + (amount as number))
        before.push(() => {
          lists.set(key, list)
          totals.set(key, total)
        })
      } else if (what !== null && type !== 'info' && `${what}` !== `${kind === 'r' ? list : [total, list.length]}`) {
        undo()
        return undefined
      }
    }
    if (type !== 'fail') return undo
    undo()
    return () => {}
  }

  function isExplainedFromHere(): boolean {
    if ([...waiting].every(({ type }) => type === 'info')) return true
    const firstEnd = Math.min(...[...waiting].map(({ ended }) => ended))
    for (const transaction of [...waiting].filter(({ began }) => began < firstEnd)) {
      const undo = run(transaction)
      if (!undo) continue
      waiting.delete(transaction)
      if (isExplainedFromHere()) return true
      waiting.add(transaction)
      undo()
    }
    return false
  }
  return isExplainedFromHere()
}

function transactionsOf(events: Event[]): Transaction[] {
  const transactions: Transaction[] = []
  const running = new Map<number, Transaction>()
  for (const [i, { type, process, value }] of events.entries()) {
    const before = running.get(process)
    if (type === 'invoke' || !before) {
      const transaction: Transaction = { began: i, ended: Number.POSITIVE_INFINITY, type: 'info', value }
      running.set(process, transaction)
      transactions.push(transaction)
    } else if (type !== 'info') Object.assign(before, { ended: i, type, value })
  }
  return transactions
}
