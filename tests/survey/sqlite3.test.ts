/**
 * sqlite3 (node-sqlite3): asynchronous, one connection an object, on threads of its own. Its binary is downloaded, or compiled, when it is
 * installed, and is not in its package.
 *
 * Its documentation has `configure('busyTimeout', …)`, and not that it is one second unless it is set; it has no `transaction()`: a program says
 * BEGIN itself. Its errors have the primary code of SQLite, as a name in `code` and as a number in `errno`, and never an extended one.
 *
 * https://github.com/TryGhost/node-sqlite3/wiki/API
 */
import { existsSync } from 'node:fs'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { converse, type Dialogue, inNode, type Reply, showDialogue } from '../../helpers/stack/dialogue.ts'
import { sqlite3Binary } from '../../helpers/stack/runtimes.ts'
import { line, type Sight, survey } from '../../helpers/stack/survey.ts'

describe.skipIf(!existsSync(sqlite3Binary))('With its binary (which npm run survey downloads, or compiles)', () => {
  describe('sqlite3, as it comes', () => {
    let seen: Sight

    beforeAll(async () => {
      seen = await survey('sqlite3.ts')
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
    test('one of the two is turned away, with an Error that has SQLITE_BUSY in code, and before its message', () => {
      expect(seen.verdicts['progress between']).toBe('broken')
      expect(seen.error).toMatchObject({
        code: 'SQLITE_BUSY',
        message: 'SQLITE_BUSY: database is locked',
        error: { class: 'Error', at: 'code' },
      })
    })
    test('it is turned away while another process holds the lock for half a second', () => {
      expect(seen.verdicts['progress held']).toBe('broken')
    })
    test('nobody is turned away who opens a new database while somebody else makes it', () => {
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

  describe("sqlite3, with configure('busyTimeout'), and BEGIN IMMEDIATE", () => {
    let seen: Sight

    beforeAll(async () => {
      seen = await survey('sqlite3.ts#fixed')
    })
    beforeEach((context) => line(context, seen))

    test('its transaction begins with BEGIN IMMEDIATE', () => {
      expect(seen.sql).toBe('BEGIN IMMEDIATE; SELECT; UPDATE; COMMIT')
    })
    test('its database has a rollback journal', () => {
      expect(seen.journalMode).toBe('delete')
    })
    test('it waits for a lock as long as it is told to, five seconds, and is then turned away with SQLITE_BUSY in code', () => {
      expect(seen.timeout).toBeGreaterThanOrEqual(5_000)
      expect(seen.error).toMatchObject({ code: 'SQLITE_BUSY', error: { class: 'Error', at: 'code' } })
    })
    test('nobody is turned away when another process writes between its read and its write', () => {
      expect(seen.verdicts['progress between']).toBe('kept')
    })
    test('nobody is turned away while another process holds the lock for half a second', () => {
      expect(seen.verdicts['progress held']).toBe('kept')
    })
    test('nobody is turned away who opens a new database while somebody else makes it', () => {
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

  describe('sqlite3, as it comes, beside better-sqlite3, on a write-ahead log', () => {
    describe('when both have read, and another process has written since', () => {
      let ofSqlite3: Reply, ofBetter: Reply, story: Dialogue

      beforeAll(async () => {
        const cast = { sqlite3: inNode('sqlite3.ts'), better: inNode('better-sqlite3.ts'), other: inNode('better-sqlite3.ts') }
        story = await converse('wal', cast, async ({ sqlite3, better, other }) => {
          await sqlite3`increment, pause`
          await better`increment, pause`
          await other`increment`
          ofSqlite3 = await sqlite3`continue`
          ofBetter = await better`continue`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test.fails('myth: its code tells a lock, for which to wait, from a snapshot that is too old, with which to begin anew', () => {
        expect(ofSqlite3.refused).toBe('SQLITE_BUSY_SNAPSHOT')
      })
      test('sqlite3 is turned away with SQLITE_BUSY, where better-sqlite3 is with SQLITE_BUSY_SNAPSHOT', () => {
        expect(ofSqlite3).toMatchObject({ refused: 'SQLITE_BUSY', error: { at: 'code' } })
        expect(ofBetter.refused).toBe('SQLITE_BUSY_SNAPSHOT')
      })
      test('sqlite3 is turned away before its second is over', () => {
        expect(ofSqlite3.took).toBeLessThan(1_000)
      })
    })
  })
})
