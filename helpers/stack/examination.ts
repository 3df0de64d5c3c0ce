import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import pLimit from 'p-limit'
import type { Description } from '../../fixtures/stack-host.ts'
import { tellsSleep } from '../kernel.ts'
import { Attempt, type Outcome } from './attempt.ts'
import { faultOf } from './findings.ts'
import type { Instance } from './instance.ts'
import { inRing, type Ring } from './ring.ts'
import { type Scale, usual } from './scale.ts'
import { Sentence, type Subject } from './subject.ts'

/** What happened in a contest: what became of the increments, and what the counter has counted. */
export type Contest = {
  outcomes: Outcome[]
  counted: number
  /** What became of a newcomer who asked for the total afterwards, with nobody at work, if it was not told: somebody keeps a lock. */
  stuck?: string
  /** What became of one increment more of each, one after the other, when all was over. */
  next?: Outcome[]
}

/** How a transaction begins, as seen from outside, while the stack pauses between its read and its write. */
export type Beginning =
  /** It holds the write lock before it reads, as after BEGIN IMMEDIATE. */
  | 'with the write lock'
  /** It has read, and is bound to what it has read, as after BEGIN. */
  | 'as a reader'
  /** Nothing binds its write to its read. */
  | 'not at all'

/** What a contest showed; or why it was not tried; or how the stack kept it from coming to an end, as a sentence. */
export type Seen<Sight> = Sight | { skipped: string } | { fault: string }

/** What an examination saw. */
export type Evidence = {
  scale: Scale
  description: Description
  /** Each demand on the adapter, in the order they were made; `true`, or the sentence that says what to change. The first fault is the last. */
  adapter: [demand: string, met: true | string][]
  between: Seen<Contest>
  held: Seen<Contest & { early: boolean }>
  crowd: Seen<Contest>
  /** `openings`: whether each could tell its total when all came at once. */
  fresh: Seen<Contest & { openings: Outcome[] }>
  confirmedThenKilled: Seen<Contest>
  killed: Seen<Contest>
  stopped: Seen<Contest>
  /** Of one that met BEGIN EXCLUSIVE. `atOnce`: it did not wait: nobody saw it asleep, and it took no longer than it takes anyway. */
  refusal: Seen<Refusal & { atOnce: boolean }>
  /** Of one that met BEGIN IMMEDIATE. `couldCommit`: the one who had said that could then say COMMIT. */
  write: Seen<Refusal & { couldCommit: boolean }>
  /** Of one that met a reader. `journal`: whether there was a rollback journal on the disk as it waited there, if it did. */
  commit: Seen<Refusal & { journal: boolean | undefined }>
  settings: Seen<Settings>
}

/** What became of an increment that met a lock, or a reader, that stays, and of the one after it, with nobody else at work. */
export type Refusal = {
  /** `undefined` if it was not answered in time: then it was answered later, when nobody was in its way any more. */
  outcome: Outcome | undefined
  /** Milliseconds that it had. */
  within: number
  next: Outcome
  /** How many were counted of both. */
  counted: number
}

/** What was observed of a stack's settings. */
export type Settings = {
  journalMode: string
  /** `undefined`: it does not pause. */
  begins: Beginning | undefined
  /** What it answered when it was asked to read while somebody held the write lock; `undefined` if it waited. */
  reader: Seen<{ answer: Record<string, unknown> | undefined }>
}

/** What is asked of an adapter before anything is said of its stack. */
export const demands = {
  starts: 'it starts, and answers',
  counts: 'it confirms an increment, and has counted one',
  pauses: 'it pauses between its read and its write, or says why it cannot',
  keeps: 'another process of it finds what it has counted',
  ends: 'it ends when its input does',
} as const

/**
 * Examines a stack: first its adapter, alone, and then the stack in one contest after another, each on a database of its own.
 * Nothing it does rejects this; what it sees is evidence (see `judge` in findings.ts). An accident of the rival does: then nothing is known. `rival`:
 * the program of `fixtures/` that plays it.
 */
