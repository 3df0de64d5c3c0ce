/**
 * Effect 3, with its SQL client for SQLite, on better-sqlite3: one connection for all that a process does, whose transactions take turns. It
 * switches to WAL as it opens; the documentation of the client has neither a timeout nor a word about SQLITE_BUSY, so that it is five seconds, by
 * better-sqlite3. `withTransaction()` says BEGIN, and no option makes that BEGIN IMMEDIATE. Its way out is `Effect.retry`, which is there for
 * whatever fails.
 *
 * Effect 4, as its release notes have it, says BEGIN IMMEDIATE, has a timeout of its own, and tries the switch to WAL again.
 *
 * https://effect-ts.github.io/effect/docs/sql-sqlite-node · https://effect.website/docs/v3/error-management/retrying ·
 * https://github.com/Effect-TS/effect/pull/7162
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { showDialogue } from '../../helpers/stack/dialogue.ts'
import { type Answer, type Service, serve } from '../../helpers/stack/service.ts'
import { line, type Sight, survey } from '../../helpers/stack/survey.ts'

describe('Effect, as it comes', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('effect.ts')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN', () => {
    expect(seen.sql).toBe('BEGIN; SELECT; UPDATE; COMMIT')
  })
  test('its database has a write-ahead log', () => {
    expect(seen.journalMode).toBe('wal')
  })
  test.fails('myth: its write-ahead log keeps it from being turned away when another process writes between its read and its write', () => {
    expect(seen.verdicts['progress between']).toBe('kept')
  })
  test('one of the two is turned away, with a SqlError that has SQLITE_BUSY_SNAPSHOT in cause.code', () => {
    expect(seen.verdicts['progress between']).toBe('broken')
    expect(seen.error).toMatchObject({
      code: 'SQLITE_BUSY_SNAPSHOT',
      message: 'Failed to execute statement',
      error: { class: 'SqlError', at: 'cause.code' },
    })
  })
  test('it does not wait for the lock once it has read: it is turned away at once', () => {
    expect(seen.timeout).toBeUndefined()
    expect(seen.error?.took).toBeLessThan(1_000)
  })
  test('it is turned away while another process holds the lock for half a second', () => {
    expect(seen.verdicts['progress held']).toBe('broken')
  })
  test('no update is lost', () => {
    expect(seen.verdicts['safety between']).toBe('kept')
    expect(seen.verdicts['safety crowd']).toBe('kept')
  })
  test('it goes on after a refusal', () => {
    expect(seen.verdicts['manners usable']).toBe('kept')
  })
  test('its COMMIT is not refused while somebody reads, nor does it read in vain while somebody writes', ({ task }) => {
    expect(seen.verdicts['manners commit']).toBe('kept')
    expect(task.meta.line?.at(-1)).toBe('not refused')
    expect(seen.verdicts['manners reader']).toBe('kept')
  })
  test('it is turned away as it opens a new database while somebody else makes it, for the switch to WAL does not wait', () => {
    expect(seen.verdicts['progress fresh']).toBe('broken')
  })
})

describe('Effect, with Effect.retry', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('effect.ts#fixed')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN, each time', () => {
    expect(seen.sql).toBe('BEGIN; SELECT; UPDATE; COMMIT')
  })
  test('its database has a write-ahead log', () => {
    expect(seen.journalMode).toBe('wal')
  })
  test('nobody is turned away when another process writes between its read and its write', () => {
    expect(seen.verdicts['progress between']).toBe('kept')
  })
  test('nobody is turned away while another process holds the lock for half a second', () => {
    expect(seen.verdicts['progress held']).toBe('kept')
  })
  test('it is turned away when it has tried for more than five seconds, with a SqlError that has SQLITE_BUSY in cause.code', () => {
    expect(seen.error).toMatchObject({ code: 'SQLITE_BUSY', error: { class: 'SqlError', at: 'cause.code' } })
    expect(seen.error?.took).toBeGreaterThanOrEqual(5_000)
  })
  test('no update is lost', () => {
    expect(seen.verdicts['safety between']).toBe('kept')
    expect(seen.verdicts['safety crowd']).toBe('kept')
  })
  test('it goes on after a refusal', () => {
    expect(seen.verdicts['manners usable']).toBe('kept')
  })
  test('its COMMIT is not refused while somebody reads, nor does it read in vain while somebody writes', ({ task }) => {
    expect(seen.verdicts['manners commit']).toBe('kept')
    expect(task.meta.line?.at(-1)).toBe('not refused')
    expect(seen.verdicts['manners reader']).toBe('kept')
  })
  test('it is turned away as it opens a new database while somebody else makes it: the switch to WAL is not in the retry', () => {
    expect(seen.verdicts['progress fresh']).toBe('broken')
  })
})

describe('Effect, two requests to one process', () => {
  describe('when the transaction of the first is open, the other begins one, and the first fails', () => {
    let ofOther: Answer, ofFirst: Answer, after: Answer, story: Service

    beforeAll(async () => {
      const cast = { first: 'client', other: 'client', stranger: 'rival' } as const
      story = await serve('effect.ts', 'none', cast, async ({ first, other, stranger }) => {
        await first`increment, pause`
        const turn = other`increment`
        ofFirst = await first`fail`
        ofOther = await turn
        after = await stranger`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test('the other begins after the first has rolled back, for they take turns', () => {
      const whole = story.sql.filter((statement) => !/^(SELECT|UPDATE)/.test(statement))
      expect(whole).toEqual(['BEGIN', 'ROLLBACK', 'BEGIN', 'COMMIT'])
    })
    test('the first is refused, and the other is confirmed, and counted: n is 1', () => {
      expect([ofFirst.refused, ofOther.confirmed]).toEqual(['Error', true])
      expect(after.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when the transaction of the first is open, the other writes outside of one, and the first fails', () => {
    let ofOther: Answer, ofFirst: Answer, after: Answer, story: Service

    beforeAll(async () => {
      const cast = { first: 'client', other: 'client', stranger: 'rival' } as const
      story = await serve('effect.ts', 'none', cast, async ({ first, other, stranger }) => {
        await first`increment, pause`
        const turn = other`outside`
        ofFirst = await first`fail`
        ofOther = await turn
        after = await stranger`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test('the other writes after the first has rolled back, is confirmed, and counted: n is 1', () => {
      expect([ofFirst.refused, ofOther.confirmed]).toEqual(['Error', true])
      expect(after.rows).toEqual([{ n: 1 }])
    })
  })
})
