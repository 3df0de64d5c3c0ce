/**
 * The experiment this project grew from: ten users create accounts on a web server of several processes, each account in one
 * transaction that reads, hashes a password, and inserts. All ten are at their hashes at the same time, so that what happens
 * then is certain: a hash lasts until the last of them is at its own, or has been turned away before. The chapter ends where the
 * two known fixes end, and adds a third: keep slow work out of the transaction. That those who wait are not served in order is
 * told at the end of chapter 50.
 *
 * https://github.com/anze3db/django-sqlite-dblock · https://sqlite.org/lang_transaction.html
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { report } from '../helpers/report.ts'
import { show } from '../helpers/show.ts'
import { type Answer, confirmed, refused, took } from '../helpers/users.ts'
import { type Run, Website } from '../helpers/website.ts'

const tally = (answers: Answer[]) => ({ confirmed: confirmed(answers).length, refused: refused(answers).length })

const codes = (answers: Answer[]) => new Set(refused(answers).map(({ refusal }) => refusal?.code))

/** The statements that were struck, by their first words. */
const struck = (answers: Answer[]) =>
  new Set(refused(answers).map(({ refusal }) => /^[A-Z]+( IMMEDIATE)?/.exec(refusal?.statement ?? '')?.[0]))

/** Confirmed users as the table has to show them: all of them, none of the refused, their numbers without a gap. */
const expectedUsers = ({ answers, users }: Run) => {
  const created = confirmed(answers).toSorted((one, other) => Number(one.number) - Number(other.number))
  const before = Number(created[0]?.number ?? 1) - 1
  expect(created.map(({ number }) => Number(number) - before)).toEqual(users.map((_, i) => i + 1))
  return created.map(({ username }, i) => ({ id: i + 1, username }))
}

/** Whether each was inside alone, one after the other. */
const oneByOne = (answers: Answer[]) => {
  const visits = answers.map(({ inside = [0n, 0n] }) => inside).toSorted(([one], [other]) => Number(one - other))
  return visits.every(([began, ended], i) => ended > began && (i === 0 || began >= visits[i - 1][1]))
}

/** How many other transactions were gone through, from beginning to end, while the answer was waited for. */
const waitedFor = (answer: Answer, answers: Answer[]) =>
  answers.filter((other) => other !== answer && other.inside && other.inside[0] > answer.began && other.inside[1] < answer.ended)
    .length