export async function examine(subject: Subject, scale: Scale = usual, rival?: string): Promise<Evidence> {
  const ring = <Result>(act: (ring: Ring) => Promise<Result>) => inRing(subject, scale.patience, act, rival)
  const { description, adapter, cannotPause } = await ring((ring) => alone(ring, subject))
  const not = faultOf({ adapter }) ? 'the adapter comes first' : undefined
  const within = description.within ?? scale.within
  const remote = subject.kind === 'url' ? 'an application that is running is not killed, stopped or started' : undefined
  const noFile = remote && !subject.database ? 'the database of the application is not known: name it with --database' : undefined
  const noSignals = process.platform === 'win32' ? 'Windows does not stop processes' : undefined
  const noPause = cannotPause && `it does not pause: ${cannotPause}`

  const limit = pLimit(remote ? 1 : 4) // an application that is running has one database for all of them
  const scene = async <Sight>(reason: string | undefined, act: (ring: Ring) => Promise<Sight>): Promise<Seen<Sight>> => {
    return reason ? { skipped: reason } : seen(() => limit(() => ring(act)))
  }

  // Those that wait for long come first; the others are played meanwhile.
  const [refusal, write, commit, both, fresh, held, stopped, between, settings, confirmedThenKilled] = await all([
    scene(not ?? noFile, (ring) => refused(ring, within)),
    scene(not ?? noFile, (ring) => refusedToWrite(ring, within)),
    scene(not ?? noFile, (ring) => readBeside(ring, within)),
    scene(not, (ring) => crowded(ring, scale, !cannotPause, remote)),
    scene(not ?? remote, (ring) => freshFile(ring, scale)),
    scene(not ?? noFile, (ring) => heldUp(ring, scale)),
    scene(not ?? remote ?? noSignals ?? noPause, (ring) => stoppedInBetween(ring, scale)),
    scene(not ?? noPause, inBetween),
    scene(not ?? noFile, (ring) => observed(ring, !cannotPause)),
    scene(not ?? remote, killedAfterwards),
  ])
  const { crowd, killed } = 'crowd' in both ? both : { crowd: both, killed: both }
  const contests = { between, held, crowd, fresh, confirmedThenKilled, killed, stopped, refusal, write, commit, settings }
  return { scale, description, adapter, ...contests }
}

/** What a contest shows, or how the stack kept it from its end. */
async function seen<Sight>(contest: () => Promise<Sight>): Promise<Sight | { fault: string }> {
  try {
    return await contest()
  } catch (error) {
    if (error instanceof Sentence) return { fault: error.message }
    throw error
  }
}

/** As Promise.all, but nothing goes on when it is rejected. */
async function all<Results extends readonly unknown[]>(
  promises: readonly [...{ [I in keyof Results]: Promise<Results[I]> }],
): Promise<Results> {
  await Promise.allSettled(promises)
  return Promise.all(promises) as unknown as Promise<Results>
}

