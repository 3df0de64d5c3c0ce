import { busy, machine, Reference, versions } from './machine.ts'
import type { Batch, Data, Run, Section, Size } from './section.ts'
import { median } from './statistics.ts'
import type { Writers } from './writers.ts'

/** Runs each batch once a round, in turns (A B A B), so that what disturbs the machine for a while disturbs all. Returns the runs of each. */
export async function inTurns(batches: Batch[], rounds: number, before: (done: number) => void): Promise<Run[][][]> {
  const runs: Run[][][] = batches.map(({ settings }) => settings.map(() => []))
  for (let round = 0; round < rounds; round += 1)
    for (const [i, { run }] of batches.entries()) {
      before(round * batches.length + i)
      const results = await run()
      for (const [j, result] of results.entries()) runs[i][j].push(result)
    }
  return runs
}

/** Measures a section, with the processes that all sections share. `closing` is told how to end it early. */
export async function measure(
  section: Section,
  size: Size,
  writers: Writers,
  progress: (done: number, all: number) => void,
  closing: (close: () => Promise<void>) => void,
): Promise<Data> {
  const othersAreBusy = await busy()
  const stage = await section.prepare(size, writers)
  const close = stage.close ?? (async () => {})
  closing(close)
  const reference = await Reference.open()
  try {
    const rounds = section.rounds[size]
    const runs = await inTurns(stage.batches, rounds, (done) => {
      progress(done, rounds * stage.batches.length)
      reference.measure()
    })
    reference.measure()
    const { work, fsync } = reference
    return {
      section: section.name,
      size,
      date: new Date().toISOString().slice(0, 10),
      versions: { ...versions(), ...stage.versions },
      machine: machine(rounded(median(fsync))),
      reference: { work: work.map(rounded), fsync: fsync.map(rounded), busy: rounded(othersAreBusy) },
      cases: cases(stage.batches, runs),
    }
  } finally {
    await close()
    await reference.close()
  }
}

/** What has the same setting is one case, however often a round comes by it. */
function cases(batches: Batch[], runs: Run[][][]): Data['cases'] {
  const found = new Map<string, Data['cases'][number]>()
  for (const [i, { settings }] of batches.entries())
    for (const [j, setting] of settings.entries()) {
      const key = JSON.stringify(setting)
      const known = found.get(key) ?? { setting, runs: [] }
      known.runs.push(...runs[i][j].map(short))
      found.set(key, known)
    }
  return [...found.values()]
}

/** To four figures: more than any machine repeats. */
const rounded = (number: number) => Number(number.toPrecision(4))

const short = (run: Run): Run =>
  Object.fromEntries(
    Object.entries(run).map(([name, value]) => [name, Array.isArray(value) ? value.map(rounded) : rounded(value)]),
  )
