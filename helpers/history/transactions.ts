import type { Event, Op } from './history.ts'

/** What a transaction came to. */
export const outcomes = ['unknown', 'confirmed', 'refused'] as const
export const [unknown, confirmed, refused] = outcomes.keys()

/** The kinds of micro-operations. */
const kinds = ['append', 'r', 'add', 'total'] as const
export const [append, read, add, total] = kinds.keys()

/** A read that says nothing: it has no answer, or one that contradicts another read, which has been told. */
export const silent = -1

type Contradiction = { transaction: number; key: number; elements: number[]; other: number }

/**
 * A history as columns of numbers: what is said of a transaction stands at its number in the one half of them, what is said of a
 * micro-operation at its number in the other. A million transactions take 360 MB, and as
 * events 800 MB more.
 *
 * It is read event by event. What cannot be a history is an error, with a sentence that says which line of it is at fault.
 */
export class Transactions {
  readonly process: number[] = []
  /** The number of the event that it began with, counted from 0. */
  readonly began: number[] = []
  /** The number of the event that it ended with; infinite if it never did. */
  readonly ended: number[] = []
  readonly outcome: number[] = []
  /** The number of its first micro-operation; the last one of these is that of the micro-operation to come. */
  readonly first: number[] = [0]
  /** How many events there are. */
  events = 0

  /** `append`, `read`, `add` or `total`. */
  readonly kind: number[] = []
  readonly key: number[] = []
  /** Of a write, the element. Of a total, what was read. */
  readonly value: number[] = []
  /** Of what is added, the amount. Of a total, what of it its own transaction has added before. */
  readonly amount: number[] = []
  /** Of a read, how many of the elements its own transaction has put there before. */
  readonly own: number[] = []
  /** Of a read, how many elements of others it found, or `silent`. */
  readonly found: number[] = []

  readonly keys: string[] = []
  readonly #numbers = new Map<string, number>()
  /** Of each key, who writes which element: the number of the micro-operation. */
  readonly writer: Map<number, number>[] = []
  /** Of each key, the longest list that was read, and in which transaction. */
  readonly longest: number[][] = []
  readonly longestIn: number[] = []

  /** Reads that are not the beginning of the longest, nor it of them. */
  readonly contradictions: Contradiction[] = []
  /** Transactions that contradict themselves, and how. */
  readonly inconsistent: { transaction: number; key: number; how: string }[] = []

  constructor(history: Iterable<Event>) {
    const running = new Map<number, number>()
    let time = Number.NEGATIVE_INFINITY
    for (const event of history) {
      this.events += 1
      const { type, process, value } = event
      if (!['invoke', 'ok', 'fail', 'info'].includes(type)) this.#refuse(`its type is '${type}', not invoke, ok, fail or info`)
      if (!Number.isInteger(process)) this.#refuse(`its process is ${JSON.stringify(process)}, not a whole number`)
      if (!Array.isArray(value)) this.#refuse('its value is no list of micro-operations')
      if (!Number.isFinite(event.time)) this.#refuse(`its time is ${event.time}, not a number of nanoseconds`)
      if (event.time < time) this.#refuse(`its time, ${event.time}, lies before that of the line above`)
      time = event.time
      const transaction = running.get(process)
      if (type === 'invoke') {
        if (transaction !== undefined) this.#refuse(`process ${process} begins in the middle of ${this.name(transaction)}`)
        running.set(process, this.process.length)
        this.#begin(process, value)
      } else {
        if (transaction === undefined) this.#refuse(`process ${process} answers, and nothing was asked of it`)
        running.delete(process)
        this.#end(transaction as number, type, value)
      }
    }
    if (this.events === 0) throw new Error('the history is empty: there is nothing to judge')
  }

  get length(): number {
    return this.process.length
  }

  /** The number of a key; -1 if it does not occur. */
  numberOf(key: string): number {
    return this.#numbers.get(key) ?? -1
  }

  readonly name = (transaction: number): string => `T${transaction + 1}`

