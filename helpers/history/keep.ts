import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { check, type Verdict } from './checker.ts'
import { tell } from './findings.ts'
import { type Event, forElle, toLines } from './history.ts'
import { type Campaign, CutShort, campaign, type Outcome } from './nemesis.ts'

const histories = fileURLToPath(new URL('../../.vitest/histories', import.meta.url))

type Round = Pick<Campaign, 'mode' | 'seed' | 'processes'>

/**
 * What came of a campaign, and the verdict on it. `report` tells what is wrong, and where the history is kept; nothing, and it is not kept,
 * if all is well.
 *
 * If the campaign is cut short, or the checker refuses its history, the history until then is kept as well, and the error says where. A
 * campaign that somebody has ended early, or in which nothing was asked yet, may be cut short without that: `CutShort`.
 */
export async function judged(
  plan: Campaign,
  folder = histories,
): Promise<{ outcome: Outcome; verdict: Verdict; report: string }> {
  let events: Event[] = []
  try {
    const outcome = await campaign(plan)
    events = outcome.events
    const verdict = check(events, outcome.accounts)
    const isWell = verdict.found === 0 && outcome.integrity === 'ok'
    return { outcome, verdict, report: isWell ? '' : keep(plan, outcome, verdict, folder) }
  } catch (error) {
    if (error instanceof CutShort) {
      if (plan.signal?.aborted || error.events.length === 0) throw error
      events = error.events
    }
    throw new Error(keepUnjudged(plan, events, error as Error, folder), { cause: error })
  }
}

/**
 * Keeps a history in which something is wrong: as JSON lines, as elle-cli reads it, and what was found. Returns a text that says where,
 * and how to run the same again, as far as processes allow: the transactions and the faults are the same, their timing is not.
 */
export function keep(
  round: Round,
  { events, integrity }: Pick<Outcome, 'events' | 'integrity'>,
  { findings, found }: Verdict,
  folder = histories,
): string {
  const damage = integrity === 'ok' ? '' : `integrity_check: ${integrity}\n`
  const told = damage + findings.map((finding) => `${tell(finding)}\n`).join('\n')
  return write(round, events, `${found} findings`, told, folder)
}

/** Keeps a history that has no end, or no verdict, and why. Returns a text, as `keep` does. */
function keepUnjudged(round: Round, events: Event[], { message }: Error, folder = histories): string {
  return write(round, events, 'without a verdict', `${message}\n`, folder)
}

function write({ mode, seed, processes }: Round, events: Event[], head: string, told: string, folder: string): string {
  const name = join(folder, `${mode}-${seed}-${Date.now()}`)
  mkdirSync(name, { recursive: true })
  writeFileSync(`${name}/history.jsonl`, toLines(events))
  writeFileSync(`${name}/findings.txt`, `${head}\n\n${told}`)
  writeFileSync(`${name}/elle.json`, forElle(events))
  return `${told}
The history is kept in ${name}:
    history.jsonl, one event a line; findings.txt, all of the above; elle.json, for elle-cli --model list-append
The same transactions and faults once more: npm run soak -- --journal ${mode} --seed ${seed} --processes ${processes} --minutes 1`
}
