import { setTimeout as pause } from 'node:timers/promises'
import { stripVTControlCharacters } from 'node:util'
import type { Instance } from './instance.ts'
import { Sentence } from './subject.ts'

/** What became of one increment, or of the question for the total. */
export type Outcome = {
  /** `unknown`: its process was killed, ended or fell silent before it answered. */
  verdict: 'confirmed' | 'refused' | 'unknown'
  /** How it refuses: the code, and the message; or, where it is unknown, what happened instead of an answer. */
  code?: string
  message: string
  /** What the host of a module tells of the error that was thrown: its class, and the property that holds SQLite's code. */
  error?: { class: string; at?: string }
  /** What it says it cannot do, and why. */
  cannot?: string
  /** How often it came to its pause. */
  tries: number
  /** Of a refusal, milliseconds since it began, or has gone on after its pause, by the clock of the stack's host; others do not tell. */
  took?: number
  /** Milliseconds from the request to the answer, without those it was held at its pause, by the clock of this process. */
  waited: number
}

/** How long one that cannot be seen to wait has to be silent to count as waiting, in milliseconds. */
const silence = 1_000

/** How an increment is asked for: without a pause between its read and its write; with one, as often as it tries; or held at the first. */
type How = 'plainly' | 'pause' | 'hold'

/** One increment, or the question for the total, on its way. An increment may be held at its first pause, until `go()`. */
export class Attempt {
  readonly outcome: Promise<Outcome>
  /** Resolves to whether it pauses, or is answered without. */
  readonly pauses: Promise<boolean>
  readonly #instance: Instance
  readonly #held = Promise.withResolvers<void>()
  #isSettled = false
  #isPaused = false

  /** `grace`: see `Instance.ask`. */
  constructor(instance: Instance, how: How = 'plainly', grace = 0, verb: 'increment' | 'total' = 'increment') {
    this.#instance = instance
    const pauses = Promise.withResolvers<boolean>()
    this.pauses = pauses.promise
    if (how !== 'hold') this.#held.resolve()
    this.outcome = this.#run({ do: verb, ...(how !== 'plainly' && { pause: true }) }, grace, () => {
      this.#isSettled = this.#isPaused = true
      pauses.resolve(true)
    })
    this.outcome.finally(() => {
      this.#isSettled = true
      this.#isPaused = false
      pauses.resolve(false)
    })
  }

  /** Whether it is answered, or has failed. */
  get isAnswered(): boolean {
    return this.#isSettled && !this.#isPaused
  }

  /** Whether it is held at its pause. */
  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Lets it go on from its pause. */
  go(): void {
    this.#isPaused = false
    this.#held.resolve()
  }

  /**
   * Resolves when it has done what it can for now: it is answered, it pauses, or it waits for somebody else, as far as can be seen: the
   * operating system shows it asleep in SQLite's busy handler, or it has been silent for a second. `start`: milliseconds that it has for its
   * start before that.
   */
  async settles(start = 0): Promise<void> {
    const since = performance.now()
    while (!this.#isSettled && !this.#instance.isAsleep && performance.now() - since < start + silence) await pause(10)
  }

  async #run(request: Record<string, unknown>, grace: number, onPause: () => void): Promise<Outcome> {
    let since = performance.now()
    let waited = 0
    let tries = 0
    try {
      let answer = await this.#instance.ask(request, grace)
      while (answer.paused === true) {
        waited += performance.now() - since
        tries += 1
        onPause()
        await this.#held.promise
        since = performance.now()
        answer = await this.#instance.ask({ do: 'continue' }, grace)
      }
      waited += performance.now() - since
      const { confirmed, total, refused, cannot, because, unknown, message = '', error, took } = answer
      if (request.do === 'total' ? typeof total === 'number' : confirmed === true)
        return { verdict: 'confirmed', message: 'confirmed', tries, waited }
      if (typeof refused === 'string')
        return {
          verdict: 'refused',
          code: told(refused),
          message: told(`${message}`),
          error: error as Outcome['error'],
          took: took as number | undefined,
          tries,
          waited,
        }
      if (typeof cannot === 'string')
        return {
          verdict: 'unknown',
          cannot: `${because ?? 'it does not say why'}`,
          message: `it cannot ${cannot}`,
          tries,
          waited,
        }
      if (typeof unknown === 'string') return { verdict: 'unknown', message: told(unknown), tries, waited }
      const good = request.do === 'total' ? '{"total":1}' : '{"confirmed":true}'
      const shapes = `${good}, or {"refused":"SQLITE_BUSY","message":"…"}`
      throw new Sentence(`It answered {"do":"${request.do}"} with ${JSON.stringify(answer)}: the answer is ${shapes}.`)
    } catch (error) {
      if (!(error instanceof Sentence)) throw error
      return { verdict: 'unknown', message: told(error.message), tries, waited: waited + performance.now() - since }
    }
  }
}

/** As it can be shown: without what steers a terminal. */
const told = (text: string) => stripVTControlCharacters(text).replace(/[^\P{Cc}\n\t]/gu, '')