/** The adapter, alone. */
async function alone({ start, rival }: Ring, { reference, kind, database }: Subject) {
  const adapter: Evidence['adapter'] = []
  let description: Description = {}
  let cannotPause: string | undefined
  const demand = async (name: keyof typeof demands, meet: () => Promise<unknown>) => {
    if (faultOf({ adapter })) return
    try {
      await meet()
      adapter.push([demands[name], true])
    } catch (error) {
      if (!(error instanceof Sentence)) throw error
      adapter.push([demands[name], error.message])
    }
  }

  const stack = await start()
  let before = 0
  await demand('starts', async () => {
    const answer = await stack.ask({ do: 'describe' })
    description = described(answer)
    before = await totalOf(stack)
  })
  await demand('counts', async () => {
    const witness = database ? await rival(5_000) : undefined
    const version = async () => (await witness?.says('PRAGMA data_version'))?.[0].data_version // changes when others commit
    const then = await version()
    confirm(await new Attempt(stack).outcome)
    before += 1
    expectTotal(await totalOf(stack), before)
    if (witness && (await version()) === then)
      throw new Sentence(
        `${reference} has counted one, and nobody has written to ${database}: --database is to name the file that the application has opened.`,
      )
  })
  await demand('pauses', async () => {
    if (description.cannot?.pause) {
      cannotPause = `${description.cannot.pause}`
      return
    }
    const attempt = new Attempt(stack, 'pause')
    const pauses = await attempt.pauses
    const outcome = await attempt.outcome
    if (outcome.cannot) cannotPause = outcome.cannot
    else {
      confirm(outcome)
      before += 1
      if (!pauses)
        throw new Sentence(
          'It confirmed {"do":"increment","pause":true} without a pause: between its read and its write it is to answer {"paused":true} and to wait for {"do":"continue"} (a module: to call pause()). If it cannot, it answers {"cannot":"pause","because":"…"}.',
        )
      expectTotal(await totalOf(stack), before)
    }
  })
  await demand('ends', () => stack.end())
  await demand('keeps', async () => {
    const other = await start()
    expectTotal(
      await totalOf(other),
      before,
      'after another process of it had counted so far: is the path of the database, its last argument, the file it opens?',
    )
    if (kind === 'url') return
    const [tables] = await (await rival(5_000)).says('SELECT count(*) AS n FROM sqlite_schema')
    if (tables?.n === 0)
      throw new Sentence('There is no table in the database whose path is its last argument: is that the file it opens?')
  })
  return { adapter, description, cannotPause }
}

/** Another process writes between its read and its write. */
async function inBetween(ring: Ring): Promise<Contest> {
  const { members, before } = await ready(ring, 2)
  const [one, other] = members
  const first = new Attempt(one, 'hold')
  await first.pauses
  const second = new Attempt(other)
  await second.settles()
  first.go()
  const contest = await audit(ring, before, [await first.outcome, await second.outcome])
  return contest.stuck ? contest : { ...contest, next: await inTurn(members) }
}

/** Somebody else holds the write lock for a while. */
async function heldUp(ring: Ring, { hold }: Scale): Promise<Contest & { early: boolean }> {
  const { one, before } = await ready(ring)
  const holder = await ring.rival(5_000)
  await holder.says('BEGIN IMMEDIATE')
  const attempt = new Attempt(one, 'plainly', hold)
  const first = await within(hold, attempt.outcome)
  await holder.says('ROLLBACK')
  const early = first?.verdict === 'confirmed'
  return { ...(await audit(ring, before, [await attempt.outcome])), early }
}

/**
 * Many processes, many increments, in rounds: nobody begins the next before all are done with the one before, so that nobody waits for
 * longer than the others take for one each. SQLite's waiters do not queue (chapter 63), and where they could come again and again, one might
 * starve. Then one round more, in which one of them is killed in the middle.
 */
async function crowded(
  ring: Ring,
  { crowd, rounds, patience }: Scale,
  pauses: boolean,
  remote: string | undefined,
): Promise<{ crowd: Contest; killed: Seen<Contest> }> {
  const { members, before } = await ready(ring, crowd)

  const outcomes = await atOnce(members, pauses, patience)
  for (let round = 1; round < rounds; round += 1) {
    const attempts = members.map((member) => new Attempt(member, pauses ? 'pause' : 'plainly', patience))
    outcomes.push(...(await Promise.all(attempts.map(({ outcome }) => outcome))))
  }
  const contest = await audit(ring, before, outcomes)
  if (remote) return { crowd: contest, killed: { skipped: remote } }

  if (contest.stuck)
    return { crowd: contest, killed: { skipped: 'one of the crowd kept a lock when all was over: there is no crowd left' } }
  contest.next = await inTurn(members)
  const counted = contest.counted + contest.next.filter(({ verdict }) => verdict === 'confirmed').length

  const killed = await seen(async () => {
    const last = await atOnce(members, pauses, patience, (victim) => victim.kill())
    return audit(ring, before + counted, last)
  })
  return { crowd: contest, killed }
}

