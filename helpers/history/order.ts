import type { Anomaly, Findings } from './findings.ts'
import { type Edge, Graph } from './graph.ts'
import { refused, silent, total } from './transactions.ts'
import { nobody, type Versions } from './versions.ts'

/** The kinds of edges: who wrote next, who read what was written, who wrote next after what was read, who began after the end. */
const [ww, wr, rw, rt] = [0, 1, 2, 3]
const mask = (...kinds: number[]) => kinds.reduce((mask, kind) => mask | (1 << kind), 0)

/** How many steps a search for the shortest cycle of a kind may take in a knot; then the shortest so far has to do. */
const patience = 1e6

/**
 * An order of all transactions that take part which explains every read and agrees with real time; `undefined` if there is none: then
 * every knot of transactions that would all have to come before each other is told by one cycle, of the kind that says most.
 */
export function orderOf(versions: Versions, findings: Findings): number[] | undefined {
  const { log, takesPart } = versions
  const graph = graphOf(versions)
  const order = graph.order()
  if (order.length === graph.nodes) return Array.from(order).filter((node) => node < log.length && takesPart[node] === 1)
  const done = new Uint8Array(graph.nodes)
  for (const node of order) done[node] = 1
  const rest = Array.from(done.keys()).filter((node) => done[node] === 0)
  for (const knot of graph.knots(mask(ww, wr, rw, rt), rest)) tellKnot(versions, findings, graph, knot)
  return undefined
}

/**
 * Who comes before whom. Who takes no part is a node without edges. Two more kinds of nodes save edges: the moments of `realTime`, and
 * the tail of a list, behind which comes what nobody has found.
 */
function graphOf(versions: Versions): Graph {
  const { log, writers, takesPart, unread } = versions
  const { length, first, key, found, longest } = log
  const events = eventsOf(versions)
  let moments = 0
  realTime(events, (moment, _, ends) => {
    if (!ends) moments = moment
  })
  const tails = new Map([...unread.keys()].map((key, i) => [key, length + moments + i]))

  return new Graph(length + moments + tails.size, length, (edge) => {
    for (let moment = 1; moment < moments; moment += 1) edge(length + moment - 1, rt, length + moment)
    realTime(events, (moment, transaction, ends) => {
      if (ends && moment < moments) edge(transaction, rt, length + moment)
      if (!ends && moment > 0) edge(length + moment - 1, rt, transaction)
    })
    for (const list of writers) {
      let before = nobody
      for (const writer of list) {
        if (writer !== nobody && before !== nobody && writer !== before) edge(before, ww, writer)
        if (writer !== nobody) before = writer
      }
    }
    const rivals = new Map<number, number>() // of those who are late, the first who has read a key: all others come after it
    for (let transaction = 0; transaction < length; transaction += 1) {
      if (takesPart[transaction] === 0) continue
      for (let op = first[transaction]; op < first[transaction + 1]; op += 1) {
        if (found[op] === silent) continue
        const [last, next] = [versions.lastWriter(key[op], found[op]), versions.nextWriter(key[op], found[op], transaction)]
        if (last !== nobody && last !== transaction) edge(last, wr, transaction)
        if (next !== nobody) edge(transaction, rw, next)
        const tail = tails.get(key[op])
        if (tail === undefined || found[op] !== longest[key[op]].length) continue
        const late = unread.get(key[op]) as Set<number>
        const rival = rivals.get(key[op])
        if (!late.has(transaction)) edge(transaction, rw, tail)
        else if (rival !== undefined && rival !== transaction) edge(transaction, rw, rival)
        else for (const other of late) if (other !== transaction) edge(transaction, rw, other)
        if (late.has(transaction) && rival === undefined) rivals.set(key[op], transaction)
      }
    }
    for (const [key, tail] of tails) {
      const last = versions.lastWriter(key, longest[key].length)
      for (const late of unread.get(key) as Set<number>) {
        if (last !== nobody && last !== late) edge(last, ww, late)
        edge(tail, ww, late)
      }
    }
  })
}

/** What happens at each event to those who take part: t + 1 where transaction t begins, -t - 1 where it ends. */
function eventsOf({ log, takesPart }: Versions): Int32Array {
  const { length, began, ended } = log
  const events = new Int32Array(log.events)
  for (let transaction = 0; transaction < length; transaction += 1) {
    if (takesPart[transaction] === 0) continue
    events[began[transaction]] = transaction + 1
    if (Number.isFinite(ended[transaction])) events[ended[transaction]] = -transaction - 1
  }
  return events
}

/**
 * Real time needs no more edges than there are events. Where a transaction begins, and one has ended since another began, lies a
 * moment: who ended before comes before it, who begins from then on comes after it, and each moment comes before the next. Tells for
 * each event how many moments there were so far.
 */
function realTime(events: Int32Array, tell: (moments: number, transaction: number, ends: boolean) => void): void {
  let [moments, ended] = [0, false]
  for (const event of events) {
    if (event === 0) continue
    if (event > 0 && ended) moments += 1
    ended = event < 0
    tell(moments, Math.abs(event) - 1, ended)
  }
}

