/**
 * One micro-operation of a transaction. Every key is a list that elements are appended to, no element twice; some of the lists are
 * the ledger of a running total. What a read was answered is `null` until it is known.
 *
 * `append` and `r` are those of Jepsen's list-append histories. `add` appends an element to a ledger, and adds an amount to its
 * total; `total` reads the total, and how many entries the ledger has.
 */
export type Op =
  | [op: 'append', key: string, element: number]
  | [op: 'r', key: string, elements: number[] | null]
  | [op: 'add', key: string, element: number, amount: number]
  | [op: 'total', key: string, read: [total: number, entries: number] | null]

/**
 * One event of a history: a transaction begins (`invoke`), or ends: it is confirmed (`ok`), refused or rolled back, and certain not to
 * have happened (`fail`), or nobody knows (`info`), because its process was killed before it could answer.
 */
export type Event = {
  type: 'invoke' | 'ok' | 'fail' | 'info'
  /** Who runs the transaction; a process has one at a time, and one that takes the place of a killed one has another number. */
  process: number
  /** Nanoseconds, by one clock for all processes. */
  time: number
  /** What the transaction is to do, and in the end, what it has read. */
  value: Op[]
}

/** Events in the order of their time. At one and the same nanosecond, what begins comes first: nothing is said about their order. */
export function inOrder(events: Event[]): Event[] {
  return events.toSorted((one, other) => one.time - other.time || Number(other.type === 'invoke') - Number(one.type === 'invoke'))
}

/** A history as JSON lines, one event a line. */
export function toLines(events: Event[]): string {
  return events.map((event, index) => `${JSON.stringify({ index, f: 'txn', ...event })}\n`).join('')
}

/** Reads JSON lines. Throws a sentence that names the line if one of them is no event. */
export function fromLines(text: string): Event[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  return lines.map((line, i) => {
    let event: unknown
    try {
      event = JSON.parse(line)
    } catch {}
    if (typeof event !== 'object' || event === null) throw new Error(`line ${i + 1} is no event: ${line.slice(0, 80)}`)
    return event as Event
  })
}

/**
 * The same history for elle-cli (github.com/ligurio/elle-cli), as it reads list-append histories: one JSON array. What is added to a
 * ledger is appended there; a total is a read of as many entries as it counts, where they are known, and otherwise is left out.
 */
export function forElle(events: Event[]): string {
  const longest = new Map<string, number[]>()
  for (const { value } of events)
    for (const [op, key, elements] of value)
      if (op === 'r' && elements && elements.length > (longest.get(key)?.length ?? 0)) longest.set(key, elements)

  const translated = (op: Op): unknown[] => {
    if (op[0] === 'add') return [['append', op[1], op[2]]]
    if (op[0] !== 'total') return [op]
    const [, key, read] = op
    if (!read) return [['r', key, null]]
    const entries = longest.get(key) ?? []
    return entries.length < read[1] ? [] : [['r', key, entries.slice(0, read[1])]]
  }
  const lines = events.map((event, index) =>
    JSON.stringify({ index, f: 'txn', ...event, value: event.value.flatMap(translated) }),
  )
  return `[${lines.join(',\n')}]\n`
}
