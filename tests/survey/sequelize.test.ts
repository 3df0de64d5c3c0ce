/**
 * Sequelize 6 on sqlite3: models; each transaction has a connection of its own, and all that is outside of one shares another. It has the driver's
 * timeout of one second, and tries each statement that was refused with SQLITE_BUSY five times, some 0.1 s apart. The binary of sqlite3 is
 * downloaded, or compiled, when it is installed, and is not in its package.
 *
 * The documentation has `transactionType` for BEGIN IMMEDIATE, and `retry` for what is tried again; it says that SQLite does not support more than
 * one transaction at a time, and nothing of a busy timeout. It says of a managed transaction that where it throws, it has been rolled back already;
 * and where COMMIT is refused, Sequelize says on stderr that it kills the connection. Measured, it does neither: the connection stays as it is, in
 * the middle of its transaction, and keeps all others out, its own process too. Measured as well: more than one transaction at a time is nothing
 * that SQLite does not support, but those who wait do so in the four threads that one needs to come to its end.
 *
 * https://sequelize.org/docs/v6/other-topics/transactions · https://sequelize.org/api/v6/class/src/sequelize.js~sequelize ·
 * https://github.com/sequelize/sequelize/issues/10262 · https://github.com/TryGhost/node-sqlite3/issues/1395
 */
import { existsSync } from 'node:fs'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Attempt, type Outcome } from '../../helpers/stack/attempt.ts'
import { inNode, showDialogue } from '../../helpers/stack/dialogue.ts'
import { inRing } from '../../helpers/stack/ring.ts'
import { sqlite3Binary } from '../../helpers/stack/runtimes.ts'
import { type Answer, type Service, serve } from '../../helpers/stack/service.ts'
import { line, type Sight, survey } from '../../helpers/stack/survey.ts'

