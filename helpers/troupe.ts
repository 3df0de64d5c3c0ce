import { Child } from './child.ts'

/** Those who have played in a story and wait for the next, by the library that they have loaded. */
const idle = new Map<string, Child[]>()

/** The numbers of their processes. */
export const waiting = (): number[] => [...idle.values()].flat().map(({ pid }) => pid)

/** What a contender that can play again has loaded. */
const libraries = new WeakMap<Child, string>()

/** How many wait, at most, for each library. */
const most = 8

/**
 * A process of `contender.ts`, which opens what the arguments name. One that has played before, and has closed its connection, plays again
 * if it has loaded the same library: that takes a tenth of the time.
 */
export function engage(name: string, library: string, args: string[]): Child {
  const experienced = idle.get(library)?.pop()
  experienced?.engage(name, { open: args })
  const child = experienced ?? new Child(name, 'contender.ts', ...args)
  libraries.set(child, library)
  return child
}

/** Has a contender end after its story: it was stopped, or else is not as it was. */
export function retire(child: Child): void {
  libraries.delete(child)
}

/**
 * Resolves when these have closed their connections and wait for another story or, where they cannot play again, have ended. Rejected by an
 * accident of any of them; then none waits.
 */
export async function release(children: Iterable<Child>): Promise<void> {
  const leaving: [library: string, Child][] = []
  const leave = (child: Child) => {
    const library = libraries.get(child)
    if (library === undefined || (idle.get(library) ?? []).length + leaving.length >= most) return child.end()
    leaving.push([library, child])
    return child.ask({ close: true }, 'its end')
  }
  await Promise.all([...children].map(leave))
  for (const [library, child] of leaving) idle.set(library, [...(idle.get(library) ?? []), child])
}
