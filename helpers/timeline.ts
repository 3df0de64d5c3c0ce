import type { Outcome, Setting, Statement } from './contend.ts'
import type { JournalMode } from './fresh-database.ts'

type Line = { statement: Statement; ending?: boolean; waits?: boolean; outcome?: Outcome }

const journals: Record<JournalMode, string> = { wal: 'write-ahead log', delete: 'rollback journal' }

/**
 * A story as text: who ran what, then what SQLite answered, one statement a line, in the order of the script. It tells no
 * times, so that a story reads the same on every machine. A statement that is not awaited at once has two lines: one
 * where it is issued, one where the story asks what became of it.
 */
export class Timeline {
  readonly #mode: JournalMode
  readonly #cast: Record<string, Setting>
  readonly #lines: Line[] = []

  constructor(mode: JournalMode, cast: Record<string, Setting>) {
    this.#mode = mode
    this.#cast = cast
  }

  issued(statement: Statement): void {
    this.#lines.push({ statement })
  }

  waits(statement: Statement): void {
    for (const line of this.#lines) if (line.statement === statement) line.waits = true
  }

  /** Returns what takes the outcome, once it is there. */
  awaited(statement: Statement): (outcome: Outcome) => void {
    const last = this.#lines.at(-1) as Line
    const line = last.statement === statement && !last.waits ? last : { statement, ending: true }
    if (line !== last) this.#lines.push(line)
    return (outcome) => {
      line.outcome = outcome
    }
  }

  toString(): string {
    const timeouts = Object.entries(this.#cast).map(([name, { timeout }]) => `${name}: timeout ${timeout} ms`)
    const rows = this.#lines.map((line) => {
      const { contender, sql } = line.statement
      return [contender, line.ending ? `… ${sql}` : sql, this.#said(line)]
    })
    const width = (column: number) => Math.max(...rows.map((row) => row[column].length))
    const [names, statements] = [width(0), width(1)]
    return [
      [journals[this.#mode], ...timeouts].join(' · '),
      '',
      ...rows.map(([name, sql, said]) => `${name.padEnd(names)}  ${sql.padEnd(statements)}  ${said}`),
    ].join('\n')
  }

  #said({ statement, waits, outcome }: Line): string {
    if (!outcome) return waits ? 'waits' : '…'
    const { code, rows, waited, inTransaction } = outcome
    if (code === 'SQLITE_OK')
      return (
        rows
          .map((row) =>
            Object.entries(row)
              .map(([name, value]) => `${name} = ${value}`)
              .join(', '),
          )
          .join('; ') || code
      )
    const { timeout } = this.#cast[statement.contender]
    const when = timeout > 0 && (waited < timeout ? 'at once' : 'after its timeout')
    return [code, when, inTransaction ? 'transaction open' : 'no transaction'].filter(Boolean).join(', ')
  }
}