function tellKnot(versions: Versions, findings: Findings, graph: Graph, knot: number[]): void {
  const members = new Set(knot)

  /** A short cycle that begins with one of these edges, and goes on by edges of these kinds. */
  const shortest = (edges: Iterable<Edge>, kinds: number, among: Set<number>): Edge[] | undefined => {
    let best: Edge[] | undefined
    let steps = 0
    for (const edge of edges) {
      if (edge.from >= graph.people) continue
      const rest = graph.path(edge.to, edge.from, kinds, among)
      if (rest && (!best || rest.length + 1 < best.length)) best = [{ ...edge, to: rest[0].from }, ...rest]
      steps += among.size
      if (best?.length === 2 || steps > patience) break
    }
    return best
  }
  const cycle = (...kinds: number[]) => {
    const [smallest] = graph.knots(mask(...kinds), knot).toSorted((one, other) => one.length - other.length)
    const among = new Set(smallest)
    return smallest && shortest(graph.edges(mask(...kinds), among), mask(...kinds), among)
  }
  /** A cycle of which one edge is rw. */
  const single = (...kinds: number[]) => shortest(graph.edges(mask(rw), members), mask(...kinds), members)

  const told = (anomaly: Anomaly, edges: Edge[] | undefined) => {
    if (!edges) return false
    const reasons = edges.map((edge) => because(versions, edge))
    const keys = reasons.flatMap(({ key }) => key ?? [])
    findings.add(anomaly, reasons.map(({ words }) => words).join('; '), keys, ...edges.map(({ from }) => from))
    return true
  }

  if (told('G0', cycle(ww)) || told('G1c', cycle(ww, wr)) || toldRivals(versions, findings, knot)) return
  if (told('G-single', single(ww, wr))) return
  const skew = cycle(ww, wr, rw)
  if (told(skew?.length === 2 ? 'write skew' : 'G2', skew)) return
  if (told('G0-realtime', cycle(ww, rt)) || told('G1c-realtime', cycle(ww, wr, rt))) return
  if (told('stale read', single(ww, wr, rt))) return
  told('G2-realtime', cycle(ww, wr, rw, rt))
}

/** Tells of two that have read the same state of a key, and have both written to it, if there are such two. */
function toldRivals({ log, isWrite }: Versions, findings: Findings, knot: number[]): boolean {
  const { key, found, keys, length, outcome } = log
  const readers = new Map<string, number>()
  for (const transaction of knot.filter((node) => node < length && outcome[node] !== refused)) {
    const written = new Set(
      log
        .opsOf(transaction)
        .filter(isWrite)
        .map((op) => key[op]),
    )
    for (const op of log.opsOf(transaction)) {
      if (found[op] === silent || !written.has(key[op])) continue
      const state = `${key[op]} ${found[op]}`
      const rival = readers.get(state) ?? transaction
      readers.set(state, rival)
      if (rival === transaction) continue
      const [one, other] = [rival, transaction].sort((one, other) => one - other).map((each) => log.name(each))
      const sentence = `${one} and ${other} have both read ${keys[key[op]]} when it had ${found[op]} entries, and both have written to it`
      findings.add('lost update', sentence, [key[op]], rival, transaction)
      return true
    }
  }
  return false
}

/** An edge in words, and the key that it is about. */
function because(versions: Versions, { from, kind, to }: Edge): { words: string; key?: number } {
  const { log, place, unread } = versions
  const [one, other] = [log.name(from), log.name(to)]
  if (kind === rt) return { words: `${one} had ended before ${other} began` }
  const isNext = (key: number, end: number) => {
    const next = versions.nextWriter(key, end, from)
    return next === to || (next === nobody && unread.get(key)?.has(to) === true)
  }
  const isIt = (op: number) => {
    if (kind === ww) return place[op] >= 0 && isNext(log.key[op], place[op])
    if (log.found[op] === silent) return false
    return kind === wr ? versions.lastWriter(log.key[op], log.found[op]) === from : isNext(log.key[op], log.found[op])
  }
  const key = log.key[log.opsOf(kind === wr ? to : from).find(isIt) as number]
  const name = log.keys[key]
  if (kind === ww) return { words: `${one} wrote to ${name}, and then ${other} did`, key }
  if (kind === wr) return { words: `${other} found in ${name} what ${one} wrote`, key }
  return { words: `${one} read ${name} without what ${other} wrote`, key }
}

/**
 * Runs the transactions one after the other, in this order, and compares every read: a second opinion on `orderOf`, which knows nothing
 * of edges. Throws if the order does not explain the history after all.
 */
export function replay(versions: Versions, order: number[]): void {
  const { log, place } = versions
  const { first, outcome, kind, key, value, amount, own, found, began, ended, longest } = log
  const lengths = new Int32Array(longest.length)
  const totals = new Float64Array(longest.length)
  let latest = -1
  for (const transaction of order) {
    const isRefused = outcome[transaction] === refused
    let fits = ended[transaction] > latest
    latest = Math.max(latest, began[transaction])
    for (let op = first[transaction]; op < first[transaction + 1]; op += 1) {
      const list = key[op]
      if (found[op] !== silent) {
        // What a refused transaction had written itself was never there for others, and is not here.
        fits &&= lengths[list] === found[op] + (isRefused ? 0 : own[op])
        if (kind[op] === total) fits &&= totals[list] === value[op] - (isRefused ? amount[op] : 0)
      } else if (versions.isWrite(op) && !isRefused) {
        fits &&= place[op] === (lengths[list] < longest[list].length ? lengths[list] : -1)
        lengths[list] += 1
        totals[list] += amount[op]
      }
    }
    if (!fits) throw new Error(`the checker contradicts itself: ${log.describe(transaction)} does not fit into the order found`)
  }
}
