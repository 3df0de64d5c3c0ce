import { fileURLToPath } from 'node:url'
import { mergeConfig } from 'vitest/config'
import specification from '../../vitest.config.ts'

/** The specification, where the programs of `fixtures/` run in the runtime that RUNTIME names: `npm run matrix`. */
export default mergeConfig(specification, {
  test: {
    name: 'matrix',
    root: fileURLToPath(new URL('../..', import.meta.url)),
    setupFiles: ['./helpers/matrix/runtime.ts'],
  },
})
