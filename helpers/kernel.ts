import { spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import Database from 'better-sqlite3'

/** One thread of a process. The main thread has the number of its process. */
export type Thread = { pid: number; tid: number }

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

/** A process and those that it has started, and they. Linux only. */
export function familyOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean)
    return [pid, ...children.map(Number).flatMap(familyOf)]
  } catch {
    return [pid] // it is gone, or this kernel does not list them
  }
}

/** Whether a process has the file open, or one whose name begins like its name, as its journal's does. Linux only. */
export function hasOpened(pid: number, file: string): boolean {
  try {
    const path = join(realpathSync(dirname(file)), basename(file))
    return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(path))
  } catch {
    return false // it is gone, or has closed one meanwhile
  }
}

/** The threads of a process; none if it is gone. Linux only. */
export function threadsOf(pid: number): Thread[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((tid) => ({ pid, tid: Number(tid) }))
  } catch {
    return []
  }
}

/** The numbers of `clock_nanosleep`, and of `restart_syscall`, which goes on with it after SIGCONT, as `/proc/PID/syscall` shows them. */
const sleeps: Partial<Record<NodeJS.Architecture, string[]>> = { x64: ['230', '219'], arm64: ['115', '128'] }

/**
 * Whether the operating system tells which thread sleeps, and for how long: Linux with glibc, on a processor whose numbers are known,
 * where a process may look at its children. It looks at one.
 */
export const tellsSleep = glibcIsHere() && sleeps[process.arch] !== undefined && childrenAreSeen()

function glibcIsHere(): boolean {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
  return header.glibcVersionRuntime !== undefined
}

function childrenAreSeen(): boolean {
  const child = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] })
  child.on('error', () => {})
  try {
    return readFileSync(`/proc/${child.pid}/syscall`, 'latin1') !== ''
  } catch {
    return false
  } finally {
    child.kill()
  }
}

/**
 * Whether the operating system shows the thread asleep in SQLite's busy handler, which calls `nanosleep` between two tries
 * (unixSleep in os_unix.c). In glibc that is `clock_nanosleep` on the clock that people go by, for a time and not until one, without a
 * place for the time that remains; V8 sleeps too now and then, but leaves such a place, and Python's `time.sleep` goes by another clock.
 * `undefined` where the system cannot be asked, or the thread is gone.
 */
export function sleepsInBusyHandler(thread: Thread): boolean | undefined {
  if (!tellsSleep) return undefined
  try {
    return isSleep(syscallOf(thread))
  } catch {
    return undefined
  }
}

/** The system call that the thread is in, and its arguments. */
function syscallOf({ pid, tid }: Thread): string[] {
  return readFileSync(`/proc/${pid}/task/${tid}/syscall`, 'latin1').split(' ')
}

function isSleep([call, clock, flags, , remain]: string[]): boolean {
  const [asked, goneOn] = sleeps[process.arch] ?? []
  return remain === '0x0' && (call === goneOn || (call === asked && clock === '0x0' && flags === '0x0'))
}

/** How often the thread has gone to sleep so far. */
function switchesOf({ pid, tid }: Thread): string | undefined {
  return readFileSync(`/proc/${pid}/task/${tid}/status`, 'latin1').match(/^voluntary_ctxt_switches:\s*(\d+)/m)?.[1]
}

/**
 * What `look` returns while the thread sleeps in the busy handler; `undefined` if it was not in the same sleep all the time, or the
 * system cannot be asked.
 */
function whileAsleep<Sight>(thread: Thread, look: () => Sight): Sight | undefined {
  if (!tellsSleep) return undefined
  try {
    const before = switchesOf(thread)
    const sight = look()
    return isSleep(syscallOf(thread)) && switchesOf(thread) === before ? sight : undefined
  } catch {
    return undefined
  }
}

/**
 * The sleep of the busy handler that the thread is in: how long SQLite asked the operating system for, in milliseconds, and a number by
 * which it is told from the thread's other sleeps. `undefined` if it is in none, or the system cannot be asked.
 */
