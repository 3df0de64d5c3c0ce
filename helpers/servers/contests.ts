import { fileURLToPath } from 'node:url'
import { Attempt, type Outcome } from '../stack/attempt.ts'
import { inRing } from '../stack/ring.ts'
import { usual } from '../stack/scale.ts'
import { subjectOf } from '../stack/subject.ts'

/** What happened: what became of the increments, and what the counter has counted. */
export type Contest = { outcomes: Outcome[]; confirmed: number; counted: number }

const folder = fileURLToPath(new URL('../../fixtures/servers/', import.meta.url))

/**
 * Has two processes of a stack of `fixtures/servers/` count, where there is no rival but themselves: the first pauses between its read and its
 * write, the other comes, and the first goes on when the other is answered or waits. A newcomer then tells what is counted. They count in that
 * table, which stays.
 */
export async function writeInBetween(module: string, table: string): Promise<Contest> {
  const subject = { ...subjectOf(module, folder), database: `/${table}/counter` }
  return inRing(subject, usual.patience, async ({ start }) => {
    const [one, other] = [await start(), await start()]
    for (const stack of [one, other]) await stack.ask({ do: 'total' })
    const first = new Attempt(one, 'hold')
    await first.pauses
    const second = new Attempt(other)
    await second.settles()
    first.go()
    const outcomes = [await first.outcome, await second.outcome]
    const { total } = await (await start()).ask({ do: 'total' })
    return { outcomes, confirmed: outcomes.filter(({ verdict }) => verdict === 'confirmed').length, counted: Number(total) }
  })
}
