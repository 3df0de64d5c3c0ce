import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** One thread of a process. The main thread has the number of its process. */
export type Thread = { pid: number; tid: number }

/** The numbers of `clock_nanosleep`, and of `restart_syscall`, which goes on with it after SIGCONT, as `/proc/PID/syscall` shows them. */
const sleeps: Partial<Record<NodeJS.Architecture, string[]>> = { x64: ['230', '219'], arm64: ['115', '128'] }

/**
 * Whether the operating system shows the thread asleep in SQLite's busy handler, which calls `usleep` between two tries
 * (unixSleep in os_unix.c). In glibc that is `clock_nanosleep` without a place for the time that remains; V8 sleeps too now
 * and then, but leaves such a place. `undefined` where the system cannot be asked, or is not known.
 */
export async function sleepsInBusyHandler({ pid, tid }: Thread): Promise<boolean | undefined> {
  if (!glibc) return undefined
  try {
    return isSleep(await readFile(`/proc/${pid}/task/${tid}/syscall`, 'latin1'))
  } catch {
    return undefined
  }
}

function isSleep(syscall: string): boolean {
  const [call, , , , remain] = syscall.split(' ')
  return remain === '0x0' && sleeps[process.arch]?.includes(call) === true
}

/**
 * For how long the busy handler that the thread sleeps in has asked to sleep, in milliseconds; `undefined` where it does not sleep
 * there, or the system cannot be asked. The third argument of `clock_nanosleep` points to it: seconds and nanoseconds, of 8 bytes each.
 */
export function napOf({ pid, tid }: Thread): number | undefined {
  try {
    const syscall = readFileSync(`/proc/${pid}/task/${tid}/syscall`, 'latin1')
    if (!isSleep(syscall)) return undefined
    const memory = openSync(`/proc/${pid}/mem`, 'r')
    try {
      const asked = new BigInt64Array(2)
      readSync(memory, asked, { position: Number(syscall.split(' ')[3]) })
      const still = readFileSync(`/proc/${pid}/task/${tid}/syscall`, 'latin1') === syscall
      return still ? Number(asked[0]) * 1e3 + Number(asked[1]) / 1e6 : undefined
    } finally {
      closeSync(memory)
    }
  } catch {
    return undefined
  }
}

const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
const glibc = header.glibcVersionRuntime !== undefined

/** State and process group, as Linux tells them: `S` sleeps, `T` is stopped, `Z` has ended and is still listed. */
function statOf(pid: number): { state: string; group: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { state, group: Number(group) }
  } catch {
    return undefined // it is gone
  }
}

/** Whether the process is stopped. Linux only. */
export function isStopped(pid: number): boolean {
  return statOf(pid)?.state === 'T'
}

/** Whether the process runs. One that has ended but is still listed, as in a container without an init, does not. */
export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return statOf(pid)?.state !== 'Z'
  } catch {
    return false
  }
}

/** The processes of a group that have not ended. Linux only. */
export function processesOf(group: number): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).filter((pid) => {
    const stat = statOf(pid)
    return stat?.group === group && stat.state !== 'Z'
  })
}

/** Whether the operating system tells who holds which lock: Linux does, where `/proc/locks` may be read. */
export const tellsLocks = existsSync('/proc/locks')

/** The bytes SQLite locks in the database file, from os_unix.c, and the state of the connection that they stand for, weakest first. */
const databaseLocks = [
  { state: 'SHARED', first: 0x40000002, last: 0x400001ff, type: 'READ' },
  { state: 'RESERVED', first: 0x40000001, last: 0x40000001, type: 'WRITE' },
  { state: 'PENDING', first: 0x40000000, last: 0x40000000, type: 'WRITE' },
  { state: 'EXCLUSIVE', first: 0x40000002, last: 0x400001ff, type: 'WRITE' },
]

/** The bytes of the `-shm` file, from byte 120 on, without their `WAL_` and `_LOCK`: https://sqlite.org/walformat.html#locks */
const sharedMemoryLocks = ['WRITE', 'CKPT', 'RECOVER', 'READ(0)', 'READ(1)', 'READ(2)', 'READ(3)', 'READ(4)', 'DMS']

