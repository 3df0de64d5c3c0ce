import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { execa, type ResultPromise } from 'execa'
import { compileCache } from '../child.ts'
import { familyOf, hasOpened, isStopped, runs, sleepsInBusyHandler, tellsProcesses, tellsSleep, threadsOf } from '../kernel.ts'
import { Sentence, type Subject } from './subject.ts'

type Answer = Record<string, unknown>

/**
 * One process of a stack on one database, asked one thing at a time. Whatever it does that the protocol does not know rejects the question
 * under way with a `Sentence` for the stack's author, and all that follow; the process is killed. It ends when this process does.
 */
export class Instance {
  readonly #process: ResultPromise<{ reject: false; stdin: 'pipe'; buffer: false }>
  readonly #database: string
  /** Resolves when it has gone, to why it could not be started, if it could not. */
  readonly #gone: Promise<Error | undefined>
  readonly #patience: number
  readonly #isPage: boolean
  #question: { about: string; answer: (answer: Answer) => void; refuse: (reason: Error) => void } | undefined
  #last = 'its start'
  #hasAnswered = false
  #failure: Sentence | undefined
  #ending = false
  #killed = false
  /** What it wrote to stderr last: there may be no end to it. */
  #stderr = ''
  /** Has it stopped in the moment in which its next answer is read. */
  stopsAsItAnswers = false

