import type { TestContext } from 'vitest'
import { headOf, type Story, timelineOf } from './timeline.ts'

declare module 'vitest' {
  interface TaskMeta {
    /** The timeline of the story that the test is about. */
    timeline?: string
  }
}

const lineHeight = 20
const charWidth = 7.83 // of 13 px monospace; textLength makes it exact
const padding = 14

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll(' ', '\u00a0')

/** Lines of text as a picture, legible on light and dark: what was refused stands out, and so does what waits. */
function picture(text: string): string {
  const lines = text.split('\n')
  const width = Math.ceil(Math.max(...lines.map((line) => line.length)) * charWidth) + 2 * padding
  const height = lines.length * lineHeight + 2 * padding
  const rows = lines.map((line, i) => {
    const kind = /SQLITE_BUSY/.test(line) ? 'refused' : / {2}waits/.test(line) ? 'waits' : 'plain'
    const y = padding + (i + 0.7) * lineHeight
    return `<text class="${kind}" x="${padding}" y="${y}" textLength="${line.length * charWidth}">${escaped(line)}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<style>
  rect { fill: #fff; stroke: #d0d7de } text { font: 13px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #1f2328 }
  .refused { fill: #c2261a } .waits { fill: #8a5a00 }
  @media (prefers-color-scheme: dark) {
    rect { fill: #0d1117; stroke: #3d444d } text { fill: #e6edf3 } .refused { fill: #ff8a80 } .waits { fill: #e3b341 }
  }
</style>
<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="6"/>
${rows.join('\n')}
</svg>`
}

/**
 * Shows a test's evidence: a story, or a report. Vitest's UI and HTML report get it as a picture, for they fold the lines of an
 * annotation's text; what the page needs of it stands in the test's `meta`.
 */
export async function show({ annotate, task }: TestContext, evidence: Story | string): Promise<void> {
  const story = typeof evidence === 'string' ? undefined : evidence
  if (story) task.meta.timeline = timelineOf(story)
  const [message, kind] = story ? [headOf(story), 'timeline'] : ['requests, response times, errors', 'report']
  const body = new TextEncoder().encode(picture(story ? timelineOf(story) : `${evidence}`))
  await annotate(message, kind, { contentType: 'image/svg+xml', body })
}
