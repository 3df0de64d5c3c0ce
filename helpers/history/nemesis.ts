import { dirname } from 'node:path'
import { setImmediate as immediate, setTimeout as pause } from 'node:timers/promises'
import type { JournalMode } from '../fresh-database.ts'
import { isStopped, locksOf, runs } from '../kernel.ts'
import { Arena, type Place } from './arena.ts'
import type { Accounts } from './checker.ts'
import { type Event, inOrder } from './history.ts'
import { Random } from './random.ts'
import { type Plan, Workload } from './workload.ts'

/**
 * What can happen to clients: one is killed (SIGKILL), or all of them are, or one is stopped (SIGSTOP) until the others have gone on
 * without it, or have been refused. Before COMMIT it has written, holds the lock, and waits to be struck; after COMMIT it is done, and
 * has not yet said so; in COMMIT and anywhere, the blow is aimed at the five milliseconds after it was to begin that, or its
 * transaction: it may not have begun, and it may be done.
 */
export const faults = [
  'killed anywhere',
  'killed before COMMIT',
  'killed in COMMIT',
  'killed after COMMIT',
  'all killed',
  'stopped anywhere',
  'stopped before COMMIT',
] as const
export type Fault = (typeof faults)[number]

export type Campaign = {
  mode: JournalMode
  seed: number
  /** How many clients there are at a time. */
  processes: number
  /** How often each fault strikes. */
  faults: Partial<Record<Fault, number>>
  /** Out of so many transactions, one is struck. */
  every: number
  /** Busy timeout of the clients, in milliseconds. */
  timeout: number
  /** Ends it early, and in good order. */
  signal?: AbortSignal
  /** Is told of every transaction that was answered, or never will be, and of every strike. */
  onAnswer?: () => void
  onStrike?: (strike: Strike) => void
}

/** The campaign of chapter 76, of 100 kills and 25 stops, and of each round of `npm run soak`. */
export const usual = {
  processes: 4,
  timeout: 50,
  every: 20,
  faults: {
    'killed anywhere': 20,
    'killed before COMMIT': 25,
    'killed in COMMIT': 20,
    'killed after COMMIT': 15,
    'all killed': 5,
    'stopped anywhere': 13,
    'stopped before COMMIT': 12,
  },
} satisfies Partial<Campaign>

/** A client that was struck, how, and the locks it held then, where that is known. */
type Strike = { fault: Fault; process: number; locks?: string[] }

export type Outcome = {
  /** Everything that was asked and answered, in the order of time. It ends with a transaction that reads everything. */
  events: Event[]
  accounts: Accounts
  struck: Strike[]
  /** What `PRAGMA integrity_check` says in the end. */
  integrity: string
}

/** Why a campaign has ended before its time, and everything that was asked and answered until then. */
export class CutShort extends Error {
  readonly events: Event[]

  constructor(cause: unknown, events: Event[]) {
    super(cause instanceof Error ? cause.message : `${cause}`, { cause })
    this.events = events
  }
}

/** How long before a moment a client is told of it, in nanoseconds: so long it may take to hear it. */
const notice = 1_500_000

/**
 * Sets clients on a fresh database, and faults on the clients. Which transactions there are, which of them are struck, and how, the
 * seed tells; which process runs which at what time, the operating system. Nothing waits for luck: every transaction is answered, or
 * refused after its timeout. None begins before what strikes the ones before is over, and what was killed is replaced.
 *
 * Throws `CutShort` if a client ends that nobody has killed, or anything else happens that is not to.
 */
export async function campaign(plan: Campaign): Promise<Outcome> {
  const workload = new Workload(plan.seed)
  let arena: Arena | undefined
  try {
    arena = await Arena.open(plan.mode, workload, plan.signal)
    return await fight(plan, workload, arena)
  } catch (error) {
    throw new CutShort(error, inOrder(arena?.events ?? []))
  }
}

