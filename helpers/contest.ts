import { setTimeout as pause } from 'node:timers/promises'
import { Child, type Message } from './child.ts'
import { type Framework, frameworks } from './framework.ts'
import { freshCounter } from './fresh-database.ts'
import { sleepsInBusyHandler, tellsSleep } from './kernel.ts'

/** Those who were refused: how many, with which codes, and how long the slowest refusal was inside SQLite, in milliseconds. */
type Refused = { refused: number; codes: string[]; slowest: number }

/**
 * What became of changes; `lost`: of those confirmed, how many are not there. `waited`: how many were seen to wait for another, inside SQLite;
 * `longest`: how long the slowest statement of all of them was inside SQLite, in milliseconds, but for those that commit, whose time is the disk's.
 */
export type Tally = Refused & { confirmed: number; lost: number; waited: number; longest: number }

/** What became of changes while somebody else is in a transaction: confirmed beside it, or after it, for they waited for its end. */
export type Meeting = Refused & { beside: number; after: number }

/**
 * The file of the framework. `apart`: each of the five is a process of it, with all the connections that it has; otherwise those of a
 * framework in which one connection of the process writes share that one.
 */
export type Entry = { as: keyof typeof frameworks; apart?: boolean }

/** How five fared under the defaults of a framework. */
export type Contest = {
  /** The busy timeout and the journal that their connections have in effect. */
  timeout: number
  journal: string
  /** Changes that are read and written back in one transaction. */
  transactions: Tally
  /** Changes that are read, and saved afterwards, outside of a transaction. */
  saves: Tally
  /** Both, and saves that need not read, while another writes; and these while another reads. */
  besideWriter: { transactions: Meeting; saves: Meeting }
  besideReader: { saves: Meeting }
}

type Answer = Message & { code: string; rows: Record<string, unknown>[]; waited: number; inTransaction: boolean }

/** A change on its way: who makes it, what has been read, whether SQLite has turned it away, and whether and how long it has waited. */
type Change = { framework: Framework; connection: Child; n?: number; refusal?: Answer; hasWaited?: boolean; longest?: number }

const [members, rounds] = [5, 10]

/**
 * Has five processes contend under the defaults of one framework after the other, each time on a fresh database, and tells by the
 * same names how they fared. Rejected by the first accident.
 *
 * Nobody begins a step before all have done the one before, so the outcome is certain: all begin and read, all write, all commit. Where
 * BEGIN takes the lock nobody else could read meanwhile; there the first begins and reads, and goes on when all others are known to wait.
 */
export async function contests<Name extends string>(entries: Record<Name, Entry>): Promise<Record<Name, Contest>> {
  const crew = Array.from({ length: members + 2 }, (_, i) => new Child(`member ${i} of the crew`, 'framework.ts'))
  try {
    await Promise.all(crew.map(({ ready }) => ready))
    const told = {} as Record<Name, Contest>
    const act = async () => {
      for (const name in entries) told[name] = await contest(entries[name], crew)
    }
    await Promise.race([act(), ...crew.map(({ accident }) => accident)])
    await Promise.all(crew.map((member) => member.end()))
    return told
  } finally {
    await Promise.all(crew.map((member) => member.kill()))
  }
}

async function contest({ as, apart = false }: Entry, crew: Child[]): Promise<Contest> {
  const framework: Framework = frameworks[as]
  const { file, remove } = await freshCounter('delete')
  const [another, writer, ...five] = crew
  const isShared = !apart && framework.writers === 1
  const changes = () => five.map((connection): Change => ({ framework, connection }))
  const writing = (changes: Change[]) =>
    isShared ? changes.map((change) => Object.assign(change, { connection: writer })) : changes

  /** Has a round of changes made so often, and counts what is there. */
  async function tally(make: (changes: Change[]) => Promise<void>): Promise<Tally> {
    const { rows: before } = await tell(another, 'SELECT n FROM counter')
    const made: Change[] = []
    for (let round = 0; round < rounds; round += 1) {
      const those = changes()
      await make(those)
      made.push(...those)
    }
    const { rows: after } = await tell(another, 'SELECT n FROM counter')
    const confirmed = made.filter(({ refusal }) => !refusal).length
    const lost = confirmed - (Number(after[0].n) - Number(before[0].n))
    const waited = made.filter(({ hasWaited }) => hasWaited).length
    return { ...refused(made), confirmed, lost, waited, longest: Math.max(...made.map(({ longest = 0 }) => longest)) }
  }

  /** Has five come one after the other while another is in a transaction: each when the one before is done, or known to wait. */
  async function meeting(transaction: string[], acts: Act[]): Promise<Meeting> {
    for (const sql of transaction) await tell(another, sql)
    const five = writing(changes())
    const done = new Set<Change>()
    const making: Promise<void>[] = []
    for (const queue of isShared ? [five] : five.map((change) => [change])) {
      const made = inTurn(queue, async (change) => {
        await take(change, acts)
        done.add(change)
      })
      making.push(made)
      await waits(made, queue[0].connection)
    }
    const early = new Set(done)
    await tell(another, 'COMMIT')
    await Promise.all(making)
    const confirmed = five.filter(({ refusal }) => !refusal)
    const beside = confirmed.filter((change) => early.has(change)).length
    return { ...refused(five), beside, after: confirmed.length - beside }
  }

  try {
    await open(another, file, 'better-sqlite3')
    for (const sql of framework.once ?? []) await tell(another, sql)
    await open(five[0], file, as) // the switch to WAL, where there is one, is no part of the contest
    const settings = await Promise.all([...five, writer].map((member) => open(member, file, as)))
    const [{ timeout }, { journal_mode }] = alike(settings)
    const transactions = await tally((changes) => transact(writing(changes), isShared))
    const saves = await tally(async (changes) => {
      await Promise.all(changes.map((change) => take(change, ['read'])))
      await inTurn(writing(changes), (change) => take(change, saving(framework, 'write')))
    })
    const [writes, reads] = [
      ['BEGIN IMMEDIATE', 'UPDATE counter SET n = n + 1'],
      ['BEGIN', 'SELECT n FROM counter'],
    ]
    const besideWriter = {
      transactions: await meeting(writes, wholeTransaction),
      saves: await meeting(writes, saving(framework, 'add')),
    }
    const besideReader = { saves: await meeting(reads, saving(framework, 'add')) }
    await Promise.all(crew.map((member) => member.ask({ close: true }, 'the wish to close')))
    return { timeout: Number(timeout), journal: `${journal_mode}`, transactions, saves, besideWriter, besideReader }
  } finally {
    await remove()
  }
}

