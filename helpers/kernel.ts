import { readdirSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'

/** The numbers of `clock_nanosleep`, and of `restart_syscall`, which goes on with it after SIGCONT, as `/proc/PID/syscall` shows them. */
const sleeps: Partial<Record<NodeJS.Architecture, string[]>> = { x64: ['230', '219'], arm64: ['115', '128'] }

/**
 * Whether the operating system shows the process asleep in SQLite's busy handler, which calls `usleep` between two tries
 * (unixSleep in os_unix.c). In glibc that is `clock_nanosleep` without a place for the time that remains; V8 sleeps too now
 * and then, but leaves such a place. `undefined` where the system cannot be asked, or is not known.
 */
export async function sleepsInBusyHandler(pid: number): Promise<boolean | undefined> {
  if (!glibc) return undefined
  try {
    const [call, , , , remain] = (await readFile(`/proc/${pid}/syscall`, 'latin1')).split(' ')
    return remain === '0x0' && sleeps[process.arch]?.includes(call) === true
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
