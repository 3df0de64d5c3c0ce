import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Subject, subjectOf } from './subject.ts'

const stacks = fileURLToPath(new URL('../../fixtures/stacks/', import.meta.url))
const modules = `${stacks}node_modules/`
const host = fileURLToPath(new URL('../../fixtures/stack-host.ts', import.meta.url))
const ending = process.platform === 'win32' ? '.exe' : ''

/** A program in one of the packages of a scope, one a platform, of which npm installs those that fit; `undefined` where none does. */
function programIn(scope: string, program: string): string | undefined {
  const folder = `${modules}${scope}`
  const packages = existsSync(folder) ? readdirSync(folder).sort() : []
  return packages.map((name) => `${folder}/${name}/${program}${ending}`).find((path) => existsSync(path))
}

/** The command that hosts a stack in Bun, up to the name of its module; `undefined` where Bun is not installed. */
export const bun = hosted(programIn('@oven', 'bin/bun'))

/** The same in Deno. */
export const deno = hosted(programIn('@deno', 'deno'), 'run', '-A')

function hosted(program: string | undefined, ...words: string[]): string | undefined {
  return program && [program, ...words, host].map((word) => word.replaceAll(' ', '\\ ')).join(' ')
}

/** The binary of sqlite3, which is downloaded, or compiled, and not in its package. */
export const sqlite3Binary = `${modules}sqlite3/build/Release/node_sqlite3.node`

/** A module of `fixtures/stacks/`, as that command hosts it; `reference`: what a timeline calls it. */
export function inRuntime(command: string | undefined, module: string, reference: string): Subject {
  return { ...subjectOf(`${command} ${module}`, stacks), reference }
}
