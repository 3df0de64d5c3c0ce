import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Who is killed cannot tell: when the one that started this run has gone, it ends, and with it all that it has started.
const starter = process.ppid
setInterval(() => process.ppid === starter || process.exit(1), 1_000).unref()

/** The survey is a project of its own: `npm run survey` installs its libraries in fixtures/stacks, and runs it. */
export default defineConfig({
  test: {
    name: 'survey',
    root: fileURLToPath(new URL('../..', import.meta.url)),
    include: ['tests/survey/*.test.ts'],
    maxWorkers: 2,
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 300_000,
    includeTaskLocation: true,
    reporters: ['tree', './helpers/stack/survey-page.ts'],
  },
})
