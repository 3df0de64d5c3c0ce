import { statSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'

const root = fileURLToPath(new URL('../', import.meta.url))

/** When a file was last changed: milliseconds, or minus infinity if there is none. */
export const changed = (file: string) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Number.NEGATIVE_INFINITY

// A terminal's Ctrl-C reaches whatever is under way as well; any other signal is passed on.
const interrupt = new AbortController()
process.on('SIGINT', () => interrupt.abort(130)).on('SIGTERM', () => interrupt.abort(143))

/** Aborted when this process is told to end, by a signal; the reason is the exit code. */
export const { signal } = interrupt

/** Runs a program to its end. Resolves to its exit code, or to 1 if it has none. Ends this process if that was told to end meanwhile. */
export async function run(
  program: string,
  words: string[],
  cwd = root,
  { stdio = 'inherit', env = {} }: { stdio?: 'inherit' | 'ignore'; env?: Record<string, string> } = {},
): Promise<number> {
  const { exitCode = 1, code } = await execa(program, words, { cwd, stdio, env, reject: false, cancelSignal: signal })
  if (signal.aborted) process.exit(signal.reason)
  if (code === 'ENOENT') console.error(`There is no '${program}' in PATH.`)
  return exitCode
}

/** Installs the packages of a folder, where that is to be done. Ends this process where they cannot be. */
export async function installIn(folder: string, sentence: string): Promise<void> {
  if (changed(`${folder}node_modules/.package-lock.json`) >= changed(`${folder}package-lock.json`)) return
  console.log(sentence)
  if ((await run('npm', ['ci'], folder)) === 0) return
  console.error(`They cannot be installed: npm ci in ${relative(root, folder)} says why.`)
  process.exit(1)
}
