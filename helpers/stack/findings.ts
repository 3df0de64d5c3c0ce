import type { Outcome } from './attempt.ts'
import type { Beginning, Contest, Evidence, Seen, Settings } from './examination.ts'

/** A promise that a stack can keep, and what became of it. */
export type Finding = {
  /** `progress between`: what is promised, and when; the same in every run, for a baseline. */
  id: PromiseId
  verdict: Verdict
  /** What was seen, or why it was not tried. */
  why: string
  /** Of a broken promise: what is the most likely cause, what to do, and which chapter explains it. */
  cause?: string
  chapter?: string
}

export type Verdict = 'kept' | 'broken' | 'not promised' | 'not tried'

/** Every promise, in the order they are told: the sentence to its id. */
export const promises = {
  'progress between': 'nobody is turned away when another process writes between its read and its write',
  'progress held': 'nobody is turned away when another process holds the lock for more than a second',
  'progress crowd': 'nobody is turned away when eight processes make fifty increments each',
  'progress fresh': 'nobody is turned away when eight processes at once open a fresh database',
  'safety between': 'what is confirmed is counted, and nothing else, when another process writes between its read and its write',
  'safety held': 'nothing is confirmed while another process holds the lock',
  'safety crowd': 'what is confirmed is counted, and nothing else, when eight processes make fifty increments each',
  'safety fresh': 'what is confirmed is counted, and nothing else, when eight processes at once open a fresh database',
  'safety confirmed': 'what is confirmed is counted when its process is killed right afterwards',
  'safety killed': 'what is confirmed is counted, and nothing else, when one of eight processes is killed in the middle',
  'safety stopped': 'what is confirmed is counted, and nothing else, when a process is stopped for a second in the middle',
  'manners refusal': 'a refusal is reported as a refusal, and in time',
  'manners usable': 'after a refusal, its connection can be used',
  'manners commit': 'while a reader stays, its COMMIT is confirmed, or is refused and rolled back',
  'manners reader': 'a reader is not turned away while a writer works',
} as const

export type PromiseId = keyof typeof promises

const chapters = {
  20: 'tests/20-no-timeout.test.ts',
  30: 'tests/30-a-timeout-is-not-enough.test.ts',
  40: 'tests/40-immediate-is-not-enough.test.ts',
  61: 'tests/61-the-rollback-journal.test.ts',
  62: 'tests/62-the-write-ahead-log.test.ts',
  63: 'tests/63-waiting.test.ts',
  65: 'tests/65-hidden-holders.test.ts',
  66: 'tests/66-settings.test.ts',
  68: 'tests/68-retries.test.ts',
  71: 'tests/71-no-error-is-not-correct.test.ts',
  72: 'tests/72-a-row-returned-is-not-a-row-committed.test.ts',
  74: 'tests/74-crashes.test.ts',
}

type Cause = { cause: string; chapter: string }
const because = (chapter: keyof typeof chapters, cause: string): Cause => ({ cause, chapter: chapters[chapter] })