describe('Ten users on ten processes, write-ahead log', { tags: ['q11'] }, () => {
  let website: Website, before: Run

  beforeAll(async () => {
    website = await Website.open({ journalMode: 'wal', workers: 10 })
  })
  afterAll(() => website.kill())

  describe('when transactions are deferred, and there is no timeout', () => {
    let run: Run

    beforeAll(async () => {
      run = await website.run({ users: 10, requests: 10, rendezvous: 10, timeout: 0, begin: 'deferred' })
    })
    beforeEach((context) => show(context, report(run.answers)))

    test('nine of the ten are turned away', () => {
      expect(tally(run.answers)).toEqual({ confirmed: 1, refused: 9 })
    })
    test('the nine are struck at INSERT, in the middle of their transactions', () => {
      expect(struck(run.answers)).toEqual(new Set(['INSERT']))
    })
    test('the browser gets 500 with a code of the SQLITE_BUSY family, and its message', () => {
      expect([...codes(run.answers)].join()).toMatch(/^SQLITE_BUSY(_SNAPSHOT)?(,SQLITE_BUSY(_SNAPSHOT)?)?$/)
      expect(new Set(refused(run.answers).map(({ refusal }) => refusal?.message))).toEqual(new Set(['database is locked']))
    })
    test('the password of the confirmed user is stored in the format of Django', () => {
      expect(run.users.map(({ password }) => password)).toEqual([
        expect.stringMatching(/^pbkdf2_sha256\$1\$\w{22}\$[\w+/]{43}=$/),
      ])
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(run.users).toMatchObject(expectedUsers(run))
    })
  })

  describe('when only the timeout is set', () => {
    let run: Run

    beforeAll(async () => {
      run = await website.run({ users: 10, requests: 10, rendezvous: 10, timeout: 5_000, begin: 'deferred' })
    })
    beforeEach((context) => show(context, report(run.answers)))

    test('nine of the ten are turned away all the same', () => {
      expect(tally(run.answers)).toEqual({ confirmed: 1, refused: 9 })
    })
    test('the nine are struck at INSERT, where waiting cannot help them', () => {
      expect(struck(run.answers)).toEqual(new Set(['INSERT']))
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(run.users).toMatchObject(expectedUsers(run))
    })
  })

  describe('when transactions are only made IMMEDIATE', () => {
    let run: Run

    beforeAll(async () => {
      run = await website.run({ users: 10, requests: 10, rendezvous: 10, timeout: 0, begin: 'immediate' })
    })
    beforeEach((context) => show(context, report(run.answers)))

    test('nine of the ten are turned away all the same', () => {
      expect(tally(run.answers)).toEqual({ confirmed: 1, refused: 9 })
    })
    test('the nine are struck at BEGIN IMMEDIATE, before they have done anything', () => {
      expect(struck(run.answers)).toEqual(new Set(['BEGIN IMMEDIATE']))
    })
    test('the quickest of the nine is turned away at once', () => {
      expect(Math.min(...refused(run.answers).map(took))).toBeLessThan(1_000)
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(run.users).toMatchObject(expectedUsers(run))
    })
  })

  describe('when the timeout is set and transactions are IMMEDIATE', { tags: ['q5', 'q11'] }, () => {
    let run: Run

    beforeAll(async () => {
      run = await website.run({ users: 10, requests: 50, timeout: 5_000, begin: 'immediate' })
    })
    beforeEach((context) => show(context, report(run.answers)))

    test('nobody is turned away', () => {
      expect(tally(run.answers)).toEqual({ confirmed: 50, refused: 0 })
    })
    test('no two are ever inside at the same time: throughput is one transaction after another', () => {
      expect(oneByOne(run.answers)).toBe(true)
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(run.users).toMatchObject(expectedUsers(run))
    })
  })

  describe('when two, then ten users queue for the fixed server', () => {
    let two: Answer[], ten: Answer[]

    beforeAll(async () => {
      two = (await website.run({ users: 2, requests: 2, timeout: 5_000, begin: 'immediate' })).answers
      ten = (await website.run({ users: 10, requests: 10, timeout: 5_000, begin: 'immediate' })).answers
    })
    beforeEach((context) => show(context, report([...two, ...ten])))

    test('the last of two users waits for one transaction', () => {
      expect(oneByOne(two)).toBe(true)
      expect(Math.max(...two.map((answer) => waitedFor(answer, two)))).toBe(1)
    })
    test('the last of ten users waits for nine, one after the other: the failures have become waiting', () => {
      expect(oneByOne(ten)).toBe(true)
      expect(Math.max(...ten.map((answer) => waitedFor(answer, ten)))).toBe(9)
    })
  })

  describe('when a hash inside the transaction takes longer than the timeout', () => {
    let run: Run

    beforeAll(async () => {
      run = await website.run({ users: 10, requests: 10, rendezvous: 10, timeout: 2_000, begin: 'immediate', hash: 'inside' })
      before = run
    })
    beforeEach((context) => show(context, report(run.answers)))

    test('nine of the ten are turned away, although everything is fixed', () => {
      expect(tally(run.answers)).toEqual({ confirmed: 1, refused: 9 })
    })
    test('the nine are struck at BEGIN IMMEDIATE, after their whole timeout of 2,000 ms', () => {
      expect(struck(run.answers)).toEqual(new Set(['BEGIN IMMEDIATE']))
      expect(Math.min(...refused(run.answers).map(took))).toBeGreaterThanOrEqual(2_000)
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(run.users).toMatchObject(expectedUsers(run))
    })
  })

  describe('when the same hash is made before the transaction begins', () => {
    let run: Run

    beforeAll(async () => {
      run = await website.run({ users: 10, requests: 10, rendezvous: 10, timeout: 2_000, begin: 'immediate', hash: 'outside' })
    })
    beforeEach((context) => show(context, report(run.answers)))

    test('all ten hash at the same time, and nobody is turned away', () => {
      expect(tally(run.answers)).toEqual({ confirmed: 10, refused: 0 })
    })
    test('ten accounts are created in the time of one hash, which was one account before: the throughput is back', () => {
      expect([confirmed(before.answers).length, confirmed(run.answers).length]).toEqual([1, 10])
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(run.users).toMatchObject(expectedUsers(run))
    })
  })

  describe('when the pages differ only in the shape of their transaction', { tags: ['q12'] }, () => {
    const timeout = 5_000
    const calm = { users: 10, requests: 20, timeout }
    const unlucky = { users: 10, requests: 10, rendezvous: 10, timeout }
    let runs: Record<string, Run>

    beforeAll(async () => {
      runs = {
        read: await website.run({ page: 'read', ...calm }),
        write: await website.run({ page: 'write', ...calm }),
        read_write: await website.run({ page: 'read_write', ...unlucky }),
        write_read: await website.run({ page: 'write_read', ...calm }),
        read_transaction: await website.run({ page: 'read_transaction', ...calm }),
        write_read_transaction: await website.run({ page: 'write_read_transaction', ...calm }),
        read_write_transaction: await website.run({ page: 'read_write_transaction', ...unlucky }),
        read_write_transaction_immediate: await website.run({ page: 'read_write_transaction_immediate', ...calm }),
      }
    })
    beforeEach((context) => show(context, report(Object.values(runs).flatMap(({ answers }) => answers))))

    test('read: nobody is turned away', () => {
      expect(tally(runs.read.answers)).toEqual({ confirmed: 20, refused: 0 })
    })
    test('write: nobody is turned away', () => {
      expect(tally(runs.write.answers)).toEqual({ confirmed: 20, refused: 0 })
    })
    test('read_write, outside a transaction: nobody is turned away, though ten read before any of them writes', () => {
      expect(tally(runs.read_write.answers)).toEqual({ confirmed: 10, refused: 0 })
    })
    test('write_read, outside a transaction: nobody is turned away', () => {
      expect(tally(runs.write_read.answers)).toEqual({ confirmed: 20, refused: 0 })
    })
    test('read_transaction: nobody is turned away', () => {
      expect(tally(runs.read_transaction.answers)).toEqual({ confirmed: 20, refused: 0 })
    })
    test('write_read_transaction: nobody is turned away, for it begins by writing', () => {
      expect(tally(runs.write_read_transaction.answers)).toEqual({ confirmed: 20, refused: 0 })
    })
    test('read_write_transaction: nine of ten that read before any of them writes are turned away', () => {
      expect(tally(runs.read_write_transaction.answers)).toEqual({ confirmed: 1, refused: 9 })
    })
    test('read_write_transaction_immediate: nobody is turned away', () => {
      expect(tally(runs.read_write_transaction_immediate.answers)).toEqual({ confirmed: 20, refused: 0 })
    })
    test('every confirmed row is in the table, and no refused one', () => {
      const { read, read_transaction, ...writing } = runs
      expect([read.rows, read_transaction.rows]).toEqual([0, 0])
      for (const { answers, rows } of Object.values(writing)) expect(rows).toBe(confirmed(answers).length)
    })
  })

  describe('when one more is turned away, and the server is shut down', () => {
    let log: string

    beforeAll(async () => {
      await website.run({ users: 10, requests: 10, rendezvous: 10, timeout: 0, begin: 'deferred' })
      log = await website.close()
    })

    test('the log has the error as JavaScript throws it: name, message, where, code, and the statement', () => {
      expect(log).toMatch(
        /SqliteError: database is locked\n +at .*web-application\.ts:\d+:\d+[\s\S]*code: 'SQLITE_BUSY[\s\S]*statement:/,
      )
    })
    test('the log has one such error for each user turned away so far, six times nine', () => {
      expect(log.match(/^.*Error: .*$/gm)).toHaveLength(6 * 9)
    })
  })
})

