import { fileURLToPath } from 'node:url'
import type { TestContext } from 'vitest'
import type { Outcome } from './attempt.ts'
import { nameOf } from './card.ts'
import { type Beginning, type Contest, examine, type Scale, type Seen, usual } from './examination.ts'
import { timeoutOf } from './findings.ts'
import { inRing } from './ring.ts'
import { type Subject, subjectOf } from './subject.ts'

/** What is seen of a library: as it comes, or with its own way out. */
export type Sight = {
  /** The library, and what it is on, with versions. */
  name: string
  /** The kinds of statements that one increment sends, as its driver executes them: `BEGIN; SELECT; UPDATE; COMMIT`. */
  sql: string | undefined
  journalMode: string
  begins: Beginning | undefined
  /** How long it waits for a lock that stays, in milliseconds, by a clock outside; 0: not at all; `undefined`: see `timeoutOf`. */
  timeout: number | undefined
  /** What becomes of the two when another process writes between its read and its write. */
  between: Contest
  /** What becomes of one while another process holds the lock for a while. */
  held: Contest
  /** Those who were turned away as three processes at once opened a fresh database. */
  openings: Outcome[]
  /** The first refusal that was seen, as its program meets it. */
  error: Outcome | undefined
  /** Updates lost, of those confirmed, when several read and then write. */
  lost: number
  /** Whether its connection could be used after the refusal. */
  usable: boolean | undefined
}

/** Fewer processes and shorter pauses than in chapter 90; the verdicts are the same. */
const small: Scale = { ...usual, crowd: 3, rounds: 2, hold: 500 }

const wiretap = fileURLToPath(new URL('../../fixtures/wiretap.ts', import.meta.url))
const stacks = fileURLToPath(new URL('../../fixtures/stacks/', import.meta.url))

/** Looks at a stack of `fixtures/stacks/`. Rejected where its adapter is faulty, or a contest did not come to its end. */
export async function survey(reference: string, { timeout = 10_000 } = {}): Promise<Sight> {
  const subject = subjectOf(reference, stacks)
  const evidence = await examine(subject, { ...small, within: timeout })
  const fault = evidence.adapter.find(([, met]) => met !== true)
  if (fault) throw new Error(`${reference}: ${fault[1]}`)
  const settings = seen(evidence.settings)
  const refusal = seen(evidence.refusal)
  const [between, held, crowd, fresh] = [evidence.between, evidence.held, evidence.crowd, evidence.fresh].map(seen) as [
    Contest,
    Contest,
    Contest,
    Contest & { openings: Outcome[] },
  ]
  const outcomes = [...between.outcomes, ...held.outcomes, refusal.outcome].filter((outcome) => outcome !== undefined)
  const confirmed = crowd.outcomes.filter(({ verdict }) => verdict === 'confirmed').length
  return {
    name: nameOf(evidence.description),
    sql: subject.kind === 'module' ? await statementsOf(subject) : undefined,
    journalMode: settings.journalMode,
    begins: settings.begins,
    timeout: timeoutOf(evidence),
    between,
    held,
    openings: fresh.openings.filter(({ verdict }) => verdict !== 'confirmed'),
    error: outcomes.find(({ verdict }) => verdict !== 'confirmed'),
    lost: Math.max(0, confirmed - crowd.counted),
    usable: refusal.outcome?.verdict === 'refused' ? refusal.next.verdict === 'confirmed' && refusal.counted === 1 : undefined,
  }
}

function seen<What>(what: Seen<What>): What {
  if (typeof what === 'object' && what !== null && 'skipped' in what) throw new Error(`it was not tried: ${what.skipped}`)
  if (typeof what === 'object' && what !== null && 'fault' in what) throw new Error(what.fault)
  return what as What
}

/** What the driver executes for one increment: what a process says beyond one that only tells the total, on a database that exists. */
async function statementsOf(subject: Subject): Promise<string> {
  const [node, ...rest] = subject.command
  const tapped = { ...subject, command: [node, '--import', wiretap, ...rest] }
  return inRing(tapped, usual.patience, async ({ start }) => {
    const said = async (...verbs: string[]) => {
      const stack = await start()
      for (const verb of verbs) await stack.ask({ do: verb })
      return [...(await stack.end()).matchAll(/^sql: (.*)$/gm)].map(([, sql]) => kindOf(sql))
    }
    await said('total')
    const without = await said('total')
    const all = await said('total', 'increment')
    return all.slice(without.length).join('; ')
  })
}

/** `SELECT`, `UPDATE`; what begins, ends or sets something in full. */
function kindOf(sql: string): string {
  const plain = sql.trim().replaceAll(/\s+/g, ' ').replace(/;$/, '')
  return /^(select|update|insert|delete|with|create)\b/i.test(plain) ? plain.split(' ')[0].toUpperCase() : plain
}

declare module 'vitest' {
  interface TaskMeta {
    /** The row of the survey's table that the test belongs to. */
    line?: string[]
  }
}

export const columns = [
  'versions',
  'its transaction',
  'journal',
  'waits',
  'another writes in between',
  'a lock is held',
  'the error',
  'updates lost',
  'usable afterwards',
]

/** Puts what was seen into the line of the survey's table that stands for the describe of the test. It reads the same in each run. */
export function line({ task }: TestContext, sight: Sight): void {
  const { name, sql, begins, journalMode, timeout, between, held, error, lost, usable } = sight
  const became = ({ outcomes }: Contest) => {
    const refused = outcomes.filter(({ verdict }) => verdict !== 'confirmed').length
    return refused === 0 ? 'confirmed' : refused === outcomes.length ? '**locked**' : '**one is locked**'
  }
  const waits =
    timeout === undefined
      ? 'once it has read, not at all'
      : timeout === 0
        ? '**not at all**'
        : `${Math.floor(timeout / 500) / 2} s`
  const told = error && [error.error?.class, error.code, error.error?.at && `in \`${error.error.at}\``].filter(Boolean).join(', ')
  task.meta.line = [
    name,
    sql ?? begins ?? '',
    journalMode,
    waits,
    between.counted < between.outcomes.filter(({ verdict }) => verdict === 'confirmed').length
      ? '**one is lost**'
      : became(between),
    became(held),
    told ?? '',
    lost > 0 ? '**yes**' : 'no',
    usable === undefined ? '' : usable ? 'yes' : '**no**',
  ]
}
