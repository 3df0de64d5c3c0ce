/**
 * The experiment this project grew from: ten users create accounts on a web server of several processes, each account in one
 * transaction that reads, hashes a password, and inserts. All ten are at their hashes at the same time, so that what happens
 * then is certain. It ends where the two known fixes end, and adds a third: keep slow work out of the transaction.
 *
 * https://github.com/anze3db/django-sqlite-dblock · https://sqlite.org/lang_transaction.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { experiment, type Result } from '../helpers/experiment.ts'
import { report } from '../helpers/report.ts'
import { show } from '../helpers/show.ts'
import { type Answer, confirmed, refused, took } from '../helpers/users.ts'

/** Confirmed users as the table has to show them: all of them, none of the refused, ids and numbers without a gap. */
const expectedUsers = (answers: Answer[]) =>
  confirmed(answers)
    .toSorted((one, other) => Number(one.number) - Number(other.number))
    .map(({ username, number }, i) => (number === i + 1 ? { id: number, username } : { id: `not ${number}`, username }))

/** How many other transactions were gone through, from beginning to end, while the answer was waited for. */
const waitedFor = (answer: Answer, answers: Answer[]) =>
  answers.filter((other) => other !== answer && other.inside && other.inside[0] > answer.began && other.inside[1] < answer.ended)
    .length

const all = (pattern: RegExp) => (texts: (string | undefined)[]) =>
  texts.length > 0 && texts.every((text) => pattern.test(text ?? ''))

const tally = (answers: Answer[]) => ({ confirmed: confirmed(answers).length, refused: refused(answers).length })

