// Lengths in px. What is set in the monospace font has its exact width (textLength); what is not, has room to spare.
export const line = 17
export const cell = 7.3 // of 12 px monospace
export const margin = 14

/** What the kinds look like, on light and on dark. The stronger a lock, the more it stands out. */
const style = `
  text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #1f2328 }
  .sans { font: 11px system-ui, -apple-system, 'Segoe UI', sans-serif }
  .strong { font-weight: 600 } .name { font-size: 14px; font-weight: 600 } .number { font-size: 10px; text-anchor: end }
  .quiet, .number { fill: #59636e } .waits { fill: #6b4700 } .refused { font-weight: 600; fill: #a8120a }
  .page { fill: #fff; stroke: #d0d7de } .process { fill: #f6f8fa; stroke: #d0d7de } .guide { stroke: #1f2328; stroke-opacity: 0.09 }
  .transaction { fill: #dfe8f5 } .sent { fill: none; stroke: #59636e; stroke-dasharray: 2 3 }
  .wait { fill: #fff4d6 } .edge { fill: none; stroke: #9a6700 } .hatched { fill: url(#hatch) } .hatch { stroke: #e8c46a; stroke-width: 1.5 }
  .stop { fill: #eaeef2; stroke: #59636e; stroke-dasharray: 4 3 } .sign { fill: #1f2328 }
  .refusal { fill: #ffe3e0; stroke: #a8120a } .disc { fill: #a8120a } .cross { fill: none; stroke: #fff; stroke-width: 2; stroke-linecap: round }
  .lock { font-size: 9px; fill: #fff } .lock.shared { fill: #06364d } .lock.snapshot { fill: #06402f }
  .bar.shared { fill: #a9d4e8 } .bar.snapshot { fill: #a5dfc9 } .bar.reserved { fill: #3b5bdb } .bar.pending { fill: #7a2fb0 }
  .bar.exclusive { fill: #2b0a4f } .bar.maintenance { fill: #57606a }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .quiet, .number { fill: #9aa4af } .waits { fill: #f2cc60 } .refused { fill: #ff9d94 }
    .page { fill: #0d1117; stroke: #3d444d } .process { fill: #151b23; stroke: #3d444d } .guide { stroke: #fff }
    .transaction { fill: #22334c } .sent { stroke: #9aa4af }
    .wait { fill: #2b2210 } .edge { stroke: #d9a520 } .hatch { stroke: #7a5a12 }
    .stop { fill: #262c36; stroke: #9aa4af } .sign { fill: #e6edf3 }
    .refusal { fill: #3a1513; stroke: #ff9d94 } .disc { fill: #ff9d94 } .cross { stroke: #3a1513 }
    .lock { fill: #0d1117 } .lock.shared { fill: #dff3fd } .lock.snapshot { fill: #d9f7eb }
    .bar.shared { fill: #1f5b78 } .bar.snapshot { fill: #17614b } .bar.reserved { fill: #8ba3ff } .bar.pending { fill: #cfa6ff }
    .bar.exclusive { fill: #f3e6ff } .bar.maintenance { fill: #9aa4af }
  }
`

const plain = (text: string) =>
  text
    .toWellFormed()
    .replace(/\p{Cc}/gu, (control) => (control === '\n' ? control : '\ufffd'))
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')

const px = (length: number) => `${Math.round(length * 10) / 10}`

/** A picture that needs nothing from outside: no font, no script, no other file. */
export function svg(width: number, height: number, title: string, description: string, shapes: string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" role="img" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>${plain(title)}</title>
<desc>${plain(description)}</desc>
<style>${style}</style>
<pattern id="hatch" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="hatch" d="M4 0V8"/></pattern>
${[rect('page', 0.5, 0.5, width - 1, height - 1, 6), ...shapes].join('\n')}
</svg>
`
}

export function rect(kind: string, x: number, y: number, width: number, height: number, radius = 3): string {
  return `<rect class="${kind}" x="${px(x)}" y="${px(y)}" width="${px(width)}" height="${px(height)}" rx="${radius}"/>`
}

/** One line of text, as wide as in the monospace font unless it is of the other. */
export function text(words: string, kind: string, x: number, y: number, { turned = false, end = false } = {}): string {
  const place = turned ? `transform="translate(${px(x)} ${px(y)}) rotate(90)"` : `x="${px(x)}" y="${px(y)}"`
  const anchor = end ? ' text-anchor="end"' : ''
  const width = kind.startsWith('sans') ? '' : ` textLength="${px(words.length * (turned ? 5.5 : cell))}"`
  return `<text class="${kind}" ${place}${anchor}${width}>${plain(words)}</text>`
}

export const path = (kind: string, d: string) => `<path class="${kind}" d="${d}"/>`
export const circle = (kind: string, x: number, y: number, r: number) =>
  `<circle class="${kind}" cx="${px(x)}" cy="${px(y)}" r="${r}"/>`

/** Lines of text as a picture: what was refused stands out. */
export function printed(page: string): string {
  const lines = page.split('\n')
  const width = Math.ceil(Math.max(...lines.map((words) => words.length)) * cell) + 2 * margin
  const words = lines.map((words, i) => {
    const kind = /SQLITE_(BUSY|LOCKED)/.test(words) ? 'refused' : 'plain'
    return text(words.replaceAll(' ', '\u00a0'), kind, margin, margin + i * line + 12)
  })
  return svg(width, lines.length * line + 2 * margin, 'A report', page, words)
}
