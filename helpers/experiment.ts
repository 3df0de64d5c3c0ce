import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { Child } from './child.ts'
import { freshDatabase, type JournalMode } from './fresh-database.ts'
import { type Answer, type Load, usersOf } from './users.ts'

/** How the web server of the seed's experiment is set up. */
export type Site = {
  journalMode: JournalMode
  /** Busy timeout of each worker's connection, in milliseconds. */
  timeout: number
  begin: 'deferred' | 'immediate'
  /** Whether the password is hashed inside the transaction, or outside, before it begins. */
  hash?: 'inside' | 'outside'
  /** Rounds of PBKDF2 for each password. */
  iterations?: number
  /** Processes, each with one connection. */
  workers?: number
}

/** What came of it. */
export type Result = {
  /** In the order in which they came. */
  answers: Answer[]
  /** The users in their table afterwards, by id. */
  users: { id: number; username: string; password: string }[]
  /** How many rows the other pages have left in theirs. */
  rows: number
  /** What the server wrote to stderr: a stack trace for each error. */
  log: string
}

const migrate = fileURLToPath(new URL('../fixtures/migrate.ts', import.meta.url))

/**
 * The seed's experiment, once: migrate a fresh database, start the web server on it, let the users loose (several loads one
 * after another), shut the server down, and look into the tables. Rejected by any error that is not a locked database,
 * and when a load's signal is aborted; in every case all processes are gone afterwards, and so is the database.
 */
export async function experiment(site: Site, ...loads: Load[]): Promise<Result> {
  const { journalMode, timeout, begin, hash = 'inside', iterations = 1, workers = loads[0].users } = site
  const options = { 'journal-mode': journalMode, timeout, begin, hash, iterations, workers }
  const database = await freshDatabase()
  let server: Child | undefined
  let pids: number[] = []
  try {
    await execa(process.execPath, [migrate, database.file])
    const flags = Object.entries(options).map(([name, value]) => `--${name}=${value}`)
    server = new Child('the web server', 'web-server.ts', database.file, ...flags)
    const ready = (await server.ready) as { url: string; workers: number[] }
    pids = ready.workers
    const answers: Answer[] = []
    for (const load of loads) answers.push(...(await Promise.race([usersOf(ready.url, load), server.accident])))
    const log = await server.end()
    pids = []
    return { answers, log, ...(await tables(database.file)) }
  } finally {
    await server?.kill()
    for (const pid of pids) kill(pid) // a worker that waits inside SQLite does not notice yet that its server is gone
    await database.remove()
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {} // it has gone by itself
}

async function tables(file: string): Promise<Pick<Result, 'users' | 'rows'>> {
  const clerk = new Child('the clerk', 'contender.ts', file)
  await clerk.ready
  const ask = async (sql: string) => (await clerk.ask({ sql }, sql)).rows as Record<string, unknown>[]
  const users = (await ask('SELECT id, username, password FROM auth_user ORDER BY id')) as Result['users']
  const [{ rows }] = await ask('SELECT count(*) AS rows FROM basic_model_row')
  await clerk.end()
  return { users, rows: Number(rows) }
}
