import { cell, circle, line, margin, path, svg, text } from './svg.ts'

/** What is plotted: a name with its unit, and points, all of them above 0. */
type Series = { name: string; points: [x: number, y: number][] }

const [width, height] = [330, 230]
const frame = { left: 64, top: 34, right: 16, bottom: 40 }

/**
 * Plots of several series against the same quantity, side by side, both axes logarithmic: what grows in proportion is a straight line
 * that rises as the dashed one does.
 */
export function plots(title: string, quantity: string, series: Series[]): string {
  const shapes = series.flatMap((each, i) => plot(each, quantity, margin + i * width, margin + line))
  const head = text(title, 'strong', margin, margin + 10)
  const told = series.map(({ name, points }) => `${name}: ${points.map(([x, y]) => `${short(y)} at ${short(x)}`).join(', ')}.`)
  return svg(series.length * width + 2 * margin, height + line + 2 * margin, title, told.join('\n'), [head, ...shapes])
}

function plot({ name, points }: Series, quantity: string, left: number, top: number): string[] {
  const across = axis(
    points.map(([x]) => x),
    left + frame.left,
    left + width - frame.right,
  )
  const up = axis(
    points.map(([, y]) => y),
    top + height - frame.bottom,
    top + frame.top,
  )
  const [begin, end] = [across.ticks[0], across.ticks.at(-1) as number]
  const [floor, ceiling] = [up.ticks[0], up.ticks.at(-1) as number]
  const stroke = (kind: string, ...points: [number, number][]) =>
    path(kind, `M${points.map(([x, y]) => `${Math.round(across.at(x) * 10) / 10} ${Math.round(up.at(y) * 10) / 10}`).join('L')}`)

  // The dashed line goes through the last point, as far as the frame goes.
  const [lastX, lastY] = points.at(-1) as [number, number]
  const from = Math.max(begin, (lastX * floor) / lastY)
  return [
    text(name, 'plain', left + frame.left, top + frame.top - 12),
    ...across.ticks.map((x) => stroke('guide', [x, floor], [x, ceiling])),
    ...up.ticks.map((y) => stroke('guide', [begin, y], [end, y])),
    ...across.ticks.map((x) => text(short(x), 'quiet', across.at(x) - (short(x).length * cell) / 2, up.at(floor) + line)),
    ...up.ticks.map((y) => text(short(y), 'quiet', across.at(begin) - 8, up.at(y) + 4, { end: true })),
    text(quantity, 'quiet', across.at(end) - quantity.length * cell, up.at(floor) + 2 * line),
    stroke('sent', [from, (lastY * from) / lastX], [lastX, lastY]),
    stroke('edge', ...points),
    ...points.map(([x, y]) => circle('sign', across.at(x), up.at(y), 3)),
  ]
}

/** Powers of ten around these numbers, and where a number comes to lie between two places, in px. */
function axis(numbers: number[], from: number, to: number): { ticks: number[]; at: (number: number) => number } {
  const first = Math.floor(Math.log10(Math.min(...numbers)))
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...numbers))))
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i))
  return { ticks, at: (number) => from + ((Math.log10(number) - first) / (last - first)) * (to - from) }
}

/** A number in few figures: 1,000,000 is 10^6. */
function short(number: number): string {
  const power = Math.log10(number)
  if (Number.isInteger(power) && power >= 3) return `10^${power}`
  return `${Number(number.toPrecision(2))}`
}
