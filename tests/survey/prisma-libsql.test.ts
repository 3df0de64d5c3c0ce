/**
 * Prisma 7, with its adapter for libSQL, on a file. `$transaction()` says BEGIN DEFERRED, and no option makes that BEGIN IMMEDIATE; there is no
 * timeout, and the documentation of the adapter has none. @libsql/client takes one, and the adapter hands it on. Of P2034, and of optimistic
 * concurrency control, Prisma's documentation says what it says of better-sqlite3 (prisma.test.ts).
 *
 * Neither way gets over a refusal. A statement that is refused with SQLITE_BUSY is not reset; for SQLite it goes on. So a transaction after it keeps a
 * read lock, which refuses the COMMIT of the next, and what is written without a transaction is not committed as long as that statement goes on. It ends
 * when it is collected as garbage, and Prisma remembers the last hundred things that it could have logged, this error among them: then
 * SQLite rolls back all that was written since.
 *
 * https://www.prisma.io/docs/orm/v7/prisma-client/queries/transactions · https://github.com/prisma/orm/issues/30028 ·
 * https://github.com/tursodatabase/libsql-client-ts/issues/352 · https://github.com/tursodatabase/libsql-js/pull/238
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { showDialogue } from '../../helpers/stack/dialogue.ts'
import { type Answer, type Service, serve } from '../../helpers/stack/service.ts'
import { line, type Sight, survey } from '../../helpers/stack/survey.ts'

describe('Prisma with libSQL, as it comes', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('prisma-libsql.ts')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN DEFERRED', () => {
    expect(seen.sql).toBe('BEGIN DEFERRED; SELECT; UPDATE; COMMIT')
  })
  test('its database has a rollback journal', () => {
    expect(seen.journalMode).toBe('delete')
  })
  test('it does not wait for a lock at all', () => {
    expect(seen.timeout).toBe(0)
  })
  test('both are turned away when another process writes between its read and its write', ({ task }) => {
    expect(seen.verdicts['progress between']).toBe('broken')
    expect(seen.whys['progress between']).toMatch(/^2 of 2 turned away/)
    expect(task.meta.line).toContain('**both are turned away**')
  })
  test('it is turned away with a PrismaClientKnownRequestError that has SQLITE_BUSY deep inside, and says "Operation has timed out"', () => {
    expect(seen.error).toMatchObject({
      code: 'SQLITE_BUSY',
      message: expect.stringMatching(/Operation has timed out$/),
      error: { class: 'PrismaClientKnownRequestError', at: 'meta.driverAdapterError.cause.originalCode' },
    })
  })
  test('it is turned away while another process holds the lock for half a second', () => {
    expect(seen.verdicts['progress held']).toBe('broken')
  })
  test('no update of two processes is lost', () => {
    expect(seen.verdicts['safety between']).toBe('kept')
    expect(seen.verdicts['safety crowd']).toBe('kept')
  })
  test('it does not go on after a refusal, nor after a refused COMMIT', () => {
    expect(seen.verdicts['manners usable']).toBe('broken')
    expect(seen.verdicts['manners commit']).toBe('broken')
  })
  test('it is turned away as it opens a new database while somebody else makes it', () => {
    expect(seen.verdicts['progress fresh']).toBe('broken')
  })
})

describe('Prisma with libSQL, with a timeout, and optimistic concurrency control', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('prisma-libsql.ts#fixed')
  })
  beforeEach((context) => line(context, seen))

  test('it reads and writes without a transaction', () => {
    expect(seen.sql).toBe('SELECT; UPDATE')
  })
  test('its database has a rollback journal', () => {
    expect(seen.journalMode).toBe('delete')
  })
  test('it waits five seconds for a lock, and is turned away then, with a PrismaClientKnownRequestError that has SQLITE_BUSY deep inside', () => {
    expect(seen.timeout).toBeGreaterThanOrEqual(5_000)
    expect(seen.error).toMatchObject({
      code: 'SQLITE_BUSY',
      error: { class: 'PrismaClientKnownRequestError', at: 'meta.driverAdapterError.cause.originalCode' },
    })
  })
  test('nobody is turned away when another process writes between its read and its write', () => {
    expect(seen.verdicts['progress between']).toBe('kept')
  })
  test('nobody is turned away while another process holds the lock for half a second', () => {
    expect(seen.verdicts['progress held']).toBe('kept')
  })
  test('no update is lost, as long as nobody is refused', () => {
    expect(seen.verdicts['safety between']).toBe('kept')
    expect(seen.verdicts['safety crowd']).toBe('kept')
  })
  test('it does not go on after a write that was refused: what it confirms then, with nobody else at work, is not counted', () => {
    expect(seen.verdicts['manners usable']).toBe('broken')
    expect(seen.whys['manners usable']).toBe(
      'after it was refused its write, the next increment was confirmed, and the counter went up by 0',
    )
  })
  test('it goes on after an UPDATE that could not be committed', () => {
    expect(seen.verdicts['manners commit']).toBe('kept')
  })
  test('it opens a new database while somebody else makes it', () => {
    expect(seen.verdicts['progress fresh']).toBe('kept')
  })
})

describe('Prisma with libSQL, with a timeout, and optimistic concurrency control, after one refused write', () => {
  describe('when the holder has gone, and it writes three times, rollback journal', () => {
    let refused: Answer, confirmed: Answer[], total: Answer, meanwhile: Answer, write: Answer, after: Answer, story: Service

    beforeAll(async () => {
      const cast = { client: 'client', holder: 'rival' } as const
      story = await serve('prisma-libsql.ts#fixed', 'delete', cast, async ({ client, holder }) => {
        await holder`BEGIN IMMEDIATE`
        refused = await client`increment`
        await holder`ROLLBACK`
        confirmed = [await client`increment`, await client`increment`, await client`increment`]
        total = await client`total`
        meanwhile = await holder`SELECT n FROM counter`
        write = await holder`BEGIN IMMEDIATE`
        await client`close`
        after = await holder`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test.fails('myth: what is confirmed after a refusal is in the database', () => {
      expect(after.rows).toEqual([{ n: 3 }])
    })
    test('one is refused with P1008, three are confirmed, and none is in the database: n is 0', () => {
      expect([refused.code, ...confirmed.map((answer) => answer.confirmed)]).toEqual(['P1008', true, true, true])
      expect(after.rows).toEqual([{ n: 0 }])
    })
    test('as long as it runs, it reads what nobody else does: n is 3 for its own process, and 0 for another', () => {
      expect(total.total).toBe(3)
      expect(meanwhile.rows).toEqual([{ n: 0 }])
    })
    test('nobody else can write any more: SQLITE_BUSY, with nobody at work', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when the holder has gone, and it writes three times, write-ahead log', () => {
    let refused: Answer, confirmed: Answer[], after: Answer, story: Service

    beforeAll(async () => {
      const cast = { client: 'client', holder: 'rival' } as const
      story = await serve('prisma-libsql.ts#fixed', 'wal', cast, async ({ client, holder }) => {
        await holder`BEGIN IMMEDIATE`
        refused = await client`increment`
        await holder`ROLLBACK`
        confirmed = [await client`increment`, await client`increment`, await client`increment`]
        await client`close`
        after = await holder`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test('one is refused with P1008, three are confirmed, and none is in the database: n is 0', () => {
      expect([refused.code, ...confirmed.map((answer) => answer.confirmed)]).toEqual(['P1008', true, true, true])
      expect(after.rows).toEqual([{ n: 0 }])
    })
  })

  describe('when a hundred writes more are confirmed, and garbage is collected', () => {
    let confirmed: Answer, total: Answer, after: Answer, last: Answer, atLast: Answer, story: Service

    beforeAll(async () => {
      const cast = { client: 'client', holder: 'rival' } as const
      story = await serve('prisma-libsql.ts#fixed', 'delete', cast, async ({ client, holder }) => {
        await holder`BEGIN IMMEDIATE`
        await client`increment`
        await holder`ROLLBACK`
        confirmed = await client`outside, 100 times`
        await client`collect`
        total = await client`total`
        after = await holder`SELECT n FROM counter`
        last = await client`increment`
        atLast = await holder`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test('what was confirmed is rolled back while its process runs, which sees its own counter go back', () => {
      expect(confirmed.confirmed).toBe(true)
      expect(total.total).toBeLessThan(50)
      expect(after.rows).toEqual([{ n: total.total }])
    })
    test('from then on, what it confirms is in the database, as if nothing had happened', () => {
      expect(last.confirmed).toBe(true)
      expect(atLast.rows).toEqual([{ n: Number(total.total) + 1 }])
    })
  })
})

describe('Prisma with libSQL, as it comes, after one refused write, rollback journal', () => {
  describe('when the holder has gone, and it begins its next transaction', () => {
    let refused: Answer, next: Answer, third: Answer, reading: Answer, closed: Answer, after: Answer, story: Service

    beforeAll(async () => {
      story = await serve('prisma-libsql.ts', 'delete', { client: 'client', holder: 'rival' }, async ({ client, holder }) => {
        await holder`BEGIN IMMEDIATE`
        refused = await client`increment`
        await holder`ROLLBACK`
        next = await client`increment`
        third = await client`increment`
        reading = await holder`SELECT n FROM counter`
        closed = await client`close`
        after = await holder`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test('it is refused once with P1008, and again at the COMMIT of its next transaction, and for ever', () => {
      expect(refused.code).toBe('P1008')
      expect(next).toMatchObject({ refused: 'LibsqlError', code: 'SQLITE_BUSY' })
      expect(third.code).toBe('P1008')
    })
    test('other processes cannot even read any more: SQLITE_BUSY, with nobody at work', () => {
      expect(reading.code).toBe('SQLITE_BUSY')
    })
    test.fails('myth: $disconnect() lets go of the locks', () => {
      expect(after.code).toBe('SQLITE_OK')
    })
    test('after $disconnect() it is SQLITE_BUSY for all others, as long as the process runs', () => {
      expect(closed.confirmed).toBe(true)
      expect(after.code).toBe('SQLITE_BUSY')
    })
  })
})
