import { fileURLToPath } from 'node:url'
import type { Outcome } from '../stack/attempt.ts'
import { examine } from '../stack/examination.ts'
import { faultOf, firstRefusal, judge, type PromiseId, type Verdict, verdictsOf } from '../stack/findings.ts'
import { type Scale, usual } from '../stack/scale.ts'
import { subjectOf } from '../stack/subject.ts'

/** What is seen of a stack. */
export type Sight = {
  verdicts: Record<PromiseId, Verdict>
  /** The first refusal that was seen. */
  refusal: Outcome | undefined
}

/** As in chapter 90; and a refusal after six seconds is still in time, for those who wait here wait for five. */
const scale: Scale = { ...usual, within: 6_000 }

const folder = fileURLToPath(new URL('../../fixtures/', import.meta.url))

/** Examines a stack of `fixtures/` as chapter 90 does. `rival`: the program of `fixtures/` that plays the rival, where that is not on SQLite. */
export async function examined(module: string, rival?: string): Promise<Sight> {
  const evidence = await examine(subjectOf(module, folder), scale, rival)
  const fault = faultOf(evidence)
  if (fault) throw new Error(`${module}: ${fault[1]}`)
  return { verdicts: verdictsOf(judge(evidence)), refusal: firstRefusal(evidence) }
}
