/**
 * What an examination saw is evidence, and the verdict is made of it alone. Here the evidence is made up, of a stack that keeps every promise, with
 * one thing changed: what is found then, which cause is the likely one, which chapter explains it, and what a card and a summary tell of it.
 */
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { Outcome } from '../helpers/stack/attempt.ts'
import { changesIn } from '../helpers/stack/baseline.ts'
import { card, markdown, reportOf } from '../helpers/stack/card.ts'
import type { Evidence, Settings } from '../helpers/stack/examination.ts'
import { judge, type PromiseId, type Verdict, verdictsOf } from '../helpers/stack/findings.ts'
import { usual } from '../helpers/stack/scale.ts'

const confirmed: Outcome = { verdict: 'confirmed', message: 'confirmed', tries: 0, waited: 1 }
const refusal: Outcome = { verdict: 'refused', code: 'SQLITE_BUSY', message: 'database is locked', tries: 0, waited: 1, took: 1 }
const died: Outcome = { verdict: 'unknown', message: 'It ended with exit code 1 at its start.', tries: 0, waited: 1 }
const late = (milliseconds: number): Outcome => ({ ...refusal, waited: milliseconds, took: milliseconds })

const two = { outcomes: [confirmed, confirmed], counted: 2 }
const beside = { outcome: late(5_000), within: 10_000, next: confirmed, counted: 1 }
const settings: Settings = { journalMode: 'wal', begins: 'with the write lock', reader: { answer: { total: 1 } } }

/** Of a stack that keeps every promise, waits for five seconds, and says nothing of itself. */
const good: Evidence = {
  scale: usual,
  description: {},
  adapter: [['it starts, and answers', true]],
  between: { ...two, next: [confirmed, confirmed] },
  held: { outcomes: [confirmed], counted: 1, early: false },
  crowd: { ...two, next: [confirmed, confirmed] },
  fresh: { ...two, openings: [confirmed, confirmed] },
  confirmedThenKilled: two,
  killed: { outcomes: [confirmed, { ...died, message: 'it was killed' }], counted: 1 },
  stopped: two,
  refusal: { ...beside, atOnce: false },
  write: { ...beside, couldCommit: true },
  commit: { ...beside, outcome: confirmed, counted: 2, journal: undefined },
  settings,
}

const atOnce = { ...beside, outcome: refusal, atOnce: true }
const found = (evidence: Partial<Evidence>) => judge({ ...good, ...evidence })
const finding = (id: PromiseId, evidence: Partial<Evidence>) => found(evidence).find((finding) => finding.id === id)
const broken = (evidence: Partial<Evidence>) => found(evidence).flatMap(({ id, verdict }) => (verdict === 'broken' ? id : []))
const chapterOf = (id: PromiseId, evidence: Partial<Evidence>) => finding(id, evidence)?.chapter?.slice(6, 8)
const turnedAway = (outcome: Outcome) => ({ outcomes: [confirmed, outcome], counted: 1 })

