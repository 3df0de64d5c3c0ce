/**
 * Prisma 7, with its adapter for better-sqlite3: one connection for all that a process does. `$transaction()` says BEGIN, and no option makes
 * that BEGIN IMMEDIATE; SERIALIZABLE is the one isolation level that it takes here. It has a timeout of five seconds, that of better-sqlite3.
 *
 * The documentation says that a transaction which fails of a write conflict is refused with P2034, to be tried again; and in the same place that
 * this does not apply to SQLite, whose transactions are serializable. Measured, conflicts there are, and they are refused with P1008,
 * "Operation has timed out", at once. What helps is its optimistic concurrency control: without a transaction, updateMany() with what was read
 * as its condition.
 *
 * It says of an error in a transaction that the client rolls back. Measured, it does not where COMMIT is refused, which with a rollback journal
 * (what it has as it comes) takes no more than a reader: the transaction stays open, and what the process confirms from then on is lost.
 *
 * https://www.prisma.io/docs/orm/v7/prisma-client/queries/transactions · https://www.prisma.io/docs/orm/reference/error-reference ·
 * https://github.com/prisma/orm/issues/29933
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { showDialogue } from '../../helpers/stack/dialogue.ts'
import { type Answer, type Service, serve } from '../../helpers/stack/service.ts'
import { line, type Sight, survey } from '../../helpers/stack/survey.ts'

describe('Prisma, as it comes', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('prisma.ts')
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
  test('one of the two is turned away, with a PrismaClientKnownRequestError that has SQLITE_BUSY deep inside', () => {
    expect(seen.verdicts['progress between']).toBe('broken')
    expect(seen.error).toMatchObject({
      code: 'SQLITE_BUSY',
      error: { class: 'PrismaClientKnownRequestError', at: 'meta.driverAdapterError.cause.originalCode' },
    })
  })
  test.fails('myth: who is told "Operation has timed out" has waited until its timeout', () => {
    expect(seen.error?.took).toBeGreaterThanOrEqual(5_000)
  })
  test('the one who is told "Operation has timed out", for SQLITE_BUSY, is turned away at once', () => {
    expect(seen.error).toMatchObject({ code: 'SQLITE_BUSY', message: expect.stringMatching(/Operation has timed out$/) })
    expect(seen.error?.took).toBeLessThan(1_000)
  })
  test('it is turned away while another process holds the lock for half a second', () => {
    expect(seen.verdicts['progress held']).toBe('broken')
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
    expect(seen.whys['manners commit']).toMatch(/cannot start a transaction within a transaction/)
  })
  test('it opens a new database while somebody else makes it', () => {
    expect(seen.verdicts['progress fresh']).toBe('kept')
  })
})

describe('Prisma, with optimistic concurrency control', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('prisma.ts#fixed')
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
  test('no update is lost', () => {
    expect(seen.verdicts['safety between']).toBe('kept')
    expect(seen.verdicts['safety crowd']).toBe('kept')
  })
  test('it goes on after a refusal, and after an UPDATE that could not be committed', () => {
    expect(seen.verdicts['manners usable']).toBe('kept')
    expect(seen.verdicts['manners commit']).toBe('kept')
  })
  test('it opens a new database while somebody else makes it', () => {
    expect(seen.verdicts['progress fresh']).toBe('kept')
  })
})

describe('Prisma, after a refused COMMIT, rollback journal', () => {
  describe('when a reader keeps its COMMIT waiting until the timeout, and leaves', () => {
    let ofCommit: Answer, next: Answer, third: Answer, confirmed: Answer, total: Answer, reading: Answer, after: Answer
    let story: Service

    beforeAll(async () => {
      story = await serve('prisma.ts', 'none', { client: 'client', reader: 'rival' }, async ({ client, reader }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        ofCommit = await client`increment`
        await reader`COMMIT`
        next = await client`increment`
        third = await client`increment`
        confirmed = await client`outside`
        total = await client`total`
        reading = await reader`SELECT n FROM counter`
        await client`close`
        after = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test('its COMMIT is refused, and it says no ROLLBACK', () => {
      expect(ofCommit).toMatchObject({ refused: 'DriverAdapterError', message: 'SocketTimeout' })
      expect(story.sql.filter((statement) => !/^(SELECT|UPDATE)/.test(statement))).toEqual(['BEGIN', 'COMMIT', 'BEGIN'])
    })
    test('the next $transaction() is refused with P2039, and all that follow with P2028, without a word to SQLite', () => {
      expect(next).toMatchObject({ refused: 'PrismaClientKnownRequestError', code: 'P2039' })
      expect(next.message).toMatch(/SQLITE_ERROR.*cannot start a transaction within a transaction/)
      expect(third.code).toBe('P2028')
    })
    test('other processes cannot even read any more: SQLITE_BUSY, with nobody at work', () => {
      expect(reading.code).toBe('SQLITE_BUSY')
    })
    test.fails('myth: an update() outside of a transaction that is confirmed is in the database', () => {
      expect(after.rows).toEqual([{ n: 1 }])
    })
    test('its update() outside of a transaction is confirmed, and it reads it itself, and the change that was refused: n is 2', () => {
      expect(confirmed.confirmed).toBe(true)
      expect(total.total).toBe(2)
    })
    test('what was confirmed is gone at $disconnect(): n is 0', () => {
      expect(after.rows).toEqual([{ n: 0 }])
    })
  })
})

describe('Prisma, two requests to one process', () => {
  describe('when the other writes outside of a transaction while that of the first is open, and the first fails', () => {
    let ofOther: Answer, ofFirst: Answer, after: Answer, story: Service

    beforeAll(async () => {
      const cast = { first: 'client', other: 'client', stranger: 'rival' } as const
      story = await serve('prisma.ts', 'none', cast, async ({ first, other, stranger }) => {
        await first`increment, pause`
        ofOther = await other`outside`
        ofFirst = await first`fail`
        after = await stranger`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test.fails('myth: what is written outside of a transaction does not depend on the transactions of others', () => {
      expect(after.rows).toEqual([{ n: 1 }])
    })
    test('the other is confirmed, the first is refused, and the change of the other is rolled back with the first: n is 0', () => {
      expect([ofOther.confirmed, ofFirst.refused]).toEqual([true, 'Error'])
      expect(after.rows).toEqual([{ n: 0 }])
    })
  })

  describe('when the transaction of the first is open, the other begins one, and the first fails', () => {
    let ofOther: Answer, ofFirst: Answer, after: Answer, story: Service

    beforeAll(async () => {
      const cast = { first: 'client', other: 'client', stranger: 'rival' } as const
      story = await serve('prisma.ts', 'none', cast, async ({ first, other, stranger }) => {
        await first`increment, pause`
        const turn = other`increment`
        ofFirst = await first`fail`
        ofOther = await turn
        after = await stranger`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test('the other begins after the first has rolled back, for transactions take turns', () => {
      const whole = story.sql.filter((statement) => !/^(SELECT|UPDATE)/.test(statement))
      expect(whole).toEqual(['BEGIN', 'ROLLBACK', 'BEGIN', 'COMMIT'])
    })
    test('the first is refused, and the other is confirmed, and counted: n is 1', () => {
      expect([ofFirst.refused, ofOther.confirmed]).toEqual(['Error', true])
      expect(after.rows).toEqual([{ n: 1 }])
    })
  })
})

describe('Prisma, with its documented retry, of P2034', () => {
  describe('when it has read, and another process has the write lock', () => {
    let answer: Answer, story: Service

    beforeAll(async () => {
      story = await serve('prisma.ts#retried', 'none', { client: 'client', rival: 'rival' }, async ({ client, rival }) => {
        await client`increment, pause`
        await rival`BEGIN IMMEDIATE`
        answer = await client`continue`
        await rival`ROLLBACK`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test.fails('myth: a transaction that has met another is refused with P2034, and can be tried again for that', () => {
      expect(answer.paused).toBe(true)
    })
    test('it is refused with P1008, and so it is not tried again', () => {
      expect(answer).toMatchObject({ refused: 'PrismaClientKnownRequestError', code: 'P1008' })
      expect(story.sql.filter((statement) => !/^(SELECT|UPDATE)/.test(statement))).toEqual(['BEGIN', 'ROLLBACK'])
    })
  })
})
