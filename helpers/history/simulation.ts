import type { Event, Op } from './history.ts'
import { Random } from './random.ts'
import type { Plan, Workload } from './workload.ts'

type Run = { process: number; plan: Plan; answer?: Event }

/** What a simulated transaction meets, and how likely that is. */
type Odds = { refused: number; killed: number }

/**
 * The history of a database that makes no mistake: a transaction happens at one moment between its beginning and its end. So many
 * processes run so many transactions at the same time; then, if asked to, one reads everything. Nothing of it is kept but the database.
 */
export function* simulated(
  workload: Workload,
  { seed, processes, transactions, audit = true }: { seed: number; processes: number; transactions: number; audit?: boolean },
  { refused, killed }: Odds = { refused: 0.05, killed: 0.02 },
): Generator<Event> {
  const random = new Random(seed)
  const database = new Database()
  let time = 0
  const event = (type: Event['type'], process: number, value: Op[]): Event => ({ type, process, time: ++time, value })

  function* alone(process: number, { value }: Plan): Generator<Event> {
    yield event('invoke', process, value)
    yield event('ok', process, database.run(value))
  }

  yield* alone(0, workload.opening())
  let [begun, last] = [0, processes]
  const slots: { process: number; run?: Run }[] = Array.from({ length: processes }, (_, i) => ({ process: i + 1 }))
  while (begun < transactions || slots.some(({ run }) => run)) {
    const slot = random.pick(slots)
    const { process, run } = slot
    if (!run) {
      if (begun === transactions) continue
      begun += 1
      slot.run = { process, plan: workload.next() }
      yield event('invoke', process, slot.run.plan.value)
    } else if (!run.answer) {
      const { value } = run.plan
      const fate = random.next()
      if (fate < refused) run.answer = event('fail', process, database.look(value, random.below(value.length + 1)))
      else if (fate < refused + killed) {
        if (random.chance(0.5)) database.run(value)
        run.answer = event('info', process, value)
      } else run.answer = event('ok', process, database.run(value))
    } else {
      yield { ...run.answer, time: ++time }
      slot.run = undefined
      if (run.answer.type === 'info') slot.process = ++last
    }
  }
  if (audit) yield* alone(last + 1, workload.audit())
}

/** Lists, and the totals of those that are ledgers. */
class Database {
  readonly #lists = new Map<string, number[]>()
  readonly #totals = new Map<string, number>()

  /** Runs a transaction, and tells what it read. */
  run(value: Op[]): Op[] {
    return value.map((op) => {
      if (op[0] === 'r' || op[0] === 'total') return this.#read(op)
      const [, key, element, amount = 0] = op
      const list = this.#lists.get(key)
      if (list) list.push(element)
      else this.#lists.set(key, [element])
      this.#totals.set(key, (this.#totals.get(key) ?? 0) + amount)
      return op
    })
  }

  /** What a transaction reads that is refused at one of its micro-operations: nothing of it happens. */
  look(value: Op[], refused: number): Op[] {
    const writes = value.findIndex(([kind]) => kind === 'append' || kind === 'add')
    const until = writes === -1 ? refused : Math.min(refused, writes)
    return value.map((op, i) => (i < until && (op[0] === 'r' || op[0] === 'total') ? this.#read(op) : op))
  }

  #read(op: Op): Op {
    const [kind, key] = op
    const list = this.#lists.get(key) ?? []
    return kind === 'total' ? [kind, key, [this.#totals.get(key) ?? 0, list.length]] : ['r', key, [...list]]
  }
}
