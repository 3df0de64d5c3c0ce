/**
 * Drizzle on @libsql/client: a query builder on a pool of connections to a local file. Its transaction() says BEGIN IMMEDIATE, and it has no timeout
 * unless the client is given a `timeout`, in milliseconds.
 *
 * The documentation of Drizzle has a `behavior` for the transactions of SQLite: 'deferred', 'immediate' or 'exclusive'; measured, it is not passed on.
 * The documentation of the client has its `timeout`. Neither says what comes after SQLITE_BUSY. Measured, a BEGIN IMMEDIATE that was refused stays a
 * statement in progress until its garbage is collected, and until then its connection commits nothing: transactions are refused, one after the
 * other; what is written outside of a transaction is confirmed, and lost.
 *
 * https://orm.drizzle.team/docs/transactions · https://github.com/drizzle-team/drizzle-orm/issues/1331 ·
 * https://github.com/tursodatabase/libsql-client-ts/issues/352 · https://github.com/tursodatabase/libsql-js/pull/237
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { showDialogue } from '../../helpers/stack/dialogue.ts'
import { type Answer, type Service, serve } from '../../helpers/stack/service.ts'
import { line, type Sight, survey } from '../../helpers/stack/survey.ts'

describe('Drizzle on @libsql/client, as it comes', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('drizzle-libsql.ts')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN IMMEDIATE', () => {
    expect(seen.sql).toBe('BEGIN IMMEDIATE; SELECT; UPDATE; COMMIT')
  })
  test('its database has a rollback journal', () => {
    expect(seen.journalMode).toBe('delete')
  })
  test('it does not wait for a lock', () => {
    expect(seen.timeout).toBe(0)
  })
  test.fails('myth: BEGIN IMMEDIATE keeps it from being turned away when another process writes between its read and its write', () => {
    expect(seen.verdicts['progress between']).toBe('kept')
  })
  test('one of the two is turned away, with a LibsqlError that has SQLITE_BUSY in code, and before its message', () => {
    expect(seen.verdicts['progress between']).toBe('broken')
    expect(seen.error).toMatchObject({
      code: 'SQLITE_BUSY',
      message: 'SQLITE_BUSY: database is locked',
      error: { class: 'LibsqlError', at: 'code' },
    })
  })
  test('it is turned away while another process holds the lock for half a second', () => {
    expect(seen.verdicts['progress held']).toBe('broken')
  })
  test('it is turned away as it opens a new database while somebody else makes it', () => {
    expect(seen.verdicts['progress fresh']).toBe('broken')
  })
  test('no update of two processes is lost', () => {
    expect(seen.verdicts['safety between']).toBe('kept')
    expect(seen.verdicts['safety crowd']).toBe('kept')
  })
  test('it does not go on after a refusal: "cannot commit transaction - SQL statements in progress"', () => {
    expect(seen.verdicts['manners usable']).toBe('broken')
    expect(seen.whys['manners usable']).toMatch(/SQLITE_BUSY: cannot commit transaction - SQL statements in progress/)
  })
  test('it goes on after a refused COMMIT', () => {
    expect(seen.verdicts['manners commit']).toBe('kept')
  })
})

describe('Drizzle on @libsql/client, with timeout: 5_000', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('drizzle-libsql.ts#fixed')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN IMMEDIATE', () => {
    expect(seen.sql).toBe('BEGIN IMMEDIATE; SELECT; UPDATE; COMMIT')
  })
  test('its database has a rollback journal', () => {
    expect(seen.journalMode).toBe('delete')
  })
  test('it waits five seconds for a lock, and is turned away then, with a LibsqlError that has SQLITE_BUSY in code', () => {
    expect(seen.timeout).toBeGreaterThanOrEqual(5_000)
    expect(seen.error).toMatchObject({ code: 'SQLITE_BUSY', error: { class: 'LibsqlError', at: 'code' } })
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
  test('no update of two processes is lost', () => {
    expect(seen.verdicts['safety between']).toBe('kept')
    expect(seen.verdicts['safety crowd']).toBe('kept')
  })
  test('it does not go on after a refusal: "cannot commit transaction - SQL statements in progress"', () => {
    expect(seen.verdicts['manners usable']).toBe('broken')
    expect(seen.whys['manners usable']).toMatch(/SQLITE_BUSY: cannot commit transaction - SQL statements in progress/)
  })
  test('it goes on after a refused COMMIT', () => {
    expect(seen.verdicts['manners commit']).toBe('kept')
  })
})

describe('Drizzle on @libsql/client, after a refused BEGIN IMMEDIATE', () => {
  describe('when another process had the lock, and has left, and it goes on without transactions', () => {
    let refused: Answer, confirmed: Answer, total: Answer, reading: Answer, begin: Answer, after: Answer, story: Service

    beforeAll(async () => {
      story = await serve('drizzle-libsql.ts', 'none', { client: 'client', rival: 'rival' }, async ({ client, rival }) => {
        await rival`BEGIN IMMEDIATE`
        refused = await client`increment`
        await rival`ROLLBACK`
        confirmed = await client`outside`
        total = await client`total`
        reading = await rival`SELECT n FROM counter`
        begin = await rival`BEGIN IMMEDIATE`
        await client`close`
        after = await rival`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test.fails('myth: an update() that is confirmed is in the database', () => {
      expect(after.rows).toEqual([{ n: 1 }])
    })
    test('its update() is confirmed, and gone when its client is closed: n is 0', () => {
      expect([refused.code, confirmed.confirmed]).toEqual(['SQLITE_BUSY', true])
      expect(after.rows).toEqual([{ n: 0 }])
    })
    test('until then it reads 1 itself, and other processes read 0', () => {
      expect(total.total).toBe(1)
      expect(reading.rows).toEqual([{ n: 0 }])
    })
    test('other processes cannot write any more: SQLITE_BUSY, with nobody at work', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when another process had the lock, and has left, and it goes on with transactions', () => {
    let next: Answer, third: Answer, collected: Answer, after: Answer, story: Service

    beforeAll(async () => {
      story = await serve('drizzle-libsql.ts', 'none', { client: 'client', rival: 'rival' }, async ({ client, rival }) => {
        await rival`BEGIN IMMEDIATE`
        await client`increment`
        await rival`ROLLBACK`
        next = await client`increment`
        third = await client`increment`
        await client`collect`
        collected = await client`increment`
        after = await rival`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test.fails('myth: who was told SQLITE_BUSY can try again when the lock is free', () => {
      expect(next.confirmed).toBe(true)
    })
    test('it is refused again, and again: "cannot commit transaction - SQL statements in progress", with SQLITE_BUSY', () => {
      expect([next.code, third.code]).toEqual(['SQLITE_BUSY', 'SQLITE_BUSY'])
      expect([next.message, third.message]).toEqual(
        Array(2).fill('SQLITE_BUSY: cannot commit transaction - SQL statements in progress'),
      )
    })
    test('once its garbage is collected, it is confirmed, and counted: n is 1', () => {
      expect(collected.confirmed).toBe(true)
      expect(after.rows).toEqual([{ n: 1 }])
    })
  })
})

describe("Drizzle on @libsql/client, with behavior: 'deferred'", () => {
  describe('when it has read, and another process wants the write lock', () => {
    let begin: Answer, story: Service

    beforeAll(async () => {
      const cast = { client: 'client', rival: 'rival' } as const
      story = await serve('drizzle-libsql.ts#deferred', 'none', cast, async ({ client, rival }) => {
        await client`increment, pause`
        begin = await rival`BEGIN IMMEDIATE`
        await client`continue`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test.fails("myth: with behavior: 'deferred', its transaction takes no write lock before it writes", () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the other process is kept out, SQLITE_BUSY, for what it says is BEGIN IMMEDIATE', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
      expect(story.sql[0]).toBe('BEGIN IMMEDIATE')
    })
  })
})

describe('Drizzle on @libsql/client, outside of a transaction', () => {
  describe('when another process has the write lock', () => {
    let answer: Answer, story: Service

    beforeAll(async () => {
      story = await serve('drizzle-libsql.ts', 'none', { client: 'client', rival: 'rival' }, async ({ client, rival }) => {
        await rival`BEGIN IMMEDIATE`
        answer = await client`outside`
        await rival`ROLLBACK`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test('it is turned away with a DrizzleQueryError, which has neither a code nor "database is locked" in its message', () => {
      expect(answer.refused).toBe('DrizzleQueryError')
      expect(answer.code).toBeUndefined()
      expect(answer.message).toMatch(/^Failed query: update "counter"/)
    })
  })
})
