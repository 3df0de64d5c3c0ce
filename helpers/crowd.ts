import { Child, type Message, ready } from './child.ts'
import { freshCounter, type JournalMode } from './fresh-database.ts'

/**
 * Sets so many processes of one program on a fresh counter in the given journal mode; `act` begins when all are ready, and have told where
 * they are. They are gone afterwards, and so is the database. Rejected by the first accident of any of them.
 */
export async function crowd<Result>(
  mode: JournalMode,
  size: number,
  [program, ...args]: [program: string, ...args: string[]],
  act: (members: Child[], places: string[]) => Promise<Result>,
): Promise<Result> {
  const { file, remove } = await freshCounter(mode)
  const words = [file, '--driver', process.env.DRIVER || 'better-sqlite3', ...args]
  const members = Array.from({ length: size }, (_, i) => new Child(`member ${i} of the crowd`, program, ...words))
  try {
    const places = await ready(members)
    const result = await Promise.race([act(members, places), ...members.map(({ accident }) => accident)])
    await Promise.all(members.map((member) => member.end()))
    return result
  } finally {
    await Promise.all(members.map((member) => member.kill()))
    await remove()
  }
}

/** What a member answered: `confirmed` if to everything with `SQLITE_OK`, `refused` if SQLite turned it away once. */
type Verdict = 'confirmed' | 'refused'

/** How a crowd fared: changes confirmed, changes refused, and what the counter has counted. */
export type Tally = { confirmed: number; refused: number; counted: number }

/**
 * Has each member count up by one, round by round. Nobody begins the next of its `steps`, each a few statements, before all are
 * done with the one before: the outcome is certain. One that is refused rolls back, and sits out the rest of the round.
 */
export async function countUp(members: Child[], rounds: number, ...steps: string[][]): Promise<Tally> {
  const [clerk] = members
  await say(clerk, 'UPDATE counter SET n = 0')
  const verdicts: Verdict[] = []
  for (let round = 0; round < rounds; round += 1) {
    let verdictsOfRound: Verdict[] = members.map(() => 'confirmed')
    for (const statements of steps)
      verdictsOfRound = await Promise.all(members.map((member, i) => take(member, statements, verdictsOfRound[i])))
    verdicts.push(...verdictsOfRound)
  }
  const { rows } = await say(clerk, 'SELECT n FROM counter')
  const count = (verdict: Verdict) => verdicts.filter((other) => other === verdict).length
  return { confirmed: count('confirmed'), refused: count('refused'), counted: Number(rows[0].n) }
}

async function take(member: Child, statements: string[], before: Verdict): Promise<Verdict> {
  if (before === 'refused') return before
  for (const sql of statements) {
    const { code, inTransaction } = await say(member, sql)
    if (code === 'SQLITE_OK') continue
    if (inTransaction) await say(member, 'ROLLBACK')
    return 'refused'
  }
  return 'confirmed'
}

/** Any error that is not the refusal of a lock is an accident. */
async function say(member: Child, sql: string) {
  const answer = (await member.ask({ sql }, `\`${sql}\``, 60_000)) as Message & {
    code: string
    rows: { n: number }[]
    inTransaction: boolean
  }
  if (!/^SQLITE_(OK|BUSY)/.test(answer.code))
    throw new Error(`${member.name} cannot run \`${sql}\`: ${answer.code}: ${answer.message}`)
  return answer
}
