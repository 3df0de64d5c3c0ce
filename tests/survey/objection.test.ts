/**
 * Objection: models on top of Knex, here with better-sqlite3. Its transactions are those of Knex, and so are the timeout of five seconds, and what
 * is missing (knex.test.ts).
 *
 * The documentation says that a transaction is committed where its function resolves, and that who is thrown an error has had it rolled back; it
 * says nothing of SQLITE_BUSY. Measured, where COMMIT is refused, for which with a rollback journal a reader suffices, nothing rolls back: what the
 * process confirms from then on is lost.
 *
 * https://vincit.github.io/objection.js/guide/transactions.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { showDialogue } from '../../helpers/stack/dialogue.ts'
import { type Answer, type Service, serve } from '../../helpers/stack/service.ts'
import { line, type Sight, survey } from '../../helpers/stack/survey.ts'

describe('Objection, as it comes', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('objection.ts')
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
      message: 'update `counter` set `n` = 1 where `counter`.`id` = 1 - database is locked',
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

describe('Objection, after a refused COMMIT, rollback journal', () => {
  describe('when a reader keeps its COMMIT waiting until the timeout, and leaves', () => {
    let ofCommit: Answer, confirmed: Answer, total: Answer, reading: Answer, after: Answer, story: Service

    beforeAll(async () => {
      story = await serve('objection.ts', 'none', { client: 'client', reader: 'rival' }, async ({ client, reader }) => {
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

    test.fails('myth: a query() outside of a transaction that is confirmed has changed the database', () => {
      expect(after.rows).toEqual([{ n: 100 }])
    })
    test('a hundred of them are confirmed, and all that they have changed is gone at destroy(): n is 0', () => {
      expect(confirmed.confirmed).toBe(true)
      expect(after.rows).toEqual([{ n: 0 }])
    })
    test('until then it reads it itself, and the change that was refused as well: n is 101', () => {
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
