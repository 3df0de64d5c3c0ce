/**
 * Kysely on better-sqlite3: a query builder with one connection, on which transactions and other queries take turns. `transaction()` says begin, and
 * no option makes that BEGIN IMMEDIATE: its maintainer says so. It has a timeout of five seconds, that of better-sqlite3.
 *
 * The documentation has setAccessMode() and setIsolationLevel() for transactions, without a word of SQLite, and nothing of a busy timeout or
 * SQLITE_BUSY. Measured, neither of the two makes a difference on SQLite, and nobody is told: a transaction that is read only writes.
 *
 * https://kysely.dev/docs/examples/transactions/simple-transaction · https://kysely-org.github.io/kysely-apidoc/classes/TransactionBuilder.html ·
 * https://github.com/kysely-org/kysely/issues/1152
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { showDialogue } from '../../helpers/stack/dialogue.ts'
import { type Answer, type Service, serve } from '../../helpers/stack/service.ts'
import { line, type Sight, survey } from '../../helpers/stack/survey.ts'

describe('Kysely, as it comes', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('kysely.ts')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN', () => {
    expect(seen.sql).toBe('begin; SELECT; UPDATE; commit')
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
  test('it opens a new database while somebody else makes it', () => {
    expect(seen.verdicts['progress fresh']).toBe('kept')
  })
  test('no update of two processes is lost', () => {
    expect(seen.verdicts['safety between']).toBe('kept')
    expect(seen.verdicts['safety crowd']).toBe('kept')
  })
  test('it goes on after a refusal, and after a refused COMMIT', () => {
    expect(seen.verdicts['manners usable']).toBe('kept')
    expect(seen.verdicts['manners commit']).toBe('kept')
  })
})

describe("Kysely, with the access mode 'read only' and the isolation level 'serializable'", () => {
  describe('when it has read, another process wants the write lock, and it goes on to write', () => {
    let begin: Answer, answer: Answer, total: Answer, story: Service

    beforeAll(async () => {
      story = await serve('kysely.ts#settings', 'none', { client: 'client', rival: 'rival' }, async ({ client, rival }) => {
        await client`increment, pause`
        begin = await rival`BEGIN IMMEDIATE`
        await rival`ROLLBACK`
        answer = await client`continue`
        total = await rival`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test.fails("myth: in a transaction with the access mode 'read only', what writes is refused", () => {
      expect(total.rows).toEqual([{ n: 0 }])
    })
    test('it is confirmed, and has written: n is 1', () => {
      expect(answer.confirmed).toBe(true)
      expect(total.rows).toEqual([{ n: 1 }])
    })
    test.fails("myth: 'serializable' locks what it has read against other writers", () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
    test('the other process gets the write lock: SQLITE_OK', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('it sends no more than without them: begin, SELECT, UPDATE, and commit', () => {
      expect(story.sql).toEqual(['begin', 'select "n" from "counter"', 'update "counter" set "n" = ?', 'commit'])
    })
  })
})

describe('Kysely, two requests to one process', () => {
  describe('when the transaction of the first is open, the other begins one, and the first fails', () => {
    let ofOther: Answer, ofFirst: Answer, after: Answer, story: Service

    beforeAll(async () => {
      const cast = { first: 'client', other: 'client', stranger: 'rival' } as const
      story = await serve('kysely.ts', 'none', cast, async ({ first, other, stranger }) => {
        await first`increment, pause`
        const turn = other`increment`
        ofFirst = await first`fail`
        ofOther = await turn
        after = await stranger`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test('the other begins after the first has rolled back, for they take turns', () => {
      const whole = story.sql.filter((statement) => !/^(select|update)/.test(statement))
      expect(whole).toEqual(['begin', 'rollback', 'begin', 'commit'])
    })
    test('the first is refused, and the other is confirmed, and counted: n is 1', () => {
      expect([ofFirst.refused, ofOther.confirmed]).toEqual(['Error', true])
      expect(after.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when the transaction of the first is open, the other writes outside of one, and the first fails', () => {
    let ofOther: Answer, ofFirst: Answer, after: Answer, story: Service

    beforeAll(async () => {
      const cast = { first: 'client', other: 'client', stranger: 'rival' } as const
      story = await serve('kysely.ts', 'none', cast, async ({ first, other, stranger }) => {
        await first`increment, pause`
        const turn = other`outside`
        ofFirst = await first`fail`
        ofOther = await turn
        after = await stranger`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test('the other writes after the first has rolled back, is confirmed, and counted: n is 1', () => {
      expect([ofFirst.refused, ofOther.confirmed]).toEqual(['Error', true])
      expect(after.rows).toEqual([{ n: 1 }])
    })
  })
})
