import { Child, type Message } from '../child.ts'
import { freshDatabase, type JournalMode } from '../fresh-database.ts'
import type { Event, Op } from './history.ts'
import type { Plan, Workload } from './workload.ts'

/** How a client is set up. What makes it careless, ../fixtures/client.ts says. */
export type Setting = { timeout: number; careless?: string }

/** A client in its place: when it is killed, another takes that, under another number. */
export type Place = { client: Child; process: number; killed: boolean }

/**
 * When a client begins, and where it lingers. `meanwhile` is called when it does; when that resolves, the client goes on: at once, or
 * at the moment it resolves to.
 */
type Manner = { at?: number; linger?: 'before COMMIT' | 'after COMMIT'; meanwhile?: () => Promise<unknown> }

type Answer = { type: 'ok' | 'fail' | 'info'; value: Op[]; began: number; ended: number }

/** A fresh database, and clients that run transactions on it. What is asked of them, and what they answer, is recorded. */
export class Arena {
  readonly file: string
  /** In the order in which the transactions ended. */
  readonly events: Event[] = []
  /** How many transactions have been answered, or never will be. */
  answered = 0
  readonly #database: Awaited<ReturnType<typeof freshDatabase>>
  readonly #children = new Set<Child>()
  readonly #signal?: AbortSignal
  readonly #origin = process.hrtime.bigint()
  #processes = 0
  #closed = false
  #change = Promise.withResolvers<void>()

  private constructor(database: Awaited<ReturnType<typeof freshDatabase>>, signal?: AbortSignal) {
    this.#database = database
    this.#signal = signal
    this.file = database.file
  }

  /** `signal` says that Ctrl-C may have been pressed. */
  static async open(mode: JournalMode, workload: Workload, signal?: AbortSignal): Promise<Arena> {
    return new Arena(await freshDatabase(`PRAGMA journal_mode = ${mode}`, ...tables(workload)), signal)
  }

  /** Nanoseconds, by the clock that the clients share. */
  now(): number {
    return Number(process.hrtime.bigint() - this.#origin)
  }

  /** Waits without sleeping until a moment of `now`. */
  spin(moment: number): void {
    while (this.now() < moment);
  }

  /** Starts a client, and gives it a number that nobody had before. */
  async enter(setting: Setting): Promise<Place> {
    const number = this.#processes++
    const options = JSON.stringify({ ...setting, origin: `${this.#origin}`, driver: process.env.DRIVER || undefined })
    const client = await this.#start(`client ${number}`, 'client.ts', options)
    return { client, process: number, killed: false }
  }

  /** A terminal's Ctrl-C also reaches a process that has just been started, and cannot know yet that it is not for it to leave. */
  async #start(name: string, program: string, ...options: string[]): Promise<Child> {
    if (this.#closed) throw new Error('the arena is closed')
    const isAborted = this.#signal?.aborted
    const child = new Child(name, program, this.file, ...options)
    this.#children.add(child)
    try {
      await child.ready
      return child
    } catch (error) {
      this.#children.delete(child)
      if (this.#signal?.aborted && !isAborted) return this.#start(name, program, ...options)
      throw error
    }
  }

  async leave({ client }: Place): Promise<void> {
    await client.end()
    this.#children.delete(client)
  }

  /** Kills a client, and waits until it is gone. */
  async kill(place: Place): Promise<void> {
    place.killed = true
    await place.client.kill()
    this.#children.delete(place.client)
  }

  /** Has a process that is about to be stopped let go on when this one ends. */
  async wake(pid: number): Promise<void> {
    await this.#database.wake(pid)
  }

  /**
   * Has a client run a transaction. It begins when it is asked, until its own clock tells better, and if the client is killed before
   * it has answered, nobody knows how it ended. Nobody does either if it ends with an error of its own: that is thrown.
   */
  async run(place: Place, plan: Plan, { at, linger, meanwhile }: Manner = {}): Promise<void> {
    const asked = this.now()
    const unknown = (): Answer => ({ type: 'info', value: plan.value, began: asked, ended: this.now() })
    const note = ({ type, value, began, ended }: Answer) => {
      this.events.push({ type: 'invoke', process: place.process, time: began, value: plan.value })
      this.events.push({ type, process: place.process, time: ended, value })
    }
    try {
      let answer = await this.#ask(place, { ...plan, at, linger })
      if (answer?.lingers) {
        const then = await meanwhile?.()
        answer = await this.#ask(place, typeof then === 'number' ? { at: then } : {})
      }
      note((answer as Answer | undefined) ?? unknown())
    } catch (error) {
      note(unknown())
      throw error
    } finally {
      this.answered += 1
      this.changed()
    }
  }

  /** Has a transaction run by one who is alone. */
  async alone(plan: Plan): Promise<void> {
    const place = await this.enter({ timeout: 5_000 })
    await this.run(place, plan)
    if (this.events.at(-1)?.type !== 'ok') throw new Error(`${place.client.name} is alone, and is refused`)
    await this.leave(place)
  }

  /** `PRAGMA integrity_check`, by a process of its own. */
  async integrity(): Promise<string> {
    const clerk = await this.#start('the clerk', 'contender.ts')
    const { rows } = await clerk.ask({ sql: 'PRAGMA integrity_check' }, 'the integrity check')
    await clerk.end()
    this.#children.delete(clerk)
    return (rows as { integrity_check: string }[]).map((row) => row.integrity_check).join('\n')
  }

  /** Ends everything, whatever is under way. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#children].map((client) => client.kill()))
    await this.#database.remove()
  }

  /** Resolves when something has changed: a transaction was answered, or somebody says so. */
  change(): Promise<void> {
    return this.#change.promise
  }

  changed(): void {
    this.#change.resolve()
    this.#change = Promise.withResolvers()
  }

  /** The answer; `undefined` if the client was killed before it came. */
  async #ask(place: Place, message: Message): Promise<Message | undefined> {
    try {
      return await place.client.ask(message, 'its transaction')
    } catch (error) {
      if (place.killed) return undefined
      throw error
    }
  }
}

/** The tables of a workload. Whatever is added to a total, a trigger puts into its ledger: no client can forget it. */
const tables = ({ accounts, counters }: Workload) => [
  'CREATE TABLE entry (id INTEGER PRIMARY KEY, key TEXT NOT NULL, element INTEGER NOT NULL)',
  'CREATE INDEX entry_of_key ON entry (key)',
  'CREATE TABLE tally (key TEXT PRIMARY KEY, total INTEGER DEFAULT 0, entries INTEGER DEFAULT 0, element INTEGER)',
  `INSERT INTO tally (key) VALUES ${[...accounts.keys, ...counters].map((key) => `('${key}')`).join()}`,
  'CREATE TRIGGER ledger AFTER UPDATE ON tally BEGIN INSERT INTO entry (key, element) VALUES (new.key, new.element); END',
]