/** Judges the evidence: each promise, in the order of `promises`. */
export function judge(evidence: Evidence): Finding[] {
  const { between, held, crowd, fresh, confirmedThenKilled, killed, stopped, refusal, commit } = evidence
  const settings = 'begins' in evidence.settings ? evidence.settings : undefined
  const timeout = timeoutOf(evidence)
  const inWal = settings?.journalMode === 'wal'
  const reader = settings ? settings.reader : (evidence.settings as Seen<never>)
  const unpromised = evidence.description.promisesNot?.progress
  const progress = (id: PromiseId, seen: Seen<Contest>, cause: (outcome: Outcome) => Cause): Finding => {
    const finding = judged(id, seen, ({ outcomes }) => progressOf(outcomes, cause))
    if (finding.verdict !== 'broken' || !unpromised || 'fault' in seen) return finding // to be turned away is what may be renounced
    return { id, verdict: 'not promised', why: `${finding.why}; not promised: ${unpromised}` }
  }
  const safety = (id: PromiseId, seen: Seen<Contest>, more?: (contest: never) => Judgement | undefined): Finding =>
    judged(id, seen, (contest) => more?.(contest as never) ?? safetyOf(contest, settings))

  return [
    progress('progress between', between, (outcome) => causeOfRefusal(outcome, timeout, settings?.begins)),
    progress('progress held', held, (outcome) => causeOfRefusal(outcome, timeout, settings?.begins)),
    progress('progress crowd', crowd, (outcome) => causeOfRefusal(outcome, timeout, settings?.begins)),
    progress('progress fresh', withOpenings(fresh), (outcome) => causeAtFirstOpening(outcome, timeout, inWal)),
    safety('safety between', between),
    safety('safety held', held, ({ early }: { early: boolean }) => (early ? swallowed : undefined)),
    safety('safety crowd', crowd),
    safety('safety fresh', fresh),
    safety('safety confirmed', confirmedThenKilled, ({ outcomes, counted }: Contest) => {
      if (counted >= outcomes.length || outcomes.some(({ verdict }) => verdict !== 'confirmed')) return undefined
      const why = `${outcomes.length} confirmed, ${counted} counted: ${outcomes.length - counted} lost`
      return { why, ...because(74, 'It confirms before its COMMIT has returned. Commit first, and answer then.') }
    }),
    safety('safety killed', killed),
    safety('safety stopped', stopped),
    judged('manners refusal', refusal, ({ outcome, within }) => {
      if (!outcome) return stillWaiting(within)
      if (outcome.verdict === 'confirmed') return swallowed
      const seen = `${toldOf(outcome)}, after ${Math.round(outcome.waited)} ms`
      return outcome.verdict === 'refused' ? seen : { why: seen, ...causeOfSilence(outcome) }
    }),
    judged('manners usable', refusal, ({ outcome }) => usable(evidence, outcome)),
    judged('manners commit', commit, ({ outcome, within, next, counted }) => {
      if (!outcome) return stillWaiting(within)
      const seen = [outcome, next].map(toldOf).join('; and then: ')
      const silent = [outcome, next].find(({ verdict }) => verdict === 'unknown')
      if (silent) return { why: seen, ...causeOfSilence(silent) }
      if (next.verdict !== 'confirmed') return { why: seen, ...because(61, noRollbackOfCommit) }
      const confirmed = [outcome, next].filter(({ verdict }) => verdict === 'confirmed').length
      if (counted === confirmed) return seen
      const cause = outcome.verdict === 'confirmed' ? because(72, tooEarly) : because(61, noRollbackOfCommit)
      return { why: `${seen}; ${counted} counted`, ...cause }
    }),
    judged('manners reader', reader, ({ answer }) => {
      if (typeof answer?.total === 'number') return 'its total, while another process held the write lock'
      const { refused, message } = answer ?? {}
      const told = refused ? `${refused}: ${message}` : JSON.stringify(answer)
      const seen = `${answer ? told : 'it waited'}, while another process held the write lock`
      return {
        why: seen,
        ...because(62, 'It writes, or takes the write lock, to read. Read outside of a transaction, or in a deferred one.'),
      }
    }),
  ]
}

/** What is certain comes first: in the contests it may be a matter of luck who is refused, and where. */
function usable({ refusal, write, between, crowd, fresh }: Evidence, outcome: Outcome | undefined): Judgement {
  const refusals = { read: refusal, write }
  for (const [what, seen] of Object.entries(refusals)) {
    if (!('outcome' in seen) || seen.outcome?.verdict !== 'refused') continue
    const { next, counted, couldCommit } = { couldCommit: true, ...seen }
    if (!couldCommit)
      return {
        why: 'after it was refused its write, the COMMIT of the one who held the lock is refused',
        ...because(65, keepsLock),
      }
    if (next.verdict !== 'confirmed') return stuckWith(next)
    if (counted === 1) continue
    const why = `after it was refused its ${what}, the next increment was confirmed, and the counter went up by ${counted}`
    return { why, ...because(68, noRollback) }
  }
  const contests = [between, crowd].flatMap((contest) => ('next' in contest && contest.next) || [])
  const stuck = contests.find(({ verdict }) => verdict !== 'confirmed')
  if (stuck) return stuckWith(stuck)
  const stays = [between, crowd, fresh].flatMap((contest) => ('stuck' in contest && contest.stuck) || [])[0]
  if (stays) return { why: `with nobody at work, a newcomer who reads is turned away: ${stays}`, ...because(65, keepsLock) }
  if (outcome?.verdict === 'unknown') return { skipped: 'it did not live to see the end of it' }
  if (outcome?.verdict !== 'refused') return { skipped: 'it was not refused' }
  return 'the next increment was confirmed, and counted'
}

const stuckWith = (next: Outcome) => ({
  why: `the next increment, with nobody else at work: ${toldOf(next)}`,
  ...(next.verdict === 'refused' ? because(65, keepsLock) : causeOfSilence(next)),
})

/** The demand that an adapter did not meet, and the sentence that says what to change; `undefined` if it met all. */
export const faultOf = ({ adapter }: Pick<Evidence, 'adapter'>) =>
  adapter.find((demand): demand is [string, string] => demand[1] !== true)

