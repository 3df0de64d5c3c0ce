import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import Database from 'better-sqlite3'
import driver from 'better-sqlite3/package.json' with { type: 'json' }
import type { Reporter, TestCase, TestModule, TestRunEndReason, TestSuite, Vitest } from 'vitest/node'
import { tags } from '../tests/questions.ts'

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

const folder = new URL('../tests/', import.meta.url)
const myth = /^myth: /

/**
 * Writes the specification: as a page, `tests/README.md`, with its pictures in `tests/pictures/`, and as an index for programs,
 * `tests/claims.json`. They read the same on every machine. Only a run that is whole and green writes them: nothing filtered,
 * skipped, red or interrupted, and with the usual driver.
 *
 * It also keeps the rules of the house that Vitest does not know. What one of its hooks throws while the tests run, Vitest
 * reports as an unhandled error, at the line it names, and the run is red.
 */
export default class Page implements Reporter {
  #vitest!: Vitest
  readonly #tests = new Map<string, TestCase>()
  readonly #pictures = new Map<string, string>()

  onInit(vitest: Vitest): void {
    this.#vitest = vitest
  }

  onTestRunStart(): void {
    this.#tests.clear()
    this.#pictures.clear()
  }

  onTestModuleEnd(chapter: TestModule): void {
    if (!opening(chapter)) throw broken('the chapter does not open with a comment that says what it is about', chapter)
  }

  onTestCaseResult(test: TestCase): void {
    const { id } = claimOf(test)
    const twin = this.#tests.get(id)
    this.#tests.set(id, test)
    if (twin) throw broken(`"${test.name}" and "${twin.name}" (${linkTo(twin)}) make one claim twice: ${id}`, test)

    const { picture } = test.meta()
    const namesake = picture && this.#pictures.get(picture)
    if (picture) this.#pictures.set(picture, drawn(test))
    if (namesake && namesake !== drawn(test)) throw broken(`"${test.name}" has another picture for ${picture}`, test)

    const siblings = test.parent.children.array()
    const next = siblings[siblings.indexOf(test) + 1]
    const { fails } = test.options
    if (fails && !myth.test(test.name)) throw broken(`"${test.name}" is a test.fails and must be called "myth: …"`, test)
    if (!fails && myth.test(test.name)) throw broken(`"${test.name}" is called a myth and must be a test.fails`, test)
    if (fails && (next?.type !== 'test' || next.options.fails))
      throw broken(`"${test.name}" stands alone: the fact that refutes it must be the next test of its describe`, test)
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[], reason: TestRunEndReason): void {
    const chapters = modules.toSorted((one, other) => (one.moduleId < other.moduleId ? -1 : 1))
    const files = readdirSync(folder).filter((file) => file.endsWith('.test.ts'))
    const whole = chapters.map(fileOf).join() === files.sort().join() && chapters.every(passed)
    const usual = (process.env.DRIVER || 'better-sqlite3') === 'better-sqlite3'
    if (!whole || !usual || errors.length > 0 || reason !== 'passed') return

    const claims = chapters.flatMap(claimsOf)
    const open = tags.filter(({ name }) => !claims.some(({ questions }) => questions.includes(name)))
    if (open.length > 0)
      throw new Error(`no test settles ${open.map(({ name, description }) => `${name} (${description})`).join(', ')}`)
    const sqlite = new Database(':memory:').prepare('SELECT sqlite_version()').pluck().get()
    const seen = { sqlite: `${sqlite}`, driver: `better-sqlite3 ${driver.version}` }
    const written = [
      ...illustrate(this.#pictures),
      write('README.md', page(chapters, seen)),
      write('claims.json', `${JSON.stringify({ ...seen, claims }, undefined, 2)}\n`),
    ].filter(Boolean)
    if (written.length > 0) this.#vitest.logger.log(`${written.join(', ')}: written, ${claims.length} claims`)
  }
}

function page(chapters: TestModule[], seen: { sqlite: string; driver: string }): string {
  const row = (what: string, claims: Claim[]) => {
    const myths = claims.filter(({ verdict }) => verdict === 'false')
    return `| ${what} | ${claims.length - myths.length} | ${myths.length} |`
  }
  const anchor = (title: string) => title.replace('·', '').replaceAll(' ', '-') // as GitHub makes it
  const contents = chapters.map((chapter) => row(`[${titleOf(chapter)}](#${anchor(titleOf(chapter))})`, claimsOf(chapter)))
  const specification = chapters.flatMap((chapter) => [`## ${titleOf(chapter)}`, opening(chapter), ...told(chapter, '###')])
  return `# What SQLite does when processes contend

Every sentence on this page is a test in this folder, and passed in the run that wrote the page: \`npm test\` writes it,
nobody else. Where processes go step by step, their story comes first: who ran what, and what SQLite answered, one statement
a line, and in brackets the locks that its process holds afterwards, \`[?]\` where they are not known. Then comes what it shows.
✓ is a fact. ✗ is a myth: something people believe, and the test has shown to be **false**. The fact that refutes it stands directly below.

Seen with SQLite ${seen.sqlite} through ${seen.driver}. The same claims for programs: [claims.json](claims.json).

| chapter | facts | myths |
| :-- | --: | --: |
${contents.join('\n')}
${row('all', chapters.flatMap(claimsOf))}

## Questions people ask, and where each is settled

| question | settled by the stories of chapter |
| :-- | :-- |
${tags.map(({ name, description }) => `| ${literal(description)} | ${settledIn(chapters, name).join('<br>')} |`).join('\n')}

Whether BEGIN IMMEDIATE is slower than BEGIN, and how evenly a lock is shared, are questions of figures: \`npm run bench -- crowd\`.

${specification.join('\n\n')}
`
}

/** The stories that carry a question's tag, each with its chapter's number; one told for both journals has two links. */
function settledIn(chapters: TestModule[], question: string): string[] {
  const tagged = (entity: TestSuite | TestModule) => entity.type === 'suite' && entity.options.tags?.includes(question)
  return chapters.flatMap((chapter) => {
    const suites = [...chapter.children.allSuites()].filter((suite) => tagged(suite) && !tagged(suite.parent))
    const stories = Map.groupBy(suites, ({ name }) => name)
    return [...stories].map(([name, told]) => {
      const link = (text: string, { location }: TestSuite) => `[${literal(text)}](${fileOf(chapter)}#L${location?.line})`
      const journal = ({ parent }: TestSuite) => (parent.type === 'suite' ? parent.name.split(', ').at(-1) : undefined)
      const links = told.map((suite) => link(journal(suite) ?? name, suite))
      const [number] = fileOf(chapter).split('-')
      return told.length === 1 ? `${number} ${link(name, told[0])}` : `${number} ${literal(name)}: ${links.join(', ')}`
    })
  })
}

/** The stories of a describe, its sentences, and then the describes inside it, each under its heading. */
function told({ children }: TestModule | TestSuite, level: string): string[] {
  const tests = [...children.tests()]
  const stories = new Set(tests.flatMap((test) => [storyOf(test), resultsOf(test)].filter((evidence) => evidence !== undefined)))
  const suites = [...children.suites()].flatMap((suite) => [`${level} ${literal(suite.name)}`, ...told(suite, `${level}#`)])
  return [...stories, tests.map(sentence).join('\n'), ...suites].filter(Boolean)
}

/** In words, and above them in a picture if it has one. */
function storyOf(test: TestCase): string | undefined {
  const { timeline, picture } = test.meta()
  if (!timeline) return undefined
  const [head] = timeline.split('\n')
  const image = picture ? `![${literal(head)}](pictures/${picture})\n\n` : ''
  return `${image}\`\`\`text\n${timeline}\n\`\`\``
}

/** As a table, if it is about one. */
function resultsOf(test: TestCase): string | undefined {
  const { results } = test.meta()
  if (!results) return undefined
  const row = (cells: string[]) => `| ${cells.map((cell) => literal(cell).replaceAll('|', '\\|')).join(' | ')} |`
  return [row(results.head), row(results.head.map(() => ':--')), ...results.rows.map(row)].join('\n')
}

/** The picture of a test's story, as it is annotated. */
function drawn(test: TestCase): string {
  const annotation = test.annotations().find(({ type }) => type === 'timeline')
  return Buffer.from(`${annotation?.attachment?.body}`, 'base64').toString()
}

function sentence(test: TestCase): string {
  const { sentence, verdict } = claimOf(test)
  const link = `[${literal(sentence)}](${linkTo(test)})`
  return verdict === 'true' ? `- ✓ ${link}` : `- ✗ ~~${link}~~ **false**`
}

/** Text that Markdown shows as it stands. Inside a word an underscore means nothing to it, and stays as it is: greppable. */
function literal(text: string): string {
  return text.replace(/[\\`*[\]<~&$]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, '\\$&')
}

/** The comment a chapter opens with, its links made clickable. */
function opening({ moduleId }: TestModule): string | undefined {
  const [, comment] = readFileSync(moduleId, 'utf8').match(/^\/\*\*(.*?)\*\//s) ?? []
  const prose = comment
    ?.replaceAll('\r', '')
    .replace(/^ *\* ?/gm, '')
    .trim()
  return prose?.replace(/(?<!\]\(|[[<`\w])https?:\/\/([^\s<>()`]*[^\s<>()`.,;:])/g, (url, rest) => `[${literal(rest)}](${url})`)
}