export function napOf(thread: Thread): { asked: number; nth: string | undefined } | undefined {
  return whileAsleep(thread, () => ({ asked: askedOf(thread), nth: switchesOf(thread) }))
}

/** The third argument of `clock_nanosleep` points to it: seconds and nanoseconds, of 8 bytes each. */
function askedOf(thread: Thread): number {
  const memory = openSync(`/proc/${thread.pid}/mem`, 'r')
  try {
    const asked = new BigInt64Array(2)
    readSync(memory, asked, { position: Number(syscallOf(thread)[3]) })
    return Number(asked[0]) * 1e3 + Number(asked[1]) / 1e6
  } finally {
    closeSync(memory)
  }
}

/**
 * The locks of a process whose thread sleeps in the busy handler, as `locksOf` has them, if it does not wake up while they are read:
 * between two sleeps it tries, and holds for a moment what it does not hold while it waits. `undefined` if it was not asleep all the time.
 */
export function locksAsleep(thread: Thread, folder: string): { locks: string[] | undefined } | undefined {
  return whileAsleep(thread, () => ({ locks: locksOf(thread.pid, folder) }))
}

/** Whether the operating system tells of processes and of their states, as Linux does. */
export const tellsProcesses = statOf(process.pid) !== undefined

/** Whether the operating system tells who holds which lock: Linux does, where `/proc` lists one that this process takes to see it. */
export const tellsLocks = existsSync('/proc/self/fdinfo') && ownLockIsListed()

function ownLockIsListed(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'a-lock-'))
  const database = new Database(join(folder, 'own.db'))
  database.exec('BEGIN EXCLUSIVE')
  try {
    return listedLocks(process.pid).length > 0
  } catch {
    return false
  } finally {
    database.close()
    rmSync(folder, { recursive: true })
  }
}

/** A lock on a range of bytes. The file is its device and its inode. */
type Lock = { type: 'READ' | 'WRITE'; file: string; first: number; last: number }

/**
 * The POSIX locks of a process, from the first byte to the last, as `/proc/PID/fdinfo` lists them for each file that it has open, until it says the
 * same again. (`/proc/locks` is handed out in pieces, and where others lock and unlock in between, a line can be left out.)
 */
function listedLocks(pid: number): Lock[] {
  let before: string[] | undefined
  let lines = linesOf(pid)
  while (!isDeepStrictEqual(lines, before)) [before, lines] = [lines, linesOf(pid)]
  return lines
    .map((line) => {
      const [, , type, , file, first, last] = line.split(' ')
      const [major, minor, inode] = file.split(':')
      return {
        type: type as Lock['type'],
        file: `${Number.parseInt(major, 16)}:${Number.parseInt(minor, 16)}:${inode}`,
        first: Number(first),
        last: last === 'EOF' ? Infinity : Number(last),
      }
    })
    .sort((one, other) => one.first - other.first)
}

/** What is listed of a process, each lock once, without its number: `POSIX ADVISORY READ 4712 08:02:1310 128 128`. Nothing if it is gone. */
function linesOf(pid: number): string[] {
  const infos = filesOf(pid).map((file) => {
    try {
      return readFileSync(`/proc/${pid}/fdinfo/${file}`, 'latin1')
    } catch {
      return '' // it is closed by now
    }
  })
  const lines = infos
    .flatMap((info) => info.match(/^lock:.*$/gm) ?? [])
    .map((line) => line.split(/\s+/).slice(2))
    .filter(([kind, , , owner]) => kind === 'POSIX' && owner === `${pid}`)
  return [...new Set(lines.map((words) => words.join(' ')))].sort()
}