/**
 * One increment of each. Nobody that pauses goes on before all have come as far as they can: where two can pause at the same time, two have
 * read the same, and so the outcome is certain. `meanwhile`: what then befalls one that pauses, or the first if nobody can.
 */
async function atOnce(members: Instance[], pauses: boolean, grace: number, meanwhile?: (member: Instance) => Promise<void>) {
  const attempts = members.map((member) => new Attempt(member, pauses ? 'hold' : 'plainly', grace))
  if (pauses) await settled(attempts)
  const victim = Math.max(
    0,
    attempts.findIndex((attempt) => attempt.isPaused),
  )
  await meanwhile?.(members[victim])
  for (const attempt of attempts) attempt.go()
  return Promise.all(attempts.map(({ outcome }) => outcome))
}

/**
 * Resolves when each has done what it can for now, or three seconds after the first has: on a machine that is busy, who waits already is not to
 * wait for its whole timeout because of those who have not come yet. `start`: see `Attempt.settles`.
 */
async function settled(attempts: Attempt[], start?: number): Promise<void> {
  const each = attempts.map((attempt) => attempt.settles(start))
  await Promise.race(each)
  await within(3_000, Promise.all(each))
}

/** One increment of each, one after the other. */
async function inTurn(members: Instance[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const member of members) outcomes.push(await new Attempt(member).outcome)
  return outcomes
}

/** All at once open a database that nobody has made, while somebody else is about to; then each makes an increment, one after the other. */
async function freshFile(ring: Ring, { crowd }: Scale): Promise<Contest & { openings: Outcome[] }> {
  const maker = await ring.rival(5_000)
  await maker.says('BEGIN IMMEDIATE')
  const members = await Promise.all(Array.from({ length: crowd }, ring.start))
  const attempts = members.map((member) => new Attempt(member, 'plainly', 0, 'total'))
  await settled(attempts, 3_000)
  await maker.says('ROLLBACK')
  const openings = await Promise.all(attempts.map(({ outcome }) => outcome))
  return { openings, ...(await audit(ring, 0, await inTurn(members))) }
}

/**
 * It is stopped in the moment in which its confirmation is read, forty times or for a second, and another process of it tells what is counted meanwhile, for who
 * confirms before its COMMIT may be through with that soon. In the end, or where something is missing, it is killed.
 */
async function killedAfterwards(ring: Ring): Promise<Contest> {
  const { members, before } = await ready(ring, 2)
  const [one, other] = members
  const outcomes: Outcome[] = []
  one.stopsAsItAnswers = process.platform !== 'win32' // which does not stop processes
  const since = performance.now()
  do {
    outcomes.push(await new Attempt(one).outcome)
    const { total } = one.stopsAsItAnswers ? await other.ask({ do: 'total' }) : {}
    if (total !== before + outcomes.length || outcomes.length === 40) break
    await one.signal('SIGCONT')
  } while (performance.now() - since < 1_000)
  await one.kill()
  return audit(ring, before, outcomes)
}

/** One is stopped between its read and its write, for a while; another comes meanwhile. */
async function stoppedInBetween(ring: Ring, { hold }: Scale): Promise<Contest> {
  const { members, before } = await ready(ring, 2)
  const [one, other] = members
  const first = new Attempt(one, 'hold')
  await first.pauses
  await one.signal('SIGSTOP')
  const second = new Attempt(other, 'plainly', hold)
  await Promise.all([pause(hold), second.settles()])
  await one.signal('SIGCONT')
  first.go()
  return audit(ring, before, [await first.outcome, await second.outcome])
}

/**
 * Somebody else holds the lock until it is refused; and then its connection is used again. BEGIN EXCLUSIVE, for with a rollback journal it
 * keeps even readers waiting: one that has read before it meets a lock does not wait, whatever its timeout (chapter 30).
 */
