import type { TestProject } from 'vitest/node'
import { startPostgreSQL } from './postgresql.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** How to connect to PostgreSQL, its version, and whether it was started for this run; without a `url`, there is none. */
    postgresql: { url?: string; version?: string; isOurs?: boolean }
  }
}

/** One PostgreSQL for a whole run, which is gone afterwards. */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
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
