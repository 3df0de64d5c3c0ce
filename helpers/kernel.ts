import { readdirSync, readFileSync } from 'node:fs'
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

/** Whether SIGSTOP has taken effect. Linux only. */
export function isStopped(pid: number): boolean {
  return statOf(pid)?.state === 'T'
}

/** The processes of a group that have not ended. Linux only. */
export function processesOf(group: number): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).filter((pid) => {
    const stat = statOf(pid)
    return stat?.group === group && stat.state !== 'Z'
  })
}
