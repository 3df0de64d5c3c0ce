import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { Child } from './child.ts'
import { freshDatabase, type JournalMode } from './fresh-database.ts'
import { type Answer, type Load, usersOf } from './users.ts'

/** How a transaction of the web application is set up. */
export type Cell = {
  /** Busy timeout of each worker's connection, in milliseconds. */
  timeout: number
  begin: 'deferred' | 'immediate'
  /** Whether the password is hashed inside the transaction, or outside, before it begins. */
  hash?: 'inside' | 'outside'
}

/** How the web server is set up. What of its cell a load does not say for itself, the server's is. */
type Site = Partial<Cell> & {
  journalMode: JournalMode
  /** Rounds of PBKDF2 for each password. */
  iterations?: number
  /** Processes, each with one connection. */
  workers?: number
}

/** What came of one load. */
export type Run = {
  /** In the order in which they came. */
  answers: Answer[]
  /** The users that have come into their table, by id; the ids are counted from those that were there before. */
  users: { id: number; username: string; password: string }[]
  /** How many rows the other pages have put into theirs. */
  rows: number
}

const migrate = fileURLToPath(new URL('../fixtures/migrate.ts', import.meta.url))

/**
 * The seed's experiment: a fresh database, migrated, and the web server on it. Lets users loose as often as it is told, and
 * looks into the tables each time. Whatever is not a locked database is an error.
 */
export class Website {
  readonly #server: Child
  readonly #clerk: Child
  readonly #remove: () => Promise<void>
  #url = ''
  #workers: number[] = []
  #users = 0
  #rows = 0

  private constructor(file: string, remove: () => Promise<void>, { journalMode, iterations = 1, workers = 10, ...cell }: Site) {
    const options = Object.entries({ 'journal-mode': journalMode, iterations, workers, ...cell })
    this.#server = new Child('the web server', 'web-server.ts', file, ...options.map(([name, value]) => `--${name}=${value}`))
    this.#clerk = new Child('the clerk', 'contender.ts', file)
    this.#remove = remove
  }

  static async open(site: Site): Promise<Website> {
    const { file, remove } = await freshDatabase()
    await execa(process.execPath, [migrate, file])
    const website = new Website(file, remove, site)
    try {
      const [ready] = await Promise.all([website.#server.ready, website.#clerk.ready])
      website.#url = ready.url as string
      website.#workers = ready.workers as number[]
      return website
    } catch (error) {
      await website.kill()
      throw error
    }
  }

  /** Rejected by any error that is not a locked database, and when the load's signal is aborted. */
  async run(load: Load): Promise<Run> {
    const answers = await Promise.race([usersOf(this.#url, load), this.#server.accident]).catch(async (error) => {
      // If the server has died, that is the cause, and the broken connection only how the users met it.
      if (!load.signal?.aborted) await Promise.race([this.#server.accident, pause(1_000)])
      throw error
    })
    const added = await this.#ask(`SELECT id, username, password FROM auth_user WHERE id > ${this.#users} ORDER BY id`)
    const users = (added as Run['users']).map((user) => ({ ...user, id: user.id - this.#users }))
    const [{ count }] = (await this.#ask('SELECT count(*) AS count FROM basic_model_row')) as { count: number }[]
    const rows = count - this.#rows
    this.#users += users.length
    this.#rows = count
    return { answers, users, rows }
  }

  /** Shuts everything down, and resolves to what the server wrote to stderr: a stack trace for each error. */
  async close(): Promise<string> {
    try {
      await this.#clerk.end()
      const log = await this.#server.end()
      this.#workers = []
      return log
    } finally {
      await this.#remove()
    }
  }

  /** Ends everything at once, whatever is under way. */
  async kill(): Promise<void> {
    await Promise.all([this.#clerk.kill(), this.#server.kill()])
    for (const worker of this.#workers) kill(worker) // one that waits inside SQLite does not notice yet that its server is gone
    await this.#remove()
  }

  async #ask(sql: string): Promise<unknown> {
    return (await this.#clerk.ask({ sql }, sql)).rows
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {} // it has gone by itself
}
