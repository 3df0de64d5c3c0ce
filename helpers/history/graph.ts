/** An edge of a graph: from a node to another, of a kind from 0 to 3. */
export type Edge = { from: number; kind: number; to: number }

/**
 * A directed graph whose edges are of up to four kinds. A kind is a bit in a mask: kinds 0 and 2 together are 0b101. Nodes are whole
 * numbers; those from `people` on are only there to save edges: on a path, they do not count.
 *
 * Everything is linear in nodes and edges, but `path` and what uses it, which is linear for each call.
 */
export class Graph {
  readonly nodes: number
  readonly people: number
  /** The edges from node n are those from `#first[n]` to `#first[n + 1]`: four times the node they lead to, plus their kind. */
  readonly #first: Int32Array
  readonly #edges: Int32Array

  /** `tell` is called twice, and both times tells all edges. */
  constructor(nodes: number, people: number, tell: (edge: (from: number, kind: number, to: number) => void) => void) {
    this.nodes = nodes
    this.people = people
    this.#first = new Int32Array(nodes + 1)
    tell((from) => {
      this.#first[from + 1] += 1
    })
    for (let node = 0; node < nodes; node += 1) this.#first[node + 1] += this.#first[node]
    this.#edges = new Int32Array(this.#first[nodes])
    const next = this.#first.slice()
    tell((from, kind, to) => {
      this.#edges[next[from]++] = to * 4 + kind
    })
  }

  /** The nodes in an order that all edges agree with, as far as there is one: what is on a cycle, or behind one, is missing. */
  order(): Int32Array {
    const before = new Int32Array(this.nodes)
    for (const edge of this.#edges) before[edge >> 2] += 1
    const order = new Int32Array(this.nodes)
    let length = 0
    for (let node = 0; node < this.nodes; node += 1) if (before[node] === 0) order[length++] = node
    for (let done = 0; done < length; done += 1)
      for (let i = this.#first[order[done]]; i < this.#first[order[done] + 1]; i += 1) {
        const to = this.#edges[i] >> 2
        before[to] -= 1
        if (before[to] === 0) order[length++] = to
      }
    return order.subarray(0, length)
  }

  /** The sets of nodes that are on cycles with each other, by edges of these kinds among these nodes (Tarjan's algorithm). */
  knots(kinds: number, among?: number[]): number[][] {
    const open = new Uint8Array(this.nodes).fill(among ? 0 : 1)
    for (const node of among ?? []) open[node] = 1
    const [index, low, next] = [new Int32Array(this.nodes), new Int32Array(this.nodes), this.#first.slice()]
    const onStack = new Uint8Array(this.nodes)
    const [stack, path, knots]: [number[], number[], number[][]] = [[], [], []]
    let count = 0
    const enter = (node: number) => {
      count += 1
      index[node] = low[node] = count
      onStack[node] = 1
      stack.push(node)
      path.push(node)
    }
    for (const start of among ?? new Int32Array(this.nodes).keys()) {
      if (index[start] === 0) enter(start)
      while (path.length > 0) {
        const node = path[path.length - 1]
        if (next[node] < this.#first[node + 1]) {
          const edge = this.#edges[next[node]++]
          const to = edge >> 2
          if (open[to] === 0 || (kinds & (1 << (edge & 3))) === 0) continue
          if (index[to] === 0) enter(to)
          else if (onStack[to] === 1) low[node] = Math.min(low[node], index[to])
          continue
        }
        path.pop()
        if (path.length > 0) low[path[path.length - 1]] = Math.min(low[path[path.length - 1]], low[node])
        if (low[node] < index[node]) continue
        const knot = stack.splice(stack.lastIndexOf(node))
        for (const member of knot) onStack[member] = 0
        if (knot.length > 1) knots.push(knot)
      }
    }
    return knots
  }

  /** All edges of these kinds among these nodes. */
  *edges(kinds: number, among: Set<number>): Generator<Edge> {
    for (const from of among)
      for (let i = this.#first[from]; i < this.#first[from + 1]; i += 1) {
        const [to, kind] = [this.#edges[i] >> 2, this.#edges[i] & 3]
        if (among.has(to) && (kinds & (1 << kind)) !== 0) yield { from, kind, to }
      }
  }

  /** A shortest path by edges of these kinds among these nodes; what is not a person is left out of it. */
  path(from: number, to: number, kinds: number, among: Set<number>): Edge[] | undefined {
    const cameBy = new Map<number, Edge>()
    let level = [from]
    while (level.length > 0 && !cameBy.has(to)) {
      const next: number[] = []
      for (const node of level) // which grows: through those who do not count it goes on at once
        for (let i = this.#first[node]; i < this.#first[node + 1]; i += 1) {
          const edge = { from: node, kind: this.#edges[i] & 3, to: this.#edges[i] >> 2 }
          if (cameBy.has(edge.to) || !among.has(edge.to) || (kinds & (1 << edge.kind)) === 0) continue
          cameBy.set(edge.to, edge)
          ;(edge.to < this.people ? next : level).push(edge.to)
        }
      level = next
    }
    if (!cameBy.has(to)) return undefined
    const path: Edge[] = []
    let end = to
    for (let edge = cameBy.get(to) as Edge; ; edge = cameBy.get(edge.from) as Edge) {
      if (edge.from < this.people) {
        path.unshift({ from: edge.from, kind: edge.kind, to: end })
        end = edge.from
      }
      if (edge.from === from) return path
    }
  }
}
