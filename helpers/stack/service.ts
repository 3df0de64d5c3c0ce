import { fileURLToPath } from 'node:url'
import { Child } from '../child.ts'
import { freshDatabase, type JournalMode } from '../fresh-database.ts'
import { journals } from '../timeline.ts'
import type { Dialogue } from './dialogue.ts'

const stacks = fileURLToPath(new URL('../../fixtures/stacks/', import.meta.url))

/** What a client of a stack is answered, or a rival that was told SQL. */
export type Answer = {
  confirmed?: true
  paused?: true
  total?: number
  /** The class of the error that refuses a client, with its code, as the library has it, and its message. A rival has SQLite's code alone. */
  refused?: string
  code?: string
  message?: string
  /** What became of two increments that one client has begun at once. */
  both?: Answer[]
  rows?: Record<string, unknown>[]
}

/** A template tag. A client is served what it asks for, in the words of `fixtures/stack-server.ts`; a rival is told SQL. */
export type Speaker = (request: TemplateStringsArray) => Promise<Answer>

/** What a story of a stack leaves behind: who asked what, and what SQLite was told, of which `sql` is the statements. */
export type Service = Dialogue & { sql: string[] }

/**
 * Has a stack of `fixtures/stacks/` serve several clients at once in one process, beside rivals, which are processes with a timeout of 0, on a
 * fresh database: of the given journal mode or, with `none`, one that the stack makes as it comes.
 *
 *     story = await serve('prisma.ts', 'none', { first: 'client', stranger: 'rival' }, async ({ first, stranger }) => {
 *       await first`increment`
 *       seen = await stranger`SELECT n FROM counter`
 *     })
 *
 * Whatever nobody expects rejects it: a process that dies or does not answer, a request that nobody knows, SQL that does not run, a story
 * that ends before an answer. The processes and the database are gone afterwards.
 */
export async function serve<Name extends string>(
  stack: string,
  mode: JournalMode | 'none',
  cast: Record<Name, 'client' | 'rival'>,
  script: (speakers: Record<Name, Speaker>) => Promise<void>,
): Promise<Service> {
  const { file, remove } = await (mode === 'none' ? freshDatabase() : freshDatabase(`PRAGMA journal_mode = ${mode}`))
  const names = Object.keys(cast) as Name[]
  const server = new Child(stack, 'stack-server.ts', file, stacks + stack)
  const childOf = (name: Name) => (cast[name] === 'client' ? server : new Child(name, 'contender.ts', file, '--timeout', '0'))
  const seats = names.map((name) => ({ name, child: childOf(name) }))
  const children = [...new Set([server, ...seats.map(({ child }) => child)])]
  const lines: string[][] = []

  const speakers = seats.map(({ name, child }) => {
    const speak: Speaker = async ([text]) => {
      const line = [name, text, '…']
      lines.push(line)
      const request = child === server ? { connection: name, do: text } : { sql: text }
      const answer = (await child.ask(request, `\`${text}\``)) as Answer
      if (lines.at(-1) === line) line[2] = inWords(answer)
      else lines.push([name, `… ${text}`, inWords(answer)])
      if (child === server || /^SQLITE_(OK|BUSY)/.test(`${answer.code}`)) return answer
      throw new Error(`${name} cannot run \`${text}\`: ${answer.code}: ${answer.message}`)
    }
    const speaker: Speaker = (request) => {
      const answer = speak(request)
      answer.catch(() => {}) // told by the child's accident, or to who awaits it
      return answer
    }
    return [name, speaker] as const
  })

  try {
    await Promise.all(children.map((child) => child.ready))
    const accidents = children.map((child) => child.accident)
    await Promise.race([script(Object.fromEntries(speakers) as Record<Name, Speaker>), ...accidents])
    const pending = seats.find(({ name, child }) => child.asked(child === server ? name : undefined))
    if (pending) throw new Error(`the story ends without awaiting what became of what ${pending.name} has asked`)
    const [stderr] = await Promise.all(children.map((child) => child.end()))
    const [, meanwhile] = stderr.split(/^ready$/m)
    const sql = [...meanwhile.matchAll(/^sql: (.*)$/gm)].map(([, statement]) => statement)
    const head = mode === 'none' ? stack : `${journals[mode]} · ${stack}`
    return { sql, timeline: [head, '', ...inColumns(lines), '', ...sql].join('\n') }
  } finally {
    await Promise.all(children.map((child) => child.kill()))
    await remove()
  }
}

function inWords({ both, paused, confirmed, total, refused, code, message, rows = [] }: Answer): string {
  if (both) return both.map(inWords).join('; ')
  if (refused) return `refused: ${[refused, code, message?.trim().split('\n').at(-1)].filter(Boolean).join(', ')}`
  if (code) return rows.length > 0 ? JSON.stringify(rows) : code
  return paused ? 'paused' : confirmed ? 'confirmed' : `${total}`
}

function inColumns(lines: string[][]): string[] {
  const widths = [0, 1].map((column) => Math.max(...lines.map((line) => line[column].length)))
  return lines.map((line) => line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  '))
}
