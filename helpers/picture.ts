import type { Outcome } from './contend.ts'
import { cell, circle, line, margin, path, rect, svg, text } from './svg.ts'
import { answerOf, journals, type Moment, type Story, settingsOf, tellingLocks, timelineOf } from './timeline.ts'

// Lengths in px.
const usual = 830 // as wide as a page on GitHub
const counter = 22 // the column of the rows' numbers
const inset = 9 // on both sides of what stands in a lane
const track = 18 // a bar and the gap after it
const gap = 8 // between two processes
const letter = 6.4 // of 11 px sans, at the most

/**
 * A lock that a process holds: from the moment after which it has it until the one after which it has it no more. Or `?`, as long as what it
 * holds is not known.
 */
type Bar = { lock: string; from: number; to: number; column: number }

/** A process: its connections stand side by side, for what it holds, they hold together. */
type Process = { name?: string; x: number; width: number; lanes: Lane[]; bars: Bar[] }

/** A contender. `cells` is how many characters it has room for. */
type Lane = { contender: string; settings: string[]; x: number; width: number; cells: number }

/** What stands in one line of a row: `at` so many cells from the left, or to the right. */
type Words = { text: string; kind: 'sql' | 'quiet' | 'waits' | 'refused'; line: number; at: number | 'right' }

/** A moment, in its lane. `end` is the row of its result, where that is the next thing the contender says. */
type Row = { moment: Moment; lane: Lane; words: Words[]; top: number; height: number; end?: number }

/**
 * A story as a picture: one lane a contender, one row a moment, from top to bottom. The locks that a process holds stand beside its
 * lanes, as bars. It tells no times, needs nothing from outside, not even a font, and is the same on every machine.
 */
export function picture(story: Story): string {
  const moments = apart(story)
  const processes = seated(story.cast, moments)
  const lanes = processes.flatMap(({ lanes }) => lanes)
  const top = processes.some(({ name }) => name) ? 62 : 42
  const rows = laidOut(story, moments, processes, top + 32 + 15 * Math.max(...lanes.map(({ settings }) => settings.length)))
  const bottom = Math.max(top, ...rows.map(bottomOf)) + 4
  const transactions = processes.flatMap((process) =>
    process.lanes.flatMap((lane) => transactionsOf(rows, lane, lastOf(process, rows))),
  )

  const { x, width } = processes[processes.length - 1]
  const right = Math.ceil(x + width)
  const title = `${lanes.map(({ contender }) => contender).join(', ')}: ${journals[story.mode]}`
  return svg(right + margin, bottom + margin, title, timelineOf(story), [
    text(journals[story.mode], 'sans strong', margin + counter, 26),
    ...legend(
      right,
      transactions.length > 0,
      processes.some(({ bars }) => bars.length > 0),
    ),
    ...processes.flatMap((process) => frame(process, top, bottomOf(lastOf(process, rows)) + 4)),
    ...transactions,
    ...rows.map(({ top }) => path('guide', `M${margin + counter} ${top}H${right}`)),
    ...rows.map(({ top }, i) => text(`${i + 1}`, 'sans number', margin + counter - 7, top + 16)),
    ...processes.flatMap(({ x, bars }) => bars.flatMap((bar) => drawnBar(bar, x, rows, bottom))),
    ...rows.flatMap((row) => way(row, rows)),
    ...lanes.flatMap((lane) => signals(rows, lane)),
    ...rows.flatMap(told),
  ])
}

/**
 * The moments, with a statement that waits and its answer always apart. Where the story does not tell when the answer came, it comes
 * before the contender says anything else: it did not come later.
 */
function apart(story: Story): Moment[] {
  const apart: Moment[] = []
  const late = new Map<string, Moment>()
  const settle = (contender: string) => {
    const result = late.get(contender)
    if (result) apart.push(result)
    late.delete(contender)
  }
  for (const moment of story.moments) {
    const { contender, kind, waits, outcome } = moment
    if (kind === 'statement') settle(contender)
    const ranOut = /after its timeout/.test(answerOf(moment, story))
    if (kind !== 'statement' || !outcome || !(waits || ranOut)) {
      apart.push(moment)
      continue
    }
    apart.push({ ...moment, waits: true, outcome: undefined, locks: undefined })
    late.set(contender, { ...moment, kind: 'result', waits: false })
    if (!waits) settle(contender)
  }
  for (const contender of [...late.keys()]) settle(contender)
  return apart
}

