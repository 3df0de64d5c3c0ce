/**
 * The picture of a story says what the story says, and no more: who ran what, what SQLite answered, who held which lock meanwhile,
 * who waited. Not how long. So the same story has the same picture on every machine.
 *
 * Here too SQLite is not the subject: ../helpers/picture.ts is.
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Story } from '../helpers/contend.ts'
import { tellsLocks, tellsSleep } from '../helpers/kernel.ts'
import { picture } from '../helpers/picture.ts'
import { show } from '../helpers/show.ts'
import { timelineOf } from '../helpers/timeline.ts'

/** The shapes of a kind: where they begin and end, and what they say. */
function shapes(svg: string, element: 'rect' | 'text' | 'circle', kind = '') {
  return [...svg.matchAll(new RegExp(`<${element} class="${kind}([^>]*)>([^<]*)`, 'g'))].map(([, attributes, words]) => {
    const length = (name: string) => Number(attributes.match(` ${name}="([^"]*)"`)?.[1] ?? 0)
    return { top: length('y'), bottom: length('y') + length('height'), words }
  })
}

const wordsIn = (svg: string, kind?: string) => shapes(svg, 'text', kind).map(({ words }) => words)

describe('A story of three, write-ahead log', () => {
  const tell = () => {
    const cast = { holder: { timeout: 0 }, waiter: { timeout: 5_000 }, third: { timeout: 0 } }
    return contend('wal', cast, async ({ holder, waiter, third }) => {
      await holder`BEGIN IMMEDIATE`
      const turn = waiter`UPDATE counter SET n = 2`
      await turn.blocks()
      await third`UPDATE counter SET n = 3`
      await third`SELECT '<&>' AS signs`
      await holder`COMMIT`
      await turn
    })
  }

  describe('when one holds the lock, one waits for it, and one is turned away', () => {
    let svg: string, repeated: string, story: Story

    beforeAll(async () => {
      story = await tell()
      svg = picture(story)
      repeated = picture(await tell())
    })
    beforeEach((context) => show(context, story))

    test('the picture tells every statement, in its order', () => {
      expect(wordsIn(svg, 'sql').filter((words) => /^[A-Z]/.test(words))).toEqual([
        'BEGIN IMMEDIATE',
        'UPDATE counter SET n = 2',
        'UPDATE counter SET n = 3',
        "SELECT '&lt;&amp;&gt;' AS signs",
        'COMMIT',
      ])
    })
    test('the picture marks the refusal, with its code SQLITE_BUSY', () => {
      expect(wordsIn(svg, 'refused')).toEqual(['SQLITE_BUSY'])
      expect(shapes(svg, 'circle', 'disc')).toHaveLength(1)
    })
    test('the picture hatches the wait of the waiter, from its statement until after the COMMIT of the holder', () => {
      const [wait] = shapes(svg, 'rect', 'hatched')
      const [issued, commit] = ['UPDATE counter SET n = 2', 'COMMIT'].map((statement) =>
        shapes(svg, 'text', 'sql').find(({ words }) => words === statement),
      )
      expect(wait.top).toBeGreaterThan(issued?.top as number)
      expect(wait.bottom).toBeGreaterThan(commit?.top as number)
    })
    test('the picture says < and & as XML does', () => {
      expect(svg).not.toContain("'<&>'")
      expect(wordsIn(svg)).toContain('signs = &lt;&amp;&gt;')
    })
    test('the picture needs nothing from outside', () => {
      expect(svg).not.toMatch(/href|@import|@font-face|<script|url\((?!#)/)
    })
    test('the same story, told twice, has the same picture, byte for byte', () => {
      expect(repeated).toBe(svg)
    })
    test('the picture is the same when every statement takes a second longer', () => {
      const slower = story.moments.map(({ outcome, ...moment }) => ({
        ...moment,
        outcome: outcome && { ...outcome, waited: outcome.waited + 1_000 },
      }))
      expect(picture({ ...story, moments: slower })).toBe(svg)
    })
    test('the picture tells of no milliseconds but those of the timeouts', () => {
      expect(new Set(svg.match(/[\d.]+ ms/g))).toEqual(new Set(['0 ms', '5000 ms']))
    })
    test.skipIf(!tellsLocks)('the picture shows the locks of the holder as bars, with their names (needs /proc)', () => {
      expect(wordsIn(svg, 'lock')).toEqual(['WRITE', 'snapshot READ'])
    })
  })
})

describe('A story of one process, rollback journal', () => {
  describe('when its answer is a hundred rows long', () => {
    let svg: string, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0, process: 'both' }, writer: { timeout: 0, process: 'both' } }
      story = await contend('delete', cast, async ({ reader, writer }) => {
        await writer`BEGIN`
        await reader`WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 100) SELECT i FROM k`
        await writer`UPDATE counter SET n = n + 1`
        await writer`COMMIT`
      })
      svg = picture(story)
    })
    beforeEach((context) => show(context, story))

    test('the two connections stand in one frame, and it has the name of the process', () => {
      expect(shapes(svg, 'rect', 'process')).toHaveLength(1)
      expect(wordsIn(svg)).toContain('process both')
    })
    test('the statement is told to its end', () => {
      expect(wordsIn(svg, 'sql').join(' ')).toContain('SELECT i + 1 FROM k WHERE i &lt; 100) SELECT i FROM k')
    })
    test('the answer is not, and ends with an ellipsis', () => {
      expect(wordsIn(svg, 'sql').join(' ')).toMatch(/i = 1; i = 2; .* i = \d+; …/)
      expect(wordsIn(svg, 'sql').join(' ')).not.toContain('i = 100')
    })
  })

  describe('when its two connections are at work at the same time', () => {
    let timeline: string, svg: string, story: Story

    beforeAll(async () => {
      const both = { timeout: 5_000, process: 'both', worker: true }
      story = await contend('delete', { holder: both, waiter: both }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        const turn = waiter`BEGIN IMMEDIATE`
        await turn.blocks()
        await holder`COMMIT`
        await turn
        await waiter`COMMIT`
      })
      timeline = timelineOf(story)
      svg = picture(story)
    })
    beforeEach((context) => show(context, story))

    test.skipIf(!(tellsLocks && tellsSleep))(
      'the timeline says [?] where the locks are not known, and nothing where there are none (needs /proc)',
      () => {
        const told = timeline
          .split('\n')
          .slice(2)
          .map((line) => line.match(/\[.*\]$/)?.[0])
        expect(told).toEqual(['[RESERVED]', '[RESERVED]', '[?]', '[?]', undefined])
      },
    )
    test.skipIf(!(tellsLocks && tellsSleep))(
      'the picture ends the bar where the locks are not known, and has a ? below it (needs /proc)',
      () => {
        const [[, bar], [unknown]] = [shapes(svg, 'rect', 'bar'), shapes(svg, 'rect', 'sent')]
        expect(bar.bottom).toBeLessThanOrEqual(unknown.top)
        expect(wordsIn(svg)).toContain('?')
      },
    )
    test('the timeline tells of no locks where the operating system does not', () => {
      const moments = story.moments.map((moment) => ({ ...moment, locks: undefined }))
      expect(timelineOf({ ...story, moments })).not.toMatch(/[[\]]/)
    })
  })
})

