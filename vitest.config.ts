import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { tags } from './tests/questions.ts'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  console.error(`Node ${process.versions.node} is too old to run TypeScript; \`npm test\` brings its own.`)
  process.exit(1)
}

// The contenders' library: DRIVER=node:sqlite npm test
const { DRIVER } = process.env
if (DRIVER && !['better-sqlite3', 'node:sqlite'].includes(DRIVER)) {
  console.error(`DRIVER is better-sqlite3 or node:sqlite, not '${DRIVER}'.`)
  process.exit(1)
}

/** Chapters in the order of their numbers, but for the one that takes as long as half of the others, and mostly waits: it begins first. */
class Chapters extends BaseSequencer {
  override async sort(chapters: TestSpecification[]) {
    const place = ({ moduleId }: TestSpecification) => (moduleId.includes('/92-') ? '' : moduleId)
    return chapters.toSorted((one, other) => (place(one) < place(other) ? -1 : 1))
  }
}

export default defineConfig({
  test: {
    include: ['tests/*.test.ts'],
    tags,
    sequence: { sequencer: Chapters },
    maxWorkers: 3,
    isolate: false,
    // Only for what hangs: a child that never answers is named long before.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    includeTaskLocation: true,
    reporters: ['tree', './helpers/page.ts', './helpers/stack/card-reporter.ts'],
  },
})
