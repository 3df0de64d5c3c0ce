import { writeFileSync } from 'node:fs'
import type { Reporter, TestCase, TestModule } from 'vitest/node'
import { claimOf, fileOf } from '../specification.ts'

/** What was seen of a claim: whether it holds, and where its story was told; or why it was not seen. */
export type Sight = ReturnType<typeof claimOf> & {
  state: 'holds' | 'does not hold' | 'not seen'
  places: string[]
  /** The libraries that the story names itself. */
  libraries: string[]
  why?: string
}

/** A chapter, and what is wrong with it if it has not been run to its end. */
export type Chapter = { file: string; claims: Sight[]; fault?: string }

const states = { passed: 'holds', failed: 'does not hold', skipped: 'not seen', pending: 'not seen' } as const

function sightOf(test: TestCase): Sight {
  const { places = [], libraries = [] } = test.meta()
  return { ...claimOf(test), state: states[test.result().state], places, libraries, why: whyNot(test) }
}

/** What the story went wrong with, or why nobody told it. */
function whyNot(test: TestCase): string | undefined {
  const { state } = test.result()
  if (state !== 'skipped') return undefined
  for (let { parent } = test; parent.type === 'suite'; parent = parent.parent) {
    const [error] = parent.errors()
    if (!error) continue
    const lines = error.message.split('\n')
    return [...new Set([lines[0], lines.at(-1)])].join(': ') // between them stand the warnings of the runtime
  }
  return 'it is skipped'
}

/** Writes what a run has seen to the file that SIGHTS names: one chapter after the other. */
export default class Sights implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const chapters = modules.map((chapter): Chapter => {
      const claims = [...chapter.children.allTests()].map(sightOf)
      return { file: fileOf(chapter), claims, fault: chapter.errors()[0]?.message }
    })
    writeFileSync(process.env.SIGHTS as string, JSON.stringify(chapters))
  }
}
