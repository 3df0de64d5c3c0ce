import { availableParallelism } from 'node:os'
import pLimit from 'p-limit'
import { Child } from '../child.ts'
import { now } from '../clock.ts'
import { freshCounter, type JournalMode } from '../fresh-database.ts'

/** What a crowd of writers does. Milliseconds; `writer.ts` says what they mean. */
export type Strategy = { begin: 'BEGIN' | 'BEGIN IMMEDIATE'; timeout: number; retry: number | null; pause?: number }

/** Fed to one process, which commits each change by itself, or all together that came meanwhile. */
export type Fed = { fed: 'one by one' | 'in groups' }

export type Race = {
  journal: JournalMode
  synchronous: 'full' | 'normal'
  writers: number
  strategy: Strategy | Fed
  /** The transaction's length, and the mean pause between two of a writer, which is random. Milliseconds. */
  work?: number
  think?: number
  /** Milliseconds. */
  lasts: number
}

/** What one writer has done. Milliseconds. */
export type Share = { confirmed: number; refused: number; committed: number[]; took: number[]; unfinished: number; cpu: number }

/**
 * The race, as all have seen it: committed transactions a second while it lasted, refusals, the slowest transaction in milliseconds, how
 * many processors all together had, who writes for them among them, and what each of them did.
 */
export type Outcome = {
  perSecond: number
  until: number
  refused: number
  slowest: number
  cpu: number
  shares: Share[]
  commits?: number
}

/** Processes that write when told to. There are as many as all the races at one time wanted; between races they sleep. */
export class Writers {
  readonly #program: string
  readonly #writers: Child[] = []
  readonly #free: Child[] = []
  /** Dozens of processes at once would each be slow to start. */
  readonly #starts = pLimit(availableParallelism())
  #sole: Child | undefined

  /** The program is one of `fixtures/` that can be told what `writer.ts` can. */
  constructor(program = 'writer.ts') {
    this.#program = program
  }

  /** Those that are free: a race takes them out, and puts them back. */
  async #take(count: number): Promise<Child[]> {
    const writers = this.#free.splice(0, count)
    const missing = Array.from({ length: count - writers.length }, () => this.#starts(() => this.#start()))
    return [...writers, ...(await Promise.all(missing))]
  }

  async #start(): Promise<Child> {
    const writer = new Child(`writer ${this.#writers.length}`, this.#program)
    this.#writers.push(writer)
    await writer.ready
    return writer
  }

  /** One race on a fresh counter. Rejected if what was confirmed is not what was counted. */
  async race({ journal, synchronous, writers: count, strategy, work = 0, think = 0, lasts }: Race): Promise<Outcome> {
    const writers = await this.#take(count)
    const { file, remove } = await freshCounter(journal)
    const isFed = 'fed' in strategy
    const sole = isFed ? await this.#soleWriter() : undefined
    const opening = { open: file, synchronous }
    const port = sole && (await sole.ask({ ...opening, group: (strategy as Fed).fed === 'in groups', work }, 'the opening')).port
    const timeout = isFed ? 0 : strategy.timeout
    await Promise.all(
      writers.map((writer) => writer.ask({ ...opening, timeout, ...(port !== undefined && { feed: port }) }, 'the opening')),
    )
    const from = now() + 10 + count / 4
    const until = from + lasts
    const turn = { ...(isFed ? {} : strategy), work, think, from, until }
    const grace = lasts + 2 * timeout + count * 1_000
    const shares = (await Promise.all(writers.map((writer) => writer.ask(turn, 'its turn to write', grace)))) as Share[]
    const clerk = sole ?? writers[0]
    const { n, commits, cpu } = await clerk.ask({ total: true }, 'the total')
    await Promise.all([...writers, ...(sole ? [sole] : [])].map((child) => child.ask({ close: true }, 'the closing')))
    await remove()
    this.#free.push(...writers)
    const confirmed = shares.reduce((sum, { confirmed }) => sum + confirmed, 0)
    if (n !== confirmed) throw new Error(`${confirmed} changes were confirmed, and n is ${n}`)
    const inTime = shares.reduce((sum, { committed }) => sum + committed.filter((when) => when <= until).length, 0)
    return {
      perSecond: inTime / (lasts / 1_000),
      until,
      refused: shares.reduce((sum, { refused }) => sum + refused, 0),
      slowest: shares.reduce(
        (most, { took, unfinished }) => took.reduce((most, ms) => Math.max(most, ms), Math.max(most, unfinished)),
        0,
      ),
      cpu: shares.reduce((sum, { cpu }) => sum + cpu, sole ? (cpu as number) : 0) / lasts,
      shares,
      ...(sole && { commits: commits as number }),
    }
  }

  async #soleWriter(): Promise<Child> {
    this.#sole ??= new Child('the sole writer', 'sole-writer.ts')
    await this.#sole.ready
    return this.#sole
  }

  /** Ends all at once, whatever they are at. */
  async kill(): Promise<void> {
    await Promise.all([...this.#writers, this.#sole].map((child) => child?.kill()))
  }
}
