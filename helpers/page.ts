import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import Database from 'better-sqlite3'
import driver from 'better-sqlite3/package.json' with { type: 'json' }
import type { Reporter, TestCase, TestModule, TestRunEndReason, Vitest } from 'vitest/node'
import { tags } from '../tests/questions.ts'
import { claimOf, claimsOf, fileOf, linkTo, myth, opening, overview, stories, storiesFile } from './specification.ts'

const folder = new URL('../tests/', import.meta.url)

/**
 * Writes the specification: as a page, `tests/README.md`, with its pictures in `tests/pictures/` and its stories in `tests/stories/`, and
 * as an index for programs, `tests/claims.json`. They read the same on every machine. Only a run that is whole and green writes them:
 * nothing filtered, skipped, red or interrupted, and with the usual driver and stack.
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
    const usual = (process.env.DRIVER || 'better-sqlite3') === 'better-sqlite3' && !process.env.STACK
    if (!whole || !usual || errors.length > 0 || reason !== 'passed') return

    const claims = chapters.flatMap(claimsOf)
    const open = tags.filter(({ name }) => !claims.some(({ questions }) => questions.includes(name)))
    if (open.length > 0)
      throw new Error(`no test settles ${open.map(({ name, description }) => `${name} (${description})`).join(', ')}`)
    const sqlite = new Database(':memory:').prepare('SELECT sqlite_version()').pluck().get()
    const seen = { sqlite: `${sqlite}`, driver: `better-sqlite3 ${driver.version}` }
    const written = [
      ...illustrate(this.#pictures),
      ...tell(chapters),
      write('README.md', overview(chapters, seen)),
      write('claims.json', `${JSON.stringify({ ...seen, claims }, undefined, 2)}\n`),
    ].filter((path) => path !== undefined)
    if (written.length > 0)
      this.#vitest.logger.log(`tests/: ${written.length} pages and pictures written, ${claims.length} claims`)
  }
}

/** The picture of a test's story, or its chart, as it is annotated. */
function drawn(test: TestCase): string {
  const annotation = test.annotations().find(({ type }) => type === 'timeline' || type === 'chart')
  return Buffer.from(`${annotation?.attachment?.body}`, 'base64').toString()
}

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

/** Writes the pictures, and removes those that are no longer shown. Those of the benchmarks are not its own. */
function illustrate(pictures: Map<string, string>): (string | undefined)[] {
  return fill('pictures/', pictures, (file) => file.startsWith('bench-'))
}

/** Writes the stories, and removes those of chapters that are no more. */
function tell(chapters: TestModule[]): (string | undefined)[] {
  const pages = chapters.flatMap((chapter) => {
    const page = stories(chapter)
    return page ? [[basename(storiesFile(chapter)), page] as const] : []
  })
  return fill('stories/', new Map(pages))
}

/** Gives a folder these files, and no others but those that are kept. Returns the paths of what is written. */
function fill(name: string, files: Map<string, string>, keeps: (file: string) => boolean = () => false): (string | undefined)[] {
  const place = new URL(name, folder)
  mkdirSync(place, { recursive: true })
  for (const file of readdirSync(place)) if (!files.has(file) && !keeps(file)) rmSync(new URL(file, place))
  return [...files].map(([file, text]) => write(`${name}${file}`, text))
}
