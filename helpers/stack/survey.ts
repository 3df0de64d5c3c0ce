import { fileURLToPath } from 'node:url'
import type { TestContext } from 'vitest'
import type { Outcome } from './attempt.ts'
import { nameOf } from './card.ts'
import { type Beginning, type Contest, examine, type Seen } from './examination.ts'
import { faultOf, firstRefusal, isRefusal, judge, type PromiseId, timeoutOf, type Verdict, verdictsOf } from './findings.ts'
import { inRing } from './ring.ts'
import { type Scale, usual } from './scale.ts'
import { type Subject, subjectOf } from './subject.ts'

/** What is seen of a library: as it comes, or with its own way out. */
export type Sight = {
  /** The library, and what it is on, with versions. */
  name: string
  /** The kinds of statements that one increment sends, as its driver executes them: `BEGIN; SELECT; UPDATE; COMMIT`. */
  sql: string | undefined
  /** That of the database it has made; `undefined` if that could not be seen. */
  journalMode: string | undefined
  begins: Beginning | undefined
  /** How long it waits for a lock that stays, in milliseconds, by a clock outside; 0: not at all; `undefined`: see `timeoutOf`. */
  timeout: number | undefined
  /** The first refusal that was seen, as its program meets it. */
  error: Outcome | undefined
  /** What became of each promise of chapter 90, with a smaller crowd and shorter pauses. */
  verdicts: Record<PromiseId, Verdict>
  /** What was seen of each. */
  whys: Record<PromiseId, string>
  /**
   * What became of those who met another that writes in between, of the one who met a held lock, of those who opened at once, and of the one
   * who met a reader that stays.
   */
  outcomes: { between: Outcome[]; held: Outcome[]; fresh: Outcome[]; commit: Outcome[] }
}

/** Fewer processes and shorter pauses than in chapter 90; the verdicts are the same. */
const small: Scale = { ...usual, crowd: 3, rounds: 2, hold: 500 }

const wiretap = fileURLToPath(new URL('../../fixtures/wiretap.ts', import.meta.url))
const stacks = fileURLToPath(new URL('../../fixtures/stacks/', import.meta.url))

/**
 * Looks at a stack of `fixtures/stacks/`, by the file of its module, or by a command. `tap`: the argument after which its runtime takes the
 * wiretap; `hold`: milliseconds that a lock is held. Rejected where its adapter is faulty.
 */
export async function survey(
  reference: string,
  { tap, hold = small.hold }: { tap?: string; hold?: number } = {},
): Promise<Sight> {
  const subject = subjectOf(reference, stacks)
  const evidence = await examine(subject, { ...small, hold })
  const fault = faultOf(evidence)
  if (fault) throw new Error(`${reference}: ${fault[1]}`)
  const { between, held, fresh, commit, settings } = evidence
  const outcomesOf = (contest: Seen<Contest>) => ('outcomes' in contest ? contest.outcomes : [])
  const outcomes = {
    between: outcomesOf(between),
    held: outcomesOf(held),
    fresh: 'openings' in fresh ? fresh.openings : [],
    commit: 'outcome' in commit && commit.outcome ? [commit.outcome] : [],
  }
  const findings = judge(evidence)
  return {
    name: nameOf(evidence.description),
    sql: await statementsOf(subject, tap),
    journalMode: 'journalMode' in settings ? settings.journalMode : undefined,
    begins: 'begins' in settings ? settings.begins : undefined,
    timeout: timeoutOf(evidence),
    error: firstRefusal(evidence),
    verdicts: verdictsOf(findings),
    whys: Object.fromEntries(findings.map(({ id, why }) => [id, why])) as Sight['whys'],
    outcomes,
  }
}

/** What the driver executes for one increment: what a process says beyond one that only tells the total, on a database that exists. */
export async function statementsOf(subject: Subject, tap = '--import'): Promise<string> {
  const program = subject.command.findIndex((word) => word.endsWith('.ts')) // `deno run -A` comes before it
  const tapped = { ...subject, command: subject.command.toSpliced(program, 0, tap, wiretap) }
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
    /** The row of the survey's table that the test belongs to, in Markdown. */
    line?: string[]
  }
}

export const columns = [
  'seen with',
  'its transaction',
  'journal',
  'waits',
  'another writes in between',
  'a lock is held',
  'opened by three at once',
  'the error',
  'usable afterwards',
  'after a refused COMMIT',
]

/**
 * Who is turned away: of two, whether it is both; of three who come at once, it is a matter of luck how many are. With the errors that are
 * no lock, if there are any.
 */
function turnedAway(outcomes: Outcome[]): string {
  const refused = outcomes.filter(({ verdict }) => verdict !== 'confirmed')
  const who = outcomes.length === 2 ? (refused.length === 2 ? 'both are ' : 'one is ') : ''
  const told = refused
    .filter((outcome) => !isRefusal(outcome))
    .map(({ code, message }) => [code, message.split('\n').at(-1)?.replaceAll('`', '')].filter(Boolean).join(': '))
  const others = [...new Set(told)].sort()
  return `${who}turned away${others.map((error) => `, ${error}`).join('')}`
}

/** Puts what was seen into the line of the survey's table that stands for the describe of the test. It reads the same in each run. */
export function line({ task }: TestContext, sight: Sight): void {
  const { name, sql, begins, journalMode = '', timeout, error, verdicts, outcomes } = sight
  const cell = (id: PromiseId, kept: string, broken: string) => ({ kept, broken: `**${broken}**` })[verdicts[id] as string] ?? ''
  const took = error?.took ?? error?.waited ?? 0
  const onceItHasRead =
    took < 1_000 ? 'once it has read, not at all' : `more than ${5 * Math.floor(took / 5_000)} s, by trying again`
  const inSeconds = timeout === 0 ? '**not at all**' : `${Math.floor((timeout ?? 0) / 1_000)} s`
  const waits = timeout === undefined ? (begins === 'as a reader' ? onceItHasRead : '') : inSeconds
  const at = error?.error?.at
  task.meta.line = [
    name,
    sql ? `\`${sql.replaceAll('`', '')}\`` : (begins ?? ''), // a backtick would end the code
    journalMode,
    waits,
    verdicts['safety between'] === 'broken'
      ? '**one is lost**'
      : cell('progress between', 'both confirmed', turnedAway(outcomes.between)),
    verdicts['safety held'] === 'broken'
      ? '**confirmed beside it**'
      : cell('progress held', 'confirmed', turnedAway(outcomes.held)),
    cell('progress fresh', 'confirmed', turnedAway(outcomes.fresh)),
    error
      ? [error.error?.class, error.code !== error.error?.class && `\`${error.code}\``, at && `in \`${at}\``]
          .filter(Boolean)
          .join(', ')
      : '',
    cell('manners usable', 'yes', 'no'),
    outcomes.commit.some(({ verdict }) => verdict === 'confirmed') ? 'not refused' : cell('manners commit', 'yes', 'no'),
  ]
}
