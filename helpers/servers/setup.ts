import type { TestProject } from 'vitest/node'
import { addressOf } from './address.ts'
import { startPostgreSQL } from './postgresql.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** How to connect to PostgreSQL, its version, and whether it was started for this run; without a `url`, there is none. */
    postgresql: { url?: string; version?: string; isOurs?: boolean }
    /** The URLs of the environment at which somebody answers, by the names of their variables. */
    urls: Record<string, string>
  }
}

/** Who is asked besides PostgreSQL: where, and what. */
const others = { LIBSQL_URL: '/health', RQLITE_URL: '/readyz' }

/** The URL that a variable names, if somebody answers there, whatever it is; prints a sentence if not. */
async function reachable(variable: keyof typeof others): Promise<[string, string][]> {
  const text = process.env[variable]
  const skipped = (why: string) => {
    console.log(`What takes ${variable} is skipped: ${why}.`)
    return []
  }
  if (!text) return skipped('it names no server')
  if (!URL.canParse(text)) return skipped('it is no URL')
  const { url } = addressOf(text)
  return fetch(new URL(others[variable], url), { signal: AbortSignal.timeout(5_000) }).then(
    () => [[variable, text]],
    ({ message, cause }) => skipped(`nobody answers at ${url.host}: ${cause?.code ?? message}`),
  )
}

/** One PostgreSQL for a whole run, which is gone afterwards, and who else is there. */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const found = await Promise.all([reachable('LIBSQL_URL'), reachable('RQLITE_URL')])
  project.provide('urls', Object.fromEntries(found.flat()))
  const server = await startPostgreSQL()
  if (typeof server === 'string') {
    console.log(`What takes PostgreSQL is skipped: ${server}.`)
    project.provide('postgresql', {})
    return undefined
  }
  const { url, version, stop } = server
  project.provide('postgresql', { url, version, isOurs: !process.env.DATABASE_URL })
  return stop
}
