import Table from 'cli-table3'

const around = ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right']
const beside = ['left', 'left-mid', 'right', 'right-mid']
const chars = { ...Object.fromEntries([...around, ...beside].map((place) => [place, ''])), mid: '─', 'mid-mid': '┼', middle: '│' }

/** A table as text: a column of numbers to the right, any other to the left. */
export function table(head: string[], rows: (string | number)[][]): string {
  const isNumeric = (column: number) => rows.every((row) => /^[\d.]+( \(.*\))?$/.test(`${row[column]}`))
  const colAligns = head.map((_, column) => (isNumeric(column) ? 'right' : 'left') as 'right' | 'left')
  const table = new Table({ head, colAligns, chars, style: { head: [], border: [], compact: true } })
  table.push(...rows)
  return table.toString().replaceAll(/ +$/gm, '')
}
