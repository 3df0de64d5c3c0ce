import { dirname } from 'node:path'
import { Child } from '../child.ts'
import { freshDatabase } from '../fresh-database.ts'

type PostgreSQL = {
  /** The connection string, which names the schema of this run. */
  url: string
  version: string
  /** Ends the server, or drops the schema. If nobody calls it, that is done when this process ends. */
  stop: () => Promise<void>
}

/** Starts a PostgreSQL, or takes the one at `DATABASE_URL`. Resolves to a sentence where there is none to be had. */
export async function startPostgreSQL(): Promise<PostgreSQL | string> {
  const { file, remove } = await freshDatabase()
  const usual = Child.patience
  Child.patience = 60_000 // it makes a database first, which takes long on a busy machine; it gives up by itself before
  const server = new Child('PostgreSQL', 'servers/postgresql.ts', dirname(file))
  Child.patience = usual
  const { url, version, cannot } = await server.ready
  const stop = async () => {
    await server.end()
    await remove()
  }
  if (typeof cannot !== 'string') return { url: `${url}`, version: `${version}`, stop }
  await stop()
  return cannot
}
