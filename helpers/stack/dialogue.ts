import { dirname } from 'node:path'
import { setImmediate as immediate, setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { TestContext } from 'vitest'
import { freshDatabase, type JournalMode, outliveNone } from '../fresh-database.ts'
import { locksAsleep, locksOf, tellsSleep } from '../kernel.ts'
import { python } from '../python.ts'
import { printed } from '../svg.ts'
import { journals, type Moment, tellingLocks } from '../timeline.ts'
import { Instance } from './instance.ts'
import { type Subject, subjectOf } from './subject.ts'

/** What a stack answers (see the protocol, fixtures/stacks/README.md). To be refused is an answer; any other error is an accident. */
export type Reply = {
  paused?: true
  confirmed?: true
  total?: number
  /** The code of SQLite, or the class of the error where its library does not tell the code; and the message. */
  refused?: string
  message?: string
  /** The class of the error, and where in it the code is. */
  error?: { class: string; at?: string | null }
  /** What SQLite was told meanwhile, where a stack tells. */
  said?: string[]
  /** Milliseconds from the request to the answer, by the clock of this process. */
  took: number
  /** The locks that its process holds then, as `locksOf` has them (kernel.ts). */
  locks?: string[]
}

/** What a stack is asked, in the protocol's words. */
const requests = {
  increment: { do: 'increment' },
  'increment, pause': { do: 'increment', pause: true },
  continue: { do: 'continue' },
  total: { do: 'total' },
}

/** A template tag: the stack is asked what it says, `increment`, `increment, pause`, `continue` or `total`. */
export type Speaker = (request: TemplateStringsArray) => Turn

/** Who was asked what, what it answered, and the locks that its process held then. */
type Line = Pick<Moment, 'locks'> & { who: string; text: string; answer: string; said?: string[] }

/** What a dialogue leaves behind, as text: the same on every machine that tells of locks. */
export type Dialogue = { timeline: string }

const root = fileURLToPath(new URL('../../', import.meta.url))

/** How long a stack has to be silent to count as waiting where the kernel cannot be asked, in milliseconds. */
const silence = 250

/** Milliseconds that an answer may take. Nothing is delayed by it. */
const patience = 30_000

/** `fixtures/stacks/python.py` with these options. */
export function inPython(...options: string[]): Subject {
  const command = [python?.path ?? 'python3', `${root}fixtures/stacks/python.py`, ...options]
  return { reference: ['python.py', ...options].join(' '), kind: 'command', command, folder: root }
}

/** A module of `fixtures/stacks/`: `better-sqlite3.ts`, `better-sqlite3.ts#fixed`. */
export function inNode(module: string): Subject {
  return { ...subjectOf(`fixtures/stacks/${module}`, root), reference: module }
}

/** One request on its way. Awaited, it is its reply; before that, `blocks()` proves that the stack waits inside SQLite. */
class Turn implements PromiseLike<Reply> {
  readonly reply: Promise<Reply>
  awaited = false
  readonly #who: string
  readonly #request: string
  readonly #instance: Instance
  readonly #folder: string
  readonly #lines: Line[]
  readonly #issued: Line
  #over: string | undefined

  constructor(who: string, request: string, instance: Instance, folder: string, lines: Line[]) {
    if (!Object.hasOwn(requests, request)) throw new Error(`${who}: '${request}' is none of ${Object.keys(requests).join('; ')}`)
    this.#who = who
    this.#request = request
    this.#instance = instance
    this.#folder = folder
    this.#lines = lines
    this.#issued = { who, text: request, answer: '…' }
    lines.push(this.#issued)
    const asked = performance.now()
    this.reply = instance.ask(requests[request as keyof typeof requests]).then((answer) => {
      const took = performance.now() - asked
      const reply = { ...answer, took, locks: locksOf(instance.group ?? 0, folder) } as Reply
      const { refused, message } = reply
      const busy = /^SQLITE_(BUSY|LOCKED)/.test(`${refused}`) || message === 'database is locked'
      const understood = reply.paused || reply.confirmed || typeof reply.total === 'number' || (refused && busy)
      if (!understood) throw new Error(`${who} answered '${request}' with ${JSON.stringify(answer)}`)
      return reply
    })
    this.reply.then(
      (reply) => {
        this.#over = `it answered ${answerOf(reply)}`
      },
      (reason) => {
        this.#over = reason.message
      },
    )
  }

  // biome-ignore lint/suspicious/noThenProperty: a request is made to be awaited, and that it was is part of the evidence
  then<A = Reply, B = never>(
    fulfilled?: ((reply: Reply) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    if (!this.awaited) {
      this.awaited = true
      const atOnce = this.#lines.at(-1) === this.#issued && this.#issued.answer === '…'
      const line = atOnce ? this.#issued : { who: this.#who, text: `… ${this.#request}`, answer: '…' }
      if (!atOnce) this.#lines.push(line)
      this.reply.then(
        (reply) => Object.assign(line, { answer: answerOf(reply), said: reply.said, locks: reply.locks }),
        () => {},
      )
    }
    return this.reply.then(fulfilled, rejected)
  }

  /**
   * Resolves once the stack is known to wait inside SQLite: the operating system shows it asleep in the busy handler or, where it
   * cannot be asked, it stays silent for 250 ms. Rejected if it answers instead.
   */
  async blocks(): Promise<void> {
    const since = performance.now()
    const pid = this.#instance.group ?? 0
    await immediate()
    while (!this.#over) {
      const asleep = locksAsleep({ pid, tid: pid }, this.#folder)
      if (asleep || (!tellsSleep && performance.now() - since > silence)) {
        Object.assign(this.#issued, { answer: 'waits', locks: asleep?.locks })
        return
      }
      await pause(1)
    }
    throw new Error(`${this.#who} does not wait in '${this.#request}': ${this.#over}`)
  }
}

function answerOf({ paused, total, refused, message }: Reply): string {
  if (refused) return `refused, ${refused}: ${message}`
  return paused ? 'paused' : total === undefined ? 'confirmed' : `${total}`
}

/**
 * Sets stacks on each other, each a process, on a fresh database in the given journal mode, and follows the story. All are open before it
 * begins, and have counted 0.
 *
 *     story = await converse('wal', { first: inPython(), other: inNode('better-sqlite3.ts') }, async ({ first, other }) => {
 *       await first`increment, pause`
 *       confirmed = await other`increment`
 *       refused = await first`continue`
 *     })
 *
 * Whatever is not contention rejects it. The processes and the database are gone afterwards.
 */
export async function converse<Name extends string>(
  mode: JournalMode,
  cast: Record<Name, Subject>,
  script: (speakers: Record<Name, Speaker>) => Promise<void>,
): Promise<Dialogue> {
  const { file, remove } = await freshDatabase(`PRAGMA journal_mode = ${mode}`)
  const names = Object.keys(cast) as Name[]
  const instances = names.map((name) => new Instance(cast[name], file, patience))
  const spare: (() => Promise<void>)[] = []
  const turns: Turn[] = []
  const lines: Line[] = []
  const accident = Promise.withResolvers<never>()
  accident.promise.catch(() => {})

  const speakers = names.map((name, i) => {
    const speaker: Speaker = ([request]) => {
      const turn = new Turn(name, request, instances[i], dirname(file), lines)
      turns.push(turn)
      turn.reply.catch(accident.reject)
      return turn
    }
    return [name, speaker] as const
  })

  try {
    for (const { group } of instances) if (group) spare.push(await outliveNone(group))
    for (const [i, instance] of instances.entries()) {
      const { total } = await instance.ask({ do: 'total' })
      if (total !== 0) throw new Error(`${names[i]} has counted ${total} before the story begins`)
    }
    await Promise.race([script(Object.fromEntries(speakers) as Record<Name, Speaker>), accident.promise])
    if (turns.some(({ awaited }) => !awaited)) throw new Error('the story ends without awaiting what became of a request')
    await Promise.all(instances.map((instance) => instance.end()))
    return { timeline: timelineOf(mode, cast, lines) }
  } finally {
    await Promise.all(instances.map((instance) => instance.kill()))
    for (const end of spare) await end()
    await remove()
  }
}

function timelineOf(mode: JournalMode, cast: Record<string, Subject>, lines: Line[]): string {
  const rows = lines.map(({ who, text, answer, said = [], locks }) => {
    const telling = tellingLocks({ locks } as Moment)
    return [who, text, answer, said.join('; '), telling.length > 0 ? `[${telling.join(' ')}]` : '']
  })
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column].length)))
  const told = rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .filter((cell) => cell !== '')
      .join('  ')
      .trimEnd(),
  )
  const head = [journals[mode], ...Object.entries(cast).map(([name, { reference }]) => `${name}: ${reference}`)]
  return [head.join(' · '), '', ...told].join('\n')
}

/** Shows a dialogue with each of its tests. */
export async function showDialogue({ annotate, task }: TestContext, { timeline }: Dialogue): Promise<void> {
  task.meta.timeline = timeline
  await annotate(timeline.split('\n')[0], 'timeline', {
    contentType: 'image/svg+xml',
    body: new TextEncoder().encode(printed(timeline)),
  })
}