describe('Ten users on ten processes, write-ahead log', () => {
  describe('when transactions are deferred, and there is no timeout', () => {
    let result: Result

    beforeAll(async () => {
      const load = { users: 10, requests: 10, rendezvous: 10 }
      result = await experiment({ journalMode: 'wal', timeout: 0, begin: 'deferred' }, load)
    })
    beforeEach((context) => show(context, 'report', report(result.answers)))

    test('nine of the ten are turned away', () => {
      expect(tally(result.answers)).toEqual({ confirmed: 1, refused: 9 })
    })
    test('the nine are struck at INSERT, in the middle of their transactions', () => {
      expect(refused(result.answers).map(({ refusal }) => refusal?.statement)).toSatisfy(all(/^INSERT INTO auth_user/))
    })
    test('the browser gets 500 with a code of the SQLITE_BUSY family and the message "database is locked"', () => {
      expect(refused(result.answers).map(({ refusal }) => refusal?.code)).toSatisfy(all(/^SQLITE_BUSY(_SNAPSHOT)?$/))
      expect(refused(result.answers).map(({ refusal }) => refusal?.message)).toSatisfy(all(/^database is locked$/))
    })
    test('the log gets the error as JavaScript throws it: name, message, code, and where', () => {
      expect(result.log).toMatch(/SqliteError: database is locked\n +at .*web-application\.ts:\d+:\d+[\s\S]*code: 'SQLITE_BUSY/)
    })
    test('the password of the confirmed user is stored in the format of Django', () => {
      expect(result.users.map(({ password }) => password)).toSatisfy(all(/^pbkdf2_sha256\$1\$\w{22}\$[\w+/]{43}=$/))
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(result.users).toMatchObject(expectedUsers(result.answers))
    })
  })

  describe('when only the timeout is set', () => {
    let result: Result

    beforeAll(async () => {
      const load = { users: 10, requests: 10, rendezvous: 10 }
      result = await experiment({ journalMode: 'wal', timeout: 5_000, begin: 'deferred' }, load)
    })
    beforeEach((context) => show(context, 'report', report(result.answers)))

    test('nine of the ten are turned away all the same', () => {
      expect(tally(result.answers)).toEqual({ confirmed: 1, refused: 9 })
    })
    test('the nine are struck at INSERT, where waiting cannot help them', () => {
      expect(refused(result.answers).map(({ refusal }) => refusal?.statement)).toSatisfy(all(/^INSERT INTO auth_user/))
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(result.users).toMatchObject(expectedUsers(result.answers))
    })
  })

  describe('when transactions are only made IMMEDIATE', () => {
    let result: Result

    beforeAll(async () => {
      const load = { users: 10, requests: 10, rendezvous: 10 }
      result = await experiment({ journalMode: 'wal', timeout: 0, begin: 'immediate' }, load)
    })
    beforeEach((context) => show(context, 'report', report(result.answers)))

    test('nine of the ten are turned away all the same', () => {
      expect(tally(result.answers)).toEqual({ confirmed: 1, refused: 9 })
    })
    test('the nine are struck at BEGIN IMMEDIATE, before they have done anything', () => {
      expect(refused(result.answers).map(({ refusal }) => refusal?.statement)).toSatisfy(all(/^BEGIN IMMEDIATE$/))
    })
    test('the quickest of the nine is turned away at once', () => {
      expect(Math.min(...refused(result.answers).map(took))).toBeLessThan(1_000)
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(result.users).toMatchObject(expectedUsers(result.answers))
    })
  })

  describe('when the timeout is set and transactions are IMMEDIATE', () => {
    let result: Result, two: Answer[], ten: Answer[]

    beforeAll(async () => {
      const loads = [
        { users: 2, requests: 2 },
        { users: 10, requests: 10 },
        { users: 10, requests: 50 },
      ]
      result = await experiment({ journalMode: 'wal', timeout: 5_000, begin: 'immediate', workers: 10 }, ...loads)
      two = result.answers.slice(0, 2)
      ten = result.answers.slice(2, 12)
    })
    beforeEach((context) => show(context, 'report', report(result.answers)))

    test('nobody is turned away', () => {
      expect(tally(result.answers)).toEqual({ confirmed: 62, refused: 0 })
    })
    test('no two are ever inside at the same time: throughput is one transaction after another', () => {
      const visits = ten.map(({ inside = [0n, 0n] }) => inside).toSorted(([one], [other]) => Number(one - other))
      expect(visits).toHaveLength(10)
      expect(visits.filter(([began], i) => i > 0 && began < visits[i - 1][1])).toEqual([])
    })
    test('the failures have become waiting: the last of two users waits for one transaction, the last of ten for nine', () => {
      expect(Math.max(...two.map((answer) => waitedFor(answer, two)))).toBe(1)
      expect(Math.max(...ten.map((answer) => waitedFor(answer, ten)))).toBe(9)
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(result.users).toMatchObject(expectedUsers(result.answers))
    })
    test('the log is empty', () => {
      expect(result.log).toBe('')
    })
  })

  describe('when a hash inside the transaction takes longer than the timeout', () => {
    let result: Result

    beforeAll(async () => {
      const load = { users: 10, requests: 10, rendezvous: 10 }
      result = await experiment({ journalMode: 'wal', timeout: 2_000, begin: 'immediate', hash: 'inside' }, load)
    })
    beforeEach((context) => show(context, 'report', report(result.answers)))

    test('nine of the ten are turned away, although everything is fixed', () => {
      expect(tally(result.answers)).toEqual({ confirmed: 1, refused: 9 })
    })
    test('the nine are struck at BEGIN IMMEDIATE, after waiting for the whole timeout of 2,000 ms', () => {
      expect(refused(result.answers).map(({ refusal }) => refusal?.statement)).toSatisfy(all(/^BEGIN IMMEDIATE$/))
      expect(Math.min(...refused(result.answers).map(took))).toBeGreaterThanOrEqual(2_000)
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(result.users).toMatchObject(expectedUsers(result.answers))
    })
  })

  describe('when the same hash is made before the transaction begins', () => {
    let result: Result

    beforeAll(async () => {
      const load = { users: 10, requests: 10, rendezvous: 10 }
      result = await experiment({ journalMode: 'wal', timeout: 2_000, begin: 'immediate', hash: 'outside' }, load)
    })
    beforeEach((context) => show(context, 'report', report(result.answers)))

    test('all ten hash at the same time, and nobody is turned away', () => {
      expect(tally(result.answers)).toEqual({ confirmed: 10, refused: 0 })
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(result.users).toMatchObject(expectedUsers(result.answers))
    })
  })

  describe('when the pages differ only in the shape of their transaction', () => {
    let result: Result
    const page = (page: string) => tally(result.answers.filter((answer) => answer.page === page))

    beforeAll(async () => {
      const calm = { users: 10, requests: 20 }
      const unlucky = { users: 10, requests: 10, rendezvous: 10 }
      result = await experiment(
        { journalMode: 'wal', timeout: 5_000, begin: 'deferred' },
        { page: 'read', ...calm },
        { page: 'write', ...calm },
        { page: 'read_write', ...unlucky },
        { page: 'write_read', ...calm },
        { page: 'read_transaction', ...calm },
        { page: 'write_read_transaction', ...calm },
        { page: 'read_write_transaction', ...unlucky },
        { page: 'read_write_transaction_immediate', ...calm },
      )
    })
    beforeEach((context) => show(context, 'report', report(result.answers)))

    test('read: nobody is turned away', () => {
      expect(page('read')).toEqual({ confirmed: 20, refused: 0 })
    })
    test('write: nobody is turned away', () => {
      expect(page('write')).toEqual({ confirmed: 20, refused: 0 })
    })
    test('read_write, outside a transaction: nobody is turned away, though ten read before any of them writes', () => {
      expect(page('read_write')).toEqual({ confirmed: 10, refused: 0 })
    })
    test('write_read, outside a transaction: nobody is turned away', () => {
      expect(page('write_read')).toEqual({ confirmed: 20, refused: 0 })
    })
    test('read_transaction: nobody is turned away', () => {
      expect(page('read_transaction')).toEqual({ confirmed: 20, refused: 0 })
    })
    test('write_read_transaction: nobody is turned away, for it begins by writing', () => {
      expect(page('write_read_transaction')).toEqual({ confirmed: 20, refused: 0 })
    })
    test('read_write_transaction: nine of ten that read before any of them writes are turned away', () => {
      expect(page('read_write_transaction')).toEqual({ confirmed: 1, refused: 9 })
    })
    test('read_write_transaction_immediate: nobody is turned away', () => {
      expect(page('read_write_transaction_immediate')).toEqual({ confirmed: 20, refused: 0 })
    })
    test('every confirmed row is in the table, and no refused one', () => {
      expect(result.rows).toBe(confirmed(result.answers).filter(({ page }) => page.includes('write')).length)
    })
  })
})

describe('Ten users on ten processes, rollback journal', () => {
  describe('when transactions are deferred, and there is no timeout', () => {
    let result: Result

    beforeAll(async () => {
      const load = { users: 10, requests: 10, rendezvous: 10 }
      result = await experiment({ journalMode: 'delete', timeout: 0, begin: 'deferred' }, load)
    })
    beforeEach((context) => show(context, 'report', report(result.answers)))

    test('at least nine of the ten are turned away', () => {
      expect(refused(result.answers).length).toBeGreaterThanOrEqual(9)
    })
    test('they are struck at INSERT, or at COMMIT by those who still read', () => {
      expect(refused(result.answers).map(({ refusal }) => refusal?.statement)).toSatisfy(all(/^(INSERT INTO auth_user|COMMIT)/))
    })
    test('the browser gets 500 with the code SQLITE_BUSY', () => {
      expect(refused(result.answers).map(({ refusal }) => refusal?.code)).toSatisfy(all(/^SQLITE_BUSY$/))
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(result.users).toMatchObject(expectedUsers(result.answers))
    })
  })

  describe('when only the timeout is set', () => {
    let result: Result

    beforeAll(async () => {
      const load = { users: 10, requests: 10, rendezvous: 10 }
      result = await experiment({ journalMode: 'delete', timeout: 5_000, begin: 'deferred' }, load)
    })
    beforeEach((context) => show(context, 'report', report(result.answers)))

    test('nine of the ten are turned away all the same', () => {
      expect(tally(result.answers)).toEqual({ confirmed: 1, refused: 9 })
    })
    test('the nine are struck at INSERT, where waiting cannot help them', () => {
      expect(refused(result.answers).map(({ refusal }) => refusal?.statement)).toSatisfy(all(/^INSERT INTO auth_user/))
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(result.users).toMatchObject(expectedUsers(result.answers))
    })
  })

  describe('when transactions are only made IMMEDIATE', () => {
    let result: Result

    beforeAll(async () => {
      const load = { users: 10, requests: 10, rendezvous: 10 }
      result = await experiment({ journalMode: 'delete', timeout: 0, begin: 'immediate' }, load)
    })
    beforeEach((context) => show(context, 'report', report(result.answers)))

    test('nine of the ten are turned away all the same', () => {
      expect(tally(result.answers)).toEqual({ confirmed: 1, refused: 9 })
    })
    test('the nine are struck at BEGIN IMMEDIATE, before they have done anything', () => {
      expect(refused(result.answers).map(({ refusal }) => refusal?.statement)).toSatisfy(all(/^BEGIN IMMEDIATE$/))
    })
    test('the quickest of the nine is turned away at once', () => {
      expect(Math.min(...refused(result.answers).map(took))).toBeLessThan(1_000)
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(result.users).toMatchObject(expectedUsers(result.answers))
    })
  })

  describe('when the timeout is set and transactions are IMMEDIATE', () => {
    let result: Result, two: Answer[], ten: Answer[]

    beforeAll(async () => {
      const loads = [
        { users: 2, requests: 2 },
        { users: 10, requests: 10 },
        { users: 10, requests: 50 },
      ]
      result = await experiment({ journalMode: 'delete', timeout: 5_000, begin: 'immediate', workers: 10 }, ...loads)
      two = result.answers.slice(0, 2)
      ten = result.answers.slice(2, 12)
    })
    beforeEach((context) => show(context, 'report', report(result.answers)))

    test('nobody is turned away', () => {
      expect(tally(result.answers)).toEqual({ confirmed: 62, refused: 0 })
    })
    test('no two are ever inside at the same time: throughput is one transaction after another', () => {
      const visits = ten.map(({ inside = [0n, 0n] }) => inside).toSorted(([one], [other]) => Number(one - other))
      expect(visits).toHaveLength(10)
      expect(visits.filter(([began], i) => i > 0 && began < visits[i - 1][1])).toEqual([])
    })
    test('the failures have become waiting: the last of two users waits for one transaction, the last of ten for nine', () => {
      expect(Math.max(...two.map((answer) => waitedFor(answer, two)))).toBe(1)
      expect(Math.max(...ten.map((answer) => waitedFor(answer, ten)))).toBe(9)
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(result.users).toMatchObject(expectedUsers(result.answers))
    })
    test('the log is empty', () => {
      expect(result.log).toBe('')
    })
  })

  describe('when a hash inside the transaction takes longer than the timeout', () => {
    let result: Result

    beforeAll(async () => {
      const load = { users: 10, requests: 10, rendezvous: 10 }
      result = await experiment({ journalMode: 'delete', timeout: 2_000, begin: 'immediate', hash: 'inside' }, load)
    })
    beforeEach((context) => show(context, 'report', report(result.answers)))

    test('nine of the ten are turned away, although everything is fixed', () => {
      expect(tally(result.answers)).toEqual({ confirmed: 1, refused: 9 })
    })
    test('the nine are struck at BEGIN IMMEDIATE, after waiting for the whole timeout of 2,000 ms', () => {
      expect(refused(result.answers).map(({ refusal }) => refusal?.statement)).toSatisfy(all(/^BEGIN IMMEDIATE$/))
      expect(Math.min(...refused(result.answers).map(took))).toBeGreaterThanOrEqual(2_000)
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(result.users).toMatchObject(expectedUsers(result.answers))
    })
  })

  describe('when the same hash is made before the transaction begins', () => {
    let result: Result

    beforeAll(async () => {
      const load = { users: 10, requests: 10, rendezvous: 10 }
      result = await experiment({ journalMode: 'delete', timeout: 2_000, begin: 'immediate', hash: 'outside' }, load)
    })
    beforeEach((context) => show(context, 'report', report(result.answers)))

    test('all ten hash at the same time, and nobody is turned away', () => {
      expect(tally(result.answers)).toEqual({ confirmed: 10, refused: 0 })
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(result.users).toMatchObject(expectedUsers(result.answers))
    })
  })

  describe('when the pages differ only in the shape of their transaction', () => {
    let result: Result
    const page = (page: string) => tally(result.answers.filter((answer) => answer.page === page))

    beforeAll(async () => {
      const calm = { users: 10, requests: 20 }
      const unlucky = { users: 10, requests: 10, rendezvous: 10 }
      result = await experiment(
        { journalMode: 'delete', timeout: 5_000, begin: 'deferred' },
        { page: 'read', ...calm },
        { page: 'write', ...calm },
        { page: 'read_write', ...unlucky },
        { page: 'write_read', ...calm },
        { page: 'read_transaction', ...calm },
        { page: 'write_read_transaction', ...calm },
        { page: 'read_write_transaction', ...unlucky },
        { page: 'read_write_transaction_immediate', ...calm },
      )
    })
    beforeEach((context) => show(context, 'report', report(result.answers)))

    test('read: nobody is turned away', () => {
      expect(page('read')).toEqual({ confirmed: 20, refused: 0 })
    })
    test('write: nobody is turned away', () => {
      expect(page('write')).toEqual({ confirmed: 20, refused: 0 })
    })
    test('read_write, outside a transaction: nobody is turned away, though ten read before any of them writes', () => {
      expect(page('read_write')).toEqual({ confirmed: 10, refused: 0 })
    })
    test('write_read, outside a transaction: nobody is turned away', () => {
      expect(page('write_read')).toEqual({ confirmed: 20, refused: 0 })
    })
    test('read_transaction: nobody is turned away', () => {
      expect(page('read_transaction')).toEqual({ confirmed: 20, refused: 0 })
    })
    test('write_read_transaction: nobody is turned away, for it begins by writing', () => {
      expect(page('write_read_transaction')).toEqual({ confirmed: 20, refused: 0 })
    })
    test('read_write_transaction: nine of ten that read before any of them writes are turned away', () => {
      expect(page('read_write_transaction')).toEqual({ confirmed: 1, refused: 9 })
    })
    test('read_write_transaction_immediate: nobody is turned away', () => {
      expect(page('read_write_transaction_immediate')).toEqual({ confirmed: 20, refused: 0 })
    })
    test('every confirmed row is in the table, and no refused one', () => {
      expect(result.rows).toBe(confirmed(result.answers).filter(({ page }) => page.includes('write')).length)
    })
  })
})
