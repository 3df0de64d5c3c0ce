import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import type { Chapter, Sight } from './reporter.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const vitest = [`${root}node_modules/vitest/vitest.mjs`, 'run', '--config', `${root}tests/matrix/vitest.config.ts`]

/** A runtime and a library, as contenders are given them: the program, the library, and what the program finds in its environment. */
export type Place = { program: string; driver: string; options?: Record<string, string> }

/** The runtime, the library and its SQLite, as a contender there tells. */
export async function nameOf({ program, driver, options }: Place): Promise<string> {
  const words = [`${root}fixtures/contender.ts`, ':memory:', '--driver', driver]
  const { stdout } = await execa(program, words, { env: { ...options, TELL_PLACE: '1' }, input: '' })
  return JSON.parse(stdout).places[0]
}

/**
 * Has the stories of these chapters told in a place, and resolves to what was seen of each claim. Rejected, with a sentence, if a
 * chapter of them has no claims, or if a story was told anywhere else than in the place of that name.
 */
export async function look(place: Place, name: string, files: string[], cancelSignal?: AbortSignal): Promise<Sight[]> {
  const { program, driver, options: { NODE_OPTIONS, ...options } = {} } = place
  const scratch = mkdtempSync(join(tmpdir(), 'database-is-locked-'))
  const sights = join(scratch, 'sights.json')
  const env = {
    ...options,
    RUNTIME: program,
    DRIVER: driver,
    TELL_PLACE: '1',
    SIGHTS: sights,
    CONTENDERS_NODE_OPTIONS: NODE_OPTIONS,
  }
  const words = [...vitest, `--reporter=${root}helpers/matrix/reporter.ts`, ...files.map((file) => `tests/${file}`)]
  try {
    const { stderr } = await execa(process.execPath, words, { cwd: root, env, reject: false, cancelSignal })
    const chapters: Chapter[] = existsSync(sights) ? JSON.parse(readFileSync(sights, 'utf8')) : []
    for (const file of files) mustBeTold(file, chapters, stderr)
    const claims = chapters.flatMap(({ claims }) => claims)
    for (const claim of claims) mustBeAt(name, claim)
    return claims
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function mustBeTold(file: string, chapters: Chapter[], stderr: string): void {
  const { claims, fault = stderr } = chapters.find((chapter) => chapter.file === file) ?? { claims: [] }
  if (claims.length === 0) throw new Error(`tests/${file} has told no claims${fault && `: ${fault}`}`)
}

/** A story that was seen was told in this place; where it names a library itself, in the same runtime with that one. */
function mustBeAt(name: string, { state, places, libraries, file, line }: Sight): void {
  const [runtime] = name.split(' · ')
  const isRight = (place: string) => {
    const [itsRuntime, itsLibrary = ''] = place.split(' · ')
    return place === name || (itsRuntime === runtime && libraries.includes(itsLibrary.split(' ')[0]))
  }
  if (state === 'not seen' || (places.length > 0 && places.every(isRight))) return
  const where = places.find((place) => !isRight(place)) ?? 'an untold place'
  throw new Error(`the story of ${file}:${line} was told in ${where}, not in ${name}`)
}
