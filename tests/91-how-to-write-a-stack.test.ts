/**
 * fixtures/stacks/README.md grows a stack from a program of three lines to one that keeps its promises, and shows what its author sees at each
 * step. Here each program of that page is run, as a newcomer would copy it, and what the check answers is what the page says.
 */
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { python } from '../helpers/python.ts'
import { card, reportOf } from '../helpers/stack/card.ts'
import { examine } from '../helpers/stack/examination.ts'
import { usual } from '../helpers/stack/scale.ts'
import { subjectOf } from '../helpers/stack/subject.ts'

const page = readFileSync(new URL('../fixtures/stacks/README.md', import.meta.url), 'utf8')
const blocks = [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].map(([, language, text]) => ({ language, text }))
const steps = blocks.filter(({ language }) => language === 'python').map(({ text }) => text)
const [typescript] = blocks.filter(({ language }) => language === 'ts').map(({ text }) => text)
const shown = blocks.filter(({ language }) => language === 'text').map(({ text }) => text.trimEnd().split('\n'))

/** A smaller crowd, and a shorter second: the promises and the verdicts are the same. */
const small = { ...usual, crowd: 3, rounds: 1, hold: 300 }

let folder: string
let lines: string[], deferred: string[], careless: string[]
let cards: string[][], tutorial: string[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'database-is-locked-'))
  await symlink(fileURLToPath(new URL('../node_modules', import.meta.url)), join(folder, 'node_modules'), 'junction')
  const inNode = [
    cardOf('stack.ts', typescript),
    cardOf('deferred.ts', typescript.replace('increment.immediate', 'increment.deferred')),
    cardOf('careless.ts', typescript.replace('db.transaction((pause', '((pause').replace('increment.immediate', 'increment')),
  ]
  const inWal = readFileSync(new URL('../fixtures/stacks/tutorial.py', import.meta.url), 'utf8')
  const inPython = python ? [inWal, ...steps, immediate(steps[5])].map((program, i) => cardOf(`step-${i}.py`, program)) : []
  ;[[lines, deferred, careless], [tutorial, ...cards]] = await Promise.all([Promise.all(inNode), Promise.all(inPython)])
}, 120_000)
afterAll(() => rm(folder, { recursive: true }))

/** The lines of the verdict card of a program, written to a file of its own. */
async function cardOf(name: string, program: string): Promise<string[]> {
  await writeFile(join(folder, name), program)
  const subject = subjectOf(name.endsWith('.py') ? `python3 ${name}` : name, folder)
  return stripVTControlCharacters(card(reportOf(subject, await examine(subject, small)))).split('\n')
}

const immediate = (program: string) => program.replace(/"BEGIN"/, '"BEGIN IMMEDIATE"')

describe('The page about how to write a stack', { tags: ['q51'] }, () => {
  test('the page has a module, seven steps in Python of which the last is a word changed, and what is seen at each', () => {
    expect([typescript === undefined, steps.length, shown.length]).toEqual([false, 6, 8])
  })

  describe('when the module is copied', () => {
    test('the module has fewer than 30 lines', () => {
      expect(typescript.trimEnd().split('\n').length).toBeLessThan(30)
    })
    test('the module keeps all that can be tried with a rollback journal, as the page says', () => {
      expect(lines).toEqual(expect.arrayContaining(shown[0]))
    })
    test('the module, made deferred, breaks progress and keeps safety', () => {
      expect(deferred.join()).toMatch(/verdict {4}progress broken \(3 of 4\) · safety kept ·/)
    })
    test('the module, made careless, keeps progress and breaks safety', () => {
      expect(careless.join()).toMatch(/verdict {4}progress kept · safety broken \(4 of 7\) ·/)
    })
  })

  describe.skipIf(!python)('when the steps in Python are followed (needs python3)', () => {
    test('who prints what it hears is told what stdout is for', () => {
      expect(cards[0]).toEqual(expect.arrayContaining(shown[1]))
    })
    test('who answers nothing to the question for the total is told what an answer is', () => {
      expect(cards[1]).toEqual(expect.arrayContaining(shown[2]))
    })
    test('who does not pause is told where to', () => {
      expect(cards[2]).toEqual(expect.arrayContaining(shown[3]))
    })
    test('who counts in memory is told that another process of it cannot know', () => {
      expect(cards[3]).toEqual(expect.arrayContaining(shown[4]))
    })
    test('who uses sqlite3 as it comes loses an update, and is told that nothing binds its write to its read', () => {
      expect(cards[4]).toEqual(expect.arrayContaining(shown[5]))
      expect(cards[4].join()).not.toMatch(/keeps a lock|leaves its transaction open/) // it has ended, and nothing is left
    })
    test('who says BEGIN is turned away, and is told to say BEGIN IMMEDIATE', () => {
      expect(cards[5]).toEqual(expect.arrayContaining(shown[6]))
      expect(cards[5].join()).toMatch(/verdict {4}progress broken \(3 of 4\) · safety kept ·/)
    })
    test('who says BEGIN IMMEDIATE keeps every promise', () => {
      expect(cards[6]).toEqual(expect.arrayContaining(shown[7]))
    })
    test('the same in WAL mode, fixtures/stacks/tutorial.py, keeps every promise, and all are tried', () => {
      expect(tutorial).toContain('verdict    progress kept · safety kept · manners kept')
    })
    test('the last program has fewer than 30 lines', () => {
      expect(steps[5].trimEnd().split('\n').length).toBeLessThan(30)
    })
  })
})