  /**
   * A transaction in words: its process, outcome and lines, and what it wrote and read. If that is much, then only as far as it is about
   * these keys.
   */
  describe(transaction: number, about: number[] = []): string {
    const from = this.began[transaction] + 1
    const to = this.ended[transaction] + 1
    const lines = Number.isFinite(to) ? `lines ${from} and ${to}` : `line ${from}`
    const ops = this.opsOf(transaction)
    const shown = ops.length > 8 ? ops.filter((op) => about.includes(this.key[op])).slice(0, 8) : ops
    const deeds = shown.map((op) => this.#deed(transaction, op))
    if (shown.length < ops.length) deeds.push(`and ${ops.length - shown.length} things more`)
    const head = `${this.name(transaction)}, process ${this.process[transaction]}, ${outcomes[this.outcome[transaction]]} (${lines})`
    return `${head}: ${deeds.join(', ') || 'nothing'}`
  }

  /** The numbers of its micro-operations. */
  opsOf(transaction: number): number[] {
    const first = this.first[transaction]
    return Array.from({ length: this.first[transaction + 1] - first }, (_, i) => first + i)
  }

  /** The transaction that a micro-operation is of. */
  transactionOf(op: number): number {
    let [low, high] = [0, this.length]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (this.first[middle] <= op) low = middle
      else high = middle
    }
    return low
  }

  #deed(transaction: number, op: number): string {
    const key = this.keys[this.key[op]]
    if (this.kind[op] === append) return `appends ${this.value[op]} to ${key}`
    if (this.kind[op] === add) return `adds ${this.amount[op]} to ${key} (entry ${this.value[op]})`
    if (this.found[op] === silent) return `reads ${key}`
    if (this.kind[op] === total)
      return `reads the total of ${key}, ${this.value[op]} after ${this.found[op] + this.own[op]} entries`
    const isOwn = (write: number) => write < op && this.key[write] === this.key[op] && this.kind[write] !== read
    const own = this.opsOf(transaction).filter((write) => isOwn(write) && this.kind[write] !== total)
    const elements = [...this.longest[this.key[op]].slice(0, this.found[op]), ...own.map((write) => this.value[write])]
    return `reads ${key} = ${listed(elements)}`
  }

  #refuse(what: string): never {
    throw new Error(`line ${this.events}: ${what}`)
  }

  #keyOf(name: unknown): number {
    if (typeof name !== 'string' && !Number.isInteger(name)) this.#refuse(`its key is ${JSON.stringify(name)}, no name`)
    const known = this.#numbers.get(name as string)
    if (known !== undefined) return known
    this.#numbers.set(name as string, this.keys.length)
    this.longest.push([])
    this.longestIn.push(-1)
    this.writer.push(new Map())
    return this.keys.push(`${name}`) - 1
  }

  #begin(process: number, value: Op[]): void {
    this.process.push(process)
    this.began.push(this.events - 1)
    this.ended.push(Number.POSITIVE_INFINITY)
    this.outcome.push(unknown)
    for (const [op, name, element, amount] of value as [string, string, number, number?][]) {
      const kind = kinds.indexOf(op as 'append')
      if (kind === -1) this.#refuse(`there is no micro-operation ${JSON.stringify(op)}`)
      const key = this.#keyOf(name)
      if (kind === append || kind === add) {
        if (!Number.isInteger(element)) this.#refuse(`the element for ${name} is ${JSON.stringify(element)}, not a whole number`)
        if (this.writer[key].has(element))
          this.#refuse(`${element} goes to ${name} a second time: nobody could tell which is which`)
        this.writer[key].set(element, this.kind.length)
      }
      if (kind === add && !Number.isInteger(amount)) this.#refuse(`the amount for ${name} is ${JSON.stringify(amount)}`)
      this.kind.push(kind)
      this.key.push(key)
      this.value.push(kind === append || kind === add ? element : 0)
      this.amount.push(kind === add ? (amount as number) : 0)
      this.own.push(0)
      this.found.push(silent)
    }
    this.first.push(this.kind.length)
  }

  #end(transaction: number, type: 'ok' | 'fail' | 'info', value: Op[]): void {
    const from = this.first[transaction]
    const same = value.length === this.first[transaction + 1] - from && value.every((op, i) => this.#isOf(op, from + i))
    if (!same) this.#refuse(`process ${this.process[transaction]} answers another transaction than ${this.name(transaction)}`)
    if (type === 'info') return // whether it has happened or not, and when, others must tell
    this.ended[transaction] = this.events - 1
    this.outcome[transaction] = type === 'ok' ? confirmed : refused
    const seen = new Map<number, Seen>()
    for (const [i, op] of value.entries()) {
      if (op[0] === 'r' && op[2] !== null && !isWhole(op[2]))
        this.#refuse(`what was read of ${op[1]} is no list of whole numbers`)
      if (op[0] === 'total' && op[2] !== null && !(isWhole(op[2]) && op[2].length === 2))
        this.#refuse(`what was read of the total of ${op[1]} is not a sum and a count of entries`)
      const key = this.key[from + i]
      const before = seen.get(key) ?? { own: [], amount: 0 }
      seen.set(key, before)
      const how = contradicts(op, before)
      if (how) this.inconsistent.push({ transaction, key, how })
      if (op[0] === 'r' || op[0] === 'total') this.#hear(transaction, from + i, op, before)
    }
  }

  #isOf(op: Op, number: number): boolean {
    const [kind, name, element, amount] = op
    if (kind !== kinds[this.kind[number]] || this.numberOf(name) !== this.key[number]) return false
    if (kind === 'add' && amount !== this.amount[number]) return false
    return kind === 'r' || kind === 'total' || element === this.value[number]
  }

  /** Notes what a read was answered. */
  #hear(transaction: number, number: number, op: Op, { own, amount }: Seen): void {
    const answer = op[2]
    if (answer === null) {
      if (this.outcome[transaction] === confirmed) this.#refuse(`${op[1]} was read, and what was read is missing`)
      return
    }
    if (!endsWith(op, own)) return // it is told already, and what others see of it, nobody could say
    this.own[number] = own.length
    if (op[0] === 'total') {
      const [sum, entries] = answer as [number, number]
      this.value[number] = sum
      this.amount[number] = amount
      this.found[number] = entries - own.length
      return
    }
    // What a refused transaction has put there itself, nobody else is to see.
    const list = answer as number[]
    const elements = this.outcome[transaction] === confirmed ? list : list.slice(0, list.length - own.length)
    const key = this.key[number]
    const longest = this.longest[key]
    const common = Math.min(longest.length, elements.length)
    for (let i = 0; i < common; i += 1)
      if (elements[i] !== longest[i]) {
        this.contradictions.push({ transaction, key, elements, other: this.longestIn[key] })
        return
      }
    this.found[number] = (answer as number[]).length - own.length
    if (elements.length > longest.length) this.longest[key] = elements
    if (elements.length > longest.length || this.longestIn[key] === -1) this.longestIn[key] = transaction
  }
}