  /** Starts it. `patience`: milliseconds within which an answer, or the end, is to come. */
  constructor({ command: [file, ...args], folder, kind }: Subject, database: string, patience: number) {
    this.#patience = patience
    this.#database = database
    this.#isPage = kind === 'url'
    this.#process = execa(file, [...args, database], {
      cwd: folder,
      stdin: 'pipe',
      buffer: false,
      reject: false,
      detached: process.platform !== 'win32', // a group of its own, so that what a wrapper started is stopped and killed as well
      cleanup: true,
      env: kind === 'command' ? {} : { NODE_COMPILE_CACHE: compileCache },
    })
    this.#process.stdin.on('error', () => {}) // told by the end of the process
    createInterface({ input: this.#process.stdout }).on('line', (line) => this.#hear(line))
    this.#process.stderr.setEncoding('utf8').on('data', (chunk) => {
      this.#stderr = (this.#stderr + chunk).slice(-8_192)
    })
    this.#gone = this.#leaves()
    this.#gone.then((cause) => {
      const { exitCode, signalCode: signal } = this.#process.nodeChildProcess
      const wasKilled = this.#killed && (signal === 'SIGKILL' || process.platform === 'win32') // it may have gone before
      if (wasKilled || (this.#ending && exitCode === 0)) return this.#fail(wasKilled ? 'it was killed' : 'it has ended')
      if (kind !== 'command' && exitCode === 2) return this.#fail(this.#stderr.trim()) // our own program has a sentence for its author
      const how = cause && `cannot be started: ${cause.message}`
      const end = how ?? (signal ? `was killed by ${signal}` : `ended with exit code ${exitCode}`)
      const asked = this.#question ? `before it answered ${this.#last}` : `after ${this.#last}`
      const when = this.#ending ? 'when its input ended' : this.#hasAnswered ? asked : 'at its start'
      this.#fail(`It ${end} ${when}. It is to run until its input ends, and then to end with exit code 0.${quoted(this.#stderr)}`)
    })
    this.#process.nodeChildProcess.unref()
    for (const pipe of this.#process.nodeChildProcess.stdio) (pipe as Socket).unref()
  }

  /** The number of its process group, if it was started and the system has such. */
  get group(): number | undefined {
    return process.platform === 'win32' ? undefined : this.#process.pid
  }

  /**
   * Whether the operating system shows a thread of it asleep in SQLite's busy handler, in a process that has the database open: other programs
   * sleep as well. `undefined` where it cannot be asked.
   */
  get isAsleep(): boolean | undefined {
    if (!tellsSleep || !this.group) return undefined
    return familyOf(this.group).some((pid) => threadsOf(pid).some(sleepsInBusyHandler) && hasOpened(pid, this.#database))
  }

  /** Sends one request and resolves to its answer. `grace`: milliseconds that it may take beyond patience. */
  ask(request: Answer, grace = 0): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    promise.catch(() => {}) // it may be awaited later
    const about = JSON.stringify(request)
    const limit = this.#patience + grace
    const timer = setTimeout(() => {
      const advice = this.#isPage ? 'is it at work on something else?' : 'read a line, answer with a line, and flush it.'
      this.#fail(`It did not answer ${about} within ${limit} ms: ${advice}`)
      this.kill()
    }, limit)
    this.#last = about
    const over = <Result>(settle: (result: Result) => void) => {
      return (result: Result) => {
        clearTimeout(timer)
        this.#question = undefined
        settle(result)
      }
    }
    this.#question = { about, answer: over(resolve), refuse: over(reject) }
    if (this.#failure) this.#question.refuse(this.#failure)
    else this.#process.stdin.write(`${about}\n`)
    return promise
  }

  /** Stops it, lets it go on, or kills it, with whatever it has started. Resolves when it is stopped, or gone. */
  async signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): Promise<void> {
    if (signal === 'SIGKILL') return this.kill()
    const pid = this.#process.pid as number
    process.kill(-pid, signal)
    while (signal === 'SIGSTOP' && tellsProcesses && runs(pid) && !isStopped(pid)) await pause(1)
  }

  /** Resolves when it is gone, with what it had started. */
  async kill(): Promise<void> {
    this.#killed = true
    try {
      if (process.platform === 'win32') this.#process.kill('SIGKILL')
      else process.kill(-(this.#process.pid as number), 'SIGKILL')
    } catch {} // it has gone already
    const awake = setTimeout(() => {}, this.#patience) // nothing else keeps this process alive until then
    await this.#gone
    clearTimeout(awake)
  }

  /**
   * Ends its input, and resolves, when it has ended, to what it wrote to stderr. Rejected with a `Sentence` if it does not end, or does not
   * end well.
   */
  async end(): Promise<string> {
    if (this.#failure) throw this.#failure
    this.#ending = true
    this.#process.stdin.end()
    const timer = setTimeout(() => {
      const limit = `within ${this.#patience} ms of the end of its input`
      this.#fail(`It did not end ${limit}: leave the loop at the end of stdin, and close what keeps it alive.`)
    }, this.#patience)
    await this.#gone
    clearTimeout(timer)
    if (this.#process.nodeChildProcess.exitCode !== 0) throw this.#failure
    return this.#stderr
  }

  /** Waits for its end, and a moment for its last words: what it has started may live on, and keep its pipes open. */
  async #leaves(): Promise<Error | undefined> {
    const child = this.#process.nodeChildProcess
    const ended = await Promise.race([
      this.#process,
      new Promise<undefined>((resolve) => child.once('exit', () => resolve(undefined))),
    ])
    await Promise.race([this.#process, pause(300)])
    child.stdout?.destroy()
    child.stderr?.destroy()
    return child.pid === undefined ? (ended?.cause as Error) : undefined
  }

  #hear(line: string): void {
    if (this.stopsAsItAnswers) process.kill(-(this.#process.pid as number), 'SIGSTOP')
    let message: unknown
    try {
      message = JSON.parse(line)
    } catch {}
    const stdout = 'stdout is for answers, one JSON object a line; logs go to stderr.'
    if (typeof message !== 'object' || message === null || Array.isArray(message))
      this.#fail(`It wrote to stdout, after ${this.#last}: ${line.slice(0, 200)}\n${stdout}`)
    else if (!this.#question) this.#fail(`It answered twice, after ${this.#last}: ${line.slice(0, 200)}\n${stdout}`)
    else {
      this.#hasAnswered = true
      this.#question.answer(message as Answer)
    }
  }

  #fail(sentence: string): void {
    this.#failure ??= new Sentence(sentence)
    this.#question?.refuse(this.#failure)
    if (!this.#killed) this.kill()
  }
}

/** The last lines that it wrote to stderr, below a sentence. */
const quoted = (stderr: string) => (stderr.trim() ? `\nOn stderr:\n${stderr.trim().split('\n').slice(-12).join('\n')}` : '')
