import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Description } from '../../fixtures/stack-host.ts'
import { Attempt, type Outcome } from './attempt.ts'
import { nameOf } from './card.ts'
import { type PromiseId, promises, type Verdict } from './findings.ts'
import { inRing, type Ring } from './ring.ts'
import { usual } from './scale.ts'
import { subjectOf } from './subject.ts'
import { type Sight, statementsOf } from './survey.ts'

const stacks = fileURLToPath(new URL('../../fixtures/stacks/', import.meta.url))

/**
 * Looks at a stack of `fixtures/stacks/` as `survey` does, where SQLite does not see its locks, nor it SQLite's: the rival is another process of
 * the stack, in its transaction. What takes a rival that does anything else is not tried.
 */
export async function surveyThemselves(module: string): Promise<Sight> {
  const subject = subjectOf(module, stacks)
  const meet = (until: (second: Attempt) => Promise<unknown>) => inRing(subject, usual.patience, (ring) => meeting(ring, until))
  const [between, held, stays, sql, made] = await Promise.all([
    meet((second) => second.settles()),
    meet(() => pause(500)),
    meet((second) => second.outcome),
    statementsOf(subject),
    inRing(subject, usual.patience, async ({ start, rival }) => {
      const stack = await start()
      const description: Description = await stack.ask({ do: 'describe' })
      await stack.end()
      const [{ journal_mode: journalMode }] = await (await rival(0)).says('PRAGMA journal_mode')
      return { name: nameOf(description), journalMode: `${journalMode}` }
    }),
  ])
  const [refused] = [between, held, stays].map(({ second }) => second).filter(({ verdict }) => verdict === 'refused')
  const { second, next } = stays
  const seen: Partial<Record<PromiseId, [is: boolean, why: string]>> = {
    'progress between': [between.second.verdict === 'confirmed', between.second.message],
    'progress held': [held.second.verdict === 'confirmed', held.second.message],
    'safety between': safetyOf(between),
    'safety held': safetyOf(held),
    'manners usable': [next.verdict === 'confirmed', next.message],
  }
  const ids = Object.keys(promises) as PromiseId[]
  const told = <Value>(value: (id: PromiseId) => Value) =>
    Object.fromEntries(ids.map((id) => [id, value(id)])) as Record<PromiseId, Value>
  return {
    ...made,
    sql,
    begins: undefined,
    timeout: second.verdict === 'refused' ? (second.waited < 1_000 ? 0 : Math.round(second.waited)) : undefined,
    error: refused,
    verdicts: told((id): Verdict => (seen[id] ? (seen[id][0] ? 'kept' : 'broken') : 'not tried')),
    whys: told((id) => seen[id]?.[1] ?? 'it takes a rival'),
    outcomes: { between: [between.first, between.second], held: [held.second], fresh: [], commit: [] },
  }
}

type Meeting = { first: Outcome; second: Outcome; next: Outcome; counted: number }

/**
 * The first pauses in its transaction, and the second comes; the first goes on when `until` resolves, and ends. Then the second comes once
 * more, and ends, and a newcomer tells what is counted.
 */
async function meeting({ start }: Ring, until: (second: Attempt) => Promise<unknown>): Promise<Meeting> {
  const [one, other] = [await start(), await start()]
  for (const stack of [one, other]) await stack.ask({ do: 'describe' }) // opens, or is refused as it opens
  const holder = new Attempt(one, 'hold')
  await holder.pauses
  const attempt = new Attempt(other, 'plainly', usual.patience)
  await until(attempt)
  holder.go()
  const [first, second] = [await holder.outcome, await attempt.outcome]
  await one.end()
  const next = await new Attempt(other).outcome
  await other.end()
  const { total } = await (await start()).ask({ do: 'total' })
  return { first, second, next, counted: Number(total) }
}

function safetyOf({ first, second, next, counted }: Meeting): [boolean, string] {
  const confirmed = [first, second, next].filter(({ verdict }) => verdict === 'confirmed').length
  return [counted === confirmed, `${confirmed} confirmed, ${counted} counted`]
}
