import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { Reporter, TestCase, TestModule, TestRunEndReason, Vitest } from 'vitest/node'
import { fileOf, linkTo, literal, opening, told } from '../specification.ts'
import { columns } from './survey.ts'

const folder = new URL('../../tests/survey/', import.meta.url)

/**
 * Writes the survey as a page, `tests/survey/README.md`: one table, and every sentence below. Only a run that is whole and green writes
 * it; where a library could not be installed and is skipped, the page stays as it is.
 */
export default class SurveyPage implements Reporter {
  #vitest!: Vitest

  onInit(vitest: Vitest): void {
    this.#vitest = vitest
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[], reason: TestRunEndReason): void {
    const libraries = modules.toSorted((one, other) => (one.moduleId < other.moduleId ? -1 : 1))
    const files = readdirSync(folder).filter((file) => file.endsWith('.test.ts'))
    const isWhole = libraries.map(fileOf).join() === files.sort().join()
    const isGreen = libraries.every(({ children }) => [...children.allTests()].every((test) => test.result().state === 'passed'))
    if (!isWhole || !isGreen || errors.length > 0 || reason !== 'passed') return

    const path = new URL('README.md', folder)
    const text = page(libraries)
    if (existsSync(path) && readFileSync(path, 'utf8') === text) return
    writeFileSync(path, text)
    this.#vitest.logger.log('tests/survey/README.md is written')
  }
}

/** Which version of better-sqlite3 all have here, and which those ask for that do not take it; both as npm has noted them. */
function drivers(): string {
  const { packages } = JSON.parse(readFileSync(new URL('../../fixtures/stacks/package-lock.json', import.meta.url), 'utf8')) as {
    packages: Record<
      string,
      { version: string; dependencies?: Record<string, string>; peerDependencies?: Record<string, string> }
    >
  }
  const { version } = packages['node_modules/better-sqlite3']
  const asked = Object.entries(packages).flatMap(([path, { dependencies, peerDependencies }]) => {
    const range = { ...peerDependencies, ...dependencies }['better-sqlite3']
    const isOther = path && range && !range.startsWith('>=') && !range.startsWith(`^${version.split('.')[0]}.`)
    return isOther ? `${path.replace('node_modules/', '')} for ${range}` : []
  })
  return `All that are on better-sqlite3 have ${version} here, by npm's \`overrides\`. These ask for another:\n${asked.join(', ')}.`
}

function page(libraries: TestModule[]): string {
  const rows = libraries.flatMap(({ children }) => [...children.allSuites()].flatMap((suite) => row([...suite.children.tests()])))
  const lineOf = (cells: string[]) => `| ${cells.join(' | ')} |`
  return `# What drivers and ORMs do where processes contend

Each library is seen as it comes, and with a way out where there is one: its own, as its documentation has it, or that of SQLite, and what stands
before its sentences says which. The processes contend for one database. Every sentence below is a test in this folder, and passed in the run that
wrote the page; the table is made of what those tests saw, with the versions they saw it with. \`npm run survey\` installs the libraries and runs
them. How each is used: [fixtures/stacks](../../fixtures/stacks).

${drivers()}

${lineOf(['', ...columns])}
${lineOf([':--', ...columns.map(() => ':--')])}
${rows.join('\n')}

**its transaction**: what its driver executes for one read-modify-write. **waits**: how long, for a lock that stays, where it has not read before. **another
writes in between**: what becomes of the two when another process writes between its read and its write. **a lock is held**: of one that comes while
another process holds the write lock for half a second, or for two where it tries again by itself. **opened by three at once**: of those who open a
new database, and make the table in the way of the library, if it has one, while somebody else makes it. Who is turned away met a lock, unless
another error stands beside it. **the error**: the first that was seen, its class, its code, and the property of the error in which SQLite's code is.
**usable afterwards**: whether its process goes on after its read was refused, and after its write was, with nobody else at work: what it confirms is
there, and it keeps nobody out. **after a refused COMMIT**: whether it goes on when a reader has kept its COMMIT waiting, with a rollback journal; in WAL
mode, it is not refused. What was not tried is left empty.

${libraries.flatMap((library) => [opening(library) ?? '', ...told(library, '##', { timelines: false, up: '' })]).join('\n\n')}
`
}

/** The row of a describe: the name, linked to where it is told, and what was seen. */
function row([test]: TestCase[]): string[] {
  const line = test?.meta().line
  if (!line || test.parent.type !== 'suite') return []
  const link = `[${literal(test.parent.name)}](${linkTo(test).replace(/#.*/, '')}#L${test.parent.location?.line})`
  return [`| ${[link, ...line].join(' | ')} |`]
}