/** Gives everyone a place, in the order of the cast: those of one process beside each other. */
function seated(cast: Story['cast'], moments: Moment[]): Process[] {
  const names = Object.keys(cast)
  const groups = [...Map.groupBy(names, (name) => (cast[name].process ? `in ${cast[name].process}` : name)).values()]
  const bars = groups.map((names) => barsOf(moments, names))
  const gutters = bars.map((own) => (own.length > 0 ? 6 + track * Math.max(...own.map(({ column }) => column + 1)) : 0))
  const codes = moments.map(({ outcome }) => (isRefusal(outcome) ? outcome.code.length + 2 : 0))
  const room = usual - 2 * margin - counter - gap * (groups.length - 1) - gutters.reduce((sum, gutter) => sum + gutter)
  const cells = Math.max(18, ...codes, Math.min(52, Math.floor((room / names.length - 2 * inset) / cell)))
  const width = Math.ceil(cells * cell) + 2 * inset

  let x = margin + counter
  return groups.map((names, i) => {
    const lanes = names.map((contender, n) => {
      const told = settingsOf({ ...cast[contender], process: undefined })
      const settings = told.flatMap((words) => wrapped(words, Math.floor((cells * cell) / letter)))
      return { contender, settings, x: x + gutters[i] + n * width, width, cells }
    })
    const process = { name: cast[names[0]].process, x, width: gutters[i] + names.length * width, lanes, bars: bars[i] }
    x += process.width + gap
    return process
  })
}

const isRefusal = (outcome?: Outcome): outcome is Outcome => outcome !== undefined && outcome.code !== 'SQLITE_OK'

/** What a process holds, and since when: as the system told after each of its moments. */
function barsOf(moments: Moment[], names: string[]): Bar[] {
  const bars: Bar[] = []
  for (const [i, moment] of moments.entries()) {
    if (!moment.locks || !names.includes(moment.contender)) continue
    const held = tellingLocks(moment)
    const open = bars.filter(({ to }) => to === moments.length)
    for (const bar of open) if (!held.includes(bar.lock)) bar.to = i
    for (const lock of held)
      if (!open.some((bar) => bar.lock === lock)) bars.push({ lock, from: i, to: moments.length, column: 0 })
  }
  let columns = 0
  for (const [, alike] of [...Map.groupBy(bars, columnOf)].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const ends: number[] = [] // of what stands in each of the columns so far
    for (const bar of alike) {
      const free = ends.findIndex((end) => end <= bar.from)
      const column = free < 0 ? ends.length : free
      ends[column] = bar.to
      bar.column = columns + column
    }
    columns += ends.length
  }
  return bars
}

const states = ['SHARED', 'RESERVED', 'PENDING', 'EXCLUSIVE']

/** Bars stand below each other if they are states of one file, or one lock, or snapshots. The usual ones come first. */
function columnOf({ lock }: Bar): string {
  const [, file = '', name] = /^(?:(.*): )?(.*?)$/.exec(lock) as RegExpExecArray
  const rank = states.includes(name) ? 0 : name === 'READ' ? 1 : name === 'WRITE' ? 2 : 3
  return `${file} ${rank} ${rank > 0 ? name : ''}`
}

function kindOf(lock: string): string {
  const name = lock.replace(/^.*: /, '')
  if (states.includes(name)) return name.toLowerCase()
  if (/^READ/.test(name)) return 'snapshot'
  return name === 'WRITE' ? 'reserved' : 'maintenance'
}

function laidOut(story: Story, moments: Moment[], processes: Process[], top: number): Row[] {
  const lanes = processes.flatMap(({ lanes }) => lanes)
  const ends = moments.map((_, i) => answerTo(moments, i))
  const rows = moments.map((moment, i): Row => {
    const lane = lanes.find(({ contender }) => contender === moment.contender) as Lane
    const words = wordsOf(moment, story, lane.cells, ends.includes(i))
    return { moment, lane, words, top: 0, height: heightOf(words), end: ends[i] }
  })
  for (const { lock, from, to } of processes.flatMap(({ bars }) => bars)) {
    // There is to be room for its name. A bar begins in the middle of a row, and does not end in one if it is still held at the end.
    const length = rows.slice(from, to).reduce((sum, { height }) => sum + height, to < rows.length ? 0 : -12)
    rows[from].height += Math.max(0, lengthOf(lock) - length)
  }
  for (const row of rows) {
    row.top = top
    top += row.height
  }
  return rows
}