/** Leaves the arena closed, however it ends. */
async function fight(
  { mode, seed, processes, every, timeout, signal, ...others }: Campaign,
  workload: Workload,
  arena: Arena,
): Promise<Outcome> {
  const random = new Random(seed)
  const due = random.shuffled(faults.flatMap((fault) => new Array<Fault>(others.faults[fault] ?? 0).fill(fault)))
  const strikes = new Map(due.map((fault, i) => [i * every + random.below(every), fault]))
  const struck: Strike[] = []
  const places: Place[] = []
  let [begun, over, underWay] = [0, 0, 0]

  /**
   * From 20 microseconds on, in nanoseconds, as often in the tens of microseconds as in the hundreds: to 1.3 milliseconds with a
   * write-ahead log, and to 5 with a rollback journal, where a COMMIT has more to do.
   */
  const soon = () => 20_000 * 2 ** ((mode === 'wal' ? 6 : 8) * random.next())

  /** The next transaction, when its time has come, and the fault that strikes it, if one does; `undefined` if that was all. */
  async function draw(): Promise<{ plan: Plan; fault?: Fault } | undefined> {
    const isEnd = () => begun === (due.length + 1) * every || signal?.aborted === true
    while (begun === (over + 1) * every && !isEnd()) await arena.change()
    if (isEnd()) return undefined
    const fault = strikes.get(begun)
    begun += 1
    return { plan: fault && lingers(fault) ? writing() : workload.next(), fault }
  }

  /** A transaction that has the write lock from its beginning, and writes. */
  const writing = (): Plan => ({
    ...workload.next((value) => value.some(([op]) => op === 'append' || op === 'add')),
    begin: 'immediate',
  })

  async function replace(victim: Place): Promise<void> {
    places[places.indexOf(victim)] = await arena.enter({ timeout })
    arena.changed()
  }

  /** The others go on, or are refused, while one is stopped. */
  async function stop({ client }: Place): Promise<void> {
    await arena.wake(client.pid)
    process.kill(client.pid, 'SIGSTOP')
    while (process.platform === 'linux' && runs(client.pid) && !isStopped(client.pid)) await pause(1)
    const enough = arena.answered + 1 + random.below(2 * processes)
    while (arena.answered < enough && underWay > 1) await arena.change()
    process.kill(client.pid, 'SIGCONT')
  }

  /** It is over when the victim runs again, or another in its place. */
  async function strike(place: Place, plan: Plan, fault: Fault): Promise<void> {
    const victims = fault === 'all killed' ? [...places] : [place]
    const hit = (locks?: string[]) => {
      for (const { process } of victims) {
        struck.push({ fault, process, locks })
        others.onStrike?.({ fault, process, locks })
      }
      return fault.startsWith('stopped') ? stop(place) : Promise.all(victims.map((victim) => arena.kill(victim)))
    }
    if (lingers(fault)) await strikeLingering(place, plan, fault, hit)
    else {
      const at = arena.now() + notice
      const answer = arena.run(place, plan, { at })
      answer.catch(() => {}) // it is awaited below
      arena.spin(at + soon())
      await hit()
      await answer
    }
    if (place.killed && !signal?.aborted) await Promise.all(victims.map(replace))
  }

  /** If the client is refused before it gets so far as to linger, it tries another transaction. */
  async function strikeLingering(
    place: Place,
    plan: Plan,
    fault: Fault,
    hit: (locks?: string[]) => Promise<unknown>,
  ): Promise<void> {
    const linger = fault === 'killed after COMMIT' ? 'after COMMIT' : 'before COMMIT'
    let blow: Promise<unknown> | undefined
    const meanwhile = async () => {
      const locks = locksOf(place.client.pid, dirname(arena.file))
      if (fault !== 'killed in COMMIT') {
        blow = hit(locks)
        await blow
        return undefined
      }
      const at = arena.now() + notice
      blow = immediate().then(() => {
        arena.spin(at + soon())
        return hit(locks)
      })
      blow.catch(() => {}) // it is awaited below, if nothing else fails
      return at
    }
    for (let next = plan; !blow && !signal?.aborted; next = writing()) await arena.run(place, next, { linger, meanwhile })
    await blow
  }

  async function play(i: number): Promise<void> {
    for (let next = await draw(); next; next = await draw()) {
      const { plan, fault } = next
      underWay += 1
      while (places[i].killed && !signal?.aborted) await arena.change() // until another has taken the place
      if (places[i].killed) return
      if (fault) await strike(places[i], plan, fault)
      else await arena.run(places[i], plan)
      underWay -= 1
      if (fault) over += 1
      others.onAnswer?.()
      arena.changed()
    }
    if (!places[i].killed) await arena.leave(places[i])
  }

  const hurry = () => arena.changed()
  const awake = setInterval(() => {}, 60_000) // clients who wait for each other do not keep this process alive
  signal?.addEventListener('abort', hurry)
  try {
    await arena.alone(workload.opening())
    places.push(...(await Promise.all(Array.from({ length: processes }, () => arena.enter({ timeout })))))
    await Promise.all(places.map((_, i) => play(i)))
    await arena.alone(workload.audit())
    return { events: inOrder(arena.events), accounts: workload.accounts, struck, integrity: await arena.integrity() }
  } finally {
    signal?.removeEventListener('abort', hurry)
    clearInterval(awake)
    await arena.close()
  }
}

/** Whether the victim of a fault lingers, its writes done, until it is struck. */
const lingers = (fault: Fault) => fault.endsWith('COMMIT')
