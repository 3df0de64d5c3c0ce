/**
 * One file, three libraries in two languages: better-sqlite3, node:sqlite, and Python's sqlite3. Each brings a copy of SQLite along, of a version
 * of its own, and each copy keeps to the same locks: who is inside, in whatever language, is waited for, and who is refused is told "database
 * is locked", by an error of another class in each. What each brings along as well is its own timeout, its own way to begin, and its own care:
 * the changes of the most careful are as safe as the least careful of the company allows.
 *
 * The processes are those of `fixtures/stacks/`, as they come and with their ways out: `better-sqlite3.ts` and `better-sqlite3.ts#fixed`,
 * `node-sqlite.ts` and `node-sqlite.ts#fixed`, `python.py` and `python.py --begin immediate`. As they come, better-sqlite3 has a timeout of five
 * seconds and says BEGIN, node:sqlite has none and has BEGIN said, and Python has one of five seconds and says BEGIN after it has read
 * (chapter 82). The ways out are the same for all: five seconds, and BEGIN IMMEDIATE.
 *
 * https://sqlite.org/lockingv3.html · https://sqlite.org/wal.html · https://sqlite.org/formatchng.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { JournalMode } from '../helpers/fresh-database.ts'
import { python as found } from '../helpers/python.ts'
import { type Results, showResults } from '../helpers/show.ts'
import { converse, type Dialogue, inNode, inPython, type Reply, type Speaker, showDialogue } from '../helpers/stack/dialogue.ts'

const asTheyCome = { better: inNode('better-sqlite3.ts'), node: inNode('node-sqlite.ts'), python: inPython() }
const fixed = {
  better: inNode('better-sqlite3.ts#fixed'),
  node: inNode('node-sqlite.ts#fixed'),
  python: inPython('--begin', 'immediate'),
}

/** How each of them refuses: its library, the class of the error, the message, SQLite's code, and where in the error that is. */
function resultsOf(refusals: Record<string, Reply>): Results {
  const rows = Object.entries(refusals).map(([library, { refused = '', message = '', error }]) => {
    return [library, error?.class ?? '', message, refused, error?.at ?? '']
  })
  return { head: ['library', 'class', 'message', 'code', 'found in'], rows }
}

type Tally = { refused: number; confirmed: number; counted: number }

/**
 * Six processes, two of each library, count up ten times each. All of them do it the right way, and at the same time; or else one is
 * careless: in each round it reads before the others begin, and writes when they are done. Nobody begins a round before all are done with
 * the last.
 */
async function countUp(mode: JournalMode, careless: boolean): Promise<Tally> {
  const { better, node, python } = fixed
  const cast = { better, node, python, better2: better, node2: node, last: careless ? asTheyCome.python : python }
  const replies: Reply[] = []
  let total: Reply | undefined
  await converse(mode, cast, async ({ last, ...others }) => {
    const crowd = Object.values<Speaker>(others)
    for (let round = 0; round < 10; round += 1) {
      if (careless) await last`increment, pause`
      const atOnce = careless ? crowd : [...crowd, last]
      replies.push(...(await Promise.all(atOnce.map((member) => member`increment`))))
      if (careless) replies.push(await last`continue`)
    }
    total = await last`total`
  })
  const confirmed = replies.filter((reply) => reply.confirmed).length
  return { refused: replies.length - confirmed, confirmed, counted: Number(total?.total) }
}

function tallies(careful: Tally, careless: Tally): Results {
  const row = (who: string, { refused, confirmed, counted }: Tally) => {
    return [who, `${refused}`, `${confirmed}`, `${counted}`, `${confirmed - counted}`]
  }
  return {
    head: ['six processes, ten times each', 'refused', 'confirmed', 'counted', 'lost'],
    rows: [row('all begin with BEGIN IMMEDIATE', careful), row('one of them reads before its BEGIN', careless)],
  }
}

