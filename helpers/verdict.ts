import { type Answer, refused } from './users.ts'

/**
 * The verdict on the runs of `npm run reproduce` (before, the timeout alone, IMMEDIATE alone, the fix, the fix with the slow part
 * outside), in sentences; and whether the failure appeared before and was gone at the end. `timeout` in milliseconds.
 */
export function verdict(runs: Answer[][], timeout: number): [sentences: string[], success: boolean] {
  const [before, , , fixed, last] = runs.map((answers) => ({ failures: refused(answers).length, requests: answers.length }))
  const of = ({ failures, requests }: typeof before) => `${failures} of ${requests} requests`
  const sentences: string[] = []
  if (before.failures === 0)
    sentences.push(
      `The failure did not appear before: none of ${before.requests} requests was turned away. Try more --users, --workers or --iterations.`,
    )
  if (last.failures > 0)
    sentences.push(`The failure is not gone at the end: ${of(last)} were turned away. Try fewer --users or a longer --timeout.`)
  if (fixed.failures > 0)
    sentences.push(
      `The fix itself turned ${of(fixed)} away, as it can: those who wait poll, they do not queue, and while transactions are slow\n` +
        `one of them may find the lock taken, at every try, for the whole ${timeout} ms.`,
    )
  const success = before.failures > 0 && last.failures === 0
  if (success)
    sentences.push(
      `"database is locked" met ${of(before)} before, and none of ${last.requests} at the end: set a busy timeout,\n` +
        'begin with BEGIN IMMEDIATE, and keep the slow part out of the transaction.',
    )
  return [sentences, success]
}