async function refused(ring: Ring, limit: number): Promise<Refusal & { atOnce: boolean }> {
  const { one, before } = await ready(ring)
  const holder = await ring.rival(5_000)
  const { waited: usually } = await new Attempt(one).outcome // so long it takes with nobody else there, on this machine, now
  await holder.says('BEGIN EXCLUSIVE')
  const attempt = new Attempt(one, 'plainly', lateFor(limit))
  await attempt.settles()
  const slept = tellsSleep ? !attempt.isAnswered : undefined
  const outcome = await within(lateFor(limit), attempt.outcome)
  await holder.says('ROLLBACK')
  const atOnce = slept !== true && outcome !== undefined && (outcome.took ?? outcome.waited) < Math.min(5 * usually, 500) + 200
  return { ...(await usedAgain(ring, one, attempt, before + 1)), outcome, within: limit, atOnce }
}

/**
 * Somebody else holds the lock, and who reads first comes as far as its write, and is refused there. The one who holds the lock commits before
 * anything else is asked of it, for who was refused may still be reading (chapter 65); then its connection is used again.
 */
async function refusedToWrite(ring: Ring, limit: number): Promise<Refusal & { couldCommit: boolean }> {
  const { one, before } = await ready(ring)
  const holder = await ring.rival(5_000)
  await holder.says('BEGIN IMMEDIATE')
  await holder.says('PRAGMA user_version = 1000') // a change, whatever the tables are
  const attempt = new Attempt(one, 'plainly', lateFor(limit))
  const outcome = await within(lateFor(limit), attempt.outcome)
  const couldCommit = await holder.tries('COMMIT')
  if (!couldCommit) await holder.says('ROLLBACK')
  return { ...(await usedAgain(ring, one, attempt, before)), outcome, within: limit, couldCommit }
}

/**
 * Somebody reads, and stays until it has been answered: with a rollback journal its COMMIT is refused (chapter 61), in WAL mode it is not. Then
 * its connection is used again.
 */
async function readBeside(ring: Ring, limit: number): Promise<Refusal & { journal: boolean | undefined }> {
  const { one, before } = await ready(ring)
  const reader = await ring.rival(5_000)
  await reader.says('BEGIN')
  await reader.says('SELECT count(*) FROM sqlite_schema')
  const attempt = new Attempt(one, 'plainly', lateFor(limit))
  await attempt.settles()
  const journal = attempt.isAnswered ? undefined : existsSync(`${ring.file}-journal`)
  const outcome = await within(lateFor(limit), attempt.outcome)
  await reader.says('COMMIT')
  return { ...(await usedAgain(ring, one, attempt, before)), outcome, within: limit, journal }
}

/** Its next increment, with nobody else at work, and what is counted when it has gone, and what it has not committed with it. */
async function usedAgain(ring: Ring, one: Instance, attempt: Attempt, before: number) {
  await attempt.outcome
  const next = await new Attempt(one).outcome
  await one.kill()
  const { counted } = await audit(ring, before, [])
  return { next, counted }
}

/** Beyond how many milliseconds one is late who is to be answered within so many. */
const lateFor = (limit: number) => limit * 1.2 + 1_000

/** What the promise is fulfilled with; `undefined` if it is still pending after so many milliseconds. */
async function within<Result>(limit: number, promise: Promise<Result>): Promise<Result | undefined> {
  const over = new AbortController()
  const late = pause(limit, undefined, { signal: over.signal })
  late.catch(() => {}) // it is called off
  try {
    return await Promise.race([promise, late])
  } finally {
    over.abort()
  }
}

/** The journal mode, how it begins a transaction, and whether it can read while somebody writes. */
async function observed(ring: Ring, pauses: boolean): Promise<Settings> {
  const { one } = await ready(ring)
  const other = await ring.rival(0)
  const [row] = (await other.says('PRAGMA journal_mode')) as { journal_mode: string }[]
  if (!row) throw new Error('the rival answers, and runs nothing: PRAGMA journal_mode has no row')
  const { journal_mode: journalMode } = row
  const begins = pauses ? await beginningOf(one, other) : undefined
  if (journalMode !== 'wal') {
    const why = 'with a rollback journal, a writer that commits keeps readers waiting (chapter 61)'
    return { journalMode, begins, reader: { skipped: why } }
  }
  const writer = await ring.rival(5_000)
  await writer.says('BEGIN EXCLUSIVE')
  const total = one.ask({ do: 'total' }).catch((error) => ({ refused: error.message }))
  const answer = await within(2_000, total)
  await writer.says('ROLLBACK')
  await total
  return { journalMode, begins, reader: { answer } }
}

