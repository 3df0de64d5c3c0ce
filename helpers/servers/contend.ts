import { setTimeout as pause } from 'node:timers/promises'
import pLimit from 'p-limit'
import type { TestContext } from 'vitest'
import { Child, type Message, Unanswered } from '../child.ts'
import { freshDatabase } from '../fresh-database.ts'
import { isStopped, tellsProcesses } from '../kernel.ts'
import { printed } from '../svg.ts'

/** What PostgreSQL answered to one statement. */
export type Outcome = {
  /** SQLSTATE: `00000` is success (postgresql.org/docs/current/errcodes-appendix.html). */
  code: string
  /** The error's message, where it is no success. */
  message?: string
  /** What PostgreSQL says that it has done: `COMMIT`, `UPDATE`, … */
  tag?: string
  /** One object a row, column names as keys. */
  rows: Record<string, unknown>[]
  /** Milliseconds from request to answer, by the contender's own clock. */
  waited: number
  /** Of the connection, afterwards. One that has `failed` runs nothing until it is rolled back. */
  transaction: 'none' | 'open' | 'failed'
}

/** A template tag: its connection executes what it is given. It takes no `${}`, so that the SQL you read is the SQL that ran. */
type Contender = ((sql: TemplateStringsArray) => Statement) & {
  /** Stops the process, lets it go on, or kills it. What a killed one was asked has no answer. */
  signal: (signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL') => Promise<void>
}

/** What a story leaves behind, as text: it reads the same in every run. */
export type Story = { timeline: string }

type Line = { who: string; text: string; answer: string }

/** What contention ends in: a timeout, a deadlock, a transaction that cannot be serialized. Any other error is an accident. */
const refusals = ['40001', '40P01', '55P03']

/** One statement on its way. Awaited, it is its outcome; before that, `blocks()` proves that it waits for a lock. */
class Statement implements PromiseLike<Outcome> {
  readonly outcome: Promise<Outcome>
  awaited = false
  readonly #name: string
  readonly #sql: string
  readonly #lines: Line[]
  readonly #issued: Line
  readonly #waitsFor: () => Promise<string | undefined>
  readonly #expected: string[] = []
  #over: string | undefined

  constructor(name: string, sql: string, lines: Line[], answer: Promise<Message>, waitsFor: () => Promise<string | undefined>) {
    this.#name = name
    this.#sql = sql
    this.#lines = lines
    this.#waitsFor = waitsFor
    this.#issued = { who: name, text: sql, answer: '…' }
    lines.push(this.#issued)
    this.outcome = answer.then((message) => this.#judge(message as unknown as Outcome))
    this.outcome.then(
      ({ code }) => {
        this.#over = `it answered ${code}`
      },
      (reason) => {
        this.#over = reason.message
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
      const atOnce = this.#lines.at(-1) === this.#issued && this.#issued.answer === '…'
      const line = atOnce ? this.#issued : { who: this.#name, text: `… ${this.#sql}`, answer: '…' }
      if (!atOnce) this.#lines.push(line)
      this.outcome.then(
        (outcome) => {
          line.answer = inWords(outcome)
        },
        () => {},
      )
    }
    return this.outcome.then(fulfilled, rejected)
  }

  /**
   * Resolves once the statement waits for a lock, as PostgreSQL itself tells in pg_stat_activity, to what it waits for, and whom:
   * `transactionid, of first`. Rejected if it is answered instead.
   */
  async blocks(): Promise<string> {
    while (!this.#over) {
      const lock = await this.#waitsFor()
      if (lock) {
        if (this.#issued.answer === '…') this.#issued.answer = `waits (${lock})`
        return lock
      }
      await pause(1)
    }
    throw new Error(`${this.#name} does not wait in \`${this.#sql}\`: ${this.#over}`)
  }

  /** Says that the story is about this answer, although it is an error and not the refusal of a lock. */
  mayAnswer(...codes: string[]): this {
    this.#expected.push(...codes)
    return this
  }

  #judge(outcome: Outcome): Outcome {
    const { code, message, rows, waited, transaction } = outcome
    if (typeof code !== 'string' || !Array.isArray(rows) || typeof waited !== 'number' || typeof transaction !== 'string')
      throw new Error(`${this.#name} answered \`${this.#sql}\` with nonsense: ${JSON.stringify(outcome)}`)
    if (code !== '00000' && ![...refusals, ...this.#expected].includes(code))
      throw new Error(`${this.#name} cannot run \`${this.#sql}\`: ${code}: ${message}`)
    return outcome
  }
}

function inWords({ code, message, tag, rows, transaction }: Outcome): string {
  if (code !== '00000') return `${code}, ${message}${transaction === 'none' ? '' : `, transaction ${transaction}`}`
  const told = rows.map((row) =>
    Object.entries(row)
      .map(([name, value]) => `${name} = ${value}`)
      .join(', '),
  )
  return told.join('; ') || (tag ?? code)
}

/** A process with one connection, `fixtures/servers/session.ts`. Any error of its rejects. */
export async function openClerk(url: string): Promise<{ run: (sql: string) => Promise<Outcome['rows']>; child: Child }> {
  const child = new Child('the clerk', 'servers/session.ts', url)
  await child.ready
  const run = async (sql: string) => {
    const { code, message, rows } = (await child.ask({ sql }, `\`${sql}\``)) as unknown as Outcome
    if (code !== '00000') throw new Error(`the clerk cannot run \`${sql}\`: ${code}: ${message}`)
    return rows
  }
  return { run, child }
}

/** What every story begins with: the counter of the chapters, and the two rows of chapter 73. */
const tables = [
  'CREATE TABLE counter (n integer NOT NULL)',
  'INSERT INTO counter VALUES (0)',
  'CREATE TABLE test (id integer PRIMARY KEY, value integer NOT NULL)',
  'INSERT INTO test VALUES (1, 10), (2, 20)',
]

/**
 * Sets the named contenders, each a process with one connection, on fresh tables in PostgreSQL, and follows the story: `counter (n)`, one row, 0;
 * `test (id, value)`, two rows, (1, 10) and (2, 20). Stories are told one after the other, for the tables have the same names.
 *
 *     story = await contend(url, ['first', 'other'], async ({ first, other }) => {
 *       await first`BEGIN`
 *       await first`UPDATE counter SET n = 1`
 *       const turn = other`UPDATE counter SET n = 2`
 *       await turn.blocks()
 *       await first`COMMIT`
 *       write = await turn
 *     })
 *
 * Whatever is not contention rejects it. The processes and the tables are gone afterwards.
 */
export async function contend<Name extends string>(
  url: string,
  names: Name[],
  script: (contenders: Record<Name, Contender>) => Promise<void>,
): Promise<Story> {
  const keeper = await freshDatabase() // of those who are stopped: they cannot notice that this process has ended
  const clerk = await openClerk(url)
  const children = names.map((name) => new Child(name, 'servers/session.ts', url))
  const statements: { name: string; statement: Statement }[] = []
  const lines: Line[] = []
  const accident = Promise.withResolvers<never>()
  accident.promise.catch(() => {})
  for (const child of [clerk.child, ...children]) child.accident.catch(accident.reject)
  let areMade = false

  try {
    for (const sql of ['BEGIN', ...tables, 'COMMIT']) await clerk.run(sql)
    areMade = true // from here on, what has these names is not somebody else's
    const pids = (await Promise.all(children.map(({ ready }) => ready))).map(({ pid }) => Number(pid))
    const nameOf = (pid: number) => names[pids.indexOf(pid)] ?? 'somebody'
    const inTurn = pLimit(1)
    const lockOf = async (pid: number): Promise<string | undefined> => {
      const sql = `SELECT wait_event, pg_blocking_pids(pid) FROM pg_stat_activity WHERE pid = ${pid} AND wait_event_type = 'Lock'`
      const [row] = (await inTurn(() => clerk.run(sql))) as { wait_event: string; pg_blocking_pids: number[] }[]
      const holders = row?.pg_blocking_pids.map(nameOf) ?? []
      return holders.length > 0 ? `${row.wait_event}, of ${holders.join(' and ')}` : undefined
    }

    const contender = (child: Child, i: number): Contender => {
      const tag = ({ raw: [sql] }: TemplateStringsArray, ...values: unknown[]) => {
        if (values.length > 0) throw new Error(`${child.name}: spell the SQL out, without \${}: \`${sql}…`)
        if (child.asked()) throw new Error(`${child.name} is still in ${child.asked()} and cannot run \`${sql}\``)
        const statement = new Statement(child.name, sql, lines, child.ask({ sql }, `\`${sql}\``), () => lockOf(pids[i]))
        statements.push({ name: child.name, statement })
        statement.outcome.catch((reason) => {
          if (!(reason instanceof Unanswered)) accident.reject(reason)
        })
        return statement
      }
      const signal: Contender['signal'] = async (signal) => {
        lines.push({ who: child.name, text: `(${signal})`, answer: '' })
        if (signal === 'SIGKILL') return child.condemn()
        if (signal === 'SIGSTOP') await keeper.wake(child.pid)
        process.kill(child.pid, signal)
        while (signal === 'SIGSTOP' && tellsProcesses && !isStopped(child.pid)) await pause(1)
      }
      return Object.assign(tag, { signal })
    }

    const contenders = Object.fromEntries(children.map((child, i) => [child.name, contender(child, i)]))
    await Promise.race([script(contenders as Record<Name, Contender>), accident.promise])
    const forgotten = statements.find(({ statement }) => !statement.awaited)
    if (forgotten) throw new Error(`the story ends without awaiting what became of a statement of ${forgotten.name}`)
    await Promise.all(children.filter(({ isCondemned }) => !isCondemned).map((child) => child.end()))
    return { timeline: timelineOf(lines) }
  } finally {
    await Promise.all(children.map((child) => child.kill()))
    const drop = async () => areMade && clerk.run('DROP TABLE IF EXISTS counter, test, fresh')
    await drop().finally(() => clerk.child.kill())
    await keeper.remove()
  }
}

function timelineOf(lines: Line[]): string {
  const width = (cell: (line: Line) => string) => Math.max(...lines.map((line) => cell(line).length))
  const [who, text] = [width(({ who }) => who), width(({ text }) => text)]
  return lines.map((line) => `${line.who.padEnd(who)}  ${line.text.padEnd(text)}  ${line.answer}`.trimEnd()).join('\n')
}

/** Shows a story with each of its tests. */
export async function show({ annotate, task }: TestContext, { timeline }: Story): Promise<void> {
  task.meta.timeline = timeline
  await annotate('PostgreSQL', 'timeline', { contentType: 'image/svg+xml', body: new TextEncoder().encode(printed(timeline)) })
}
