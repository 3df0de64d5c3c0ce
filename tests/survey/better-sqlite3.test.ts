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

  test('a transaction is BEGIN, SELECT, UPDATE, COMMIT', () => {
    expect(seen.sql).toBe('BEGIN; SELECT; UPDATE; COMMIT')
  })
  test('a new database has a rollback journal', () => {
    expect(seen.journalMode).toBe('delete')
  })
  test('it waits five seconds for a lock, if it has not read before', () => {
    expect(seen.timeout).toBeGreaterThanOrEqual(5_000)
  })
  test('it is turned away, at once, when another process writes between its read and its write', () => {
    expect(seen.between.outcomes.map(({ verdict }) => verdict).sort()).toEqual(['confirmed', 'refused'])
  })
  test('the error is a SqliteError, with SQLITE_BUSY in code', () => {
    expect(seen.error).toMatchObject({ code: 'SQLITE_BUSY', error: { class: 'SqliteError', at: 'code' } })
  })
  test('no update is lost', () => {
    expect(seen.lost).toBe(0)
  })
  test('its connection can be used afterwards', () => {
    expect(seen.usable).toBe(true)
  })
})

describe('better-sqlite3, with transaction.immediate()', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('better-sqlite3.ts#fixed')
  })
  beforeEach((context) => line(context, seen))

  test('a transaction is BEGIN IMMEDIATE, SELECT, UPDATE, COMMIT', () => {
    expect(seen.sql).toBe('BEGIN IMMEDIATE; SELECT; UPDATE; COMMIT')
  })
  test('nobody is turned away when another process writes between its read and its write', () => {
    expect(seen.between.outcomes.map(({ verdict }) => verdict)).toEqual(['confirmed', 'confirmed'])
  })
  test('nobody is turned away while another process holds the lock for half a second', () => {
    expect(seen.held.outcomes.map(({ verdict }) => verdict)).toEqual(['confirmed'])
  })
  test('no update is lost', () => {
    expect(seen.lost).toBe(0)
  })
})
