import { Child } from '../child.ts'
import { freshDatabase } from '../fresh-database.ts'
import { type Figures, figures } from '../report.ts'
import { type Answer, confirmed, type Load, usersOf } from '../users.ts'
import { openClerk } from './contend.ts'

/** How the web server of `fixtures/servers` is set up; the options are its own. */
export type Site = {
  workers: number
  begin?: string
  timeout?: number
  iterations?: number
  wait?: number
  slow?: 'inside' | 'outside'
}

/** The seed's experiment on either database. */
type Website = {
  /** Lets users loose. A locked database is an answer; any other error rejects. */
  run: (load: Load) => Promise<Answer[]>
  /** The names of the users in the table, as somebody else reads them. */
  users: () => Promise<string[]>
  /** Where it is, for those who ask by themselves. */
  url: string
  /** Ends everything, whatever is under way. */
  close: () => Promise<void>
}

/** Lets users loose on it, once, and closes it: how that went, and whether everybody confirmed is there afterwards, and nobody else. */
export async function experiment(website: Website, load: Load & { seconds: number }): Promise<Experiment> {
  try {
    const answers = await website.run(load)
    const [created, there] = [confirmed(answers), await website.users()]
    const began = answers.reduce((first, { began }) => (began < first ? began : first), answers[0].began)
    const inTime = created.filter(({ ended }) => Number(ended - began) <= load.seconds * 1e9)
    const names = created.map(({ username }) => username)
    return {
      ...figures(answers),
      createdPerSecond: inTime.length / load.seconds,
      isThere: names.sort().join() === there.sort().join(),
    }
  } finally {
    await website.close()
  }
}

/** Accounts a second are those created while the load lasts: who waits at its end, waits longer on SQLite. */
type Experiment = Figures & { createdPerSecond: number; isThere: boolean }

/** Opens it on PostgreSQL, in the schema that the connection string names. */
export async function onPostgreSQL(database: string, site: Site): Promise<Website> {
  const { run, child } = await openClerk(database)
  const names = async () => (await run('SELECT username FROM auth_user ORDER BY username')).map(({ username }) => `${username}`)
  return serve(database, site, names, () => child.end())
}

/** Opens it on SQLite, in WAL mode, on a file that is gone afterwards. */
export async function onSQLite(site: Site): Promise<Website> {
  const { file, remove } = await freshDatabase()
  const names = async () => {
    const clerk = new Child('the clerk', 'contender.ts', file)
    await clerk.ready
    const { rows } = await clerk.ask({ sql: 'SELECT username FROM auth_user ORDER BY username' }, 'the names')
    await clerk.end()
    return (rows as { username: string }[]).map(({ username }) => username)
  }
  return serve(file, { begin: 'BEGIN IMMEDIATE', ...site }, names, remove)
}

/** Who is compared in the experiment, each opened with the same site, on the PostgreSQL at this connection string. */
export const rivals = (database: string): Record<Rival, (site: Site) => Promise<Website>> => ({
  SQLite: onSQLite,
  'SQLite, slow part before BEGIN': (site) => onSQLite({ ...site, slow: 'outside' }),
  PostgreSQL: (site) => onPostgreSQL(database, site),
})
export type Rival = 'SQLite' | 'SQLite, slow part before BEGIN' | 'PostgreSQL'

async function serve(database: string, site: Site, users: Website['users'], end: () => Promise<unknown>): Promise<Website> {
  const options = Object.entries(site).map(([name, value]) => `--${name}=${value}`)
  const server = new Child('the web server', 'servers/web-server.ts', database, ...options)
  const url = `${(await server.ready).url}`
  return {
    url,
    users,
    run: (load) => Promise.race([usersOf(url, load), server.accident]),
    close: async () => {
      await server.end()
      await end()
    },
  }
}
