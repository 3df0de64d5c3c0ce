import { setTimeout as pause } from 'node:timers/promises'
import { Child, type Message } from './child.ts'
import { freshDatabase, type JournalMode } from './fresh-database.ts'
import { isStopped, sleepsInBusyHandler } from './kernel.ts'
import { Timeline } from './timeline.ts'

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
}

/** How a contender opens its connection. */
export type Setting = {
  /** `busy_timeout`, in milliseconds (sqlite.org/c3ref/busy_timeout.html). */
  timeout: number
  /** The program of `fixtures/` that plays the contender. */
  program?: string
}

/** A template tag: its connection executes what it is given. It takes no `${}`, so that the SQL you read is the SQL that ran. */
export type Contender = ((sql: TemplateStringsArray) => Statement) & {
  /** Stops the process, one that waits in its sleep, and resolves once it is stopped; or lets it go on. Linux. */
  signal: (signal: 'SIGSTOP' | 'SIGCONT') => Promise<void>
}

/** What a story leaves behind. */
export type Story = {
  /** Who ran what and what SQLite answered, one statement a line, without times: the same on every machine. */
  timeline: string
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
  /** Whether the story has asked for the outcome. */
  awaited = false
  /** What `await` gives, for those who only look on. */
  readonly outcome: Promise<Outcome>
  readonly #child: Child
  readonly #timeline: Timeline
  #over: string | undefined

  constructor(child: Child, sql: string, { timeout }: Setting, timeline: Timeline) {
    this.contender = child.name
    this.sql = sql
    this.#child = child
    this.#timeline = timeline
    timeline.issued(this)
    this.outcome = child.ask({ sql }, `\`${sql}\``, timeout).then((answer) => this.#judge(answer))
    this.outcome.then(
      ({ code }) => {
        this.#over = `it answered ${code}`
      },
      ({ message }) => {
        this.#over = message
      },
    )
  }

  // biome-ignore lint/suspicious/noThenProperty: a statement is made to be awaited, and that it was is part of the evidence
  then<A = Outcome, B = never>(
    fulfilled?: ((outcome: Outcome) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    if (!this.awaited) {
      this.awaited = true
      this.outcome.then(this.#timeline.awaited(this), () => {})
    }
    return this.outcome.then(fulfilled, rejected)
  }

  /**
   * Resolves once the statement is known to wait inside SQLite: the operating system shows its process asleep in the
   * busy handler or, where it cannot be asked, the statement stays silent for 250 ms. Rejected if it is answered instead.
   */
  async blocks(): Promise<void> {
    const since = performance.now()
    while (!this.#over) {
      const asleep = await sleepsInBusyHandler(this.#child.pid)
      if (asleep || (asleep === undefined && performance.now() - since > silence)) return this.#timeline.waits(this)
      await pause(1)
    }
    throw new Error(`${this.contender} does not wait in \`${this.sql}\`: ${this.#over}`)
  }

  /** To be refused is an answer. Any other error is an accident: it says nothing about contention. */
  #judge(answer: Message): Outcome {
    const { code, message, rows, waited, inTransaction } = answer as Outcome
    if (typeof code !== 'string' || !Array.isArray(rows) || typeof waited !== 'number' || typeof inTransaction !== 'boolean')
      throw new Error(`${this.contender} answered \`${this.sql}\` with nonsense: ${JSON.stringify(answer)}`)
    if (/^SQLITE_(OK|BUSY|LOCKED)/.test(code)) return answer as Outcome
    throw new Error(`${this.contender} cannot run \`${this.sql}\`: ${code}: ${message}`)
  }
}

/**
 * Whether SIGSTOP has taken effect. One that waits is to be stopped asleep: in the middle of a try it would hold, for as long as it
 * is stopped, a lock that it has for a moment only. It is let go then, and stopped again when it sleeps.
 */
async function isStoppedAsleep({ pid, asked }: Child): Promise<boolean> {
  if (!isStopped(pid)) return false
  if (!asked || (await sleepsInBusyHandler(pid)) !== false) return true
  process.kill(pid, 'SIGCONT')
  await pause(1)
  process.kill(pid, 'SIGSTOP')
  return false
}

/**
 * Sets the named contenders, each a process with one connection, on a fresh database in the given journal mode (one
 * table, `counter`; one column, `n`; one row, 0), and follows the story.
 *
 *     story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
 *       await first`BEGIN IMMEDIATE`
 *       begin = await other`BEGIN IMMEDIATE`
 *     })
 *
 * Whatever is not contention rejects it, with a sentence that names the contender and the statement: a contender that is
 * missing, dies, answers nonsense or never answers; SQL that does not run; a statement the story does not see through; a
 * contender nobody used. In every case the contenders and the database are gone afterwards.
 */
export async function contend<Name extends string>(
  mode: JournalMode,
  cast: Record<Name, Setting>,
  script: (contenders: Record<Name, Contender>) => Promise<void>,
): Promise<Story> {
  const database = await freshDatabase(
    `PRAGMA journal_mode = ${mode}`,
    'CREATE TABLE counter (n INTEGER NOT NULL)',
    'INSERT INTO counter VALUES (0)',
  )
  const names = Object.keys(cast) as Name[]
  const children = names.map((name) => {
    const { timeout, program = 'contender.ts' } = cast[name] as Setting
    return new Child(name, program, database.file, '--timeout', `${timeout}`)
  })
  const statements: Statement[] = []
  const accident = Promise.withResolvers<never>()
  accident.promise.catch(() => {}) // before the story begins, nobody listens yet
  for (const child of children) child.accident.catch(accident.reject)
  const timeline = new Timeline(mode, cast)

  function contender(child: Child, setting: Setting): Contender {
    const tag = ({ raw: [sql] }: TemplateStringsArray, ...values: unknown[]) => {
      if (values.length > 0) throw new Error(`${child.name}: spell the SQL out, without \${}: \`${sql}…`)
      if (child.asked) throw new Error(`${child.name} is still in ${child.asked} and cannot run \`${sql}\``)
      const statement = new Statement(child, sql, setting, timeline)
      statements.push(statement)
      statement.outcome.catch(accident.reject)
      return statement
    }
    const signal = async (signal: 'SIGSTOP' | 'SIGCONT') => {
      timeline.noted(child.name, `(${signal})`)
      if (signal === 'SIGSTOP') await database.wake(child.pid)
      process.kill(child.pid, signal)
      while (signal === 'SIGSTOP' && !(await isStoppedAsleep(child))) await pause(1)
    }
    return Object.assign(tag, { signal })
  }

  try {
    await Promise.all(children.map((child) => child.ready))
    const contenders = Object.fromEntries(names.map((name, i) => [name, contender(children[i], cast[name])]))
    await Promise.race([script(contenders as Record<Name, Contender>), accident.promise])

    const forgotten = statements.find(({ awaited }) => !awaited)
    if (forgotten) throw new Error(`the story ends without awaiting what became of ${forgotten.contender}'s \`${forgotten.sql}\``)
    const pending = children.find(({ asked }) => asked)
    if (pending) throw new Error(`the story ends while ${pending.name} is still in ${pending.asked}`)
    const unused = names.find((name) => !statements.some(({ contender }) => contender === name))
    if (unused) throw new Error(`${unused} has no statement in the story`)

    await Promise.all(children.map((child) => child.end()))
    return { timeline: timeline.toString() }
  } finally {
    await Promise.all(children.map((child) => child.kill()))
    await database.remove()
  }
}