const heightOf = (words: Words[]) => line * (1 + Math.max(...words.map(({ line }) => line))) + 8
const lengthOf = (label: string) => Math.ceil(label.length * 5.5) + 14
const bottomOf = ({ top, height }: Row) => top + height
/** A lock is taken, or given up, beside the first line of a row. */
const middleOf = ({ top }: Row) => top + 12

/** The last row of a process: where it is killed, or what it was at is told to be unknown; otherwise the last of all. */
function lastOf({ lanes }: Process, rows: Row[]): Row {
  const own = rows.filter(({ lane }) => lanes.includes(lane))
  return (own.some(({ moment }) => isDeath(moment)) ? own : rows).at(-1) as Row
}

const isDeath = ({ text, kind }: Moment) => kind === 'signal' && text === '(SIGKILL)'

/** Where the answer to a statement comes, if it comes later and the contender says nothing in between. */
function answerTo(moments: Moment[], i: number): number | undefined {
  const { contender, text, kind, outcome } = moments[i]
  if (kind !== 'statement' || outcome) return undefined
  const next = moments.findIndex((moment, n) => n > i && moment.contender === contender && moment.kind !== 'signal')
  return moments[next]?.kind === 'result' && moments[next].text === text ? next : undefined
}

/** The statement and, beside it where there is room and below it where not, the answer. */
function wordsOf(moment: Moment, story: Story, cells: number, continued: boolean): Words[] {
  const { kind, outcome, waits } = moment
  if (kind === 'signal') return [{ text: moment.text.replace(/^\((.*)\)$/, '$1'), kind: 'sql', line: 0, at: 3 }]

  const sql = continued ? [] : wrapped(kind === 'result' ? `… ${moment.text}` : moment.text, cells)
  const words = sql.map((text, line): Words => ({ text, kind: 'sql', line, at: 0 }))
  const answer = answerOf(moment, story)
  if (!outcome) return [...words, { text: answer, kind: waits ? 'waits' : 'quiet', line: sql.length, at: 2 }]

  if (isRefusal(outcome)) {
    const { code } = outcome
    const rest = answer.slice(code.length + 2)
    const beside = code.length + 4
    const more = beside + rest.length > cells ? wrapped(rest, cells - 2) : []
    return [
      ...words,
      { text: code, kind: 'refused', line: sql.length, at: 2 },
      ...(more.length === 0 ? [{ text: rest, kind: 'sql', line: sql.length, at: beside } as const] : []),
      ...more.map((text, i): Words => ({ text, kind: 'sql', line: sql.length + 1 + i, at: 2 })),
    ]
  }
  const [said, look] = answer === 'SQLITE_OK' ? (['OK', 'quiet'] as const) : ([answer, 'sql'] as const)
  const room = cells - (sql.length > 0 ? sql[sql.length - 1].length + 2 : 0)
  const lines = said.length <= room ? [said] : wrapped(said, cells - 2, 3)
  const first = said.length <= room && sql.length > 0 ? sql.length - 1 : sql.length
  return [...words, ...lines.map((text, i): Words => ({ text, kind: look, line: first + i, at: lines.length > 1 ? 2 : 'right' }))]
}