type Act = 'begin' | 'read' | 'write' | 'add' | 'commit'

const wholeTransaction: Act[] = ['begin', 'read', 'write', 'commit']

/** Reads and writes back in one transaction. Those who share a connection wait for it, not for the lock. */
async function transact(changes: Change[], isShared: boolean): Promise<void> {
  if (isShared) return inTurn(changes, (change) => take(change, wholeTransaction))
  const [first, ...others] = changes
  if (/immediate|exclusive/i.test(first.framework.begin)) {
    await take(first, ['begin', 'read'])
    const making = others.map((change) => take(change, wholeTransaction))
    for (const [i, change] of others.entries()) change.hasWaited = await waits(making[i], change.connection)
    await take(first, ['write', 'commit'])
    await Promise.all(making)
  } else
    for (const step of [['begin', 'read'], ['write'], ['commit']] as Act[][])
      await Promise.all(changes.map((change) => take(change, step)))
}

/** How a framework saves a record: what has been computed from what was read, or one more. */
const saving = ({ save }: Framework, update: 'write' | 'add') => save.map((step) => (step === 'update' ? update : (step as Act)))

/** Takes one act after the other. Who is refused rolls back, and is out. */
async function take(change: Change, acts: Act[]): Promise<void> {
  const { framework, connection } = change
  for (const act of acts) {
    if (change.refusal) return
    const sql = {
      begin: framework.begin,
      read: 'SELECT n FROM counter',
      write: `UPDATE counter SET n = ${Number(change.n) + 1}`,
      add: 'UPDATE counter SET n = n + 1',
      commit: framework.commit,
    }[act]
    const answer = await ask(connection, sql)
    if (act === 'read') change.n = answer.rows[0]?.n as number
    if (act !== 'commit') change.longest = Math.max(change.longest ?? 0, answer.waited)
    if (answer.code === 'SQLITE_OK') continue
    if (answer.inTransaction) await tell(connection, 'ROLLBACK')
    change.refusal = answer
  }
}

async function inTurn(changes: Change[], make: (change: Change) => Promise<void>): Promise<void> {
  for (const change of changes) await make(change)
}

function refused(changes: Change[]): Refused {
  const refusals = changes.flatMap(({ refusal }) => refusal ?? [])
  const codes = [...new Set(refusals.map(({ code }) => code))].sort()
  return { refused: refusals.length, codes, slowest: Math.max(0, ...refusals.map(({ waited }) => waited)) }
}

/**
 * Resolves to whether its process is seen asleep in the busy handler or, where nobody can tell, has been silent for 250 ms, before it is done.
 */
async function waits(act: Promise<void>, { pid }: Child): Promise<boolean> {
  let over = false
  const end = () => {
    over = true
  }
  act.then(end, end)
  const since = performance.now()
  while (!over) {
    await pause(1)
    if (sleepsInBusyHandler({ pid, tid: pid })) return true
    if (!tellsSleep && performance.now() - since > 250) return true
  }
  return false
}

/** Connects as a framework does, and tells the settings in effect. */
const open = async (member: Child, file: string, as: string) =>
  (await answer(member, { open: file, as }, `the wish to connect as ${as}`, /^SQLITE_OK$/)).rows

/** To be refused is an answer. */
const ask = (member: Child, sql: string) => answer(member, { sql }, `\`${sql}\``, /^SQLITE_(OK|BUSY)/)

/** Here it is an accident. */
const tell = (member: Child, sql: string) => answer(member, { sql }, `\`${sql}\``, /^SQLITE_OK$/)

async function answer(member: Child, message: Message, about: string, codes: RegExp): Promise<Answer> {
  const answer = (await member.ask(message, about, 60_000)) as Answer
  if (!codes.test(answer.code)) throw new Error(`${member.name} answered ${about} with ${answer.code}: ${answer.message}`)
  return answer
}

/** The one thing that they all are. */
function alike<Thing>(things: Thing[]): Thing {
  const kinds = new Set(things.map((thing) => JSON.stringify(thing)))
  if (kinds.size > 1) throw new Error(`they are not alike: ${[...kinds].join(', ')}`)
  return things[0]
}
