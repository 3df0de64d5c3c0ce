import { ceiling } from './ceiling.ts'
import { fairness } from './fairness.ts'
import { hold } from './hold.ts'
import { machinery } from './machinery.ts'
import { postgresql } from './postgresql.ts'
import { queue } from './queue.ts'
import { readers } from './readers.ts'
import type { Section } from './section.ts'
import { timeout } from './timeout.ts'

/** In the order in which they are measured, and told. */
export const sections: Section[] = [ceiling, hold, timeout, fairness, queue, readers, machinery, postgresql]

/** Those that are named; where none is, all but those that install something first. */
export const chosen = (names: string[]) =>
  sections.filter(({ name, isApart }) => (names.length === 0 ? !isApart : names.includes(name)))