/**
 * The locks a process holds on the files of a folder, in SQLite's words: `SHARED`, `RESERVED`, `PENDING` or `EXCLUSIVE` for a
 * database file, and for its `-shm` file the names of the WAL locks, `DMS` among them, which every connection holds. A lock that is
 * of the other kind than the usual one is `shared WRITE` or `exclusive READ(1)`. What is not locked in `database.db` itself has
 * its file's name before it: `other.db: SHARED`. `undefined` where the system cannot be asked. It opens none of the files.
 */
export function locksOf(pid: number, folder: string): string[] | undefined {
  if (!tellsLocks) return undefined
  const held = readFileSync('/proc/locks', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, kind, , , owner]) => kind === 'POSIX' && owner === `${pid}`)
    .map(([, , , type, , file, first, last]) => ({
      type,
      file,
      first: Number(first),
      last: last === 'EOF' ? Infinity : Number(last),
    }))
  if (held.length === 0) return []
  return readdirSync(folder).flatMap((name) => {
    const file = statSync(join(folder, name), { throwIfNoEntry: false })
    const locks = file ? held.filter((lock) => isOf(lock.file, file)) : []
    const prefix = /^database\.db(-shm)?$/.test(name) ? '' : `${name.replace(/-shm$/, '')}: `
    const words = name.endsWith('-shm') ? sharedMemoryWords(locks) : databaseWords(locks)
    return words.map((word) => prefix + word)
  })
}

type Lock = { type: string; first: number; last: number }
const covers = (lock: Lock, first: number, last: number) => lock.first <= first && lock.last >= last

/** A connection has one state, the strongest that its bytes stand for. */
function databaseWords(locks: Lock[]): string[] {
  const states = databaseLocks.filter(({ first, last, type }) =>
    locks.some((lock) => lock.type === type && covers(lock, first, last)),
  )
  return states.slice(-1).map(({ state }) => state)
}

function sharedMemoryWords(locks: Lock[]): string[] {
  return sharedMemoryLocks.flatMap((name, i) => {
    const lock = locks.find((lock) => covers(lock, 120 + i, 120 + i))
    if (!lock) return []
    const usual = /^(READ|DMS)/.test(name) ? 'READ' : 'WRITE'
    return lock.type === usual ? name : `${lock.type === 'READ' ? 'shared' : 'exclusive'} ${name}`
  })
}

/** Whether `/proc/locks` means this file. A device without a disk of its own (major 0) has other minors there, as on btrfs. */
function isOf(listed: string, { dev, ino }: { dev: number; ino: number }): boolean {
  const [major, minor, inode] = listed.split(':')
  if (Number(inode) !== ino || Number.parseInt(major, 16) !== ((dev >> 8) & 0xfff)) return false
  return major === '00' || Number.parseInt(minor, 16) === ((dev & 0xff) | ((dev >> 12) & 0xfff00))
}

/**
 * The locks of a process whose thread sleeps in the busy handler, as long as that does not wake up while they are read: between two
 * sleeps it tries, and holds for a moment what it does not hold while it waits. `undefined` if it was not asleep all the time.
 */
export function locksAsleep(thread: Thread, folder: string): string[] | undefined {
  const { pid, tid } = thread
  try {
    const before = switchesOf(thread)
    const locks = locksOf(pid, folder)
    const asleep = isSleep(readFileSync(`/proc/${pid}/task/${tid}/syscall`, 'latin1'))
    return asleep && switchesOf(thread) === before ? locks : undefined
  } catch {
    return undefined
  }
}

/** How often the thread has gone to sleep so far. */
function switchesOf({ pid, tid }: Thread): string | undefined {
  return readFileSync(`/proc/${pid}/task/${tid}/status`, 'latin1').match(/^voluntary_ctxt_switches:\s*(\d+)/m)?.[1]
}
