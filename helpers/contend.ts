import { dirname } from 'node:path'
import { setImmediate as immediate, setTimeout as pause } from 'node:timers/promises'
import { Child, type Message, ready, Unanswered } from './child.ts'
import { type Beginning, freshCounter, freshDatabase } from './fresh-database.ts'
import { isStopped, locksAsleep, locksOf, napOf, sleepsInBusyHandler, type Thread, tellsLocks, tellsSleep } from './kernel.ts'
import type { Moment, Story } from './timeline.ts'
import { engage, release, retire } from './troupe.ts'

export type { Story } from './timeline.ts'

/** What SQLite answered to one statement. */
export type Outcome = {
  /** SQLite's extended result code: `SQLITE_OK`, `SQLITE_BUSY`, `SQLITE_BUSY_SNAPSHOT`, … (sqlite.org/rescode.html) */
  code: string
  /** The error's message, where the code is not `SQLITE_OK`. */
  message?: string
  /** One object a row, column names as keys. */
  rows: Record<string, unknown>[]
  /** Milliseconds inside SQLite, by the contender's own clock. */
  waited: number
  /** Whether the connection is inside a transaction afterwards. */
  inTransaction: boolean
  /**
   * The locks that the contender's process holds afterwards, as the operating system tells, in SQLite's words (see `locksOf` in
   * kernel.ts); `undefined` where it does not, or where another connection of the process was at work meanwhile.
   */
  locks?: string[]
}

/** How a contender opens its connection. */
export type Setting = {
  /** `busy_timeout`, in milliseconds (sqlite.org/c3ref/busy_timeout.html). */
  timeout: number
  /** The library, where a story is about that one; otherwise `DRIVER` of the environment names it, or it is better-sqlite3. */
  driver?: 'better-sqlite3' | 'node:sqlite'
  /** Opened with SQLITE_OPEN_READONLY. */
  readonly?: boolean
  /** Parameters of a URI filename, such as `immutable=1` (sqlite.org/uri.html). Only `node:sqlite` takes them. */
  uri?: string
  /** A name that contenders of one process have in common. Without it, a contender has a process of its own. */
  process?: string
  /** Whether, in a process with others, it has a worker thread of its own. */
  worker?: boolean
  /** The program of `fixtures/` that plays the contender. */
  program?: string
}