describe.skipIf(!found)('better-sqlite3, node:sqlite and Python on one file (needs python3)', { tags: ['q50'] }, () => {
  describe('As they come, write-ahead log', () => {
    describe('when the holder is inside after BEGIN IMMEDIATE, and each of them comes to count', () => {
      let ofBetter: Reply, ofNode: Reply, ofPython: Reply, ofHolder: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const cast = { holder: fixed.better, ...asTheyCome }
        story = await converse('wal', cast, async ({ holder, better, node, python }) => {
          await holder`increment, pause`
          ofBetter = await better`increment`
          ofNode = await node`increment`
          const turn = python`increment`
          await turn.blocks()
          ofHolder = await holder`continue`
          ofPython = await turn
          total = await better`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('better-sqlite3 is turned away with SQLITE_BUSY at once, with most of its five seconds to spare', () => {
        expect(ofBetter.refused).toBe('SQLITE_BUSY')
        expect(ofBetter.took).toBeLessThan(1_000)
      })
      test('node:sqlite is turned away with SQLITE_BUSY at once', () => {
        expect(ofNode.refused).toBe('SQLITE_BUSY')
        expect(ofNode.took).toBeLessThan(1_000)
      })
      test('Python waits until the holder has committed, and is confirmed', () => {
        expect([ofHolder.confirmed, ofPython.confirmed]).toEqual([true, true])
      })
      test.fails('myth: what the holder has written under BEGIN IMMEDIATE is safe from the others', () => {
        expect(total.total).toBe(2)
      })
      test('the confirmed change of the holder is lost under that of Python, which had read before: n is 1', () => {
        expect(total.total).toBe(1)
      })
    })
  })

  describe('BEGIN IMMEDIATE, timeout 5 s, write-ahead log', () => {
    describe('when one after the other is inside, and the two others come', () => {
      let replies: Reply[], total: Reply, story: Dialogue

      beforeAll(async () => {
        story = await converse('wal', fixed, async ({ better, node, python }) => {
          replies = []
          for (const [holder, one, other] of [
            [better, node, python],
            [node, python, better],
            [python, better, node],
          ]) {
            await holder`increment, pause`
            const [turn, next] = [one`increment`, other`increment`]
            await turn.blocks()
            await next.blocks()
            replies.push(await holder`continue`, await turn, await next)
          }
          total = await better`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('each of them waits for each of the others, and all nine times it is confirmed', () => {
        expect(replies.map(({ confirmed }) => confirmed)).toEqual(Array(9).fill(true))
      })
      test('nothing is lost: n is 9', () => {
        expect(total.total).toBe(9)
      })
    })
  })

  describe('In its own words each, write-ahead log', () => {
    describe('when all three have read after BEGIN, and another writes', () => {
      let ofBetter: Reply, ofNode: Reply, ofPython: Reply, ofWriter: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const cast = { writer: fixed.better, ...asTheyCome, python: inPython('--begin', 'deferred') }
        story = await converse('wal', cast, async ({ writer, better, node, python }) => {
          await better`increment, pause`
          await node`increment, pause`
          await python`increment, pause`
          ofWriter = await writer`increment`
          ofBetter = await better`continue`
          ofNode = await node`continue`
          ofPython = await python`continue`
          total = await node`total`
        })
      })
      beforeEach(async (context) => {
        await showDialogue(context, story)
        await showResults(context, resultsOf({ 'better-sqlite3': ofBetter, 'node:sqlite': ofNode, "Python's sqlite3": ofPython }))
      })

      test('all three are turned away with the same message: database is locked', () => {
        const message = 'database is locked'
        expect([ofBetter.message, ofNode.message, ofPython.message]).toEqual([message, message, message])
      })
      test('better-sqlite3 throws a SqliteError, with SQLITE_BUSY_SNAPSHOT in its code', () => {
        expect(ofBetter).toMatchObject({ refused: 'SQLITE_BUSY_SNAPSHOT', error: { class: 'SqliteError', at: 'code' } })
      })
      test('node:sqlite throws an Error, with the number of SQLITE_BUSY_SNAPSHOT in its errcode', () => {
        expect(ofNode).toMatchObject({ refused: 'SQLITE_BUSY_SNAPSHOT', error: { class: 'Error', at: 'errcode' } })
      })
      test('Python raises an OperationalError', () => {
        expect(ofPython.error?.class).toBe('OperationalError')
      })
      test.skipIf(Number(found?.version) < 311)(
        'Python has SQLITE_BUSY_SNAPSHOT in its sqlite_errorname (needs Python 3.11, which tells)',
        () => {
          expect(ofPython).toMatchObject({ refused: 'SQLITE_BUSY_SNAPSHOT', error: { at: 'sqlite_errorname' } })
        },
      )
      test('the writer is confirmed: n is 1', () => {
        expect(ofWriter.confirmed).toBe(true)
        expect(total.total).toBe(1)
      })
    })
  })

  describe('A crowd of six, two of each, write-ahead log', () => {
    describe('when they count up, ten times each', () => {
      let careful: Tally, careless: Tally

      beforeAll(async () => {
        careful = await countUp('wal', false)
        careless = await countUp('wal', true)
      })
      beforeEach((context) => showResults(context, tallies(careful, careless)))

      test('those who begin with BEGIN IMMEDIATE are never refused, and lose nothing', () => {
        expect(careful).toEqual({ refused: 0, confirmed: 60, counted: 60 })
      })
      test('where one of them reads before its BEGIN, nobody is refused, and 50 of the 60 confirmed changes are lost', () => {
        expect(careless).toEqual({ refused: 0, confirmed: 60, counted: 10 })
      })
    })
  })

  describe('As they come, rollback journal', () => {
    describe('when the holder is inside after BEGIN IMMEDIATE, and each of them comes to count', () => {
      let ofBetter: Reply, ofNode: Reply, ofPython: Reply, ofHolder: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const cast = { holder: fixed.better, ...asTheyCome }
        story = await converse('delete', cast, async ({ holder, better, node, python }) => {
          await holder`increment, pause`
          ofBetter = await better`increment`
          ofNode = await node`increment`
          const turn = python`increment`
          await turn.blocks()
          ofHolder = await holder`continue`
          ofPython = await turn
          total = await better`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('better-sqlite3 is turned away with SQLITE_BUSY at once, with most of its five seconds to spare', () => {
        expect(ofBetter.refused).toBe('SQLITE_BUSY')
        expect(ofBetter.took).toBeLessThan(1_000)
      })
      test('node:sqlite is turned away with SQLITE_BUSY at once', () => {
        expect(ofNode.refused).toBe('SQLITE_BUSY')
        expect(ofNode.took).toBeLessThan(1_000)
      })
      test('Python waits until the holder has committed, and is confirmed', () => {
        expect([ofHolder.confirmed, ofPython.confirmed]).toEqual([true, true])
      })
      test.fails('myth: what the holder has written under BEGIN IMMEDIATE is safe from the others', () => {
        expect(total.total).toBe(2)
      })
      test('the confirmed change of the holder is lost under that of Python, which had read before: n is 1', () => {
        expect(total.total).toBe(1)
      })
    })
  })

  describe('BEGIN IMMEDIATE, timeout 5 s, rollback journal', () => {
    describe('when one after the other is inside, and the two others come', () => {
      let replies: Reply[], total: Reply, story: Dialogue

      beforeAll(async () => {
        story = await converse('delete', fixed, async ({ better, node, python }) => {
          replies = []
          for (const [holder, one, other] of [
            [better, node, python],
            [node, python, better],
            [python, better, node],
          ]) {
            await holder`increment, pause`
            const [turn, next] = [one`increment`, other`increment`]
            await turn.blocks()
            await next.blocks()
            replies.push(await holder`continue`, await turn, await next)
          }
          total = await better`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('each of them waits for each of the others, and all nine times it is confirmed', () => {
        expect(replies.map(({ confirmed }) => confirmed)).toEqual(Array(9).fill(true))
      })
      test('nothing is lost: n is 9', () => {
        expect(total.total).toBe(9)
      })
    })
  })

  describe('In its own words each, rollback journal', () => {
    describe('when all three have read after BEGIN, and another writes', () => {
      let ofBetter: Reply, ofNode: Reply, ofPython: Reply, ofWriter: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        const cast = { writer: fixed.better, ...asTheyCome, python: inPython('--begin', 'deferred') }
        story = await converse('delete', cast, async ({ writer, better, node, python }) => {
          await better`increment, pause`
          await node`increment, pause`
          await python`increment, pause`
          const leaving = writer`increment`
          await leaving.blocks()
          ofBetter = await better`continue`
          ofNode = await node`continue`
          ofPython = await python`continue`
          ofWriter = await leaving
          total = await node`total`
        })
      })
      beforeEach(async (context) => {
        await showDialogue(context, story)
        await showResults(context, resultsOf({ 'better-sqlite3': ofBetter, 'node:sqlite': ofNode, "Python's sqlite3": ofPython }))
      })

      test('all three are turned away with the same message: database is locked', () => {
        const message = 'database is locked'
        expect([ofBetter.message, ofNode.message, ofPython.message]).toEqual([message, message, message])
      })
      test('better-sqlite3 throws a SqliteError, with SQLITE_BUSY in its code', () => {
        expect(ofBetter).toMatchObject({ refused: 'SQLITE_BUSY', error: { class: 'SqliteError', at: 'code' } })
      })
      test('node:sqlite throws an Error, with the number of SQLITE_BUSY in its errcode', () => {
        expect(ofNode).toMatchObject({ refused: 'SQLITE_BUSY', error: { class: 'Error', at: 'errcode' } })
      })
      test('Python raises an OperationalError', () => {
        expect(ofPython.error?.class).toBe('OperationalError')
      })
      test.skipIf(Number(found?.version) < 311)(
        'Python has SQLITE_BUSY in its sqlite_errorname (needs Python 3.11, which tells)',
        () => {
          expect(ofPython).toMatchObject({ refused: 'SQLITE_BUSY', error: { at: 'sqlite_errorname' } })
        },
      )
      test('the writer, who waits in COMMIT until all three have rolled back, is confirmed: n is 1', () => {
        expect(ofWriter.confirmed).toBe(true)
        expect(total.total).toBe(1)
      })
    })
  })

  describe('A crowd of six, two of each, rollback journal', () => {
    describe('when they count up, ten times each', () => {
      let careful: Tally, careless: Tally

      beforeAll(async () => {
        careful = await countUp('delete', false)
        careless = await countUp('delete', true)
      })
      beforeEach((context) => showResults(context, tallies(careful, careless)))

      test('those who begin with BEGIN IMMEDIATE are never refused, and lose nothing', () => {
        expect(careful).toEqual({ refused: 0, confirmed: 60, counted: 60 })
      })
      test('where one of them reads before its BEGIN, nobody is refused, and 50 of the 60 confirmed changes are lost', () => {
        expect(careless).toEqual({ refused: 0, confirmed: 60, counted: 10 })
      })
    })
  })
})
