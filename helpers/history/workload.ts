import type { Accounts } from './checker.ts'
import type { Op } from './history.ts'
import { Random } from './random.ts'

/** A transaction to be run: how it begins, and what it does. One that does not begin is a single statement, and commits by itself. */
export type Plan = { begin: 'immediate' | 'deferred' | 'autocommit'; value: Op[] }

const names = (what: string, count: number) => Array.from({ length: count }, (_, i) => `${what} ${i + 1}`)

/** How many elements are put into a list before another takes its place: what is read stays short, however long a history gets. */
const longest = 10

/**
 * The transactions of a run, the same for the same seed: elements are appended to lists and lists read, amounts go from account to
 * account and all accounts are read, counters count up and are read. Some transactions do two of these.
 */
export class Workload {
  readonly accounts: Accounts
  readonly counters: string[]
  /** Every list there was so far. */
  readonly lists: string[]
  /** Those in use, and how many elements were put into each. */
  readonly #open: { key: string; length: number }[]
  readonly #random: Random
  #element = 0

  constructor(seed: number, { accounts, counters, lists } = { accounts: 5, counters: 3, lists: 4 }) {
    this.#random = new Random(seed)
    this.accounts = { keys: names('account', accounts), sum: accounts * 100 }
    this.counters = names('counter', counters)
    this.lists = names('list', lists)
    this.#open = this.lists.map((key) => ({ key, length: 0 }))
  }

  /** Fills the accounts. It runs before all others. */
  opening(): Plan {
    const share = this.accounts.sum / this.accounts.keys.length
    return { begin: 'immediate', value: this.accounts.keys.map((key) => ['add', key, this.#next(), share]) }
  }

  /** Reads everything there is. It runs when all others have ended: then nothing is left undecided. */
  audit(): Plan {
    const totals = [...this.accounts.keys, ...this.counters]
    const value: Op[] = [...totals, ...this.lists].map((key) => ['r', key, null])
    return { begin: 'deferred', value: [...totals.map((key): Op => ['total', key, null]), ...value] }
  }

  /** Where it is to fulfil a wish, the next that does; those before are never run. */
  next(wish: (value: Op[]) => boolean = () => true): Plan {
    let plan = this.#any()
    while (!wish(plan.value)) plan = this.#any()
    return plan
  }

  #any(): Plan {
    const random = this.#random
    const what = random.next()
    const only = random.chance(0.8)
    if (what < 0.45) return only ? this.#list() : this.#both(this.#list(), this.#counter())
    if (what < 0.75) return only ? this.#transfer() : this.#both(this.#list(), this.#transfer())
    return only ? this.#counter() : this.#both(this.#counter(), this.#transfer())
  }

  #both(one: Plan, other: Plan): Plan {
    return { begin: this.#random.pick(['immediate', 'deferred']), value: [...one.value, ...other.value] }
  }

  #list(): Plan {
    const random = this.#random
    const ops = Array.from({ length: 1 + random.below(3) }, (): Op => {
      const list = random.pick(this.#open)
      const { key } = list
      if (random.chance(0.5)) return ['r', key, null]
      list.length += 1
      if (list.length === longest) {
        Object.assign(list, { key: `list ${this.lists.length + 1}`, length: 0 })
        this.lists.push(list.key)
      }
      return ['append', key, this.#next()]
    })
    if (ops.length === 1) return { begin: random.pick(['immediate', 'deferred', 'autocommit']), value: ops }
    return { begin: random.pick(['immediate', 'deferred']), value: ops }
  }

  #transfer(): Plan {
    const random = this.#random
    const { keys } = this.accounts
    const all = keys.map((key): Op => ['total', key, null])
    if (random.chance(0.4)) return { begin: random.pick(['deferred', 'autocommit']), value: all }
    const from = random.below(keys.length)
    const to = (from + 1 + random.below(keys.length - 1)) % keys.length
    const amount = 1 + random.below(20)
    const transfer: Op[] = [
      ['add', keys[from], this.#next(), -amount],
      ['add', keys[to], this.#next(), amount],
    ]
    if (random.chance(0.3)) return { begin: 'autocommit', value: transfer }
    const before = random.chance(0.5) ? all : [all[from], all[to]]
    return { begin: random.pick(['immediate', 'deferred']), value: [...before, ...transfer] }
  }

  #counter(): Plan {
    const random = this.#random
    const key = random.pick(this.counters)
    const count: Op = ['add', key, this.#next(), 1]
    if (random.chance(0.3)) return { begin: 'autocommit', value: [['total', key, null]] }
    if (random.chance(0.3)) return { begin: 'autocommit', value: [count] }
    return { begin: random.pick(['immediate', 'deferred']), value: [['total', key, null], count] }
  }

  #next(): number {
    this.#element += 1
    return this.#element
  }
}
