/**
 * @libsql/client on a local file: asynchronous in its API, on libsql, with one connection an operation at a time.
 *
 * Its documentation has `transaction('write')`, which begins with BEGIN IMMEDIATE, and an option `timeout`: "by default, operations fail
 * immediately". Its errors have the primary code in `code`, and the extended one in `extendedCode`.
 *
 * What it does not say: what was refused goes on reading (see libsql.test.ts), and here it is the BEGIN. From then on the client cannot commit, keeps
 * others from it, and in WAL mode reads what is old, until its garbage is collected, be it as it comes or with its timeout.
 * https://github.com/tursodatabase/libsql-client-ts/issues/352
 *
 * https://docs.turso.tech/sdk/ts/reference
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { converse, type Dialogue, inNode, type Reply, showDialogue } from '../../helpers/stack/dialogue.ts'
import { line, type Sight, survey } from '../../helpers/stack/survey.ts'

describe('@libsql/client, as it comes', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('libsql-client.ts')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN IMMEDIATE', () => {
    expect(seen.sql).toBe('BEGIN IMMEDIATE; SELECT; UPDATE; COMMIT')
  })
  test('its database has a rollback journal', () => {
    expect(seen.journalMode).toBe('delete')
  })
  test.fails('myth: who begins with BEGIN IMMEDIATE waits for the lock', () => {
    expect(seen.timeout).toBeGreaterThan(0)
  })
  test('it does not wait for a lock: it is turned away at once, with a LibsqlError that has SQLITE_BUSY in code, and before its message', () => {
    expect(seen.timeout).toBe(0)
    expect(seen.error).toMatchObject({
      code: 'SQLITE_BUSY',
      message: 'SQLITE_BUSY: database is locked',
      error: { class: 'LibsqlError', at: 'code' },
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
  test('it does not go on after a refusal: the next COMMIT is refused too, with nobody else at work, for its own statements are in progress', () => {
    expect(seen.verdicts['manners usable']).toBe('broken')
    expect(seen.whys['manners usable']).toContain('SQLITE_BUSY: cannot commit transaction - SQL statements in progress')
  })
  test('it goes on after a refused COMMIT', () => {
    expect(seen.verdicts['manners commit']).toBe('kept')
  })
})

describe('@libsql/client, with its option timeout', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('libsql-client.ts#fixed')
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
    expect(seen.error).toMatchObject({ code: 'SQLITE_BUSY', error: { class: 'LibsqlError', at: 'code' } })
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
  test('it does not go on after a refusal: the next COMMIT is refused too, with nobody else at work, for its own statements are in progress', () => {
    expect(seen.verdicts['manners usable']).toBe('broken')
    expect(seen.whys['manners usable']).toContain('SQLITE_BUSY: cannot commit transaction - SQL statements in progress')
  })
  test('it goes on after a refused COMMIT', () => {
    expect(seen.verdicts['manners commit']).toBe('kept')
  })
})

describe('@libsql/client, as it comes, on a rollback journal', () => {
  describe('when it was refused once, and comes again with nobody else at work', () => {
    let first: Reply, second: Reply, other: Reply, later: Reply, third: Reply, story: Dialogue

    beforeAll(async () => {
      const cast = { holder: inNode('better-sqlite3.ts#fixed'), client: inNode('libsql-client.ts') }
      story = await converse('delete', cast, async ({ holder, client }) => {
        await holder`increment, pause`
        first = await client`increment`
        await holder`continue`
        second = await client`increment`
        other = await holder`increment`
        third = await client`increment`
        later = await holder`increment`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test.fails('myth: who was refused, and comes again when the lock is free, is served', () => {
      expect(second.confirmed).toBe(true)
    })
    test('the client is refused with SQLITE_BUSY again and again, for its own statements are in progress', () => {
      expect(first).toMatchObject({ refused: 'SQLITE_BUSY', message: 'SQLITE_BUSY: database is locked' })
      expect(second).toMatchObject({
        refused: 'SQLITE_BUSY',
        message: 'SQLITE_BUSY: cannot commit transaction - SQL statements in progress',
      })
      expect(third).toMatchObject({ refused: 'SQLITE_BUSY', message: second.message })
    })
    test('the client still reads: everybody else is refused the COMMIT, with SQLITE_BUSY, after a timeout of five seconds', () => {
      expect(other.refused).toBe('SQLITE_BUSY')
      expect(other.took).toBeGreaterThanOrEqual(5_000)
      expect(later.refused).toBe('SQLITE_BUSY')
    })
    test.runIf(process.platform === 'linux')('the client is seen to hold SHARED (the kernel tells on Linux alone)', () => {
      expect(second.locks).toEqual(['SHARED'])
    })
  })
})

describe('@libsql/client, as it comes, on a write-ahead log', () => {
  describe('when it was refused once, and comes again with nobody else at work', () => {
    let second: Reply, third: Reply, others: Reply, stale: Reply, counted: Reply, story: Dialogue

    beforeAll(async () => {
      const cast = { holder: inNode('better-sqlite3.ts#fixed'), client: inNode('libsql-client.ts') }
      story = await converse('wal', cast, async ({ holder, client }) => {
        await holder`increment, pause`
        await client`increment`
        await holder`continue`
        second = await client`increment`
        others = await holder`increment`
        third = await client`increment`
        stale = await client`total`
        counted = await holder`total`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test('the others are confirmed', () => {
      expect(others.confirmed).toBe(true)
    })
    test.fails('myth: the client reads what is committed', () => {
      expect(stale.total).toBe(counted.total)
    })
    test('the client reads what was there when it was refused with SQLITE_BUSY for the second time, and nothing newer', () => {
      expect(second).toMatchObject({
        refused: 'SQLITE_BUSY',
        message: 'SQLITE_BUSY: cannot commit transaction - SQL statements in progress',
      })
      expect(stale.total).toBe(1)
      expect(counted.total).toBe(2)
    })
    test('the client is refused with SQLITE_BUSY_SNAPSHOT, in extendedCode, once another has written since', () => {
      expect(third).toMatchObject({ refused: 'SQLITE_BUSY_SNAPSHOT', error: { class: 'LibsqlError', at: 'extendedCode' } })
    })
  })
})
