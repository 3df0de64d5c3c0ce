import type { TestContext } from 'vitest'
import { picture } from './picture.ts'
import { printed } from './svg.ts'
import { headOf, type Story, timelineOf } from './timeline.ts'

declare module 'vitest' {
  interface TaskMeta {
    /** The timeline of the story that the test is about. */
    timeline?: string
    /** The file of `tests/pictures/` that its picture goes to, where the page is to show it. */
    picture?: string
  }
}

/**
 * Shows a test's evidence: a story, or a report. Vitest's UI and HTML report get it as a picture, for they fold the lines of an
 * annotation's text. For the page, the timeline stands in the test's `meta`, and the file that the picture goes to, if it has one.
 */
export async function show({ annotate, task }: TestContext, evidence: Story | string, file?: `${string}.svg`): Promise<void> {
  const story = typeof evidence === 'string' ? undefined : evidence
  const svg = story ? picture(story) : printed(`${evidence}`)
  if (story) task.meta.timeline = timelineOf(story)
  if (file) task.meta.picture = file
  const [message, kind] = story ? [headOf(story), 'timeline'] : ['requests, response times, errors', 'report']
  await annotate(message, kind, { contentType: 'image/svg+xml', body: new TextEncoder().encode(svg) })
}
