/**
 * Drizzle on better-sqlite3: a query builder on one connection, synchronous as its driver is. It has a timeout of five seconds, that of
 * better-sqlite3, and its transaction() takes the `behavior` 'deferred' (unless it is told otherwise), 'immediate' or 'exclusive'.
 *
 * The documentation has no word on a busy timeout or SQLITE_BUSY, and begins every transaction with `await db.transaction(async (tx) => {`, for SQLite
 * as well. Measured with better-sqlite3, an async function is refused with a TypeError and rolled back before any of its statements has run; and
 * then they run, each in a transaction of its own. Here its functions are not async; the maintainers know, and the documentation does not.
 *
 * https://orm.drizzle.team/docs/transactions · https://github.com/drizzle-team/drizzle-orm/issues/5063 ·
 * https://github.com/drizzle-team/drizzle-orm/issues/2275 · https://github.com/drizzle-team/drizzle-orm/issues/1472
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { showDialogue } from '../../helpers/stack/dialogue.ts'
import { type Answer, type Service, serve } from '../../helpers/stack/service.ts'
import { line, type Sight, survey } from '../../helpers/stack/survey.ts'

describe('Drizzle on better-sqlite3, as it comes', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('drizzle.ts')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN DEFERRED', () => {
    expect(seen.sql).toBe('BEGIN DEFERRED; SELECT; UPDATE; COMMIT')
  })
  test('its database has a rollback journal', () => {
    expect(seen.journalMode).toBe('delete')
  })
  test('it waits five seconds for a lock, unless it has read before', () => {
    expect(seen.timeout).toBeGreaterThanOrEqual(5_000)
  })
  test.fails('myth: the timeout keeps it from being turned away when another process writes between its read and its write', () => {
    expect(seen.verdicts['progress between']).toBe('kept')
  })
  test('one of the two is turned away, with a SqliteError that has SQLITE_BUSY in code', () => {
    expect(seen.verdicts['progress between']).toBe('broken')
    expect(seen.error).toMatchObject({
      code: 'SQLITE_BUSY',
      message: 'database is locked',
      error: { class: 'SqliteError', at: 'code' },
    })
  })
  test('it is turned away while another process holds the lock for half a second', () => {
    expect(seen.verdicts['progress held']).toBe('broken')
  })
  test('it opens a new database while somebody else makes it', () => {
    expect(seen.verdicts['progress fresh']).toBe('kept')
  })
  test('no update of two processes is lost', () => {
    expect(seen.verdicts['safety between']).toBe('kept')
    expect(seen.verdicts['safety crowd']).toBe('kept')
  })
  test('it goes on after a refusal, and after a refused COMMIT', () => {
    expect(seen.verdicts['manners usable']).toBe('kept')
    expect(seen.verdicts['manners commit']).toBe('kept')
  })
})

describe("Drizzle on better-sqlite3, with behavior: 'immediate'", () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('drizzle.ts#fixed')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN IMMEDIATE', () => {
    expect(seen.sql).toBe('BEGIN IMMEDIATE; SELECT; UPDATE; COMMIT')
  })
  test('its database has a rollback journal', () => {
    expect(seen.journalMode).toBe('delete')
  })
  test('it waits five seconds for a lock, and is turned away then, with a SqliteError that has SQLITE_BUSY in code', () => {
    expect(seen.timeout).toBeGreaterThanOrEqual(5_000)
    expect(seen.error).toMatchObject({ code: 'SQLITE_BUSY', error: { class: 'SqliteError', at: 'code' } })
  })
  test('nobody is turned away when another process writes between its read and its write', () => {
    expect(seen.verdicts['progress between']).toBe('kept')
  })
  test('nobody is turned away while another process holds the lock for half a second', () => {
    expect(seen.verdicts['progress held']).toBe('kept')
  })
  test('it opens a new database while somebody else makes it', () => {
    expect(seen.verdicts['progress fresh']).toBe('kept')
  })
  test('no update is lost', () => {
    expect(seen.verdicts['safety between']).toBe('kept')
    expect(seen.verdicts['safety crowd']).toBe('kept')
  })
  test('it goes on after a refusal, and after a refused COMMIT', () => {
    expect(seen.verdicts['manners usable']).toBe('kept')
    expect(seen.verdicts['manners commit']).toBe('kept')
  })
})

describe('Drizzle on better-sqlite3, with the async function of its documentation', () => {
  describe('when nobody else is there', () => {
    let answer: Answer, own: Answer, after: Answer, story: Service

    beforeAll(async () => {
      const cast = { client: 'client', stranger: 'rival' } as const
      story = await serve('drizzle.ts#asynchronous', 'none', cast, async ({ client, stranger }) => {
        answer = await client`increment`
        own = await client`total`
        after = await stranger`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test.fails('myth: a transaction() that throws has changed nothing', () => {
      expect(after.rows).toEqual([{ n: 0 }])
    })
    test('it throws a TypeError, "Transaction function cannot return a promise", and has changed the row: n is 1', () => {
      expect(answer).toMatchObject({ refused: 'TypeError', message: 'Transaction function cannot return a promise' })
      expect([own.total, after.rows]).toEqual([1, [{ n: 1 }]])
    })
    test('its statements run after its ROLLBACK, each in a transaction of its own', () => {
      expect(story.sql.slice(0, 4)).toEqual([
        'BEGIN DEFERRED',
        'ROLLBACK',
        'select "id", "n" from "counter"',
        'update "counter" set "n" = ? where "counter"."id" = ?',
      ])
    })
  })
})