async function beginningOf(one: Instance, other: Awaited<ReturnType<Ring['rival']>>): Promise<Beginning> {
  const attempt = new Attempt(one, 'hold')
  await attempt.pauses
  let begins: Beginning = 'with the write lock'
  if (await other.tries('BEGIN IMMEDIATE')) {
    await other.says('PRAGMA user_version = 1000') // a change, whatever the tables are
    begins = 'as a reader'
    if (await other.tries('COMMIT')) {
      attempt.go()
      const { verdict, tries } = await attempt.outcome
      if (verdict === 'confirmed' && tries === 1) begins = 'not at all'
    } else await other.says('ROLLBACK')
  }
  attempt.go()
  await attempt.outcome
  return begins
}

/**
 * Starts so many processes, and has each tell its total before the next one comes, for there may be one that cannot share its start. Returns them,
 * the first of them, and the total to begin with.
 */
async function ready({ start }: Ring, number = 1): Promise<{ members: Instance[]; one: Instance; before: number }> {
  const members: Instance[] = []
  let before = 0
  while (members.length < number) {
    const member = await start()
    before = await totalOf(member)
    members.push(member)
  }
  return { members, one: members[0], before }
}

/** What was counted, as a process tells that did not take part. Who keeps it from telling is killed first. */
async function audit({ start, clear }: Ring, before: number, outcomes: Outcome[]): Promise<Contest> {
  const newcomer = await start()
  const { verdict, code, message } = await new Attempt(newcomer, 'plainly', 0, 'total').outcome
  if (verdict === 'confirmed') return { outcomes, counted: (await totalOf(newcomer)) - before }
  await clear()
  const stuck = code ? `${code}: ${message}` : message
  return { outcomes, counted: (await totalOf(await start())) - before, stuck }
}

async function totalOf(stack: Instance): Promise<number> {
  const answer = await stack.ask({ do: 'total' })
  if (typeof answer.total === 'number') return answer.total
  if (typeof answer.refused === 'string')
    throw new Sentence(`It refused to tell its total, with nobody at work: ${answer.refused}: ${answer.message}`)
  const twice = answer.confirmed === true ? ' Or has it answered the increment twice?' : ''
  throw new Sentence(`It answered {"do":"total"} with ${JSON.stringify(answer)}: the answer is {"total":1}.${twice}`)
}

function confirm({ verdict, code, message }: Outcome): void {
  if (verdict === 'unknown') throw new Sentence(message)
  if (verdict === 'refused') throw new Sentence(`It refused an increment, with nobody else at work: ${code}: ${message}`)
}

function expectTotal(total: number, expected: number, when = ''): void {
  if (total !== expected) throw new Sentence(`Its total is ${total}, and not ${expected}${when && `, ${when}`}`)
}

/** Reads what it says of itself. One that does not know the question says nothing. */
function described(answer: Record<string, unknown>): Description {
  const { refused, message, cannot, within, versions, settings, promisesNot } = answer
  if (typeof cannot === 'string') return {}
  if (refused !== undefined) throw new Sentence(`It refused to say what it is, with nobody else at work: ${refused}: ${message}`)
  const faulty = Object.entries({ cannot, versions, settings, promisesNot }).find(
    ([, value]) => value !== undefined && (typeof value !== 'object' || value === null),
  )
  if (faulty)
    throw new Sentence(
      `It says "${faulty[0]}": ${JSON.stringify(faulty[1])} of itself: that is an object, such as {"pause":"…"}.`,
    )
  if (within !== undefined && !(Number(within) > 0 && Number(within) <= 600_000))
    throw new Sentence(`It says "within": ${JSON.stringify(within)}: that is a number of milliseconds, up to 600000.`)
  return answer as Description
}
