import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'
import { noise } from './machine.ts'
import type { Data } from './section.ts'

/** On light, and on dark. Those who cannot tell two of them apart have the labels, which stand at the lines themselves. */
const shades = {
  ink: ['#1f2328', '#e6edf3'],
  quiet: ['#59636e', '#9aa4af'],
  faint: ['#d8dee4', '#30363d'],
  page: ['#ffffff', '#0d1117'],
  edge: ['#d0d7de', '#3d444d'],
  blue: ['#0a69da', '#58a6ff'],
  orange: ['#bc4c00', '#f0883e'],
  green: ['#1a7f38', '#3fb950'],
  purple: ['#8250df', '#bc8cff'],
  red: ['#cf222e', '#ff7b72'],
} as const

/** Colours by their names, as they are on light. */
export const colour = Object.fromEntries(Object.entries(shades).map(([name, [light]]) => [name, light])) as Record<
  keyof typeof shades,
  string
>

/** Words beside a point of a plot, moved down, or up, until none covers another. */
export type Label = { x: number; y: number | string; words: string; colour: string }

export type Panel = { heading: string; options: Plot.PlotOptions; labels?: Label[] }

const dark = Object.values(shades)
  .map(([light, dark]) => `[fill="${light}"] { fill: ${dark} } [stroke="${light}"] { stroke: ${dark} }`)
  .join(' ')
const style = `text { font: 12px system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', sans-serif }
  .title { font-size: 19px; font-weight: 650 } .heading { font-size: 13px; font-weight: 600 } .label { font-size: 12px; font-weight: 600 }
  @media (prefers-color-scheme: dark) { ${dark} }`

const margin = 24
const head = 66
const lineHeight = 15

const plain = (words: string) => words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
const text = (words: string, x: number, y: number, fill: string, kind: string) =>
  `<text class="${kind}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" fill="${fill}">${plain(words)}</text>`

/** The machine that a figure comes from, in one line. */
export const origin = ({ machine, versions, size, cases }: Data) =>
  `${machine.cores} cores of ${machine.model}, ${machine.kernel}, ${machine.fileSystem}, fsync ${machine.fsync.toPrecision(2)} ms · ` +
  `SQLite ${versions.SQLite}, Node ${versions.node} · ${size} size, ${Math.min(...cases.map(({ runs }) => runs.length))} runs each, in turns`

/**
 * Plots side by side, `columns` in a row, below a title that says what is found. `room` is that to the right of each plot, for its labels,
 * in px. Where the machine was too noisy, the title says that instead.
 */
export function picture(
  data: Data,
  {
    title,
    subtitle,
    columns = 1,
    panels,
    room = 150,
  }: { title: string; subtitle: string; columns?: number; panels: Panel[]; room?: number },
): string {
  const reason = noise(data)
  const said = reason ? 'The machine was too noisy to conclude' : title
  const drawn = panels.map(({ options, heading, labels = [] }) => {
    const { document } = parseHTML('<html></html>')
    const [x, y] = [wholeAxis(options.x), wholeAxis(options.y)]
    const marks = [
      x && Plot.axisX(x.ticks, x.axis),
      y && Plot.axisY(y.ticks, y.axis),
      y && Plot.gridY(y.ticks),
      ...(options.marks ?? []),
    ]
    const whole = {
      width: columns === 1 ? 760 : 400,
      height: 300,
      marginLeft: 52,
      marginTop: 34,
      marginBottom: 42,
      ...options,
      x: { ...options.x, ...(x && { axis: null, grid: false }) },
      y: { ...options.y, ...(y && { axis: null, grid: false }) },
      marks,
    } as const
    const plot = Plot.plot({
      ...whole,
      document,
      className: 'plot',
      style: { background: 'none', color: colour.quiet },
    } as Plot.PlotOptions)
    const element = plot as unknown as { querySelector(_: string): { remove(): void } | null; innerHTML: string }
    element.querySelector('style')?.remove()
    return { ...whole, heading, content: element.innerHTML, words: placed(plot, labels, whole) }
  })
  const [width, height] = [drawn[0].width + room, drawn[0].height + 30]
  const rows = Math.ceil(drawn.length / columns)
  const total = { width: columns * width + 2 * margin, height: head + rows * height + margin + 18 }
  const shapes = drawn.map(({ heading, content, words }, i) => {
    const [x, y] = [margin + (i % columns) * width, head + Math.floor(i / columns) * height]
    return `<g transform="translate(${x} ${y})">${text(heading, 0, 18, colour.ink, 'heading')}
<g transform="translate(0 26)"><g fill="${colour.quiet}" text-anchor="middle">${content}</g>${words}</g></g>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" role="img" width="${total.width}" height="${total.height}" viewBox="0 0 ${total.width} ${total.height}">
<title>${plain(said)}</title>
<desc>${plain(`${subtitle}. ${origin(data)}`)}</desc>
<style>${style}</style>
<rect x="0.5" y="0.5" width="${total.width - 1}" height="${total.height - 1}" rx="6" fill="${colour.page}" stroke="${colour.edge}"/>
${text(said, margin, 34, colour.ink, 'title')}
${text(reason ?? subtitle, margin, 54, colour.quiet, 'subtitle')}
${shapes.join('\n').replaceAll('currentColor', colour.quiet)}
${text(origin(data), margin, total.height - 14, colour.quiet, 'origin')}
</svg>
`
}

/** A logarithmic axis around these numbers, from a power of ten to a little above the largest. */
export function powersOfTen(numbers: number[], label: string | null, tickFormat: (number: number) => string = plainly) {
  const lowest = Math.floor(Math.log10(Math.min(...numbers)))
  const highest = Math.max(10 ** (lowest + 1), 1.3 * Math.max(...numbers))
  const ticks = Array.from({ length: Math.floor(Math.log10(highest)) - lowest + 1 }, (_, i) => 10 ** (lowest + i))
  return { type: 'log', domain: [ticks[0], highest], ticks, tickFormat, label, grid: true } as const
}

const plainly = (number: number) => (number < 1 ? `${Number(number.toPrecision(1))}` : number.toLocaleString('en'))

/** A logarithmic axis leaves out the words of some ticks, even of those it was given: these are all of them. */
function wholeAxis(scale?: Plot.ScaleOptions) {
  if (scale?.type !== 'log' || !Array.isArray(scale.ticks)) return
  const { ticks, tickFormat, label, labelAnchor } = scale
  return { ticks, axis: { text: ticks.map(tickFormat as (tick: number) => string), label, labelAnchor } }
}

function placed(plot: Plot.Plot, labels: Label[], { height, marginBottom }: { height: number; marginBottom?: number }): string {
  const [across, up] = [plot.scale('x'), plot.scale('y')]
  if (!across || !up) return ''
  const spots = labels
    .map((label) => ({
      ...label,
      left: across.apply(label.x) as number,
      top: (up.apply(label.y) as number) + (up.bandwidth ?? 0) / 2,
    }))
    .toSorted((one, other) => one.top - other.top)
  for (const [i, spot] of spots.entries()) if (i > 0) spot.top = Math.max(spot.top, spots[i - 1].top + lineHeight)
  // What was pushed out below, goes up again, and pushes the others up.
  let floor = height - (marginBottom ?? 0)
  for (const spot of spots.toReversed()) {
    spot.top = Math.min(spot.top, floor)
    floor = spot.top - lineHeight
  }
  return spots.map(({ words, left, top, colour }) => text(words, left + 8, top + 4, colour, 'label')).join('')
}
