import type { TestContext } from 'vitest'
import { picture } from './picture.ts'
import { printed } from './svg.ts'
import { table } from './table.ts'
import { headOf, type Story, timelineOf } from './timeline.ts'

/** A table of results: the head, then the rows. The page shows it, so it reads the same in every run. `places` are a story's. */
export type Results = { head: string[]; rows: string[][]; places?: string[] }

declare module 'vitest' {
  interface TaskMeta {
    /** The timeline of the story that the test is about. */
    timeline?: string
    /** A table that the test is about. */
    results?: Results
    /** The file of `tests/pictures/` that its picture goes to, where the page is to show it. */
    picture?: string
    /** Where the story was told, and the libraries that it names itself. */
    places?: string[]
    libraries?: string[]
  }
}

/**
 * Shows a test's evidence: a story, or a report. Vitest's UI and HTML report get it as a picture, for they fold the lines of an
 * annotation's text. For the page, the timeline stands in the test's `meta`, and the file that the picture goes to, if it has one.
 */
export async function show({ annotate, task }: TestContext, evidence: Story | string, file?: `${string}.svg`): Promise<void> {
  const story = typeof evidence === 'string' ? undefined : evidence
  const svg = story ? picture(story) : printed(`${evidence}`)
  if (story) Object.assign(task.meta, { timeline: timelineOf(story), places: story.places, libraries: librariesIn(story) })
  if (file) task.meta.picture = file
  const [message, kind] = story ? [headOf(story), 'timeline'] : ['requests, response times, errors', 'report']
  await annotate(message, kind, { contentType: 'image/svg+xml', body: new TextEncoder().encode(svg) })
}

/** The libraries that a story gives its contenders itself. */
const librariesIn = ({ cast }: Story) => Object.values(cast).flatMap(({ driver }) => driver ?? [])

/** Shows the table that a test is about, in Vitest's UI and HTML report and on the page. */
export async function showResults({ annotate, task }: TestContext, results: Results): Promise<void> {
  task.meta.results = results
  if (results.places) task.meta.places = results.places
  const svg = printed(table(results.head, results.rows))
  await annotate('the table', 'report', { contentType: 'image/svg+xml', body: new TextEncoder().encode(svg) })
}

/** Shows a text that a test is about, as it stands, in Vitest's UI and HTML report. */
export async function showText({ annotate }: TestContext, title: string, text: string): Promise<void> {
  await annotate(title, 'report', { contentType: 'image/svg+xml', body: new TextEncoder().encode(printed(text)) })
}

/** Shows a chart that a test is about, there too; the page has it from that file of `tests/pictures/`. */
export async function showChart({ annotate, task }: TestContext, svg: string, file: `${string}.svg`): Promise<void> {
  task.meta.picture = file
  await annotate('the chart', 'chart', { contentType: 'image/svg+xml', body: new TextEncoder().encode(svg) })
}
