import { line, margin, path, rect, svg, text } from './svg.ts'

/** What a whole is divided into: how each kind looks, in the words of svg.ts, and what it means. */
type Kind = { look: string; meaning: string }

/** A row: a name, what stands below it in small letters, and for each column how much there is of each kind. */
type Row = { name: string; told: string; columns: number[][] }

const [names, bar, gap, height] = [262, 258, 18, 20]

/** Wholes of the same size, divided into kinds, as bars: a row each, side by side in columns. */
export function shares(title: string, kinds: Kind[], heads: string[], rows: Row[]): string {
  const left = (column: number) => margin + names + column * (bar + gap)
  const legend = margin + line
  const top = legend + 2 * line
  const pitch = height + 22
  const shapes = rows.flatMap(({ name, told, columns }, i) => {
    const y = top + 14 + i * pitch
    return [
      path('guide', `M${margin} ${y - 8}H${left(heads.length) - gap}`),
      text(name, 'sans strong', margin, y + 10),
      text(told, 'sans quiet', margin, y + 25),
      ...columns.flatMap((sizes, column) => drawn(kinds, sizes, left(column), y + 4)),
    ]
  })
  const words = rows.map(({ name, told, columns }) => {
    const parts = columns.map((sizes, i) => `${heads[i]}: ${sizes.map((size, k) => `${size} ${kinds[k].meaning}`).join(', ')}`)
    return `${name} (${told}): ${parts.join('; ')}.`
  })
  return svg(left(heads.length) - gap + margin, top + 10 + rows.length * pitch + margin, title, words.join('\n'), [
    ...kinds.flatMap(({ look, meaning }, i) => [
      ...filled(look, left(0) + i * 178, margin, 13, 13),
      text(meaning, 'sans', left(0) + 19 + i * 178, margin + 10.5),
    ]),
    ...heads.map((head, column) => text(head, 'sans strong', left(column), top + 1)),
    ...shapes,
  ])
}

function drawn(kinds: Kind[], sizes: number[], left: number, top: number): string[] {
  const whole = sizes.reduce((sum, size) => sum + size)
  let x = left
  return kinds.flatMap(({ look }, i) => {
    if (sizes[i] === 0) return []
    const width = (sizes[i] / whole) * bar
    const shapes = [...filled(look, x, top, width, height), text(`${sizes[i]}`, 'plain', x + 7, top + 14.5)]
    x += width
    return shapes
  })
}

const filled = (look: string, ...place: [x: number, y: number, width: number, height: number]) =>
  look.split(' + ').map((kind) => rect(kind, ...place))