describe.skipIf(!existsSync(sqlite3Binary))('With the binary of sqlite3 (which npm run survey downloads, or compiles)', () => {
  describe('Sequelize, as it comes', () => {
    let seen: Sight

    beforeAll(async () => {
      seen = await survey('sequelize.ts', { hold: 2_000 })
    })
    beforeEach((context) => line(context, seen))

    test('its transaction begins with BEGIN DEFERRED, on a new connection; a read by key is two statements', () => {
      expect(seen.sql).toBe(
        'PRAGMA FOREIGN_KEYS=ON; BEGIN DEFERRED TRANSACTION; PRAGMA table_info(`counter`); SELECT; UPDATE; COMMIT',
      )
    })
    test('its database has a rollback journal', () => {
      expect(seen.journalMode).toBe('delete')
    })
    test('it waits ten seconds for a lock, unless it has read before: five for each of the two statements of its read', () => {
      expect(seen.timeout).toBeGreaterThanOrEqual(10_000)
    })
    test.fails('myth: the retries keep it from being turned away when another process writes between its read and its write', () => {
      expect(seen.verdicts['progress between']).toBe('kept')
    })
    test('one of the two is turned away, with a TimeoutError that has SQLITE_BUSY in parent.code, and before its message', () => {
      expect(seen.verdicts['progress between']).toBe('broken')
      expect(seen.error).toMatchObject({
        code: 'SQLITE_BUSY',
        message: 'SQLITE_BUSY: database is locked',
        error: { class: 'TimeoutError', at: 'parent.code' },
      })
    })
    test('it is turned away while another process holds the lock for two seconds: its UPDATE does not wait, and five tries take half of one', () => {
      expect(seen.verdicts['progress held']).toBe('broken')
    })
    test('it opens a new database while somebody else makes it', () => {
      expect(seen.verdicts['progress fresh']).toBe('kept')
    })
    test('no update of two processes is lost', () => {
      expect(seen.verdicts['safety between']).toBe('kept')
      expect(seen.verdicts['safety crowd']).toBe('kept')
    })
    test('it goes on after a refusal', () => {
      expect(seen.verdicts['manners usable']).toBe('kept')
    })
    test('it does not go on after a refused COMMIT', () => {
      expect(seen.verdicts['manners commit']).toBe('broken')
    })
  })

  describe("Sequelize, with transactionType: 'IMMEDIATE'", () => {
    let seen: Sight

    beforeAll(async () => {
      seen = await survey('sequelize.ts#fixed', { hold: 2_000 })
    })
    beforeEach((context) => line(context, seen))

    test('its transaction begins with BEGIN IMMEDIATE, on a new connection', () => {
      expect(seen.sql).toBe(
        'PRAGMA FOREIGN_KEYS=ON; BEGIN IMMEDIATE TRANSACTION; PRAGMA table_info(`counter`); SELECT; UPDATE; COMMIT',
      )
    })
    test('its database has a rollback journal', () => {
      expect(seen.journalMode).toBe('delete')
    })
    test('it waits five times one second for a lock, and is turned away then, with a TimeoutError that has SQLITE_BUSY in parent.code', () => {
      expect(seen.timeout).toBeGreaterThanOrEqual(5_000)
      expect(seen.error).toMatchObject({ code: 'SQLITE_BUSY', error: { class: 'TimeoutError', at: 'parent.code' } })
    })
    test('nobody is turned away when another process writes between its read and its write', () => {
      expect(seen.verdicts['progress between']).toBe('kept')
    })
    test('nobody is turned away while another process holds the lock for two seconds', () => {
      expect(seen.verdicts['progress held']).toBe('kept')
    })
    test('it opens a new database while somebody else makes it', () => {
      expect(seen.verdicts['progress fresh']).toBe('kept')
    })
    test('no update of two processes is lost', () => {
      expect(seen.verdicts['safety between']).toBe('kept')
      expect(seen.verdicts['safety crowd']).toBe('kept')
    })
    test('it goes on after a refusal', () => {
      expect(seen.verdicts['manners usable']).toBe('kept')
    })
    test('it does not go on after a refused COMMIT', () => {
      expect(seen.verdicts['manners commit']).toBe('broken')
    })
  })

  describe("Sequelize, with transactionType: 'IMMEDIATE', after a refused COMMIT, rollback journal", () => {
    describe('when a reader keeps its COMMIT waiting until the last of its five tries, and leaves', () => {
      let ofCommit: Answer, reading: Answer, next: Answer, after: Answer, story: Service

      beforeAll(async () => {
        story = await serve('sequelize.ts#fixed', 'none', { client: 'client', reader: 'rival' }, async ({ client, reader }) => {
          await reader`BEGIN`
          await reader`SELECT n FROM counter`
          ofCommit = await client`increment`
          await reader`COMMIT`
          reading = await reader`SELECT n FROM counter`
          next = await client`increment`
          after = await reader`SELECT n FROM counter`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('its COMMIT is refused five times, and it says no ROLLBACK of it', () => {
        expect(ofCommit).toMatchObject({ refused: 'TimeoutError', message: 'SQLITE_BUSY: database is locked' })
        const whole = story.sql.filter((statement) => /^(COMMIT|ROLLBACK)/.test(statement))
        expect(whole.slice(0, 5)).toEqual(Array(5).fill('COMMIT;'))
      })
      test.fails('myth: where transaction() throws, it has been rolled back already', () => {
        expect(reading.code).toBe('SQLITE_OK')
      })
      test('other processes cannot even read any more: SQLITE_BUSY, with nobody at work', () => {
        expect(reading.code).toBe('SQLITE_BUSY')
        expect(after.code).toBe('SQLITE_BUSY')
      })
      test('its own next transaction is refused as well: it is on another connection', () => {
        expect(next).toMatchObject({ refused: 'TimeoutError', message: 'SQLITE_BUSY: database is locked' })
      })
    })
  })

  describe("Sequelize, with transactionType: 'IMMEDIATE', in one process", () => {
    describe('when twenty transactions begin at once, and nobody else is there', () => {
      let answer: Outcome, total: number

      beforeAll(async () => {
        await inRing(inNode('sequelize.ts#crowd'), 120_000, async ({ start }) => {
          const one = await start()
          answer = await new Attempt(one).outcome
          total = (await one.ask({ do: 'total' })).total as number
        })
      })

      test.fails('myth: BEGIN IMMEDIATE and a timeout, tried five times, are enough for twenty', () => {
        expect(total).toBe(20)
      })
      test('some are refused: TimeoutError, with SQLITE_BUSY', () => {
        expect(answer).toMatchObject({ code: 'SQLITE_BUSY', error: { class: 'TimeoutError' } })
        expect(total).toBeLessThan(20)
      })
      test('it takes more than five seconds', () => {
        expect(answer.waited).toBeGreaterThanOrEqual(5_000)
      })
    })

    describe.skipIf(process.platform === 'win32')(
      'when it has a thread for each of the twenty (by env, which Windows lacks)',
      () => {
        let answer: Outcome, total: number

        beforeAll(async () => {
          const { command, ...crowd } = inNode('sequelize.ts#crowd')
          const threads = ['env', 'UV_THREADPOOL_SIZE=24', ...command]
          await inRing({ ...crowd, command: threads }, 120_000, async ({ start }) => {
            const one = await start()
            answer = await new Attempt(one).outcome
            total = (await one.ask({ do: 'total' })).total as number
          })
        })

        test('all of them are confirmed: it was for want of threads, in which the others wait, that the holder did not go on', () => {
          expect([answer.verdict, total]).toEqual(['confirmed', 20])
        })
      },
    )
  })

  describe('Sequelize, with a statement that is not given its transaction, rollback journal', () => {
    describe('when the transaction has read, and the statement writes', () => {
      let answer: Answer, ofTransaction: Answer, after: Answer, story: Service

      beforeAll(async () => {
        const cast = { transaction: 'client', statement: 'client', stranger: 'rival' } as const
        story = await serve('sequelize.ts', 'none', cast, async ({ transaction, statement, stranger }) => {
          await transaction`increment, pause`
          answer = await statement`outside`
          ofTransaction = await transaction`fail`
          after = await stranger`SELECT n FROM counter`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test.fails('myth: a statement without { transaction } in the function of transaction() belongs to the transaction', () => {
        expect(answer.confirmed).toBe(true)
      })
      test('it waits for its own transaction, on another connection, and is refused after five tries: n is 0', () => {
        expect(answer).toMatchObject({ refused: 'TimeoutError', message: 'SQLITE_BUSY: database is locked' })
        expect(story.sql.filter((statement) => statement.startsWith('UPDATE'))).toHaveLength(5)
        expect([ofTransaction.refused, after.rows]).toEqual(['Error', [{ n: 0 }]])
      })
    })
  })

  describe('Sequelize, with a statement that is not given its transaction, write-ahead log', () => {
    describe('when the transaction has read, the statement writes, and the transaction fails', () => {
      let answer: Answer, ofTransaction: Answer, after: Answer, story: Service

      beforeAll(async () => {
        const cast = { transaction: 'client', statement: 'client', stranger: 'rival' } as const
        story = await serve('sequelize.ts', 'wal', cast, async ({ transaction, statement, stranger }) => {
          await transaction`increment, pause`
          answer = await statement`outside`
          ofTransaction = await transaction`fail`
          after = await stranger`SELECT n FROM counter`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test.fails('myth: what is said in the function of transaction() is rolled back when it throws', () => {
        expect(after.rows).toEqual([{ n: 0 }])
      })
      test('what the statement has written stays: n is 1', () => {
        expect([answer.confirmed, ofTransaction.refused]).toEqual([true, 'Error'])
        expect(after.rows).toEqual([{ n: 1 }])
      })
    })
  })
})
