/**
 * Knex on better-sqlite3: a query builder with a pool, which for SQLite has one connection. `transaction()` says BEGIN, and no option makes that
 * BEGIN IMMEDIATE. It has a timeout of five seconds, that of better-sqlite3, and hands no other on to it.
 *
 * The documentation says that isolation levels and read-only transactions are not for SQLite, and nothing of BEGIN IMMEDIATE, a busy timeout or
 * SQLITE_BUSY. It says that any failure rolls the transaction back, and of who is thrown an error that none of it has taken place. Measured, a
 * COMMIT that is refused, for which with a rollback journal (what it has as it comes) a reader suffices, is not followed by a ROLLBACK: the
 * connection goes back to the pool in the middle of the transaction, and what the process confirms from then on is lost.
 *
 * https://knexjs.org/guide/transactions.html · https://knexjs.org/guide/#configuration-options ·
 * https://github.com/knex/knex/issues/3176
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { showDialogue } from '../../helpers/stack/dialogue.ts'
import { type Answer, type Service, serve } from '../../helpers/stack/service.ts'
import { line, type Sight, survey } from '../../helpers/stack/survey.ts'

describe('Knex on better-sqlite3, as it comes', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('knex.ts')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN', () => {
    expect(seen.sql).toBe('BEGIN; SELECT; UPDATE; COMMIT')
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
  test('one of the two is turned away, with a SqliteError that has SQLITE_BUSY in code, and the SQL before its message', () => {
    expect(seen.verdicts['progress between']).toBe('broken')
    expect(seen.error).toMatchObject({
      code: 'SQLITE_BUSY',
      message: 'update `counter` set `n` = 1 - database is locked',
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
  test('it goes on after a refusal', () => {
    expect(seen.verdicts['manners usable']).toBe('kept')
  })
  test('it does not go on after a refused COMMIT: "cannot start a transaction within a transaction"', () => {
    expect(seen.verdicts['manners commit']).toBe('broken')
    expect(seen.whys['manners commit']).toMatch(/SQLITE_ERROR.*cannot start a transaction within a transaction/)
  })
})

describe('Knex on better-sqlite3, after a refused COMMIT, rollback journal', () => {
  describe('when a reader keeps its COMMIT waiting until the timeout, and leaves', () => {
    let ofCommit: Answer, confirmed: Answer, total: Answer, reading: Answer, after: Answer, story: Service

    beforeAll(async () => {
      story = await serve('knex.ts', 'none', { client: 'client', reader: 'rival' }, async ({ client, reader }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        ofCommit = await client`increment`
        await reader`COMMIT`
        confirmed = await client`outside, 100 times`
        total = await client`total`
        reading = await reader`SELECT n FROM counter`
        await client`close`
        after = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test.fails('myth: an update() outside of a transaction that is confirmed is in the database', () => {
      expect(after.rows).toEqual([{ n: 100 }])
    })
    test('a hundred of them are confirmed, and all of them are gone at destroy(): n is 0', () => {
      expect(confirmed.confirmed).toBe(true)
      expect(after.rows).toEqual([{ n: 0 }])
    })
    test('until then it reads them itself, and the change that was refused as well: n is 101', () => {
      expect(total.total).toBe(101)
    })
    test('other processes cannot even read any more: SQLITE_BUSY, with nobody at work', () => {
      expect(reading.code).toBe('SQLITE_BUSY')
    })
    test('its COMMIT is refused with SQLITE_BUSY, and it says no ROLLBACK', () => {
      expect(ofCommit).toMatchObject({ code: 'SQLITE_BUSY', message: 'COMMIT; - database is locked' })
      expect(story.sql.filter((statement) => !/^(select|update)/.test(statement))).toEqual(['BEGIN;', 'COMMIT;'])
    })
  })
})

describe('Knex on better-sqlite3, two requests to one process', () => {
  describe('when the transaction of the first is open, the other writes outside of one, and the first fails', () => {
    let ofOther: Answer, ofFirst: Answer, after: Answer, story: Service

    beforeAll(async () => {
      const cast = { first: 'client', other: 'client', stranger: 'rival' } as const
      story = await serve('knex.ts', 'none', cast, async ({ first, other, stranger }) => {
        await first`increment, pause`
        const turn = other`outside`
        ofFirst = await first`fail`
        ofOther = await turn
        after = await stranger`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test('the other waits for the one connection, is confirmed, and counted: n is 1', () => {
      expect(story.sql.at(-1)).toMatch(/^update/)
      expect([ofFirst.refused, ofOther.confirmed]).toEqual(['Error', true])
      expect(after.rows).toEqual([{ n: 1 }])
    })
  })
})

describe('Knex on better-sqlite3, with a pool of two connections, rollback journal', () => {
  describe('when both requests to one process have read, and the first goes on to write', () => {
    let ofFirst: Answer, ofOther: Answer, reading: Answer, after: Answer, story: Service

    beforeAll(async () => {
      const cast = { first: 'client', other: 'client', stranger: 'rival' } as const
      story = await serve('knex.ts#pool', 'none', cast, async ({ first, other, stranger }) => {
        await first`increment, pause`
        await other`increment, pause`
        ofFirst = await first`continue`
        ofOther = await other`continue`
        reading = await stranger`SELECT n FROM counter`
        await first`close`
        after = await stranger`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test.fails('myth: with more connections in the pool, at least one of the two gets through', () => {
      expect(after.rows).toEqual([{ n: 1 }])
    })
    test('the COMMIT of the first is refused with SQLITE_BUSY: it waits for the other, who is in the same thread', () => {
      expect(ofFirst).toMatchObject({ code: 'SQLITE_BUSY', message: 'COMMIT; - database is locked' })
      expect(after.rows).toEqual([{ n: 0 }])
    })
    test('the other is refused its UPDATE with SQLITE_BUSY', () => {
      expect(ofOther).toMatchObject({ code: 'SQLITE_BUSY', message: 'update `counter` set `n` = 1 - database is locked' })
    })
    test('other processes cannot even read any more: SQLITE_BUSY', () => {
      expect(reading.code).toBe('SQLITE_BUSY')
    })
  })
})