describe.skipIf(process.platform === 'win32')('A story with a death in it, rollback journal (POSIX)', () => {
  describe('when the holder is killed, and the other goes on', () => {
    let svg: string, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, waiter: { timeout: 5_000 }, other: { timeout: 0 } }
      story = await contend('delete', cast, async ({ holder, waiter, other }) => {
        await holder`BEGIN IMMEDIATE`
        await waiter`BEGIN IMMEDIATE`.blocks()
        await waiter.signal('SIGKILL')
        await holder.signal('SIGKILL')
        await other`BEGIN IMMEDIATE`
        await other`UPDATE counter SET n = 1`
      })
      svg = picture(story)
    })
    beforeEach((context) => show(context, story))

    test('the picture ends the lane of the holder, and its transaction, with the SIGKILL', () => {
      const [signal] = shapes(svg, 'rect', 'stop')
      const [lane] = shapes(svg, 'rect', 'process')
      const [transaction] = shapes(svg, 'rect', 'transaction').slice(1) // the first is in the legend
      const ends = [lane, transaction].map(({ bottom }) => bottom - signal.bottom)
      expect(Math.min(...ends)).toBeGreaterThan(0)
      expect(Math.max(...ends)).toBeLessThan(10)
    })
    test.skipIf(!tellsLocks)('the picture ends the lock of the holder with the SIGKILL (needs /proc)', () => {
      const [signal] = shapes(svg, 'rect', 'stop')
      const [lock] = shapes(svg, 'rect', 'bar reserved').slice(1) // the first is in the legend
      expect(lock.bottom).toBeGreaterThan(signal.top)
      expect(lock.bottom).toBeLessThan(signal.bottom)
    })
    test('the picture calls unknown what the waiter was killed in', () => {
      expect(wordsIn(svg, 'quiet')).toContain('unknown')
    })
    test('the picture goes on with the other, to the end', () => {
      const [holder, waiter, other] = shapes(svg, 'rect', 'process')
      expect(other.bottom).toBeGreaterThan(Math.max(holder.bottom, waiter.bottom))
    })
  })
})
