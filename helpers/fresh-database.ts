import pLimit from 'p-limit'
import { Child, type Message } from './child.ts'

/** SQLite's two families of journals, as `PRAGMA journal_mode` spells them. */
export type JournalMode = 'wal' | 'delete'

/** What a story begins with: a counter in one of the journal modes or, with `none`, a folder without a database. */
export type Beginning = JournalMode | 'none'

let maker: Child | undefined

/** The maker is asked one thing at a time, also where stories are told side by side. */
const inTurn = pLimit(1)

async function ask(message: Message, about: string): Promise<Message> {
  maker ??= new Child('the maker of databases', 'fresh-database.ts')
  const child = maker
  await child.ready
  return inTurn(() => child.ask(message, about))
}

/**
 * Has a group of processes killed when this process ends, however it ends, for one of them may not mind the end of its input. Returns how
 * to take it back, when they have ended.
 */
export async function outliveNone(pid: number): Promise<() => Promise<void>> {
  await ask({ kill: pid }, `the wish to kill the group of ${pid} in the end`)
  return async () => {
    await ask({ spare: pid }, `the wish to spare the group of ${pid}`)
  }
}

/** A database with one table, `counter`, of one column, `n`, and one row, 0. */
export const freshCounter = (mode: JournalMode) =>
  freshDatabase(`PRAGMA journal_mode = ${mode}`, 'CREATE TABLE counter (n INTEGER NOT NULL)', 'INSERT INTO counter VALUES (0)')

type FreshDatabase = {
  file: string
  /** Takes the folder away. If nobody calls it, the folder goes when this process ends, however it ends. */
  remove: () => Promise<void>
  /** Has a process that is stopped let go on when this process ends, however it ends, so that it can end as well. */
  wake: (pid: number) => Promise<void>
}

/**
 * A new database in a temporary folder of its own, made by a child process, for this process must never open the file. Without SQL,
 * there is the folder, and no file yet.
 */
export async function freshDatabase(...sql: string[]): Promise<FreshDatabase> {
  const file = (await ask({ make: sql }, 'the wish for a fresh database')).made as string
  return {
    file,
    remove: async () => {
      await ask({ remove: file }, `the removal of ${file}`)
    },
    wake: async (pid) => {
      await ask({ wake: pid }, `the wish to wake process ${pid} in the end`)
    },
  }
}
