import { Child } from '../child.ts'
import type { Tally } from '../crowd.ts'
import { type Outcome, openClerk } from './contend.ts'

/** A process, and what it has read last. */
type Member = { child: Child; n: number }

/** `.write` is `UPDATE counter SET n = …`, one more than what the member has read last; anything else is SQL. */
type Steps = string[][]

/**
 * Has so many processes count up by one on PostgreSQL, round by round. Nobody begins the next of the `steps`, each a few statements, before all
 * are done with the one before: the outcome is certain. One that is refused with 40001 rolls back and sits out the rest; if they `retry`, those
 * who were refused then do it all again, at the same time, until everybody is confirmed.
 */
export async function countUp(url: string, size: number, rounds: number, steps: Steps, { retry = false } = {}): Promise<Tally> {
  const clerk = await openClerk(url)
  const members = Array.from({ length: size }, (_, i): Member => {
    return { child: new Child(`member ${i} of the crowd`, 'servers/session.ts', url), n: 0 }
  })
  try {
    await clerk.run('CREATE TABLE counter (n integer NOT NULL)')
    await clerk.run('INSERT INTO counter VALUES (0)')
    await Promise.all(members.map(({ child }) => child.ready))
    let [confirmed, refused] = [0, 0]
    for (let round = 0; round < rounds; round += 1) {
      let waiting = members
      do {
        const left = await takeAll(waiting, steps)
        confirmed += waiting.length - left.length
        refused += left.length
        waiting = left
      } while (retry && waiting.length > 0)
    }
    const [{ n }] = await clerk.run('SELECT n FROM counter')
    return { confirmed, refused, counted: Number(n) }
  } finally {
    await Promise.all(members.map(({ child }) => child.kill()))
    await clerk.run('DROP TABLE counter').finally(() => clerk.child.kill())
  }
}

/** Has the members take the steps. Returns those that were refused. */
async function takeAll(members: Member[], steps: Steps): Promise<Member[]> {
  const refused = new Set<Member>()
  for (const statements of steps)
    await Promise.all(
      members.map(async (member) => {
        if (!refused.has(member) && !(await take(member, statements))) refused.add(member)
      }),
    )
  return [...refused]
}

/** Whether it was confirmed. */
async function take(member: Member, statements: string[]): Promise<boolean> {
  for (const statement of statements) {
    const sql = statement === '.write' ? `UPDATE counter SET n = ${member.n + 1}` : statement
    const { code, message, rows } = await say(member.child, sql)
    if (code === '40001') {
      await say(member.child, 'ROLLBACK')
      return false
    }
    if (code !== '00000') throw new Error(`${member.child.name} cannot run \`${sql}\`: ${code}: ${message}`)
    if (typeof rows[0]?.n === 'number') member.n = rows[0].n
  }
  return true
}

const say = async (child: Child, sql: string) => (await child.ask({ sql }, `\`${sql}\``)) as unknown as Outcome