/** A template tag: its connection executes what it is given. It takes no `${}`, so that the SQL you read is the SQL that ran. */
export type Contender = ((sql: TemplateStringsArray) => Statement) & {
  /**
   * Stops the process, one that waits in its sleep, and resolves once it is stopped; or lets it go on (Linux). What a stopped one is
   * told, it begins when it goes on. Or kills it, between two statements, in one that is known to wait, or as it is stopped, and resolves
   * once it is gone (POSIX): nobody may ask it anything then, and what became of a statement under way is unknown.
   */
  signal: (signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL') => Promise<void>
}

/** Where a contender is: its process and, where that has several connections, which of them. */
type Seat = {
  name: string
  child: Child
  connection?: string
  setting: Setting
  folder: string
  thread: () => Thread
  /** What the connections of the process are at. */
  atWork: Set<Statement>
}

/** How long a statement must be silent to count as waiting where the kernel cannot be asked, in milliseconds. */
const silence = 250

/**
 * One statement on its way. Awaited, it is its outcome. Before that it is inside SQLite, and `blocks()` proves that it
 * waits there.
 */
export class Statement implements PromiseLike<Outcome> {
  readonly contender: string
  readonly sql: string
  /** What `await` gives, for those who only look on. */
  readonly outcome: Promise<Outcome>
  readonly #seat: Seat
  readonly #moments: Moment[]
  readonly #issued: Moment
  readonly #expected: string[] = []
  /** Whether no other connection of the process was at work in the meantime, whose locks would be taken for those of this one. */
  #alone = true
  #result: Moment | undefined
  #over: string | undefined
  #unknown = false

  constructor(seat: Seat, sql: string, moments: Moment[]) {
    const { name, child, connection, setting, atWork } = seat
    for (const other of atWork) this.#alone = other.#alone = false
    atWork.add(this)
    this.contender = name
    this.sql = sql
    this.#seat = seat
    this.#moments = moments
    this.#issued = { contender: name, text: sql, kind: 'statement', waits: false }
    moments.push(this.#issued)
    this.outcome = child.ask({ sql, connection }, `\`${sql}\``, setting.timeout).then((answer) => this.#judge(answer))
    this.outcome.then(
      ({ code }) => {
        this.#over = `it answered ${code}`
      },
      (reason) => {
        this.#over = reason.message
        if (!(reason instanceof Unanswered)) return
        this.#unknown = true
        moments.push({ ...this.#issued, kind: 'result', waits: false, locks: undefined })
      },
    )
  }

  /** Whether the story has asked for the outcome. */
  get awaited(): boolean {
    return this.#result !== undefined
  }

  /** Whether its contender has answered by now: one that is stopped does not. */
  get answered(): boolean {
    return this.#over !== undefined
  }

  /** Whether it was seen to wait inside SQLite. */
  get waits(): boolean {
    return this.#issued.waits
  }

  /** Whether its contender was killed on purpose while it was under way: neither done nor refused, as far as anybody knows. */
  get unknown(): boolean {
    return this.#unknown
  }

  // biome-ignore lint/suspicious/noThenProperty: a statement is made to be awaited, and that it was is part of the evidence
  then<A = Outcome, B = never>(
    fulfilled?: ((outcome: Outcome) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    if (!this.#result) {
      const atOnce = this.#moments.at(-1) === this.#issued && !this.#issued.waits
      const result: Moment = atOnce ? this.#issued : { ...this.#issued, kind: 'result', waits: false, locks: undefined }
      if (!atOnce) this.#moments.push(result)
      this.#result = result
      this.outcome.then(
        (outcome) => Object.assign(result, { outcome, locks: told(outcome.locks) }),
        () => {},
      )
    }
    return this.outcome.then(fulfilled, rejected)
  }

  /**
   * Resolves once the statement is known to wait inside SQLite: the operating system shows its process asleep in the
   * busy handler or, where it cannot be asked, the statement stays silent for 250 ms. Rejected if it is answered instead.
   */
  async blocks(): Promise<void> {
    const since = performance.now()
    await immediate() // who awaits the statement in the same breath comes first, always
    while (!this.#over) {
      const asleep = locksAsleep(this.#seat.thread(), this.#seat.folder)
      const silent = !tellsSleep && performance.now() - since > silence
      if (asleep || silent) {
        Object.assign(this.#issued, { waits: true, locks: told(this.#alone ? asleep?.locks : undefined) })
        return
      }
      await pause(1)
    }
    throw new Error(`${this.contender} does not wait in \`${this.sql}\`: ${this.#over}`)
  }

  /**
   * The sleeps between its tries, in milliseconds, as SQLite asked the operating system for them: those that are seen until the statement
   * is answered or, if it says until which, up to the first one of that length. One that is short can be missed; none is told
   * twice, unless it is stopped meanwhile. Rejected if it is answered before. Linux.
   */
  async naps({ until }: { until?: number } = {}): Promise<number[]> {
    const naps: number[] = []
    let last: string | undefined
    while (!this.#over) {
      const nap = napOf(this.#seat.thread())
      if (nap && nap.nth !== last) naps.push(nap.asked)
      if (nap) last = nap.nth
      if (nap && nap.asked === until) return naps
      await immediate()
    }
    if (until === undefined) return naps
    throw new Error(`${this.contender} does not sleep for ${until} ms in \`${this.sql}\`: ${this.#over}`)
  }

  /**
   * Says that the story is about this answer, although it is an error and not the refusal of a lock: `SQLITE_READONLY`,
   * `SQLITE_ERROR`, … Without it, such an answer is an accident.
   */
  mayAnswer(...codes: string[]): this {
    this.#expected.push(...codes)
    return this
  }

  /** To be refused is an answer. Any other error is an accident: it says nothing about contention. */
  #judge(answer: Message): Outcome {
    const { code, message, rows, waited, inTransaction } = answer as Outcome & Message
    if (typeof code !== 'string' || !Array.isArray(rows) || typeof waited !== 'number' || typeof inTransaction !== 'boolean')
      throw new Error(`${this.contender} answered \`${this.sql}\` with nonsense: ${JSON.stringify(answer)}`)
    if (!/^SQLITE_(OK|BUSY|LOCKED)/.test(code) && !this.#expected.includes(code))
      throw new Error(`${this.contender} cannot run \`${this.sql}\`: ${code}: ${message}`)
    const { child, folder, atWork } = this.#seat
    atWork.delete(this)
    const locks = this.#alone ? locksOf(child.pid, folder) : undefined
    return { code, message, rows, waited, inTransaction, locks }
  }
}

/** What a moment tells of the locks. */
const told = (locks: string[] | undefined): Moment['locks'] => locks ?? (tellsLocks ? 'unknown' : undefined)

/**
 * Whether SIGSTOP has taken effect. One that waits is to be stopped asleep: in the middle of a try it would hold, for as long as it
 * is stopped, a lock that it has for a moment only. It is let go then, and stopped again when it sleeps.
 */
async function isStoppedAsleep({ child, connection, thread }: Seat): Promise<boolean> {
  const { pid } = child
  if (!isStopped(pid)) return false
  if (!child.asked(connection) || sleepsInBusyHandler(thread()) !== false) return true
  process.kill(pid, 'SIGCONT')
  await pause(1)
  process.kill(pid, 'SIGSTOP')
  return false
}

/**
 * Sets the named contenders, each a process with one connection, on a fresh database in the given journal mode (one
 * table, `counter`; one column, `n`; one row, 0), and follows the story. With `none` there is no database yet: they find a file of no
 * bytes, made by the first of them that was opened.
 *
 *     story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
 *       await first`BEGIN IMMEDIATE`
 *       begin = await other`BEGIN IMMEDIATE`
 *     })
 *
 * Whatever is not contention rejects it, with a sentence that names the contender and the statement: a contender that is
 * missing, dies, answers nonsense or never answers; SQL that does not run; a statement the story does not see through; a
 * contender nobody used. In every case the database is gone afterwards, and so are the contenders, but for those who have played well and
 * wait, without a connection, for another story.
 */
export async function contend<Name extends string>(
  mode: Beginning,
  cast: Record<Name, Setting>,
  script: (contenders: Record<Name, Contender>) => Promise<void>,
): Promise<Story> {
  const database = await (mode === 'none' ? freshDatabase() : freshCounter(mode))
  const names = Object.keys(cast) as Name[]
  const seats = seatsFor(cast, database.file)
  const children = new Set(seats.map(({ child }) => child))
  const statements: Statement[] = []
  const accident = Promise.withResolvers<never>()
  accident.promise.catch(() => {}) // before the story begins, nobody listens yet
  for (const child of children) child.accident.catch(accident.reject)
  const moments: Moment[] = []

  function contender(seat: Seat): Contender {
    const { name, child, connection, folder, atWork } = seat
    const tag = ({ raw: [sql] }: TemplateStringsArray, ...values: unknown[]) => {
      if (values.length > 0) throw new Error(`${name}: spell the SQL out, without \${}: \`${sql}…`)
      if (child.isCondemned) throw new Error(`${name} was killed and cannot run \`${sql}\``)
      const asked = child.asked(connection)
      if (asked) throw new Error(`${name} is still in ${asked} and cannot run \`${sql}\``)
      const statement = new Statement(seat, sql, moments)
      statements.push(statement)
      statement.outcome.catch((reason) => {
        if (statement.awaited || !statement.unknown) accident.reject(reason)
      })
      return statement
    }
    const signal: Contender['signal'] = async (signal) => {
      if (child.isCondemned) throw new Error(`${name} was killed and cannot get ${signal}`)
      const hurried = signal === 'SIGKILL' && !isStopped(child.pid) && [...atWork].find(({ waits }) => !waits)
      if (hurried)
        throw new Error(`${hurried.contender} is not known to wait in \`${hurried.sql}\`, and would be killed anywhere in it`)
      const moment: Moment = { contender: name, text: `(${signal})`, kind: 'signal', waits: false }
      moments.push(moment)
      retire(child)
      if (signal === 'SIGKILL') {
        await child.condemn()
        moment.locks = locksOf(child.pid, folder)
        return
      }
      if (signal === 'SIGSTOP') await database.wake(child.pid)
      process.kill(child.pid, signal)
      while (signal === 'SIGSTOP' && !(await isStoppedAsleep(seat))) await pause(1)
    }
    return Object.assign(tag, { signal })
  }

  try {
    const places = await ready(children)
    const contenders = Object.fromEntries(seats.map((seat) => [seat.name, contender(seat)]))
    await Promise.race([script(contenders as Record<Name, Contender>), accident.promise])

    const forgotten = statements.find(({ awaited, unknown }) => !awaited && !unknown)
    if (forgotten) throw new Error(`the story ends without awaiting what became of ${forgotten.contender}'s \`${forgotten.sql}\``)
    const pending = seats.find(({ child, connection }) => child.asked(connection))
    if (pending) throw new Error(`the story ends while ${pending.name} is still in ${pending.child.asked(pending.connection)}`)
    const unused = names.find((name) => !statements.some(({ contender }) => contender === name))
    if (unused) throw new Error(`${unused} has no statement in the story`)

    await release(children)
    children.clear()
    return { mode, cast, moments, places }
  } finally {
    await Promise.all([...children].map((child) => child.kill()))
    await database.remove()
  }
}

/** Starts the processes: one a contender, or one for all that name the same. */
function seatsFor(cast: Record<string, Setting>, file: string): Seat[] {
  const folder = dirname(file)
  const shared = new Map<string, { child: Child; threads: Record<string, number>; atWork: Set<Statement> }>()

  function share(label: string) {
    const names = Object.keys(cast).filter((name) => cast[name].process === label)
    const openings = names.map((name) => [name, { driver: process.env.DRIVER, ...cast[name] }])
    const child = new Child(label, 'one-process.ts', file, JSON.stringify(Object.fromEntries(openings)))
    const seats = { child, threads: {} as Record<string, number>, atWork: new Set<Statement>() }
    child.ready.then(({ threads }) => Object.assign(seats.threads, threads)).catch(() => {})
    shared.set(label, seats)
    return seats
  }

  return Object.entries(cast).map(([name, setting]) => {
    if (setting.process) {
      const { child, threads, atWork } = shared.get(setting.process) ?? share(setting.process)
      return { name, child, connection: name, setting, folder, thread: () => ({ pid: child.pid, tid: threads[name] }), atWork }
    }
    const { timeout, driver = process.env.DRIVER ?? 'better-sqlite3', readonly, uri, program } = setting
    const args = [file, '--timeout', `${timeout}`, '--driver', driver]
    if (readonly) args.push('--readonly')
    if (uri) args.push('--uri', uri)
    const child = program ? new Child(name, program, ...args) : engage(name, driver, args)
    return { name, child, setting, folder, thread: () => ({ pid: child.pid, tid: child.pid }), atWork: new Set<Statement>() }
  })
}
