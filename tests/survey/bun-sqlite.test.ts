/**
 * bun:sqlite: the SQLite inside of Bun, synchronous, one connection an object.
 *
 * Its documentation shows `transaction()`, which begins with BEGIN, and its `immediate()`. It mentions neither a busy timeout, for which there is no
 * option, nor SQLITE_BUSY.
 *
 * https://bun.com/docs/runtime/sqlite
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { converse, type Dialogue, inNode, type Reply, showDialogue } from '../../helpers/stack/dialogue.ts'
import { bun, inRuntime } from '../../helpers/stack/runtimes.ts'
import { line, type Sight, survey } from '../../helpers/stack/survey.ts'

describe.skipIf(!bun)('In Bun (needs its binary, an optional package)', () => {
  describe('bun:sqlite, as it comes', () => {
    let seen: Sight

    beforeAll(async () => {
      seen = await survey(`${bun} bun-sqlite.ts`, { tap: '--preload' })
    })
    beforeEach((context) => line(context, seen))

    test('its transaction begins with BEGIN', () => {
      expect(seen.sql).toBe('BEGIN; SELECT; UPDATE; COMMIT')
    })
    test('its database has a rollback journal', () => {
      expect(seen.journalMode).toBe('delete')
    })
    test.fails('myth: it waits for a lock', () => {
      expect(seen.timeout).toBeGreaterThan(0)
    })
    test('it does not wait for a lock: it is turned away at once, with a SQLiteError that has SQLITE_BUSY in code', () => {
      expect(seen.timeout).toBe(0)
      expect(seen.error).toMatchObject({
        code: 'SQLITE_BUSY',
        message: 'database is locked',
        error: { class: 'SQLiteError', at: 'code' },
      })
    })
    test('one of the two is turned away when another process writes between its read and its write', () => {
      expect(seen.verdicts['progress between']).toBe('broken')
    })
    test('it is turned away while another process holds the lock for half a second', () => {
      expect(seen.verdicts['progress held']).toBe('broken')
    })
    test('those who open a new database while somebody else makes it are turned away', () => {
      expect(seen.verdicts['progress fresh']).toBe('broken')
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

  describe('bun:sqlite, with PRAGMA busy_timeout, and transaction.immediate()', () => {
    let seen: Sight

    beforeAll(async () => {
      seen = await survey(`${bun} bun-sqlite.ts#fixed`, { tap: '--preload' })
    })
    beforeEach((context) => line(context, seen))

    test('its transaction begins with BEGIN IMMEDIATE', () => {
      expect(seen.sql).toBe('BEGIN IMMEDIATE; SELECT; UPDATE; COMMIT')
    })
    test('its database has a rollback journal', () => {
      expect(seen.journalMode).toBe('delete')
    })
    test('it waits for a lock as long as it is told to, five seconds, and is then turned away with a SQLiteError that has SQLITE_BUSY in code', () => {
      expect(seen.timeout).toBeGreaterThanOrEqual(5_000)
      expect(seen.error).toMatchObject({ code: 'SQLITE_BUSY', error: { class: 'SQLiteError', at: 'code' } })
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

  describe('bun:sqlite, as it comes, on a write-ahead log', () => {
    describe('when another process writes between its read and its write', () => {
      let refused: Reply, next: Reply, story: Dialogue

      beforeAll(async () => {
        const cast = { first: inRuntime(bun, 'bun-sqlite.ts', 'bun-sqlite.ts'), other: inNode('better-sqlite3.ts') }
        story = await converse('wal', cast, async ({ first, other }) => {
          await first`increment, pause`
          await other`increment`
          refused = await first`continue`
          next = await first`increment`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('the first is turned away, with a SQLiteError that has SQLITE_BUSY_SNAPSHOT in code', () => {
        expect(refused).toMatchObject({ refused: 'SQLITE_BUSY_SNAPSHOT', error: { class: 'SQLiteError', at: 'code' } })
      })
      test('the first comes once more, and is confirmed', () => {
        expect(next.confirmed).toBe(true)
      })
    })
  })
})
