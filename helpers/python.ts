import { spawnSync } from 'node:child_process'

const question = 'import sqlite3, sys; print(sys.executable, *sys.version_info[:2], sep=chr(10))'

/**
 * The Python of this machine: the program itself, not what a version manager puts in front of it, and its version as a number, 3.11 as
 * 311. `undefined` where there is none of 3.8 or later that has sqlite3.
 */
export const python = ['python3', 'python'].map(ask).find((found) => found !== undefined)

function ask(name: string): { path: string; version: number } | undefined {
  const { status, stdout } = spawnSync(name, ['-c', question], { encoding: 'utf8' })
  const [path, major, minor] = `${stdout}`.split(/\r?\n/)
  const version = Number(major) * 100 + Number(minor)
  return status === 0 && version >= 308 ? { path, version } : undefined
}
