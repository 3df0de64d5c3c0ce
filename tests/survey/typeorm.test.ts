/**
 * TypeORM, on better-sqlite3. Its documentation has nothing about SQLITE_BUSY or a timeout; the types of its options have one of five seconds.
 * `transaction()` says BEGIN: no option makes that BEGIN IMMEDIATE, and the isolation level that it takes is a PRAGMA which changes nothing
 * here. Who wants BEGIN IMMEDIATE says it by hand.
 *
 * The documentation says of a query runner that it provides a single database connection, and of a transaction that all in it has to go through
 * the manager it is given. Measured, all query runners of a process are one, on one connection: what requests do at the same time is in one
 * transaction, whichever manager they use. Who awaits anything in a transaction has to keep the others out.
 *
 * Its optimistic lock compares the version as `findOne()` reads. Measured, nothing compares it as `save()` writes.
 *
 * Its table is made by `synchronize`, of which the documentation says that it is for development, and may not be wanted in production.
 *
 * https://typeorm.io/docs/drivers/sqlite · https://typeorm.io/docs/advanced-topics/transactions ·
 * https://typeorm.io/docs/query-builder/select-query-builder · https://github.com/typeorm/typeorm/issues/1884 ·
 * https://typeorm.io/docs/help/faq
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { converse, type Dialogue, inNode, type Reply, showDialogue } from '../../helpers/stack/dialogue.ts'
import { type Answer, type Service, serve } from '../../helpers/stack/service.ts'
import { line, type Sight, survey } from '../../helpers/stack/survey.ts'

describe('TypeORM, as it comes', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('typeorm.ts')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN, and save() reads once more before it writes', () => {
    expect(seen.sql).toBe('BEGIN TRANSACTION; SELECT; SELECT; UPDATE; COMMIT')
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
  test('one of the two is turned away at once, with a QueryFailedError that has SQLITE_BUSY in code', () => {
    expect(seen.verdicts['progress between']).toBe('broken')
    expect(seen.error).toMatchObject({
      code: 'SQLITE_BUSY',
      message: 'SqliteError: database is locked',
      error: { class: 'QueryFailedError', at: 'code' },
    })
    expect(seen.error?.took).toBeLessThan(1_000)
  })
  test('it is turned away while another process holds the lock for half a second', () => {
    expect(seen.verdicts['progress held']).toBe('broken')
  })
  test('no update of two processes is lost', () => {
    expect(seen.verdicts['safety between']).toBe('kept')
    expect(seen.verdicts['safety crowd']).toBe('kept')
  })
  test('it goes on after a refusal, and after a refused COMMIT', () => {
    expect(seen.verdicts['manners usable']).toBe('kept')
    expect(seen.verdicts['manners commit']).toBe('kept')
  })
  test('it is turned away as it opens a new database while somebody else makes it, for its synchronize reads before it writes', () => {
    expect(seen.verdicts['progress fresh']).toBe('broken')
  })
})

describe('TypeORM, with BEGIN IMMEDIATE by hand, which its documentation does not have', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('typeorm.ts#byHand')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN IMMEDIATE', () => {
    expect(seen.sql).toBe('BEGIN IMMEDIATE; SELECT; SELECT; UPDATE; COMMIT')
  })
  test('its database has a rollback journal', () => {
    expect(seen.journalMode).toBe('delete')
  })
  test('it waits five seconds for a lock, and is turned away then, with a QueryFailedError that has SQLITE_BUSY in code', () => {
    expect(seen.timeout).toBeGreaterThanOrEqual(5_000)
    expect(seen.error).toMatchObject({ code: 'SQLITE_BUSY', error: { class: 'QueryFailedError', at: 'code' } })
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
  test('it is turned away as it opens a new database while somebody else makes it: its synchronize does not begin by hand', () => {
    expect(seen.verdicts['progress fresh']).toBe('broken')
  })
})

describe('TypeORM, two requests to one process', () => {
  describe('when the other has its transaction confirmed while that of the first is open, and the first fails', () => {
    let ofOther: Answer, ofFirst: Answer, after: Answer, story: Service

    beforeAll(async () => {
      const cast = { first: 'client', other: 'client', stranger: 'rival' } as const
      story = await serve('typeorm.ts', 'none', cast, async ({ first, other, stranger }) => {
        await first`increment, pause`
        ofOther = await other`increment`
        ofFirst = await first`fail`
        after = await stranger`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test.fails('myth: what transaction() has confirmed is in the database', () => {
      expect(after.rows).toEqual([{ n: 1 }])
    })
    test('the other is confirmed, the first is refused, and the change of the other is gone with that of the first: n is 0', () => {
      expect([ofOther.confirmed, ofFirst.refused]).toEqual([true, 'Error'])
      expect(after.rows).toEqual([{ n: 0 }])
    })
    test('the transaction of the other was a SAVEPOINT in that of the first, which ends with ROLLBACK', () => {
      const whole = story.sql.filter((statement) => !/^(SELECT|UPDATE)/.test(statement))
      expect(whole).toEqual(['BEGIN TRANSACTION', 'SAVEPOINT typeorm_1', 'RELEASE SAVEPOINT typeorm_1', 'ROLLBACK'])
    })
  })

  describe('when the other writes outside of a transaction while that of the first is open, and the first fails', () => {
    let ofOther: Answer, ofFirst: Answer, after: Answer, story: Service

    beforeAll(async () => {
      const cast = { first: 'client', other: 'client', stranger: 'rival' } as const
      story = await serve('typeorm.ts', 'none', cast, async ({ first, other, stranger }) => {
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

  describe('when two transactions begin at once', () => {
    let both: Answer, after: Answer, story: Service

    beforeAll(async () => {
      story = await serve('typeorm.ts', 'none', { client: 'client', stranger: 'rival' }, async ({ client, stranger }) => {
        both = await client`increment, increment`
        after = await stranger`SELECT n FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test.fails('myth: one of two transactions that begin at once waits for the other', () => {
      expect(both.both).toEqual([{ confirmed: true }, { confirmed: true }])
    })
    test('both are refused: SQLITE_ERROR, a transaction within a transaction, for the one, and TransactionNotStartedError for the other', () => {
      expect(both.both).toMatchObject([
        { refused: 'TransactionNotStartedError' },
        { refused: 'QueryFailedError', code: 'SQLITE_ERROR' },
      ])
    })
    test.fails('myth: where every transaction() was refused, nothing has been written', () => {
      expect(after.rows).toEqual([{ n: 0 }])
    })
    test('one of the two that were refused, with SQLITE_ERROR and without, has committed its change: n is 1', () => {
      expect(both.both?.map((answer) => answer.confirmed)).toEqual([undefined, undefined])
      expect(after.rows).toEqual([{ n: 1 }])
    })
    test('the ROLLBACK of one has ended the transaction of the other in the middle', () => {
      const whole = story.sql.filter((statement) => !/^(SELECT|UPDATE)/.test(statement))
      expect(whole).toEqual(['BEGIN TRANSACTION', 'BEGIN TRANSACTION', 'ROLLBACK', 'BEGIN TRANSACTION', 'COMMIT'])
    })
  })
})

describe('TypeORM, with its optimistic lock', () => {
  describe('when both processes have read with the same version, and both save', () => {
    let ofFirst: Reply, ofOther: Reply, total: Reply, story: Dialogue

    beforeAll(async () => {
      const optimistic = inNode('typeorm.ts#optimistic')
      story = await converse('delete', { first: optimistic, other: optimistic }, async ({ first, other }) => {
        await first`increment, pause`
        await other`increment, pause`
        ofFirst = await first`continue`
        ofOther = await other`continue`
        total = await other`total`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test.fails('myth: the optimistic lock keeps both changes, or refuses one of them', () => {
      expect(total.total).toBe(2)
    })
    test('both are confirmed, without an error, and one of the two changes is lost: n is 1', () => {
      expect([ofFirst.confirmed, ofOther.confirmed]).toEqual([true, true])
      expect(total.total).toBe(1)
    })
  })

  describe('when another process changes the row, and its version, between its read and its save', () => {
    let answer: Answer, after: Answer, story: Service

    beforeAll(async () => {
      story = await serve('typeorm.ts#optimistic', 'none', { client: 'client', rival: 'rival' }, async ({ client, rival }) => {
        await client`increment, pause`
        await rival`UPDATE counter SET n = 10, version = 2`
        answer = await client`continue`
        after = await rival`SELECT n, version FROM counter`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test('it is confirmed, and overwrites the row and its version, as if nothing had happened', () => {
      expect(answer.confirmed).toBe(true)
      expect(after.rows).toEqual([{ n: 1, version: 1 }])
    })
    test('its UPDATE does not ask for the version that it has read', () => {
      const written = story.sql.filter((statement) => statement.startsWith('UPDATE'))
      expect(written).toEqual(['UPDATE "counter" SET "n" = 1, "version" = 1 WHERE "id" = 1'])
    })
  })
})

describe('TypeORM, with a timeout of ten seconds, enableWAL, and the isolation level SERIALIZABLE', () => {
  describe('when another process writes between its read and its write', () => {
    let ofFirst: Reply, ofOther: Reply, story: Dialogue

    beforeAll(async () => {
      const settings = inNode('typeorm.ts#settings')
      story = await converse('wal', { first: settings, other: settings }, async ({ first, other }) => {
        await first`increment, pause`
        ofOther = await other`increment`
        ofFirst = await first`continue`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test.fails('myth: with a long timeout, WAL, and SERIALIZABLE, nobody is turned away', () => {
      expect(ofFirst.confirmed).toBe(true)
    })
    test('the other is confirmed, and the first is turned away with SQLITE_BUSY_SNAPSHOT, at once, with ten seconds to spare', () => {
      expect(ofOther.confirmed).toBe(true)
      expect(ofFirst).toMatchObject({ refused: 'SQLITE_BUSY_SNAPSHOT', error: { class: 'QueryFailedError', at: 'code' } })
      expect(ofFirst.took).toBeLessThan(2_000)
    })
  })
})
