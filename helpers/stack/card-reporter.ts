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

/**
 * Ends a run of chapter 90 that looked at the stack of `STACK` with its verdict card; and, as a step of a GitHub workflow, with a summary in
 * Markdown.
 */
export default class Card implements Reporter {
  /** What the last run came to, if it got so far. */
  report: Report | undefined

  onTestRunEnd(modules: readonly TestModule[]): void {
    this.report = modules.map((module) => module.meta().report).find((report) => report !== undefined)
    const { STACK, GITHUB_STEP_SUMMARY } = process.env
    if (!STACK) return
    if (!this.report) {
      const errors = modules.flatMap((module) => module.errors())
      if (errors.length > 0)
        console.error(`The examination itself failed, and nothing is known of the stack: ${errors[0].message}`)
      return
    }
    console.log(card(this.report))
    if (!GITHUB_STEP_SUMMARY) return
    try {
      appendFileSync(GITHUB_STEP_SUMMARY, markdown(this.report))
    } catch (error) {
      console.error(`The summary cannot be written: ${(error as Error).message}`)
    }
  }
}
