import { Child } from '../child.ts'
import { freshDatabase, outliveNone } from '../fresh-database.ts'
import { engage, release } from '../troupe.ts'
import { Instance } from './instance.ts'
import { Sentence, type Subject } from './subject.ts'

/** Where processes of one stack meet: a database of their own, that nobody has made yet, or the one that the subject brings. */
export type Ring = {
  /** The path of the database. */
  file: string
  /** Starts one more process of the stack. */
  start: () => Promise<Instance>
  /** Kills all that were started. */
  clear: () => Promise<void>
  /** A rival: a process that says on the same file what SQL it is told (`fixtures/contender.ts`). `timeout` in milliseconds. */
  rival: (timeout: number) => Promise<Rival>
}

type Rival = {
  /** Runs the statement, with nobody else at work. Resolves to its rows; rejected with a `Sentence` where the stack keeps it from that. */
  says: (sql: string) => Promise<Record<string, unknown>[]>
  /** Runs it; resolves to whether it was answered with SQLITE_OK. SQLITE_BUSY is the only other answer. */
  tries: (sql: string) => Promise<boolean>
}

/**
 * Has processes of the stack act on a database; they are gone afterwards, and so is it. `patience`: see `Instance`. `program`: one of
 * `fixtures/` that plays the rival in the place of a contender.
 */
export async function inRing<Result>(
  subject: Subject,
  patience: number,
  act: (ring: Ring) => Promise<Result>,
  program?: string,
): Promise<Result> {
  const { file, remove } = await freshDatabase()
  const path = subject.database ?? file
  const ends: (() => Promise<unknown>)[] = []

  const instances: Instance[] = []
  const rivals: Child[] = []

  async function start(): Promise<Instance> {
    const instance = new Instance(subject, path, patience)
    instances.push(instance)
    ends.push(() => instance.kill())
    if (instance.group) ends.push(await outliveNone(instance.group))
    return instance
  }

  async function clear(): Promise<void> {
    await Promise.all(instances.map((instance) => instance.kill()))
  }

  async function rival(timeout: number): Promise<Rival> {
    const args = [path, '--timeout', `${timeout}`]
    const child = program ? new Child('the rival', program, ...args) : engage('the rival', 'better-sqlite3', args)
    rivals.push(child)
    await child.ready
    const ask = async (sql: string) => {
      const { code, message, rows } = await child.ask({ sql }, `\`${sql}\``, timeout)
      if (code !== 'SQLITE_OK' && code !== 'SQLITE_BUSY') throw new Error(`the rival cannot run \`${sql}\`: ${code}: ${message}`)
      return { code, rows: rows as Record<string, unknown>[] }
    }
    return {
      tries: async (sql) => (await ask(sql)).code === 'SQLITE_OK',
      says: async (sql) => {
        const { code, rows } = await ask(sql)
        const held = `It keeps a lock between two requests: with nobody at work, another process said ${sql}, and got ${code}.`
        if (code !== 'SQLITE_OK') throw new Sentence(held)
        return rows
      },
    }
  }

  try {
    const result = await act({ file: path, start, clear, rival })
    await release(rivals)
    rivals.length = 0
    return result
  } finally {
    for (const end of ends) await end()
    for (const rival of rivals) await rival.kill()
    await remove()
  }
}
