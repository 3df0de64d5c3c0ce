import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { TestCase, TestModule, TestSuite } from 'vitest/node'
import { tags } from '../tests/questions.ts'
import { howMuch } from './bench/how-much.ts'

/** What one test claims, as `tests/claims.json` lists it. */
type Claim = {
  /** The chapter's number, the describes and the sentence: unique, and the same when lines move or the verdict changes. */
  id: string
  chapter: string
  /** The names of the describes around the test, outermost first. */
  story: string[]
  sentence: string
  /** `false` is a myth: its test is a `test.fails`. */
  verdict: 'true' | 'false'
  /** The tags of the questions it settles (tests/questions.ts). */
  questions: string[]
  file: string
  line: number
}

export const myth = /^myth: /

/** What wrote the page. */
type Seen = { sqlite: string; driver: string }

/** The specification as one page, `tests/README.md`: every sentence, the tables, and the pictures that carry the argument. */
export function overview(chapters: TestModule[], seen: Seen): string {
  const row = (what: string, claims: Claim[]) => {
    const myths = claims.filter(({ verdict }) => verdict === 'false')
    return `| ${what} | ${claims.length - myths.length} | ${myths.length} |`
  }
  const anchor = (title: string) => title.replace('·', '').replaceAll(' ', '-') // as GitHub makes it
  const contents = chapters.map((chapter) => row(`[${titleOf(chapter)}](#${anchor(titleOf(chapter))})`, claimsOf(chapter)))
  const specification = chapters.flatMap((chapter) => [
    `## ${titleOf(chapter)}`,
    opening(chapter),
    tellsStories(chapter) ? `[The stories of this chapter, statement by statement](${storiesFile(chapter)})` : '',
    ...told(chapter, '###', { timelines: false, up: '' }),
    ...figuresOf(chapter),
  ])
  return `# What SQLite does when processes contend

Every sentence on this page is a test in this folder, and passed in the run that wrote the page: \`npm test\` writes it,
nobody else. ✓ is a fact. ✗ is a myth: something people believe, and the test has shown to be **false**. The fact that refutes it
stands directly below. Who ran what, what SQLite answered, and which locks were held then, is told in the stories of each chapter.

Seen with SQLite ${seen.sqlite} through ${seen.driver}. The same claims for programs: [claims.json](claims.json).

| chapter | facts | myths |
| :-- | --: | --: |
${contents.join('\n')}
${row('all', chapters.flatMap(claimsOf))}

## Questions people ask, and where each is settled

| question | settled by the stories of chapter |
| :-- | :-- |
${tags.map(({ name, description }) => `| ${literal(description)} | ${settledIn(chapters, name).join('<br>')} |`).join('\n')}

Whether BEGIN IMMEDIATE is slower than BEGIN, how evenly writers share a lock, and how much timeout it takes, are questions of figures:
\`npm run bench\`, and [what it showed](bench/README.md). How each driver begins a transaction, and which ORM locks with its
defaults, is seen by [the survey](survey/README.md).

${specification.filter(Boolean).join('\n\n')}
`
}

/** What the benchmarks have told of what a chapter says. */
const figuresOf = (chapter: TestModule) =>
  howMuch(readFileSync(new URL('../tests/bench/README.md', import.meta.url), 'utf8'), fileOf(chapter).split('-')[0])

/** A chapter with its evidence, `tests/stories/NN-….md`: each story as it went, and what it shows. `undefined` where it tells none. */
export function stories(chapter: TestModule): string | undefined {
  if (!tellsStories(chapter)) return undefined
  return `# ${titleOf(chapter)}

${opening(chapter)}

Each story is told first: who ran what, and what SQLite answered, one statement a line, and in brackets the locks that its process
holds afterwards. Then comes what it shows. Nothing in brackets means no lock that tells anything. Left out is what every connection to a
write-ahead log holds from its first access to its end, \`SHARED\` on the database and \`DMS\` on the \`-shm\` file, and which of the read
marks it is: \`READ(0)\` to \`READ(4)\` are all \`READ\`. \`[?]\` means that the locks are not known. [All chapters](../README.md)

${told(chapter, '##', { timelines: true, up: '../' }).join('\n\n')}
`
}

/** Where the stories of a chapter are, from the folder of the tests. */
export const storiesFile = (chapter: TestModule) => `stories/${fileOf(chapter).replace('.test.ts', '.md')}`

const tellsStories = ({ children }: TestModule) => [...children.allTests()].some((test) => test.meta().timeline)

/**
 * The stories that carry a question's tag, each with its chapter's number. One that is told several times has a link for each, with
 * the journal for a label or, where that is the same, the whole name of what is around it.
 */
