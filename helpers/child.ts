import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { execa, type ResultPromise } from 'execa'

/** What a program of `fixtures/` says: one JSON object a line. Where one program has several connections, it names the one meant. */
export type Message = Record<string, unknown> & { connection?: string }

type Question = { about: string; answer: (message: Message) => void; refuse: (reason: Error) => void }

/** Why a question has no answer: the child was killed on purpose while it was at work on it. What it has done by then, nobody knows. */
export class Unanswered extends Error {}

/** Resolves when all are ready, to where their connections are: the places that they tell, where TELL_PLACE has them do so. */
export async function ready(children: Iterable<Child>): Promise<string[]> {
  const told = await Promise.all([...children].map(({ ready }) => ready))
  const silence = process.env.TELL_PLACE ? ['an untold place'] : []
  return [...new Set(told.flatMap(({ places = silence }) => places as string[]))]
}

const fixtures = new URL('../fixtures/', import.meta.url)
/** Where Node keeps what it has compiled, so that the next process need not. */
export const compileCache = fileURLToPath(new URL('../node_modules/.cache/node-compile', import.meta.url))

/**
 * A program of `fixtures/`, running in a process of its own. It is asked one thing at a time, or one thing a connection.
 *
 * Whatever it does that nobody asked for (it is missing, dies, answers nonsense, answers unasked, never answers) is an
 * accident: the question under way and `accident` are rejected with a sentence that names the child and the question,
 * and the process is killed. A child ends when its input does, so it cannot outlive this process.
 */
export class Child {
  /** How late "never" is: milliseconds a child is given beyond what it may rightly take. Nothing is delayed by it. */
  static patience = 15_000

  /** Who it is in the story it plays in. */
  name: string
  /** Resolves to the line in which the child says that it is ready: its first, or the answer to its engagement. */
  ready: Promise<Message>
  /** Never fulfilled; rejected by the first accident. */
  readonly accident: Promise<never>
  readonly #process: ResultPromise<{ reject: false; stdin: 'pipe'; buffer: { stdout: false } }>
  #report!: (accident: Error) => void
  #accident: Error | undefined
  readonly #questions = new Map<string | undefined, Question>()
  #last = ''
  #ending = false
  #condemned = false

  /** Starts `fixtures/PROGRAM`, under a name of its own. */
  constructor(name: string, program: string, ...args: string[]) {
    this.name = name
    this.accident = new Promise((_, reject) => {
      this.#report = reject
    })
    this.accident.catch(() => {}) // whoever listens, listens; nobody has to
    this.#process = execa(process.execPath, [fileURLToPath(new URL(program, fixtures)), ...args], {
      stdin: 'pipe',
      buffer: { stdout: false },
      reject: false,
      env: { NODE_COMPILE_CACHE: compileCache },
    })
    createInterface({ input: this.#process.stdout }).on('line', (line) => this.#hear(line))
    this.#process.stdin.on('error', () => {}) // a broken pipe is told by the end of the process
    this.#process.then(({ exitCode, signal, stderr }) => {
      if (this.#ending && exitCode === 0) return
      if (this.#condemned && signal === 'SIGKILL') return this.#dismiss()
      const how = signal ? `was killed by ${signal}` : `ended with exit code ${exitCode}`
      this.#fail(`${how} ${this.#questions.size > 0 ? 'during' : 'after'} ${this.#last}`, stderr)
    })
    // A child nobody is asking does not keep this process alive: when this one ends, so does the child's input.
    this.#process.nodeChildProcess.unref()
    for (const pipe of this.#process.nodeChildProcess.stdio) (pipe as Socket).unref()
    this.ready = this.#answer('its start')
  }

  /** Gives it another name, and sends what it is to get ready for. */
  engage(name: string, message: Message): void {
    this.name = name
    this.ready = this.ask(message, 'its start')
  }

  get pid(): number {
    return this.#process.pid as number
  }

  /** The question that is still unanswered, if there is one. */
  asked(connection?: string): string | undefined {
    return this.#questions.get(connection)?.about
  }

  /** Sends one message and resolves to the one that answers it. `grace`: milliseconds the answer may rightly take. */
  ask(message: Message, about: string, grace = 0): Promise<Message> {
    const answer = this.#answer(about, grace, message.connection)
    this.#process.stdin.write(`${JSON.stringify(message)}\n`)
    return answer
  }

  /** Ends the child's input and resolves, when it has gone, to what it wrote to stderr. Rejected if it stays or goes badly. */
  async end(): Promise<string> {
    this.#ending = true
    this.#process.stdin.end()
    const { stderr } = await this.#gone()
    return Promise.race([this.accident, stderr])
  }

  /** Whether it was killed on purpose. */
  get isCondemned(): boolean {
    return this.#condemned
  }

  /** Kills the child on purpose, which is no accident, and resolves when it is gone. What it was asked is refused: `Unanswered`. */
  async condemn(): Promise<void> {
    this.#condemned = true
    await this.kill()
  }

  /** Resolves when the child is gone. To kill what has already ended does nothing. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#gone()
  }

  /** Waits for the end, and keeps this process alive until then. */
  async #gone() {
    const force = setTimeout(() => this.#fail('did not end when its input did'), Child.patience)
    const result = await this.#process
    clearTimeout(force)
    return result
  }

  #answer(about: string, grace = 0, connection?: string): Promise<Message> {
    const { promise, resolve, reject } = Promise.withResolvers<Message>()
    promise.catch(() => {}) // it may be awaited much later
    const never = `never answered ${about}: it had ${grace} ms for it, and ${Child.patience} ms of patience`
    const timer = setTimeout(() => this.#fail(never), grace + Child.patience)
    const over = <Result>(settle: (result: Result) => void) => {
      return (result: Result) => {
        clearTimeout(timer)
        this.#questions.delete(connection)
        settle(result)
      }
    }
    this.#last = about
    const question = { about, answer: over(resolve), refuse: over(reject) }
    this.#questions.set(connection, question)
    if (this.#accident) question.refuse(this.#accident)
    return promise
  }

  #dismiss(): void {
    for (const { about, refuse } of this.#questions.values())
      refuse(new Unanswered(`${this.name} was killed during ${about}, and never told what became of it`))
  }

  #hear(line: string): void {
    let message: Message | null | undefined
    try {
      message = JSON.parse(line)
    } catch {}
    const understood = typeof message === 'object' && message !== null
    const question = this.#questions.get(message?.connection)
    if (this.#questions.size === 0 || (understood && !question)) this.#fail(`spoke unasked after ${this.#last}: ${line}`)
    else if (!understood) this.#fail(`answered ${this.#last} with nonsense: ${line}`)
    else question?.answer(message as Message)
  }

  #fail(what: string, stderr = ''): void {
    this.#accident ??= new Error(`${this.name} ${what}${stderr && `\n${stderr}`}`)
    this.#report(this.#accident)
    for (const { refuse } of this.#questions.values()) refuse(this.#accident)
    this.kill()
  }
}
