import type { Writers } from './writers.ts'

/** How long it may take: all sections in under two minutes on two cores, or as long as the figures want. */
export type Size = 'quick' | 'full'

/** What tells one case from the others. */
export type Setting = Record<string, string | number>

/** What one run of a case has measured. */
export type Run = Record<string, number | number[]>

/** Cases that are run at the same time, each with the runs it has had. Most are alone. */
export type Batch = { settings: Setting[]; run: () => Promise<Run[]> }

export type Stage = {
  /** In the order in which a round takes them. */
  batches: Batch[]
  /** Ends whatever is under way, and takes away what is left of it. The writers are not its own. */
  close?: () => Promise<void>
  /** Of what is measured beside SQLite. */
  versions?: Record<string, string>
}

export type Machine = { cores: number; model: string; kernel: string; fileSystem: string; fsync: number }

/** What a section has measured, as it is kept. Nothing in it names the machine's owner. */
export type Data = {
  section: string
  size: Size
  date: string
  versions: Record<string, string>
  machine: Machine
  /** What always takes the same, between the runs: milliseconds of a piece of work and of an fsync; and how busy others kept the machine before. */
  reference: { work: number[]; fsync: number[]; busy: number }
  cases: { setting: Setting; runs: Run[] }[]
}

/** A section's data as people read them. */
export type Shown = {
  head: string[]
  rows: (string | number)[][]
  /** By the names of their files. */
  pictures: Record<string, string>
  /** What you see, why, what to do. */
  sees: string
  why: string
  what: string
}

export type Section = {
  name: string
  /** What is compared, in a few words. */
  compares: string
  /** It is measured only where it is named, for it installs something first. */
  isApart?: true
  /** How often each case is run. */
  rounds: Record<Size, number>
  prepare: (size: Size, writers: Writers) => Promise<Stage>
  /** The same data are always shown in the same way: nothing is measured here. */
  show: (data: Data) => Shown
}

/** Whether a case is one of those wanted. */
const fits = (setting: Setting, wanted: Setting) => Object.entries(wanted).every(([name, value]) => setting[name] === value)

/** The cases that have these settings, in the order in which they were measured. */
export const those = ({ cases }: Data, wanted: Setting) => cases.filter(({ setting }) => fits(setting, wanted))

/** One figure of each run of the one case that has these settings. */
export function figures(data: Data, wanted: Setting, name: string): number[] {
  const found = those(data, wanted)
  if (found.length !== 1) throw new Error(`${data.section}: ${found.length} cases are ${JSON.stringify(wanted)}`)
  return found[0].runs.flatMap((run) => run[name])
}

/** The values of a setting, in the order in which they were measured. */
export const values = <Value extends string | number>({ cases }: Data, name: string) =>
  [...new Set(cases.map(({ setting }) => setting[name]))].filter((value) => value !== undefined) as Value[]
