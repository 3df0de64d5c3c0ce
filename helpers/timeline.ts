import type { Outcome, Setting, Statement } from './contend.ts'
import type { JournalMode } from './fresh-database.ts'

type Line = { contender: string; text: string; statement?: Statement; waits?: boolean; outcome?: Outcome }

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
    this.#lines.push({ contender: statement.contender, text: statement.sql, statement })
  }

  /** What happens to a contender from outside SQLite. */
  noted(contender: string, text: string): void {
    this.#lines.push({ contender, text })
  }

  waits(statement: Statement): void {
    for (const line of this.#lines) if (line.statement === statement) line.waits = true
  }

  /** Returns what takes the outcome, once it is there. */
  awaited(statement: Statement): (outcome: Outcome) => void {
    const last = this.#lines.at(-1) as Line
    const { contender, sql } = statement
    const line: Line = last.statement === statement && !last.waits ? last : { contender, text: `… ${sql}`, statement }
    if (line !== last) this.#lines.push(line)
    return (outcome) => {
      line.outcome = outcome
    }
  }

  toString(): string {
    const timeouts = Object.entries(this.#cast).map(([name, { timeout }]) => `${name}: timeout ${timeout} ms`)
    const rows = this.#lines.map((line) => [line.contender, line.text, this.#said(line)])
    const width = (column: number) => Math.max(...rows.map((row) => row[column].length))
    const [names, texts] = [width(0), width(1)]
    return [
      [journals[this.#mode], ...timeouts].join(' · '),
      '',
      ...rows.map(([name, text, said]) => `${name.padEnd(names)}  ${text.padEnd(texts)}  ${said}`.trimEnd()),
    ].join('\n')
  }

  #said({ contender, statement, waits, outcome }: Line): string {
    if (!statement) return ''
    if (!outcome) return waits ? 'waits' : '…'
    const { code, rows, waited, inTransaction } = outcome
    const told = rows.map((row) =>
      Object.entries(row)
        .map(([name, value]) => `${name} = ${value}`)
        .join(', '),
    )
    const { timeout } = this.#cast[contender]
    const refusal = [
      code,
      timeout > 0 && (waited < timeout ? 'at once' : 'after its timeout'),
      inTransaction ? 'transaction open' : 'no transaction',
    ]
    const said = code === 'SQLITE_OK' ? told.join('; ') || code : refusal.filter(Boolean).join(', ')
    return waits ? `waits, then ${said}` : said
  }
}
