import type { TestContext } from 'vitest'
import { picture } from './picture.ts'
import { printed } from './svg.ts'
import { headOf, type Story, timelineOf } from './timeline.ts'

declare module 'vitest' {
  interface TaskMeta {
    /** The timeline of the story that the test is about. */
    timeline?: string
    /** The story's picture, where the page shows it, and the name of its file in tests/pictures/. */
    picture?: { file: string; svg: string }
  }
}

/**
 * Shows a test's evidence: a story, or a report. Vitest's UI and HTML report get it as a picture, for they fold the lines of an
 * annotation's text; what the page needs of it stands in the test's `meta`. A story that carries the argument has a `file`: there
 * the page shows the picture too.
 */
export async function show({ annotate, task }: TestContext, evidence: Story | string, file?: string): Promise<void> {
  const story = typeof evidence === 'string' ? undefined : evidence
  const svg = story ? picture(story) : printed(`${evidence}`)
  if (story) task.meta.timeline = timelineOf(story)
  if (file) task.meta.picture = { file, svg }
  const [message, kind] = story ? [headOf(story), 'timeline'] : ['requests, response times, errors', 'report']
  await annotate(message, kind, { contentType: 'image/svg+xml', body: new TextEncoder().encode(svg) })
}
