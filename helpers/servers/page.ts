import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { Reporter, TestModule, TestRunEndReason, TestSuite, Vitest } from 'vitest/node'
import { fileOf, literal, opening, told } from '../specification.ts'

const folder = new URL('../../tests/servers/', import.meta.url)

/**
 * Writes what lies beyond one writer as a page, `tests/servers/README.md`. Only a run that is whole and green writes it. What was skipped, for
 * its server is not there, is left out; on somebody else's servers, or without PostgreSQL, the page stays as it is.
 */
export default class ServersPage implements Reporter {
  #vitest!: Vitest

  onInit(vitest: Vitest): void {
    this.#vitest = vitest
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[], reason: TestRunEndReason): void {
    const chapters = modules.toSorted((one, other) => (one.moduleId < other.moduleId ? -1 : 1))
    const files = readdirSync(folder).filter((file) => file.endsWith('.test.ts'))
    const isWhole = chapters.map(fileOf).join() === files.sort().join()
    const { postgresql, urls } = this.#vitest.getRootProject().getProvidedContext()
    const { version, isOurs } = postgresql
    if (!isWhole || !version || !isOurs || Object.keys(urls).length > 0 || errors.length > 0 || reason !== 'passed') return

    const path = new URL('README.md', folder)
    const text = page(chapters, version)
    if (existsSync(path) && readFileSync(path, 'utf8') === text) return
    writeFileSync(path, text)
    this.#vitest.logger.log('tests/servers/README.md is written')
  }
}

function page(chapters: TestModule[], version: string): string {
  return `# Beyond one writer

What a server does with what SQLite's processes contend for: PostgreSQL, statement by statement, beside SQLite's answer. Every sentence with ✓ or ✗ is a test in
this folder, and passed in the run that wrote the page: \`npm run servers\` installs what it takes in
[fixtures/servers](../../fixtures/servers), starts a PostgreSQL of its own, and runs them. ✓ is a fact, ✗ a myth: a belief that the test
has shown to be **false**. Seen with PostgreSQL ${version}.

${chapters.flatMap(section).join('\n\n')}
`
}

/** A chapter: its opening, and those of its describes that were not skipped. */
function section(chapter: TestModule): string[] {
  const ran = [...chapter.children.suites()].filter((suite) =>
    [...suite.children.allTests()].some((test) => test.result().state === 'passed'),
  )
  const parts = ran.flatMap((suite: TestSuite) => [
    `### ${literal(suite.name)}`,
    ...told(suite, '####', { timelines: true, up: '' }),
  ])
  return parts.length > 0 ? [`## ${titleOf(chapter)}`, opening(chapter) ?? '', ...parts] : []
}

const titleOf = (chapter: TestModule) =>
  fileOf(chapter)
    .replace('.test.ts', '')
    .replace(/^\d+-/, '')
    .replaceAll('-', ' ')
    .replace('postgresql', 'PostgreSQL')
    .replace('libsql', 'libSQL')