describe('The verdict', { tags: ['q51'] }, () => {
  test('of a stack with which all is well, every promise is kept', () => {
    expect(found({}).map(({ verdict }) => verdict)).toEqual(Array(15).fill('kept' satisfies Verdict))
  })

  describe('when somebody is turned away', () => {
    test('who reads first and does not wait is told of a timeout, by chapter 20', () => {
      const reader: Settings = { ...settings, journalMode: 'delete', begins: 'as a reader' }
      expect(chapterOf('progress between', { between: turnedAway(refusal), refusal: atOnce, settings: reader })).toBe('20')
    })
    test('who begins with the write lock and does not wait is told of a timeout, by chapter 40', () => {
      expect(chapterOf('progress held', { held: { ...turnedAway(refusal), early: false }, refusal: atOnce })).toBe('40')
    })
    test('who reads first, in WAL mode, is told of BEGIN IMMEDIATE by chapter 30, although it was not seen to wait', () => {
      const reader: Settings = { ...settings, begins: 'as a reader' }
      expect(chapterOf('progress between', { between: turnedAway(refusal), refusal: atOnce, settings: reader })).toBe('30')
    })
    test('who does not pause, waits elsewhere, and was turned away at once, is told of BEGIN IMMEDIATE, by chapter 30', () => {
      const pauseless: Settings = { ...settings, begins: undefined }
      expect(chapterOf('progress crowd', { crowd: turnedAway(refusal), settings: pauseless })).toBe('30')
    })
    test('who has waited is told that its timeout was over, by chapter 63', () => {
      expect(finding('progress crowd', { crowd: turnedAway(late(5_010)) })).toMatchObject({
        why: '1 of 2 turned away, one after 5010 ms: SQLITE_BUSY: database is locked',
        cause: expect.stringContaining('Its busy timeout, 5000 ms, was over before its turn came.'),
        chapter: expect.stringContaining('63'),
      })
    })
    test('who fails for another reason than a lock is told so, whatever the name of its error', () => {
      const optimist = { ...refusal, code: 'OptimisticLockError', message: 'somebody else has changed it' }
      expect(finding('progress between', { between: turnedAway(optimist) })?.cause).toMatch(/^It fails for another reason/)
    })
    test('a page of another error than a lock, with a lock held beside it, is taken for one', () => {
      const page = { ...refusal, code: 'HTTP 500', message: 'Internal Server Error' }
      expect(chapterOf('progress held', { held: { ...turnedAway(page), early: false }, refusal: atOnce })).toBe('40')
    })
    test('who opens a new database in WAL mode and is turned away at once is told of the switch, by chapter 66', () => {
      expect(finding('progress fresh', { fresh: { ...two, openings: [confirmed, refusal] } })?.cause).toMatch(
        /^The switch to WAL/,
      )
    })
    test('who opens a new database with a rollback journal is told to set its timeout first', () => {
      const rollback = { ...settings, journalMode: 'delete' }
      const fresh = { ...two, openings: [confirmed, refusal] }
      expect(finding('progress fresh', { fresh, settings: rollback })?.cause).toMatch(/^A statement before PRAGMA busy_timeout/)
    })
    test('who opens a new database and has waited there is told of its timeout, by chapter 63', () => {
      expect(chapterOf('progress fresh', { fresh: { ...two, openings: [confirmed, late(5_010)] } })).toBe('63')
    })
    test('who does not promise progress breaks no promise', () => {
      const description = { promisesNot: { progress: 'the caller is patient' } }
      expect(finding('progress crowd', { description, crowd: turnedAway(refusal) })).toMatchObject({ verdict: 'not promised' })
    })
  })

  describe('when the counter is not as it was confirmed', () => {
    test('less than that is lost, and what binds its write to its read is asked for, by chapter 71', () => {
      const careless: Settings = { ...settings, begins: 'not at all' }
      const lost = { outcomes: [confirmed, confirmed], counted: 1 }
      expect(finding('safety between', { between: lost, settings: careless })?.why).toBe('2 confirmed, 1 counted: 1 lost')
      expect(chapterOf('safety between', { between: lost, settings: careless })).toBe('71')
    })
    test('less than that, of who holds the lock, is an error that was swallowed, by chapter 72', () => {
      expect(chapterOf('safety crowd', { crowd: { outcomes: [confirmed, confirmed], counted: 1 } })).toBe('72')
    })
    test('less than that, when it is killed right afterwards, was confirmed before its COMMIT, by chapter 74', () => {
      expect(chapterOf('safety confirmed', { confirmedThenKilled: { outcomes: [confirmed], counted: 0 } })).toBe('74')
    })
    test('more than that, and more than is unknown, is a refusal of what was done', () => {
      expect(broken({ stopped: { outcomes: [confirmed, refusal], counted: 2 } })).toEqual(['safety stopped'])
      expect(broken({ killed: { outcomes: [confirmed, died], counted: 2 } })).toEqual([])
    })
  })

  describe('when a contest has no end', () => {
    const fault = { fault: 'It keeps a lock between two requests: with nobody at work, another process got SQLITE_BUSY.' }

    test('nobody knows what was counted: safety is not tried, and progress is broken, even if it is not promised', () => {
      const description = { promisesNot: { progress: 'the caller is patient' } }
      expect(finding('safety between', { between: fault })?.verdict).toBe('not tried')
      expect(finding('progress between', { between: fault, description })).toMatchObject({ verdict: 'broken' })
      expect(chapterOf('progress between', { between: fault })).toBe('65')
    })
    test('after a kill, safety is broken: something has outlived its process, see chapter 74', () => {
      expect(broken({ killed: fault })).toEqual(['safety killed'])
      expect(chapterOf('safety killed', { killed: fault })).toBe('74')
    })
  })

  describe('when it was refused', () => {
    test('who keeps the one that held the lock from its COMMIT is told that it keeps a lock, by chapter 65', () => {
      expect(chapterOf('manners usable', { write: { ...beside, couldCommit: false } })).toBe('65')
    })
    test('who cannot be used again is told that it keeps a lock, by chapter 65', () => {
      const next = { ...refusal, message: 'cannot start a transaction within a transaction' }
      expect(chapterOf('manners usable', { write: { ...beside, next, couldCommit: true } })).toBe('65')
    })
    test('who is gone is told to catch the error, and not that it keeps a lock', () => {
      const dead = { ...died, message: 'It ended with exit code 1 after it.\nOn stderr:\nError: database is locked' }
      expect(finding('manners refusal', { refusal: { ...beside, outcome: dead, next: dead, atOnce: true } })?.cause).toMatch(
        /^It ends when it is refused\./,
      )
      for (const evidence of [
        { commit: { ...beside, outcome: dead, next: dead, journal: undefined } },
        { write: { ...beside, next: dead, couldCommit: true } },
      ])
        expect(found(evidence).find(({ verdict }) => verdict === 'broken')?.cause).toMatch(/^It ends when it is refused\./)
    })
    test('who keeps a newcomer from reading is found by that', () => {
      expect(finding('manners usable', { crowd: { ...two, stuck: 'SQLITE_BUSY: database is locked' } })).toMatchObject({
        verdict: 'broken',
        why: 'with nobody at work, a newcomer who reads is turned away: SQLITE_BUSY: database is locked',
      })
    })
    test('who confirms the next increment, and has not committed it, cannot be used', () => {
      expect(finding('manners usable', { write: { ...beside, counted: 0, couldCommit: true } })?.why).toBe(
        'after it was refused its write, the next increment was confirmed, and the counter went up by 0',
      )
    })
    test('who confirms the next increment of a COMMIT that was refused, and has not committed it, is told of ROLLBACK, by chapter 61', () => {
      expect(chapterOf('manners commit', { commit: { ...beside, outcome: refusal, counted: 0, journal: true } })).toBe('61')
    })
  })

  describe('when it is told', () => {
    const report = (evidence: Partial<Evidence>, baseline?: Parameters<typeof reportOf>[2]) =>
      reportOf({ reference: 'stack.ts', kind: 'module', command: [], folder: '/' }, { ...good, ...evidence }, baseline)
    const plain = (evidence: Partial<Evidence>) => stripVTControlCharacters(card(report(evidence)))

    test('the card tells what was observed, and no scale where it is the usual one', () => {
      expect(plain({})).toContain(
        '\nobserved   journal mode wal · a transaction begins with the write lock · waits 5.0 s for a lock\n\n',
      )
    })
    test('the card says if there is no journal on the disk', () => {
      const memory = { commit: { ...beside, outcome: refusal, journal: false }, settings: { ...settings, journalMode: 'delete' } }
      expect(plain(memory)).toContain('\nobserved   no journal on the disk · ')
    })
    test('the card sums up what is kept, broken, not promised and not tried', () => {
      const description = { promisesNot: { progress: 'the caller is patient' } }
      const all = {
        description,
        crowd: turnedAway(refusal),
        killed: { skipped: 'so' },
        commit: { ...beside, outcome: undefined, journal: true },
      }
      expect(plain(all)).toContain('\nverdict    progress not promised · safety kept (6 of 7 tried) · manners broken (1 of 4)\n')
    })
    test('the summary has a row for each promise, in which nothing of a message is taken for Markdown', () => {
      const odd = { ...refusal, message: 'a \\| b <i>\nnext' }
      const row = markdown(report({ between: turnedAway(odd) }))
        .split('\n')
        .find((line) => line.includes('SQLITE_BUSY'))
      expect(row).toContain('SQLITE_BUSY: a \\\\\\| b &lt;i><br>next<br>Likely: ')
    })
    test('the summary of a faulty adapter has its faults, and no promise', () => {
      const faulty = markdown(report({ adapter: [['it starts, and answers', 'It did not.']] }))
      expect(faulty).toContain('### stack.ts: no verdict: the adapter comes first')
      expect(faulty).toContain('| ✗ | it starts, and answers | It did not. |')
      expect(faulty).not.toContain('nobody is turned away')
    })
    test('what is not as in the baseline is told in both directions', () => {
      const verdicts = verdictsOf(found({}))
      const before = { ...verdicts, 'progress held': 'broken' as const }
      const changes = changesIn(found({ crowd: turnedAway(refusal) }), before)
      expect(changes).toEqual([
        expect.stringMatching(/holds the lock for more than a second: kept, and broken in the baseline/),
        expect.stringMatching(/fifty increments each: broken, and kept in the baseline \(1 of 2 turned away/),
      ])
      expect(markdown(report({ crowd: turnedAway(refusal) }, before))).toContain('**Not as in the baseline:**\n* ')
      expect(markdown(report({}, verdicts))).toContain('As in the baseline.')
    })
  })
})