/** What a transaction knows of a key: what it has put there itself, and what it found when it looked last, with that included. */
type Seen = { own: number[]; amount: number; elements?: number[]; entries?: number; total?: number }

/** Whether a read has found what its own transaction has put there before. */
function endsWith([kind, , answer]: Op, own: number[]): boolean {
  if (kind === 'total') return (answer as [number, number])[1] >= own.length
  const elements = answer as number[]
  return elements.length >= own.length && own.every((element, i) => element === elements[elements.length - own.length + i])
}

/** How a micro-operation contradicts what its own transaction has seen and done before, if it does. Notes what it says. */
function contradicts(op: Op, seen: Seen): string | undefined {
  const [kind, key, answer] = op
  if (kind === 'append' || kind === 'add') {
    const tooSoon = seen.elements?.includes(answer) && `reads ${answer} in ${key} before it has put it there`
    seen.own.push(answer)
    seen.elements = seen.elements && [...seen.elements, answer]
    if (seen.entries !== undefined) seen.entries += 1
    if (kind === 'add') seen.amount += op[3]
    if (kind === 'add' && seen.total !== undefined) seen.total += op[3]
    return tooSoon || undefined
  }
  if (answer === null) return undefined
  if (kind === 'total') {
    const [total, entries] = answer
    const expected = seen.entries ?? Math.max(entries, seen.own.length)
    if (entries !== expected) return `reads a total of ${key} after ${entries} entries, where ${expected} have to be there`
    if (seen.total !== undefined && total !== seen.total)
      return `reads the total of ${key} as ${total}, where it has to be ${seen.total}`
    Object.assign(seen, { total, entries })
    return undefined
  }
  if (seen.elements && seen.elements.join() !== answer.join())
    return `reads ${key} = ${listed(answer)}, where it has to be ${listed(seen.elements)}`
  if (seen.entries !== undefined && seen.entries !== answer.length)
    return `reads ${key} = ${listed(answer)}, where ${seen.entries} entries have to be there`
  if (!endsWith(op, seen.own)) return `reads ${key} = ${listed(answer)}, which has to end with its own ${listed(seen.own)}`
  Object.assign(seen, { elements: answer, entries: answer.length })
  return undefined
}

const isWhole = (list: unknown): list is number[] => Array.isArray(list) && list.every(Number.isInteger)

/** A list, of which the end is shown if it is long. */
export function listed(elements: number[]): string {
  return elements.length > 12 ? `[… ${elements.slice(-10).join(', ')}]` : `[${elements.join(', ')}]`
}
