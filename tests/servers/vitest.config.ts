import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** What lies beyond one writer is a project of its own: `npm run servers` installs what it takes in fixtures/servers, and runs it. */
export default defineConfig({
  test: {
    name: 'servers',
    root: fileURLToPath(new URL('../..', import.meta.url)),
    include: ['tests/servers/*.test.ts'],
    globalSetup: './helpers/servers/setup.ts',
    maxWorkers: 1, // the stories of PostgreSQL have tables of the same names
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    includeTaskLocation: true,
    reporters: ['tree', './helpers/servers/page.ts'],
  },
})
