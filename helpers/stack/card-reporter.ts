import { appendFileSync } from 'node:fs'
import type { Reporter, TestModule } from 'vitest/node'
import { card, markdown, type Report } from './card.ts'
import type { Scale } from './scale.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** What `npm run check` was told beyond the stack: how it is to be examined, and where the database of a running application is. */
    check?: Partial<Scale> & { database?: string }
  }
  interface TaskMeta {
    /** Of chapter 90: what its examination came to. */
    report?: Report
  }
}

/** Tells what an examination came to: its card; and, as a step of a GitHub workflow, a summary in Markdown. */
export function tell(report: Report): void {
  console.log(card(report))
  const { GITHUB_STEP_SUMMARY } = process.env
  if (!GITHUB_STEP_SUMMARY) return
  try {
    appendFileSync(GITHUB_STEP_SUMMARY, markdown(report))
  } catch (error) {
    console.error(`The summary cannot be written: ${(error as Error).message}`)
  }
}

/** What is told of an examination that did not come to its end, and not by the stack's doing. */
export const failed = ({ message }: { message: string }) =>
  `The examination itself failed, and nothing is known of the stack: ${message}`

/**
 * Ends a run of chapter 90 that looked at the stack of `STACK` with its verdict card.
 */
export default class Card implements Reporter {
  /** What the last run came to, if it got so far. */
  report: Report | undefined

  onTestRunEnd(modules: readonly TestModule[]): void {
    this.report = modules.map((module) => module.meta().report).find((report) => report !== undefined)
    if (!process.env.STACK) return
    if (!this.report) {
      const errors = modules.flatMap((module) => module.errors())
      if (errors.length > 0) console.error(failed(errors[0]))
      return
    }
    tell(this.report)
  }
}