/** The verdict on each promise. */
export const verdictsOf = (findings: Finding[]) =>
  Object.fromEntries(findings.map(({ id, verdict }) => [id, verdict])) as Record<PromiseId, Verdict>

/** The first refusal that was seen where somebody else wrote in between, held the lock, or kept it. */
export function firstRefusal({ between, held, refusal }: Evidence): Outcome | undefined {
  const outcomes = [between, held].flatMap((contest) => ('outcomes' in contest ? contest.outcomes : []))
  return [...outcomes, 'outcome' in refusal ? refusal.outcome : undefined].find((outcome) => outcome?.verdict === 'refused')
}

/** For progress, it is the opening that counts. */
const withOpenings = (fresh: Evidence['fresh']) => ('openings' in fresh ? { ...fresh, outcomes: fresh.openings } : fresh)

/** What was seen, if the promise is kept; with the cause, if it is broken; or why there is nothing to judge. */
type Judgement = string | ({ why: string } & Cause) | { skipped: string }

function judged<Sight extends object>(id: PromiseId, seen: Seen<Sight>, judge: (sight: Sight) => Judgement): Finding {
  if ('skipped' in seen) return { id, verdict: 'not tried', why: seen.skipped }
  if ('fault' in seen && id === 'safety killed')
    return { id, verdict: 'broken', why: brief(seen.fault), ...because(74, outlivesItself) }
  // Where it kept the contest from its end, nobody knows what was counted.
  if ('fault' in seen && id.startsWith('safety')) return { id, verdict: 'not tried', why: brief(seen.fault) }
  if ('fault' in seen)
    return { id, verdict: 'broken', why: brief(seen.fault), ...(tellsOfLock(seen.fault) && because(65, keepsLock)) }
  const judgement = judge(seen)
  if (typeof judgement === 'string') return { id, verdict: 'kept', why: judgement }
  if ('skipped' in judgement) return { id, verdict: 'not tried', why: judgement.skipped }
  return { id, verdict: 'broken', ...judgement }
}

function progressOf(outcomes: Outcome[], cause: (outcome: Outcome) => Cause): Judgement {
  const [refused] = outcomes.filter(({ verdict }) => verdict !== 'confirmed')
  const confirmed = outcomes.filter(({ verdict }) => verdict === 'confirmed').length
  if (!refused) return `${confirmed} of ${outcomes.length} confirmed`
  const why = `${outcomes.length - confirmed} of ${outcomes.length} turned away, one ${after(refused)}: ${toldOf(refused)}`
  return { why, ...cause(refused) }
}

function safetyOf({ outcomes, counted }: Contest, settings: Settings | undefined): Judgement {
  const number = (verdict: Outcome['verdict']) => outcomes.filter((outcome) => outcome.verdict === verdict).length
  const [confirmed, unknown] = [number('confirmed'), number('unknown')]
  const seen = `${confirmed} confirmed${unknown ? `, ${unknown} unknown` : ''}, ${counted} counted`
  if (counted > confirmed + unknown)
    return { why: seen, ...because(68, 'It refuses what it has done. Commit, or roll back, before the answer.') }
  if (counted >= confirmed) return seen
  const lost = `${seen}: ${confirmed - counted} lost`
  const unbound = 'Nothing binds its write to its read. Put both into one transaction, begun with BEGIN IMMEDIATE.'
  if (settings?.begins === 'not at all') return { why: lost, ...because(71, unbound) }
  if (settings?.begins === undefined) return { why: lost, ...because(71, `${unbound} Or: ${tooEarly}`) }
  return { why: lost, ...because(72, tooEarly) }
}

const tooEarly = 'It swallows the error, or confirms before its COMMIT. Answer when COMMIT has returned without an error.'
const swallowed = { why: 'it confirmed, while another process held the write lock', ...because(72, tooEarly) }
const waitsForEver =
  'Its busy timeout is longer than that, or it retries without end. State how long a refusal may take ("within"), or let it end.'
const stillWaiting = (within: number) => ({ why: `after ${within} ms it was still waiting`, ...because(63, waitsForEver) })
const noRollback = 'Its transaction stays open after a refusal. ROLLBACK, whatever was refused.'

/**
 * How long it waits for a lock that stays, in milliseconds, as seen; 0 if not at all. `undefined` if it was not seen to give up, or reads
 * first, in WAL mode: then it does not wait at all, whatever its timeout (chapter 30).
 */
