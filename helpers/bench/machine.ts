import { pbkdf2Sync } from 'node:crypto'
import { closeSync, fdatasyncSync, openSync, readFileSync, realpathSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, release, tmpdir, type } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { freshDatabase } from '../fresh-database.ts'
import type { Data, Machine } from './section.ts'
import { median, unrest } from './statistics.ts'

const require = createRequire(import.meta.url)

/** How far the middle half of what always takes the same may be apart, and how busy others may be, before nothing is concluded. */
export const limits = { work: 0.2, fsync: 0.5, busy: 0.2 }

function milliseconds(task: () => void): number {
  const began = performance.now()
  task()
  return performance.now() - began
}

/** A file of its own beside the databases, and how long it takes to make it safe. */
export class Reference {
  readonly work: number[] = []
  readonly fsync: number[] = []
  readonly #file: number
  readonly #remove: () => Promise<void>

  private constructor(file: number, remove: () => Promise<void>) {
    this.#file = file
    this.#remove = remove
  }

  static async open(): Promise<Reference> {
    const { file, remove } = await freshDatabase()
    return new Reference(openSync(join(dirname(file), 'page'), 'w'), remove)
  }

  /** Takes some ten milliseconds, once. */
  measure(): void {
    const page = Buffer.alloc(4_096)
    const write = () => {
      writeSync(this.#file, page, 0, page.length, 0)
      fdatasyncSync(this.#file)
    }
    this.work.push(milliseconds(() => pbkdf2Sync('password', 'salt', 20_000, 32, 'sha256')))
    this.fsync.push(median(Array.from({ length: 9 }, () => milliseconds(write))))
  }

  async close(): Promise<void> {
    closeSync(this.#file)
    await this.#remove()
  }
}

/** The share of all processors that others use while this process waits for a moment. */
export async function busy(): Promise<number> {
  const sum = () =>
    cpus().reduce(
      ([idle, all], { times }) => [idle + times.idle, all + Object.values(times).reduce((sum, time) => sum + time)],
      [0, 0],
    )
  const [idleBefore, allBefore] = sum()
  await pause(300)
  const [idle, all] = sum()
  return all === allBefore ? 0 : 1 - (idle - idleBefore) / (all - allBefore)
}

/** Why nothing is to be concluded from the data, or undefined. */
export function noise({ reference }: Pick<Data, 'reference'>): string | undefined {
  const percent = (share: number) => `${Math.round(100 * share)} %`
  if (reference.busy > limits.busy) return `others kept it ${percent(reference.busy)} busy before it began`
  for (const [name, what] of [
    ['work', 'a piece of work that is always the same'],
    ['fsync', 'an fsync'],
  ] as const)
    if (unrest(reference[name]) > limits[name])
      return `the middle half of ${reference[name].length} times of ${what} is ${percent(unrest(reference[name]))} of their median apart`
}

export const versions = () => ({
  node: process.versions.node,
  'better-sqlite3': require('better-sqlite3/package.json').version as string,
  SQLite: new Database(':memory:').prepare('SELECT sqlite_version()').pluck().get() as string,
})

export const machine = (fsync: number): Machine => ({
  cores: cpus().length,
  model: cpus()[0]?.model.trim() ?? 'unknown',
  kernel: `${type()} ${release().match(/^\d+\.\d+/)?.[0] ?? release()}`,
  fileSystem: fileSystem(),
  fsync,
})

/** Of the temporary folder. Only Linux tells. */
function fileSystem(): string {
  const folder = realpathSync(tmpdir())
  try {
    const mounts = readFileSync('/proc/self/mounts', 'utf8').trim().split('\n')
    const [, , kind] = mounts
      .map((mount) => mount.split(' '))
      .filter(([, point]) => point === '/' || `${folder}/`.startsWith(`${point}/`))
      .toSorted(([, one], [, other]) => other.length - one.length)[0]
    return kind
  } catch {
    return 'unknown'
  }
}