function claimOf(test: TestCase): Claim {
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

const claimsOf = ({ children }: TestModule) => [...children.allTests()].map(claimOf)
const fileOf = ({ moduleId }: TestModule) => basename(moduleId)
const linkTo = ({ module, location }: TestCase) => `${fileOf(module)}#L${location?.line}`
const slug = (words: string) =>
  words
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_]+/gu, '-')
    .replace(/^-|-$/g, '')
const titleOf = (chapter: TestModule) => fileOf(chapter).replace('.test.ts', '').replaceAll('-', ' ').replace(/^\d+/, '$& ·')

function passed({ children }: TestModule): boolean {
  const tests = [...children.allTests()].every((test) => test.result().state === 'passed' && test.location)
  return tests && [...children.allSuites()].every((suite) => suite.state() === 'passed')
}

/** An error that Vitest shows where the rule is broken. */
function broken(rule: string, entity: TestCase | TestModule): Error {
  const { moduleId } = entity.type === 'test' ? entity.module : entity
  const { line, column } = entity.location ?? { line: 1, column: 1 }
  const error = new Error(rule)
  error.stack = `${error}\n    at ${moduleId}:${line}:${column}`
  return error
}

/** Replaces a file of the folder in one step, unless it reads so already. Returns the path of what is written. */
function write(file: string, text: string): string | undefined {
  const [path, draft] = [new URL(file, folder), new URL(`${file}.new`, folder)]
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return
  writeFileSync(draft, text)
  renameSync(draft, path)
  return `tests/${file}`
}

/** Writes the pictures, and removes those that are no longer shown. */
function illustrate(pictures: Map<string, string>): (string | undefined)[] {
  const gallery = new URL('pictures/', folder)
  mkdirSync(gallery, { recursive: true })
  for (const file of readdirSync(gallery)) if (!pictures.has(file)) rmSync(new URL(file, gallery))
  return [...pictures].map(([file, svg]) => write(`pictures/${file}`, svg))
}
