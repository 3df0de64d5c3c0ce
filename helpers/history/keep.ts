import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Verdict } from './checker.ts'
import { tell } from './findings.ts'
import { forElle, toLines } from './history.ts'
import type { Campaign, Outcome } from './nemesis.ts'

const histories = fileURLToPath(new URL('../../.vitest/histories', import.meta.url))

/**
 * Keeps a history in which something is wrong: as JSON lines, as elle-cli reads it, and what was found. Returns a text that says where,
 * and how to run the same again, as far as processes allow: the transactions and the faults are the same, their timing is not.
 */
export function keep(
  { mode, seed, processes }: Pick<Campaign, 'mode' | 'seed' | 'processes'>,
  { events, integrity }: Pick<Outcome, 'events' | 'integrity'>,
  { findings, found }: Verdict,
  folder = histories,
): string {
  const name = join(folder, `${mode}-${seed}-${Date.now()}`)
  const damage = integrity === 'ok' ? '' : `integrity_check: ${integrity}\n`
  const told = damage + findings.map((finding) => `${tell(finding)}\n`).join('\n')
  mkdirSync(name, { recursive: true })
  writeFileSync(`${name}/history.jsonl`, toLines(events))
  writeFileSync(`${name}/elle.json`, forElle(events))
  writeFileSync(`${name}/findings.txt`, `${found} findings\n\n${told}`)
  return `${told}
The history is kept in ${name}:
    history.jsonl, one event a line; findings.txt, all of the above; elle.json, for elle-cli --model list-append
The same transactions and faults once more: npm run soak -- --journal ${mode} --seed ${seed} --processes ${processes} --minutes 1`
}
