/**
 * Knex on sqlite3: as on better-sqlite3 (knex.test.ts), with what sqlite3 brings along: a timeout of one second, and statements that run on
 * threads of its own. Its binary is downloaded, or compiled, when it is installed, and is not in its package.
 *
 * The documentation is that of Knex, and says nothing of a busy timeout; the nearest thing is a PRAGMA in the pool's `afterCreate`. What it says of
 * transactions that fail, and what was measured where COMMIT is refused, is told in knex.test.ts, and the same here.
 *
 * https://knexjs.org/guide/transactions.html · https://knexjs.org/guide/#aftercreate
 */
import { existsSync } from 'node:fs'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { showDialogue } from '../../helpers/stack/dialogue.ts'
import { sqlite3Binary } from '../../helpers/stack/runtimes.ts'
import { type Answer, type Service, serve } from '../../helpers/stack/service.ts'
import { line, type Sight, survey } from '../../helpers/stack/survey.ts'

describe.skipIf(!existsSync(sqlite3Binary))('With the binary of sqlite3 (which npm run survey downloads, or compiles)', () => {
  describe('Knex on sqlite3, as it comes', () => {
    let seen: Sight

    beforeAll(async () => {
      seen = await survey('knex-sqlite3.ts')
    })
    beforeEach((context) => line(context, seen))

    test('its transaction begins with BEGIN', () => {
      expect(seen.sql).toBe('BEGIN; SELECT; UPDATE; COMMIT')
    })
    test('its database has a rollback journal', () => {
      expect(seen.journalMode).toBe('delete')
    })
    test('it waits one second for a lock, unless it has read before', () => {
      expect(seen.timeout).toBeGreaterThanOrEqual(1_000)
      expect(seen.timeout).toBeLessThan(5_000)
    })
    test.fails('myth: the timeout keeps it from being turned away when another process writes between its read and its write', () => {
      expect(seen.verdicts['progress between']).toBe('kept')
    })
    test('one of the two is turned away, with an Error that has SQLITE_BUSY in code, and the SQL and the code before its message', () => {
      expect(seen.verdicts['progress between']).toBe('broken')
      expect(seen.error).toMatchObject({
        code: 'SQLITE_BUSY',
        message: 'update `counter` set `n` = 1 - SQLITE_BUSY: database is locked',
        error: { class: 'Error', at: 'code' },
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

  describe('Knex on sqlite3, after a refused COMMIT, rollback journal', () => {
    describe('when a reader keeps its COMMIT waiting until the timeout, and leaves', () => {
      let ofCommit: Answer, confirmed: Answer, total: Answer, reading: Answer, after: Answer, story: Service

      beforeAll(async () => {
        story = await serve('knex-sqlite3.ts', 'none', { client: 'client', reader: 'rival' }, async ({ client, reader }) => {
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
        expect(ofCommit).toMatchObject({ code: 'SQLITE_BUSY', message: 'COMMIT; - SQLITE_BUSY: database is locked' })
        expect(story.sql.filter((statement) => !/^(select|update)/.test(statement))).toEqual(['BEGIN;', 'COMMIT;'])
      })
    })
  })
})