/** The numbers of the files that a process has open; none if it is gone. */
function filesOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fdinfo`)
  } catch {
    return []
  }
}

/**
 * The device of the files in a folder, as `/proc` means it: that of the file system. `stat` tells another one where a file system
 * has no disk of its own, as btrfs and overlay do. `undefined` where the folder is in none that is listed.
 */
function deviceOf(folder: string): string | undefined {
  const path = realpathSync(folder)
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n')
  return mounts
    .map((mount) => mount.split(' '))
    .map(([, , device, , point]) => ({
      device,
      point: point.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))),
    }))
    .filter(({ point }) => point === '/' || path === point || path.startsWith(`${point}/`))
    .sort((one, other) => one.point.length - other.point.length)
    .at(-1)?.device
}

/** A range of bytes that SQLite locks, and what a read lock on it, and a write lock, is called. */
type Range = { first: number; last: number; READ: string; WRITE: string }

/** In the database file, from os_unix.c. */
const databaseRanges: Range[] = [
  { first: 0x40000000, last: 0x40000000, READ: 'shared PENDING', WRITE: 'PENDING' },
  { first: 0x40000001, last: 0x40000001, READ: 'shared RESERVED', WRITE: 'RESERVED' },
  { first: 0x40000002, last: 0x400001ff, READ: 'SHARED', WRITE: 'EXCLUSIVE' },
]

/** In the `-shm` file, from byte 120 on, without their `WAL_` and `_LOCK`: https://sqlite.org/walformat.html#locks */
const sharedMemoryRanges = ['WRITE', 'CKPT', 'RECOVER', 'READ(0)', 'READ(1)', 'READ(2)', 'READ(3)', 'READ(4)', 'DMS'].map(
  (name, i): Range => {
    const names = /^(READ|DMS)/.test(name) ? { READ: name, WRITE: `exclusive ${name}` } : { READ: `shared ${name}`, WRITE: name }
    return { first: 120 + i, last: 120 + i, ...names }
  },
)

/** The states of a connection in a rollback journal, weakest first. It has one, the strongest that its locks stand for. */
const states = ['SHARED', 'RESERVED', 'PENDING', 'EXCLUSIVE']

/**
 * The locks a process holds on the files of a folder, in SQLite's words: `SHARED`, `RESERVED`, `PENDING` or `EXCLUSIVE` for a
 * database file, and for its `-shm` file the names of the WAL locks, `DMS` among them, which every connection holds. A lock that is
 * of the other kind than the usual one is `shared WRITE` or `exclusive READ(1)`; one on bytes that have no name is `shared bytes 130-131`.
 * What is not locked in `database.db` itself has its file's name before it: `other.db: SHARED`. `undefined` where the system cannot be
 * asked, or tells of a lock on a file that is not in the folder. It opens none of the files.
 */
export function locksOf(pid: number, folder: string): string[] | undefined {
  if (!tellsLocks) return undefined
  const held = listedLocks(pid)
  if (held.length === 0) return []
  const device = deviceOf(folder)
  const files = readdirSync(folder).map((name) => {
    const inode = statSync(join(folder, name), { bigint: true, throwIfNoEntry: false })?.ino
    return { name, locks: held.filter(({ file }) => file === `${device}:${inode}`) }
  })
  if (files.flatMap(({ locks }) => locks).length < held.length) return undefined
  return files.flatMap(({ name, locks }) => {
    const words = locks.flatMap((lock) => wordsOf(lock, name.endsWith('-shm') ? sharedMemoryRanges : databaseRanges))
    const state = states.findLast((state) => words.includes(state))
    const prefix = /^database\.db(-shm)?$/.test(name) ? '' : `${name.replace(/-shm$/, '')}: `
    return words.filter((word) => word === state || !states.includes(word)).map((word) => prefix + word)
  })
}

/** What a lock is called: the kernel joins those that are alike and side by side, so that it may have several names. */
function wordsOf({ type, first, last }: Lock, ranges: Range[]): string[] {
  const words: string[] = []
  const bytes = (first: number, last: number) =>
    first <= last && words.push(`${type === 'READ' ? 'shared' : 'exclusive'} bytes ${first}-${last === Infinity ? 'EOF' : last}`)
  let next = first
  for (const range of ranges.filter((range) => first <= range.first && last >= range.last)) {
    bytes(next, range.first - 1)
    words.push(range[type])
    next = range.last + 1
  }
  bytes(next, last)
  return words
}
