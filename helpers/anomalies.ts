import { beforeAll, beforeEach } from 'vitest'
import { type Contender, contend, type Outcome, type Setting, type Statement } from './contend.ts'
import type { JournalMode } from './fresh-database.ts'
import { serialOrders } from './serial-order.ts'
import { type Results, show } from './show.ts'
import { journals, type Story } from './timeline.ts'

/** What a script has returned, the story that it has made, and the serial orders that explain it. */
type Telling<Names extends string> = Record<Names, Outcome> & { story: Story; orders: string[][] }

/** The same of the first setting; `alike`: the stories of the others. */
type Told<Names extends string> = Telling<Names> & { alike: Story[] }

/** How a transaction that writes begins. */
export type Enter = (contender: Contender) => Statement
const deferred: Enter = (contender) => contender`BEGIN`
const immediate: Enter = (contender) => contender`BEGIN IMMEDIATE`

/** The table of every story. */
export async function filled(contender: Contender): Promise<void> {
  await contender`CREATE TABLE test (id INTEGER PRIMARY KEY, value INTEGER)`
  await contender`INSERT INTO test VALUES (1, 10), (2, 20)`
}

/** Lets them read what others have not committed, as far as SQLite does. */
export async function readUncommitted(...contenders: Contender[]): Promise<void> {
  for (const contender of contenders) await contender`PRAGMA read_uncommitted = ON`
}

type Script<Name extends string, Names extends string> = (
  contenders: Record<Name, Contender>,
  enter: Enter,
) => Promise<Record<Names, Outcome>>

/** Stories that show whether an anomaly can be seen, and how each of them went, as a table. */
export class Anomalies {
  readonly #stories: { anomaly: string; tell: () => Promise<{ story: Story; orders: string[][] }> }[] = []

  /**
   * Has the describe that it is called in tell one story in each of the settings: a journal and, where the script leaves that open, how
   * transactions that write begin. Before the script, the table is filled, and those who share a cache are let read what is not
   * committed. What is told is there from `beforeAll` on, and the first story is shown with each of the tests.
   */
  about<Name extends string, Names extends string>(
    anomaly: string,
    cast: Record<Name, Setting>,
    settings: readonly (JournalMode | `${JournalMode} immediate`)[],
    script: Script<Name, Names>,
  ): Told<Names> {
    const stories = settings.map((setting) => {
      const [mode, begin] = setting.split(' ') as [JournalMode, 'immediate'?]
      return once(() => follow(mode, cast, script, begin ? immediate : deferred))
    })
    this.#stories.push(...stories.map((tell) => ({ anomaly, tell })))
    const told = {} as Told<Names>
    beforeAll(async () => {
      const alike: Story[] = []
      for (const tell of stories.slice(1)) alike.push((await tell()).story)
      Object.assign(told, await stories[0](), { alike })
    })
    beforeEach((context) => show(context, told.story))
    return told
  }

  /**
   * One row an anomaly, one column a setting: `happens` where no serial order explains the story; otherwise what keeps the anomaly from
   * being seen. Tells the stories that nobody has asked for yet.
   */
  async results(): Promise<Results> {
    const rows: Record<string, Record<string, string>> = {}
    for (const { anomaly, tell } of this.#stories) {
      const { story, orders } = await tell()
      const setting = settingOf(story)
      rows[anomaly] ??= {}
      const cell = orders.length > 0 ? preventionIn(story) : 'happens'
      if ((rows[anomaly][setting] ?? cell) !== cell)
        throw new Error(`two stories about ${anomaly}, ${setting}, contradict each other`)
      rows[anomaly][setting] = cell
    }
    const settings = [...new Set(Object.values(rows).flatMap((cells) => Object.keys(cells)))]
    const row = ([anomaly, cells]: [string, Record<string, string>]) => [anomaly, ...settings.map((setting) => cells[setting])]
    return { head: ['anomaly', ...settings], rows: Object.entries(rows).map(row) }
  }
}

function once<Result>(task: () => Promise<Result>): () => Promise<Result> {
  let result: Promise<Result> | undefined
  return () => {
    result ??= task()
    return result
  }
}

async function follow<Name extends string, Names extends string>(
  mode: JournalMode,
  cast: Record<Name, Setting>,
  script: Script<Name, Names>,
  enter: Enter,
): Promise<Telling<Names>> {
  let outcomes: Record<Names, Outcome> | undefined
  const story = await contend(mode, cast, async (contenders) => {
    const all = Object.values<Contender>(contenders)
    await filled(all[0])
    if (sharesCache(cast)) await readUncommitted(...all)
    outcomes = await script(contenders, enter)
  })
  return { ...(outcomes as Record<Names, Outcome>), story, orders: serialOrders(story) }
}

const sharesCache = (cast: Story['cast']) => Object.values(cast).some(({ uri }) => uri === 'cache=shared')

/** The column of a story. */
function settingOf({ mode, cast, moments }: Story): string {
  if (sharesCache(cast)) return 'read_uncommitted, shared cache'
  const begin = moments.some(({ text }) => text === 'BEGIN IMMEDIATE') ? 'immediate' : 'deferred'
  return `${begin}, ${journals[mode]}`
}

/** Who waits, and who is refused, at which statement. */
function preventionIn({ moments }: Story): string {
  const hindered = moments.flatMap(({ contender, text, waits, outcome }) => {
    const [who, verb] = [contender.toUpperCase(), text.split(' ')[0]]
    if (waits) return { how: `${who} waits at ${verb}`, code: '' }
    return outcome && outcome.code !== 'SQLITE_OK' ? { how: `${who} refused at ${verb}: `, code: outcome.code } : []
  })
  const ways = [...Map.groupBy(hindered, ({ how }) => how)]
  return ways.map(([how, times]) => how + times.map(({ code }) => code).join(', then ')).join('; ') || 'never seen'
}

/** Who said what and got what, in the order of the story. BEGIN IMMEDIATE counts as a BEGIN. */
export function answersIn({ moments }: Story) {
  return moments.map(({ contender, text, waits, outcome }) => {
    return { contender, said: text.replace(' IMMEDIATE', ''), waits, code: outcome?.code, rows: outcome?.rows }
  })
}
