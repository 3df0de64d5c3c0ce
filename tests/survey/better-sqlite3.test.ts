/**
 * better-sqlite3: synchronous, one connection an object.
 *
 * https://github.com/WiseLibs/better-sqlite3/blob/master/docs/api.md
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { line, type Sight, survey } from '../../helpers/stack/survey.ts'

describe('better-sqlite3, as it comes', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('better-sqlite3.ts')
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
  test('no update is lost', () => {
    expect(seen.verdicts['safety between']).toBe('kept')
    expect(seen.verdicts['safety crowd']).toBe('kept')
  })
  test('it goes on after a refusal, and after a refused COMMIT', () => {
    expect(seen.verdicts['manners usable']).toBe('kept')
    expect(seen.verdicts['manners commit']).toBe('kept')
  })
  test('it opens a new database while somebody else makes it', () => {
    expect(seen.verdicts['progress fresh']).toBe('kept')
  })
})

describe('better-sqlite3, with transaction.immediate()', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('better-sqlite3.ts#fixed')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN IMMEDIATE', () => {
    expect(seen.sql).toBe('BEGIN IMMEDIATE; SELECT; UPDATE; COMMIT')
  })
  test('nobody is turned away when another process writes between its read and its write', () => {
    expect(seen.verdicts['progress between']).toBe('kept')
  })
  test('nobody is turned away while another process holds the lock for half a second', () => {
    expect(seen.verdicts['progress held']).toBe('kept')
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
