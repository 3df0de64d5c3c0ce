import type { Outcome, Setting } from './contend.ts'
import type { Beginning } from './fresh-database.ts'

/** One line of a story. */
export type Moment = {
  contender: string
  /** The SQL, or `(SIGSTOP)` and the like: what happens to a contender from outside SQLite. */
  text: string
  /**
   * `statement`: it is issued and, unless it waits or is awaited later, answered. `result`: what became of one issued before; it has
   * no outcome where the contender was killed in it. `signal`: from outside.
   */
  kind: 'statement' | 'result' | 'signal'
  /** Whether it was seen to wait inside SQLite. */
  waits: boolean
  /** What SQLite answered, where the story asks for it. */
  outcome?: Outcome
  /**
   * What the contender's process holds afterwards, as `Outcome` has it; `unknown` where the operating system tells of locks, but another
   * connection of the process is at work, whose locks could be among them.
   */
  locks?: string[] | 'unknown'
}

/** What a story leaves behind: who ran what, and what SQLite answered, in the order of the script. It tells no times. */
export type Story = {
  mode: Beginning
  cast: Record<string, Setting>
  moments: Moment[]
  /** Where it was told: the runtimes, the libraries and their SQLites, where the contenders tell. */
  places?: string[]
}

export const journals: Record<Beginning, string> = { wal: 'write-ahead log', delete: 'rollback journal', none: 'no database yet' }

/** How a contender opens its connection, in a few words each. */
export function settingsOf({ timeout, driver, process, worker, readonly, uri }: Setting): string[] {
  const told = [
    `timeout ${timeout} ms`,
    readonly && 'read-only',
    uri,
    driver,
    process && `in the process ${process}`,
    worker && 'in a worker thread',
  ]
  return told.flatMap((words) => words || [])
}

/** The journal and the contenders with their settings: what stands above a story. */
export function headOf({ mode, cast }: Story): string {
  const settings = Object.entries(cast).map(([name, setting]) => `${name}: ${settingsOf(setting).join(', ')}`)
  return [journals[mode], ...settings].join(' · ')
}

/** What SQLite answered, in a few words. */
export function answerOf({ contender, waits, outcome, kind }: Moment, { cast }: Story): string {
  if (kind === 'signal') return ''
  if (!outcome) return kind === 'result' ? 'unknown' : waits ? 'waits' : '…'
  const { code, rows, waited, inTransaction } = outcome
  const told = rows.map((row) =>
    Object.entries(row)
      .map(([name, value]) => `${name} = ${value}`)
      .join(', '),
  )
  const { timeout } = cast[contender]
  const refusal = [
    code,
    timeout > 0 && (waited < timeout ? 'at once' : 'after its timeout'),
    inTransaction ? 'transaction open' : 'no transaction',
  ]
  const said = code === 'SQLITE_OK' ? told.join('; ') || code : refusal.filter(Boolean).join(', ')
  return waits ? `waits, then ${said}` : said
}

/**
 * The locks that tell something: in WAL mode every connection holds `SHARED` on the database file and `DMS` on the `-shm` file from
 * its first access to the file to its end, and they are left out. Which of the read marks it is, is left out too: whoever takes one just as another
 * lets go of its own may get either. What is not known is `?`.
 */
export function tellingLocks({ locks = [] }: Moment): string[] {
  if (locks === 'unknown') return ['?']
  const always = locks.filter((lock) => lock.endsWith('DMS')).flatMap((lock) => [lock, lock.replace('DMS', 'SHARED')])
  const telling = locks.filter((lock) => !always.includes(lock)).map((lock) => lock.replace(/READ\(\d\)/, 'READ'))
  return [...new Set(telling)]
}

/** All the locks that a contender's process held while it waited, each time it did, as `Outcome` has them. Throws where they are not known. */
export function heldWaiting({ moments }: Story, name: string): string[][] {
  return moments
    .filter(({ contender, waits }) => contender === name && waits)
    .map(({ text, locks }) => {
      if (!Array.isArray(locks)) throw new Error(`it is not known what ${name} held while it waited in \`${text}\``)
      return locks
    })
}

/**
 * A story as text: who ran what, what SQLite answered, and in brackets the locks that the process holds afterwards, `[?]` where they
 * are not known, one statement a line. The same on every machine that tells of locks. A statement that is not awaited at once has two
 * lines: one where it is issued, one where the story asks what became of it.
 */
export function timelineOf(story: Story): string {
  const rows = story.moments.map((moment) => {
    const locks = tellingLocks(moment)
    const text = moment.kind === 'result' ? `… ${moment.text}` : moment.text
    return [moment.contender, text, answerOf(moment, story), locks.length > 0 ? `[${locks.join(' ')}]` : '']
  })
  const width = (column: number) => Math.max(...rows.map((row) => row[column].length))
  const widths = [0, 1, 2].map(width)
  const line = (row: string[]) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')
  return [headOf(story), '', ...rows.map((row) => line(row).trimEnd())].join('\n')
}
