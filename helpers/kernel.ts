import { readFile } from 'node:fs/promises'

/** The number of `clock_nanosleep`, as `/proc/PID/syscall` shows it. */
const clockNanosleep: Partial<Record<NodeJS.Architecture, string>> = { x64: '230', arm64: '115' }

/**
 * Whether the operating system shows the process asleep in SQLite's busy handler, the one place where a contender
 * sleeps by the clock (`usleep` between two tries; os_unix.c). `undefined` where the system cannot be asked.
 */
export async function sleepsInBusyHandler(pid: number): Promise<boolean | undefined> {
  try {
    const [channel, call] = await Promise.all([
      readFile(`/proc/${pid}/wchan`, 'latin1'),
      readFile(`/proc/${pid}/syscall`, 'latin1'),
    ])
    return channel === 'hrtimer_nanosleep' || call.split(' ')[0] === clockNanosleep[process.arch]
  } catch {
    return undefined
  }
}