function settledIn(chapters: TestModule[], question: string): string[] {
  const tagged = (entity: TestSuite | TestModule) => entity.type === 'suite' && entity.options.tags?.includes(question)
  return chapters.flatMap((chapter) => {
    const suites = [...chapter.children.allSuites()].filter((suite) => tagged(suite) && !tagged(suite.parent))
    const stories = Map.groupBy(suites, ({ name }) => name)
    return [...stories].map(([name, told]) => {
      const link = (text: string, { location }: TestSuite) => `[${literal(text)}](${fileOf(chapter)}#L${location?.line})`
      const around = told.map(({ parent }) => (parent.type === 'suite' ? parent.name : name))
      const journals = around.map((settings) => settings.split(', ').at(-1) ?? settings)
      const labels = new Set(journals).size === told.length ? journals : around
      const links = told.map((suite, i) => link(labels[i], suite))
      const [number] = fileOf(chapter).split('-')
      return told.length === 1 ? `${number} ${link(name, told[0])}` : `${number} ${literal(name)}: ${links.join(', ')}`
    })
  })
}

/** What a page shows of a story: its timeline, or only its picture if it has one. `up` leads from the page to the folder of the tests. */
type View = { timelines: boolean; up: '' | '../' }

/** The stories of a describe, its sentences, and then the describes inside it, each under its heading. */
export function told({ children }: TestModule | TestSuite, level: string, view: View): string[] {
  const tests = [...children.tests()]
  const evidence = tests.flatMap((test) => [pictureOf(test, view), timelineOf(test, view), resultsOf(test)])
  const sentences = tests.map((test) => sentence(test, view)).join('\n')
  const suites = [...children.suites()].flatMap((suite) => [`${level} ${literal(suite.name)}`, ...told(suite, `${level}#`, view)])
  return [...new Set(evidence), sentences, ...suites].flatMap((part) => part || [])
}

function pictureOf(test: TestCase, { up }: View): string | undefined {
  const { picture } = test.meta()
  return picture && `![${literal(inWords(test))}](${up}pictures/${picture})`
}

function timelineOf(test: TestCase, { timelines }: View): string | undefined {
  const { timeline } = test.meta()
  return timelines && timeline ? `\`\`\`text\n${timeline}\n\`\`\`` : undefined
}

/** As a table, if it is about one. */
function resultsOf(test: TestCase): string | undefined {
  const { results } = test.meta()
  if (!results) return undefined
  const row = (cells: string[]) => `| ${cells.map((cell) => literal(cell).replaceAll('|', '\\|')).join(' | ')} |`
  return [row(results.head), row(results.head.map(() => ':--')), ...results.rows.map(row)].join('\n')
}

/** What the picture of a test's story shows: the names of the describes around it, and the first three facts of the story. */
function inWords(test: TestCase): string {
  const facts = [...test.parent.children.tests()].filter(({ options }) => !options.fails).map(({ name }) => name)
  return `${claimOf(test).story.join(', ')}: ${facts.slice(0, 3).join('; ')}`
}

function sentence(test: TestCase, { up }: View): string {
  const { sentence, verdict } = claimOf(test)
  const link = `[${literal(sentence)}](${up}${linkTo(test)})`
  return verdict === 'true' ? `- ✓ ${link}` : `- ✗ ~~${link}~~ **false**`
}

/** Text that Markdown shows as it stands. Inside a word an underscore means nothing to it, and stays as it is: greppable. */
export function literal(text: string): string {
  return text.replace(/[\\`*[\]<~&$]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, '\\$&')
}

/** The comment a chapter opens with, its links made clickable. */
export function opening({ moduleId }: TestModule): string | undefined {
  const [, comment] = readFileSync(moduleId, 'utf8').match(/^\/\*\*(.*?)\*\//s) ?? []
  const prose = comment
    ?.replaceAll('\r', '')
    .replace(/^ *\* ?/gm, '')
    .trim()
  return prose?.replace(/(?<!\]\(|[[<`\w])https?:\/\/([^\s<>()`]*[^\s<>()`.,;:])/g, (url, rest) => `[${literal(rest)}](${url})`)
}

export function claimOf(test: TestCase): Claim {
  const story: string[] = []
  for (let { parent } = test; parent.type === 'suite'; parent = parent.parent) story.unshift(parent.name)
  const sentence = test.name.replace(myth, '')
  const [number] = fileOf(test.module).split('-')
  return {
    id: [number, ...story, sentence].map(slug).join('/'),
    chapter: titleOf(test.module),
    story,
    sentence,
    verdict: test.options.fails ? 'false' : 'true',
    questions: tags.map(({ name }) => name).filter((name) => test.tags.includes(name)),
    file: `tests/${fileOf(test.module)}`,
    line: test.location?.line ?? 0,
  }
}

export const claimsOf = ({ children }: TestModule) => [...children.allTests()].map(claimOf)
export const fileOf = ({ moduleId }: TestModule) => basename(moduleId)
export const linkTo = ({ module, location }: TestCase) => `${fileOf(module)}#L${location?.line}`
const slug = (words: string) =>
  words
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_]+/gu, '-')
    .replace(/^-|-$/g, '')
const titleOf = (chapter: TestModule) => fileOf(chapter).replace('.test.ts', '').replaceAll('-', ' ').replace(/^\d+/, '$& ·')