export function timeoutOf({ refusal, settings }: Evidence): number | undefined {
  if (!('outcome' in refusal) || !refusal.outcome || refusal.outcome.verdict === 'confirmed') return undefined
  if (!isRefusal(refusal.outcome)) return undefined
  if ('begins' in settings && settings.begins === 'as a reader' && settings.journalMode === 'wal') return undefined
  return refusal.atOnce ? 0 : Math.round(refusal.outcome.waited)
}

const keepsLock =
  'It keeps a lock when nothing of it is under way: a transaction that was not ended, as after a refusal, a statement that was not reset, or PRAGMA locking_mode = EXCLUSIVE. ROLLBACK; where that does not help, open a new connection.'
const outlivesItself =
  "It keeps others out by something that outlives its process, such as a lock file. SQLite's locks go with the process: BEGIN IMMEDIATE."
const noRollbackOfCommit =
  'A COMMIT that is refused leaves its transaction open. ROLLBACK, or say COMMIT again when the reader has left; in WAL mode it is not refused.'

/** Why somebody was turned away who had to share. */
function causeOfRefusal(outcome: Outcome, timeout: number | undefined, begins: Beginning | undefined): Cause {
  const { verdict, took, waited } = outcome
  if (!isRefusal(outcome))
    return verdict === 'unknown'
      ? causeOfSilence(outcome)
      : because(68, 'It fails for another reason than a lock: its message says which.')
  if (begins === undefined && timeout !== 0 && (took ?? waited) < (timeout ?? 1_000) / 2)
    return because(
      30,
      'It does not wait. Set a busy timeout, and begin with BEGIN IMMEDIATE: what has read does not wait for the lock.',
    )
  if (timeout === 0) {
    const chapter = begins === 'as a reader' ? 20 : 40
    return because(chapter, 'There is no busy timeout on this connection. Set one: PRAGMA busy_timeout = 5000.')
  }
  if (begins === 'as a reader')
    return because(
      30,
      'What has read does not wait for the lock, and may not write once another has written, however long its timeout. Begin with BEGIN IMMEDIATE.',
    )
  return tooShort(timeout)
}

const tooShort = (timeout: number | undefined) => {
  const how = timeout ? `, ${timeout} ms,` : ''
  return because(63, `Its busy timeout${how} was over before its turn came. Set a longer one, or hold the lock for less.`)
}

/** Why there is nothing that can be called an answer. */
const causeOfSilence = (outcome: Outcome) =>
  isRefusal(outcome)
    ? because(68, 'It ends when it is refused. Catch the error, and answer with it.')
    : because(68, `It gives no answer that is one: ${outcome.message.split('\n')[0]}`)

/** Whether it was turned away by a lock, whatever it made of it: some that are refused end, and say why on stderr. */
export const isRefusal = ({ code = '', message }: Outcome) => /^HTTP 5/.test(code) || tellsOfLock(`${code} ${message}`)
const tellsOfLock = (text: string) => /\bSQLITE_(BUSY|LOCKED)|\bbusy\b|\bis locked\b|\bkeeps a lock\b/i.test(text)

function causeAtFirstOpening(outcome: Outcome, timeout: number | undefined, inWal: boolean): Cause {
  if (timeout === 0 || !isRefusal(outcome)) return causeOfRefusal(outcome, timeout, undefined)
  const { waited, took = inWal ? 0 : waited } = outcome // how long a program waited, or took to start, nobody knows
  if (timeout && took > timeout * 0.8) return tooShort(timeout)
  if (!inWal)
    return because(66, 'A statement before PRAGMA busy_timeout does not wait. Set the timeout first, as the database is opened.')
  return because(
    66,
    'The switch to WAL does not wait for one who writes, whatever the timeout; nor does a statement before PRAGMA busy_timeout. Set the timeout first, and switch once, when the database is made; or take SQLITE_BUSY from the switch for "try again".',
  )
}

const toldOf = ({ code, message, verdict }: Outcome) => (verdict === 'refused' ? `${code}: ${message}` : brief(message))

/** What happened instead of an answer, in a line: what it did, and what it said of a lock, or last. */
function brief(message: string): string {
  const [happened, , ...stderr] = message.split('\n')
  const said = stderr.findLast((line) => /error/i.test(line) && tellsOfLock(line)) ?? stderr.at(-1)
  return [happened.split('. It is to')[0], said?.trim()].filter(Boolean).join(': ')
}

const after = ({ took, waited }: Outcome) => ((took ?? waited) < 100 ? 'at once' : `after ${Math.round(took ?? waited)} ms`)