/** Text in lines of so many characters at the most. What is more than `most` lines is left out. */
function wrapped(text: string, cells: number, most = Infinity): string[] {
  const lines: string[] = []
  const words = text.trim().split(/\s+/)
  for (const word of words.flatMap((word) => (word.length > cells ? word.split(/(?=\()/) : word))) {
    const longer = lines.length > 0 ? `${lines[lines.length - 1]} ${word}` : word
    if (longer.length <= cells) lines.splice(-1, 1, longer)
    else lines.push(...(word.match(new RegExp(`.{1,${cells}}`, 'gsu')) ?? []))
  }
  if (lines.length <= most) return lines
  const last = lines[most - 1]
  const kept = last.length > cells - 2 ? last.slice(0, cells - 2).replace(/(?<=;)[^;]*$|\s\S*$/, '') : last // whole rows, whole words
  return [...lines.slice(0, most - 1), `${kept} …`]
}

/** What does not say itself what it is. */
function legend(right: number, transactions: boolean, locks: boolean): string[] {
  const x = right - (transactions ? 184 : 76)
  return [
    ...(transactions
      ? [rect('transaction', right - 106, 15, 13, 13), text('in a transaction', 'sans quiet', right - 88, 25.5)]
      : []),
    ...(locks ? [rect('bar reserved', x, 15, 13, 13), text('lock held', 'sans quiet', x + 18, 25.5)] : []),
  ]
}

function frame({ name, x, width, lanes }: Process, top: number, bottom: number): string[] {
  return [
    rect('process', x, name ? top - 24 : top, width, bottom - (name ? top - 24 : top), 6),
    ...(name ? [text(`process ${name}`, 'sans strong', x + inset, top - 7), path('guide', `M${x} ${top}h${width}`)] : []),
    ...lanes.slice(1).map(({ x }) => path('guide', `M${x} ${top}V${bottom}`)),
    ...lanes.flatMap(({ contender, settings, x }) => [
      text(contender, 'sans name', x + inset, top + 21),
      ...settings.map((words, i) => text(words, 'sans quiet', x + inset, top + 37 + 15 * i)),
    ]),
  ]
}

function drawnBar({ lock, from, to, column }: Bar, x: number, rows: Row[], bottom: number): string[] {
  const left = x + 6 + column * track
  const top = middleOf(rows[from])
  const height = (to < rows.length ? middleOf(rows[to]) : bottom - 2) - top - 2
  if (lock === '?') return [rect('sent', left, top, track - 3, height), text(lock, 'sans quiet', left + 4.5, top + 13)]
  const kind = kindOf(lock)
  const told = kind === 'snapshot' ? `snapshot ${lock}` : lock
  const label = height >= lengthOf(told) ? told : lock
  return [rect(`bar ${kind}`, left, top, track - 3, height), text(label, `lock ${kind}`, left + 4.5, top + 6, { turned: true })]
}

/** From the row that opens it to the row that ends it, or the `last` of its process. */
function transactionsOf(rows: Row[], lane: Lane, last: Row): string[] {
  const own = rows.filter((row) => row.lane === lane && row.moment.outcome)
  const isOpen = (row?: Row) => row?.moment.outcome?.inTransaction === true
  return own.flatMap((row, i) => {
    if (!isOpen(row) || isOpen(own[i - 1])) return []
    const end = own.slice(i).find((row) => !isOpen(row)) ?? last
    return rect('transaction', lane.x + 2, row.top + 1, lane.width - 4, bottomOf(end) - row.top - 2)
  })
}

/** The way of a statement through SQLite, where it takes more than one row: hatched if it waits there. */
function way({ moment, lane, words, top, end }: Row, rows: Row[]): string[] {
  if (end === undefined) return []
  const [x, width] = [lane.x + 2, lane.width - 4]
  const box = (kind: string) => rect(kind, x, top + 2, width, rows[end].top + heightOf(rows[end].words) - top - 4)
  if (!moment.waits) return [box('sent')]
  const from = top + 6 + line * words[words.length - 1].line
  const plate = rect('wait', lane.x + inset + 1.5 * cell, from, 6 * cell, 14)
  return [box('wait'), rect('hatched', x, from, width, rows[end].top - from, 0), plate, box('edge')]
}

/** A process that is stopped, until it is let go on. */
function signals(rows: Row[], lane: Lane): string[] {
  const own = rows.filter((row) => row.lane === lane && row.moment.kind === 'signal')
  return own.flatMap((row, i) => {
    if (row.moment.text === '(SIGCONT)') return []
    const end = row.moment.text === '(SIGSTOP)' ? (own[i + 1] ?? rows[rows.length - 1]) : row
    return rect('stop', lane.x + 7, row.top + 2, lane.width - 14, bottomOf(end) - row.top - 4)
  })
}

/** Pause, play, stop. */
const signs: Record<string, string> = { '(SIGSTOP)': 'v8h3v-8zm5 0v8h3v-8z', '(SIGCONT)': 'v8l7 -4z', '(SIGKILL)': 'h8v8h-8z' }

function told({ moment, lane, words, top }: Row): string[] {
  const left = lane.x + inset
  const said = words.map(({ text: words, kind, line: n, at }) => {
    const y = top + 16 + n * line
    return at === 'right' ? text(words, kind, left + lane.cells * cell, y, { end: true }) : text(words, kind, left + at * cell, y)
  })
  const refusal = words.find(({ kind }) => kind === 'refused')
  if (!refusal && moment.kind !== 'signal') return said
  const [x, y] = [left + 6, top + 12 + line * (refusal?.line ?? 0)]
  if (moment.kind === 'signal') return [path('sign', `M${x + 3} ${y - 4}${signs[moment.text]}`), ...said]
  return [
    rect('refusal', lane.x + 2, top + 2, lane.width - 4, heightOf(words) - 4),
    circle('disc', x, y, 6),
    path('cross', `M${x - 2.5} ${y - 2.5}l5 5m0 -5l-5 5`),
    ...said,
  ]
}
