import { Child } from '../child.ts'
import { freshDatabase } from '../fresh-database.ts'
import { type Answer, type Load, usersOf } from '../users.ts'
import { openClerk } from './contend.ts'

/** How the web server of `fixtures/servers` is set up; the options are its own. */
export type Site = { workers: number; begin?: string; timeout?: number; iterations?: number; wait?: number }

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