describe('Ten users on ten processes, rollback journal', { tags: ['q11'] }, () => {
  let website: Website, before: Run

  beforeAll(async () => {
    website = await Website.open({ journalMode: 'delete', workers: 10 })
  })
  afterAll(() => website.kill())

  describe('when transactions are deferred, and there is no timeout', () => {
    let run: Run

    beforeAll(async () => {
      run = await website.run({ users: 10, requests: 10, rendezvous: 10, timeout: 0, begin: 'deferred' })
    })
    beforeEach((context) => show(context, report(run.answers)))

    test('at least nine of the ten are turned away', () => {
      expect(refused(run.answers).length).toBeGreaterThanOrEqual(9)
    })
    test('those who are turned away are struck at INSERT, or at COMMIT because of those who still read', () => {
      expect([...struck(run.answers)].sort().join()).toMatch(/^(INSERT|COMMIT|COMMIT,INSERT)$/)
    })
    test('the browser gets 500 with the code SQLITE_BUSY', () => {
      expect(codes(run.answers)).toEqual(new Set(['SQLITE_BUSY']))
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(run.users).toMatchObject(expectedUsers(run))
    })
  })

  describe('when only the timeout is set', () => {
    let run: Run

    beforeAll(async () => {
      run = await website.run({ users: 10, requests: 10, rendezvous: 10, timeout: 5_000, begin: 'deferred' })
    })
    beforeEach((context) => show(context, report(run.answers)))

    test('nine of the ten are turned away all the same', () => {
      expect(tally(run.answers)).toEqual({ confirmed: 1, refused: 9 })
    })
    test('the nine are struck at INSERT, where waiting cannot help them', () => {
      expect(struck(run.answers)).toEqual(new Set(['INSERT']))
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(run.users).toMatchObject(expectedUsers(run))
    })
  })

  describe('when transactions are only made IMMEDIATE', () => {
    let run: Run

    beforeAll(async () => {
      run = await website.run({ users: 10, requests: 10, rendezvous: 10, timeout: 0, begin: 'immediate' })
    })
    beforeEach((context) => show(context, report(run.answers)))

    test('nine of the ten are turned away all the same', () => {
      expect(tally(run.answers)).toEqual({ confirmed: 1, refused: 9 })
    })
    test('the nine are struck at BEGIN IMMEDIATE, before they have done anything', () => {
      expect(struck(run.answers)).toEqual(new Set(['BEGIN IMMEDIATE']))
    })
    test('the quickest of the nine is turned away at once', () => {
      expect(Math.min(...refused(run.answers).map(took))).toBeLessThan(1_000)
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(run.users).toMatchObject(expectedUsers(run))
    })
  })

  describe('when the timeout is set and transactions are IMMEDIATE', { tags: ['q5', 'q11'] }, () => {
    let run: Run

    beforeAll(async () => {
      run = await website.run({ users: 10, requests: 50, timeout: 5_000, begin: 'immediate' })
    })
    beforeEach((context) => show(context, report(run.answers)))

    test('nobody is turned away', () => {
      expect(tally(run.answers)).toEqual({ confirmed: 50, refused: 0 })
    })
    test('no two are ever inside at the same time: throughput is one transaction after another', () => {
      expect(oneByOne(run.answers)).toBe(true)
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(run.users).toMatchObject(expectedUsers(run))
    })
  })

  describe('when two, then ten users queue for the fixed server', () => {
    let two: Answer[], ten: Answer[]

    beforeAll(async () => {
      two = (await website.run({ users: 2, requests: 2, timeout: 5_000, begin: 'immediate' })).answers
      ten = (await website.run({ users: 10, requests: 10, timeout: 5_000, begin: 'immediate' })).answers
    })
    beforeEach((context) => show(context, report([...two, ...ten])))

    test('the last of two users waits for one transaction', () => {
      expect(oneByOne(two)).toBe(true)
      expect(Math.max(...two.map((answer) => waitedFor(answer, two)))).toBe(1)
    })
    test('the last of ten users waits for nine, one after the other: the failures have become waiting', () => {
      expect(oneByOne(ten)).toBe(true)
      expect(Math.max(...ten.map((answer) => waitedFor(answer, ten)))).toBe(9)
    })
  })

  describe('when a hash inside the transaction takes longer than the timeout', () => {
    let run: Run

    beforeAll(async () => {
      run = await website.run({ users: 10, requests: 10, rendezvous: 10, timeout: 2_000, begin: 'immediate', hash: 'inside' })
      before = run
    })
    beforeEach((context) => show(context, report(run.answers)))

    test('nine of the ten are turned away, although everything is fixed', () => {
      expect(tally(run.answers)).toEqual({ confirmed: 1, refused: 9 })
    })
    test('the nine are struck at BEGIN IMMEDIATE, after their whole timeout of 2,000 ms', () => {
      expect(struck(run.answers)).toEqual(new Set(['BEGIN IMMEDIATE']))
      expect(Math.min(...refused(run.answers).map(took))).toBeGreaterThanOrEqual(2_000)
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(run.users).toMatchObject(expectedUsers(run))
    })
  })

  describe('when the same hash is made before the transaction begins', () => {
    let run: Run

    beforeAll(async () => {
      run = await website.run({ users: 10, requests: 10, rendezvous: 10, timeout: 2_000, begin: 'immediate', hash: 'outside' })
    })
    beforeEach((context) => show(context, report(run.answers)))

    test('all ten hash at the same time, and nobody is turned away', () => {
      expect(tally(run.answers)).toEqual({ confirmed: 10, refused: 0 })
    })
    test('ten accounts are created in the time of one hash, which was one account before: the throughput is back', () => {
      expect([confirmed(before.answers).length, confirmed(run.answers).length]).toEqual([1, 10])
    })
    test('every confirmed user is in the table, and no refused one, numbered without a gap', () => {
      expect(run.users).toMatchObject(expectedUsers(run))
    })
  })

  describe('when the pages differ only in the shape of their transaction', { tags: ['q12'] }, () => {
    const timeout = 5_000
    const calm = { users: 10, requests: 20, timeout }
    const unlucky = { users: 10, requests: 10, rendezvous: 10, timeout }
    let runs: Record<string, Run>

    beforeAll(async () => {
      runs = {
        read: await website.run({ page: 'read', ...calm }),
        write: await website.run({ page: 'write', ...calm }),
        read_write: await website.run({ page: 'read_write', ...unlucky }),
        write_read: await website.run({ page: 'write_read', ...calm }),
        read_transaction: await website.run({ page: 'read_transaction', ...calm }),
        write_read_transaction: await website.run({ page: 'write_read_transaction', ...calm }),
        read_write_transaction: await website.run({ page: 'read_write_transaction', ...unlucky }),
        read_write_transaction_immediate: await website.run({ page: 'read_write_transaction_immediate', ...calm }),
      }
    })
    beforeEach((context) => show(context, report(Object.values(runs).flatMap(({ answers }) => answers))))

    test('read: nobody is turned away', () => {
      expect(tally(runs.read.answers)).toEqual({ confirmed: 20, refused: 0 })
    })
    test('write: nobody is turned away', () => {
      expect(tally(runs.write.answers)).toEqual({ confirmed: 20, refused: 0 })
    })
    test('read_write, outside a transaction: nobody is turned away, though ten read before any of them writes', () => {
      expect(tally(runs.read_write.answers)).toEqual({ confirmed: 10, refused: 0 })
    })
    test('write_read, outside a transaction: nobody is turned away', () => {
      expect(tally(runs.write_read.answers)).toEqual({ confirmed: 20, refused: 0 })
    })
    test('read_transaction: nobody is turned away', () => {
      expect(tally(runs.read_transaction.answers)).toEqual({ confirmed: 20, refused: 0 })
    })
    test('write_read_transaction: nobody is turned away, for it begins by writing', () => {
      expect(tally(runs.write_read_transaction.answers)).toEqual({ confirmed: 20, refused: 0 })
    })
    test('read_write_transaction: nine of ten that read before any of them writes are turned away', () => {
      expect(tally(runs.read_write_transaction.answers)).toEqual({ confirmed: 1, refused: 9 })
    })
    test('read_write_transaction_immediate: nobody is turned away', () => {
      expect(tally(runs.read_write_transaction_immediate.answers)).toEqual({ confirmed: 20, refused: 0 })
    })
    test('every confirmed row is in the table, and no refused one', () => {
      const { read, read_transaction, ...writing } = runs
      expect([read.rows, read_transaction.rows]).toEqual([0, 0])
      for (const { answers, rows } of Object.values(writing)) expect(rows).toBe(confirmed(answers).length)
    })
  })
})
