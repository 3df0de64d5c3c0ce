import { existsSync, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseCommandString } from 'execa'

/** A stack under test: how a process of it is started. The path of the database becomes its last argument. */
export type Subject = {
  /** As its author named it. */
  reference: string
  kind: 'module' | 'command' | 'url'
  command: string[]
  /** Where the command is run. */
  folder: string
  /** The database of an application that is running already, if it was told. */
  database?: string
}

/** Something is wrong with what was asked for, or with the stack's adapter; the message says what, and what to do. */
export class Sentence extends Error {}

const program = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url))

/**
 * Reads what `STACK` or `npm run check --` names: the file of a module (`stack.ts`, `stack.ts#export`), the base URL of a running
 * application, or a command, of words without quotes. Files are looked for in `folder`. Throws a `Sentence`.
 */
export function subjectOf(reference: string, folder: string): Subject {
  const words = parseCommandString(reference)
  if (words.length === 0) throw new Sentence('Name a stack: the file of a module, a command, or a URL.')
  if (/^https?:\/\//.test(reference)) {
    if (!URL.canParse(reference)) throw new Sentence(`'${reference}' is not a URL.`)
    return { reference, kind: 'url', command: [process.execPath, program('stack-url.ts'), reference], folder }
  }
  const [, file] = /^(.+\.[cm]?[jt]s)(?:#([^#/]+))?$/.exec(reference) ?? []
  const exists = file !== undefined && existsSync(resolve(folder, file))
  if (exists || (file && words.length === 1)) {
    if (!exists) throw new Sentence(`There is no file '${file}' in ${folder}.`)
    return { reference, kind: 'module', command: [process.execPath, program('stack-host.ts'), reference], folder }
  }
  if (!runnable(words[0], folder)) {
    const isFile = existsSync(resolve(folder, words[0]))
    throw new Sentence(
      isFile
        ? `'${words[0]}' is neither a module of Node (.js, .ts) nor a program that can be run: name the command that runs it, such as 'python3 ${words[0]}'.`
        : `'${words[0]}' is not a file in ${folder}, a command, or a URL.`,
    )
  }
  return { reference, kind: 'command', command: words, folder }
}

/** Whether there is such a command: a path, or a name to be found in PATH. */
function runnable(word: string, folder: string): boolean {
  const isProgram = (path: string) => {
    const file = statSync(path, { throwIfNoEntry: false })
    return file?.isFile() === true && (process.platform === 'win32' || (file.mode & 0o111) !== 0)
  }
  if (/[\\/]/.test(word)) return isProgram(resolve(folder, word))
  const endings = process.platform === 'win32' ? (process.env.PATHEXT ?? '.EXE;.CMD;.BAT').split(';') : ['']
  return (process.env.PATH ?? '').split(delimiter).some((path) => endings.some((ending) => isProgram(join(path, word + ending))))
}
