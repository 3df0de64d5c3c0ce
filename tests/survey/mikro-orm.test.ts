/**
 * MikroORM, on better-sqlite3, with Kysely between. Its documentation has nothing about a timeout or SQLITE_BUSY. `transactional()` says BEGIN,
 * and no option makes that BEGIN IMMEDIATE. Of locks the documentation says that MikroORM makes no attempt to implement pessimistic ones, and
 * uses the commands of the database; its table of them has Postgres and MySQL. Measured, it takes a pessimistic lock and an isolation level here
 * as well, without an error, and sends nothing.
 *
 * Its way out is optimistic: `concurrencyCheck` has `flush()` compare what it has read, and throw an OptimisticLockError if that has changed; to
 * try again is up to the caller. Without it, what the documentation calls the implicit approach is a transaction around the writes alone.
 *
 * Its table is made by `schema.update()`, which the documentation has for development and not for production.
 *
 * Of a LockWaitTimeoutException it says: a lock wait timeout error. Measured, it is every SQLITE_BUSY, that of one who has not waited included.
 *
 * https://mikro-orm.io/docs/transactions · https://mikro-orm.io/docs/schema-generator ·
 * https://mikro-orm.io/api/core/class/LockWaitTimeoutException
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { converse, type Dialogue, inNode, type Reply, showDialogue } from '../../helpers/stack/dialogue.ts'
import { type Answer, type Service, serve } from '../../helpers/stack/service.ts'
import { line, type Sight, survey } from '../../helpers/stack/survey.ts'

describe('MikroORM, as it comes', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('mikro-orm.ts')
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
  test('one of the two is turned away, with a LockWaitTimeoutException that has SQLITE_BUSY in code', () => {
    expect(seen.verdicts['progress between']).toBe('broken')
    expect(seen.error).toMatchObject({
      code: 'SQLITE_BUSY',
      message: 'database is locked',
      error: { class: 'LockWaitTimeoutException', at: 'code' },
    })
  })
  test.fails('myth: who gets a LockWaitTimeoutException has waited for a lock until its timeout', () => {
    expect(seen.error?.took).toBeGreaterThanOrEqual(5_000)
  })
  test('the one with a LockWaitTimeoutException, for SQLITE_BUSY, has not waited: it is turned away at once', () => {
    expect(seen.error?.code).toBe('SQLITE_BUSY')
    expect(seen.error?.took).toBeLessThan(1_000)
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
  test('of three that open a new database while somebody else makes it, two find that the table is there already, and are turned away', ({
    task,
  }) => {
    expect(seen.verdicts['progress fresh']).toBe('broken')
    expect(seen.whys['progress fresh']).toMatch(/^2 of 3 turned away.*SQLITE_ERROR: table `counter` already exists$/)
    expect(task.meta.line).toContain('**turned away, SQLITE_ERROR: table counter already exists**')
  })
})

describe('MikroORM, with concurrencyCheck, and again after an OptimisticLockError', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('mikro-orm.ts#fixed')
  })
  beforeEach((context) => line(context, seen))

  test('it reads, and then begins its transaction with BEGIN', () => {
    expect(seen.sql).toBe('SELECT; begin; UPDATE; commit')
  })
  test('its database has a rollback journal', () => {
    expect(seen.journalMode).toBe('delete')
  })
  test('it waits five seconds for a lock, and is turned away then, with a LockWaitTimeoutException that has SQLITE_BUSY in code', () => {
    expect(seen.timeout).toBeGreaterThanOrEqual(5_000)
    expect(seen.error).toMatchObject({ code: 'SQLITE_BUSY', error: { class: 'LockWaitTimeoutException', at: 'code' } })
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
  test('of three that open a new database while somebody else makes it, two are turned away all the same', ({ task }) => {
    expect(seen.verdicts['progress fresh']).toBe('broken')
    expect(seen.whys['progress fresh']).toMatch(/^2 of 3 turned away.*SQLITE_ERROR: table `counter` already exists$/)
    expect(task.meta.line).toContain('**turned away, SQLITE_ERROR: table counter already exists**')
  })
})

describe('MikroORM, with the implicit transaction of flush()', () => {
  describe('when both processes have read, and both flush', () => {
    let ofFirst: Reply, ofOther: Reply, total: Reply, story: Dialogue

    beforeAll(async () => {
      const implicitly = inNode('mikro-orm.ts#implicitly')
      story = await converse('delete', { first: implicitly, other: implicitly }, async ({ first, other }) => {
        await first`increment, pause`
        await other`increment, pause`
        ofFirst = await first`continue`
        ofOther = await other`continue`
        total = await other`total`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test.fails('myth: the implicit transaction of flush() binds what is written to what was read', () => {
      expect(total.total).toBe(2)
    })
    test('both are confirmed, without an error, and one of the two changes is lost: n is 1', () => {
      expect([ofFirst.confirmed, ofOther.confirmed]).toEqual([true, true])
      expect(total.total).toBe(1)
    })
  })
})

describe('MikroORM, with LockMode.PESSIMISTIC_WRITE and IsolationLevel.SERIALIZABLE', () => {
  describe('when it has read, and another process wants the write lock', () => {
    let begin: Answer, answer: Answer, story: Service

    beforeAll(async () => {
      story = await serve('mikro-orm.ts#pessimistic', 'none', { client: 'client', rival: 'rival' }, async ({ client, rival }) => {
        await client`increment, pause`
        begin = await rival`BEGIN IMMEDIATE`
        answer = await client`continue`
        await rival`ROLLBACK`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test('it sends no more than without them: begin, SELECT, UPDATE, and rollback', () => {
      expect(story.sql).toEqual([
        'begin',
        'select `c0`.* from `counter` as `c0` where `c0`.`id` = 1 limit 1',
        'update `counter` set `n` = 1 where `id` = 1',
        'rollback',
      ])
    })
    test.fails('myth: PESSIMISTIC_WRITE locks what it has read against other writers', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
    test('the other process gets the write lock, SQLITE_OK, and it is turned away itself', () => {
      expect(begin.code).toBe('SQLITE_OK')
      expect(answer).toMatchObject({ refused: 'LockWaitTimeoutException', code: 'SQLITE_BUSY' })
    })
  })
})

describe('MikroORM, two requests to one process', () => {
  describe('when the transaction of the first is open, the other begins one, and the first fails', () => {
    let ofOther: Answer, ofFirst: Answer, after: Answer, story: Service

    beforeAll(async () => {
      const cast = { first: 'client', other: 'client', stranger: 'rival' } as const
      story = await serve('mikro-orm.ts', 'none', cast, async ({ first, other, stranger }) => {
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
      story = await serve('mikro-orm.ts', 'none', cast, async ({ first, other, stranger }) => {
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
