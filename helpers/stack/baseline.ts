import { readFileSync, writeFileSync } from 'node:fs'
import { type Finding, type PromiseId, promises, type Verdict, verdictsOf } from './findings.ts'
import { Sentence } from './subject.ts'

/** What a stack was seen to do once, and is expected to do again: the verdict on each promise. */
export type Baseline = Record<PromiseId, Verdict>

const verdicts = new Set<unknown>(['kept', 'broken', 'not promised', 'not tried'] satisfies Verdict[])

/** Reads a baseline. Throws a `Sentence` if there is none, or if it is something else. */
export function readBaseline(file: string): Baseline {
  const anew = `Write it: npm run check -- <stack> --write-baseline ${file}`
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new Sentence(`The baseline '${file}' cannot be read: ${(error as Error).message}. ${anew}`)
  }
  try {
    const baseline = JSON.parse(text) as Record<string, unknown> | null
    if (typeof baseline !== 'object' || baseline === null) throw new Error('it is no object')
    for (const id of Object.keys(promises)) if (!verdicts.has(baseline[id])) throw new Error(`it has no verdict on '${id}'`)
    return baseline as Baseline
  } catch (error) {
    throw new Sentence(`The baseline '${file}' is not one: ${(error as Error).message}. ${anew}`)
  }
}

/** Writes what was found as the baseline. */
export function writeBaseline(file: string, findings: Finding[]): void {
  try {
    writeFileSync(file, `${JSON.stringify(verdictsOf(findings), undefined, 2)}\n`)
  } catch (error) {
    throw new Sentence(`The baseline '${file}' cannot be written: ${(error as Error).message}.`)
  }
}

/** What is not as in the baseline, in either direction: a sentence, or nothing. */
export function changeOf({ id, verdict, why }: Finding, baseline: Baseline): string | undefined {
  if (baseline[id] === verdict) return undefined
  return `${promises[id]}: ${verdict}, and ${baseline[id]} in the baseline (${why.split('\n')[0]})`
}

/** All that is not as in the baseline. */
export const changesIn = (findings: Finding[], baseline: Baseline) =>
  findings.flatMap((finding) => changeOf(finding, baseline) ?? [])
