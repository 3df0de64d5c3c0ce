import { add, append, confirmed, read, refused, silent, type Transactions, unknown } from './transactions.ts'

/** Where nobody who counts has written: the element is of a refused transaction, or of none, or there for the second time. */
export const nobody = -1

/**
 * What each key was like after which write, and who has seen that. As Elle has it, the longest list of a key that was read tells who
 * wrote after whom; every other read is the beginning of it, and so is a total, by the number of its entries.
 */
export class Versions {
  readonly log: Transactions
  /** Of each key, who wrote the elements of its longest list, or `nobody`. */
  readonly writers: Int32Array[]
  /** Of each write, its place in the longest list of its key, from 0; -1 if it is not there. */
  readonly place: Int32Array
  /** Of each key, the one of those who have read its list who began last; -1 if nobody has. */
  readonly lastReader: Int32Array
  /**
   * Of a key, those who take part and have written to it what nobody has found: they come after all that was found. Who is told to have
   * lost a write is none of them.
   */
  readonly unread = new Map<number, Set<number>>()
  /** Whether a transaction has a part in the order of all: it is confirmed, or somebody has found what it wrote, or it has read. */
  readonly takesPart: Uint8Array
  /** Elements that should not be there: nobody wrote them, one who was refused did, they are there twice or in a wrong order. */
  readonly strange: {
    what: 'from nowhere' | 'G1a' | 'duplicate' | 'wrong order'
    key: number
    element: number
    writer: number
  }[] = []

  constructor(log: Transactions) {
    this.log = log
    this.place = new Int32Array(log.kind.length).fill(-1)
    this.writers = log.longest.map((elements, key) => this.#writersOf(key, elements))
    this.lastReader = new Int32Array(log.keys.length).fill(-1)
    this.takesPart = new Uint8Array(log.length)
    const { first, outcome, kind, key, found } = log
    for (let transaction = 0; transaction < log.length; transaction += 1) {
      if (outcome[transaction] === confirmed) this.takesPart[transaction] = 1
      for (let op = first[transaction]; op < first[transaction + 1]; op += 1) {
        if (outcome[transaction] === unknown && this.place[op] >= 0) this.takesPart[transaction] = 1
        if (found[op] === silent) continue
        this.takesPart[transaction] = 1
        if (kind[op] === read) this.lastReader[key[op]] = transaction // they are in the order in which they began
      }
    }
  }

  #writersOf(key: number, elements: number[]): Int32Array {
    const { writer, outcome } = this.log
    const writers = new Int32Array(elements.length).fill(nobody)
    let before = -1
    for (const [place, element] of elements.entries()) {
      const op = writer[key].get(element)
      const transaction = op === undefined ? nobody : this.log.transactionOf(op)
      const strange = (what: Versions['strange'][number]['what']) =>
        this.strange.push({ what, key, element, writer: transaction })
      if (op === undefined) strange('from nowhere')
      else if (this.place[op] >= 0) strange('duplicate')
      else {
        this.place[op] = place
        if (outcome[transaction] === refused) strange('G1a')
        else writers[place] = transaction
        if (before > op && place > 0 && writers[place - 1] === transaction) strange('wrong order')
        before = op
      }
    }
    return writers
  }

  readonly isWrite = (op: number): boolean => this.log.kind[op] === append || this.log.kind[op] === add

  /** Who wrote next to a key, from a place of its list on, other than the one who asks. */
  nextWriter(key: number, place: number, self: number): number {
    const writers = this.writers[key]
    for (let i = place; i < writers.length; i += 1) if (writers[i] !== nobody && writers[i] !== self) return writers[i]
    return nobody
  }

  /** Who wrote last to a key, before a place of its list. */
  lastWriter(key: number, place: number): number {
    const writers = this.writers[key]
    for (let i = Math.min(place, writers.length) - 1; i >= 0; i -= 1) if (writers[i] !== nobody) return writers[i]
    return nobody
  }

  /** Every read that says something, and whose it is. */
  *reads(): Generator<[transaction: number, op: number]> {
    const { length, first, found } = this.log
    for (let transaction = 0; transaction < length; transaction += 1)
      for (let op = first[transaction]; op < first[transaction + 1]; op += 1) if (found[op] !== silent) yield [transaction, op]
  }
}
