/**
 * What a transaction holds is no secret of SQLite's: a lock is a range of bytes of a file, locked by a process, and Linux lists them.
 * These stories have one actor, and after each of its statements the operating system is asked. The other chapters' timelines
 * tell the same, statement by statement, in brackets.
 *
 * In the database file a connection has one state: SHARED, RESERVED, PENDING or EXCLUSIVE. In WAL mode it keeps SHARED there, and DMS
 * in the `-shm` file, from its first statement to its end, and the locks that matter are in the `-shm` file: WRITE, and READ(0) to READ(4),
 * the marks of the snapshots in use.
 *
 * https://sqlite.org/lockingv3.html · https://sqlite.org/walformat.html#locks
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { tellsLocks } from '../helpers/kernel.ts'
import { show } from '../helpers/show.ts'

describe.skipIf(!tellsLocks)('The locks of one process (needs /proc), rollback journal', { tags: ['q13'] }, () => {
  describe('when it reads and writes in a deferred transaction', () => {
    let begin: Outcome, read: Outcome, readAgain: Outcome, write: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { actor: { timeout: 0 } }, async ({ actor }) => {
        begin = await actor`BEGIN`
        read = await actor`SELECT n FROM counter`
        readAgain = await actor`SELECT n FROM counter`
        write = await actor`UPDATE counter SET n = 1`
        commit = await actor`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: BEGIN locks the database', () => {
      expect(begin.locks).toEqual(['SHARED'])
    })
    test('after BEGIN the actor holds nothing', () => {
      expect(begin.locks).toEqual([])
    })
    test('after its first SELECT the actor holds SHARED', () => {
      expect(read.locks).toEqual(['SHARED'])
    })
    test('between two SELECTs the actor keeps SHARED', () => {
      expect(readAgain.locks).toEqual(['SHARED'])
    })
    test('after its first write the actor holds RESERVED', () => {
      expect(write.locks).toEqual(['RESERVED'])
    })
    test('after COMMIT the actor holds nothing', () => {
      expect(commit.locks).toEqual([])
    })
  })

  describe('when it opens no transaction', () => {
    let read: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { actor: { timeout: 0 } }, async ({ actor }) => {
        read = await actor`SELECT n FROM counter`
        write = await actor`UPDATE counter SET n = 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('after a SELECT of its own the actor holds nothing', () => {
      expect(read.locks).toEqual([])
    })
    test('after an UPDATE of its own the actor holds nothing', () => {
      expect(write.locks).toEqual([])
    })
  })

  describe('when it says BEGIN IMMEDIATE, and then BEGIN EXCLUSIVE', { tags: ['q17'] }, () => {
    let immediate: Outcome, write: Outcome, rollback: Outcome, exclusive: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { actor: { timeout: 0 } }, async ({ actor }) => {
        immediate = await actor`BEGIN IMMEDIATE`
        write = await actor`UPDATE counter SET n = 1`
        rollback = await actor`ROLLBACK`
        exclusive = await actor`BEGIN EXCLUSIVE`
        commit = await actor`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('after BEGIN IMMEDIATE the actor holds RESERVED, before it has written anything', () => {
      expect(immediate.locks).toEqual(['RESERVED'])
    })
    test('after its write the actor holds RESERVED and no more', () => {
      expect(write.locks).toEqual(['RESERVED'])
    })
    test('after ROLLBACK the actor holds nothing', () => {
      expect(rollback.locks).toEqual([])
    })
    test('after BEGIN EXCLUSIVE the actor holds EXCLUSIVE', () => {
      expect(exclusive.locks).toEqual(['EXCLUSIVE'])
    })
    test('after the COMMIT of nothing the actor holds nothing', () => {
      expect(commit.locks).toEqual([])
    })
  })

  describe('when its COMMIT meets a reader', () => {
    let commit: Outcome, still: Outcome, again: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { actor: { timeout: 0 }, reader: { timeout: 0 } }, async ({ actor, reader }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await actor`BEGIN`
        await actor`UPDATE counter SET n = 1`
        commit = await actor`COMMIT`
        still = await reader`SELECT n FROM counter`
        await reader`COMMIT`
        again = await actor`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('after the refused COMMIT the actor holds PENDING', () => {
      expect(commit).toMatchObject({ code: 'SQLITE_BUSY', locks: ['PENDING'] })
    })
    test('the reader keeps its SHARED beside PENDING', () => {
      expect(still.locks).toEqual(['SHARED'])
    })
    test('after the COMMIT that succeeds the actor holds nothing', () => {
      expect(again).toMatchObject({ code: 'SQLITE_OK', locks: [] })
    })
  })

  describe('when it writes more than its cache holds', () => {
    let write: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { actor: { timeout: 0 } }, async ({ actor }) => {
        await actor`PRAGMA cache_size = 10`
        await actor`BEGIN`
        write =
          await actor`CREATE TABLE ballast AS WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 100) SELECT randomblob(3000) FROM i`
        commit = await actor`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: the database is locked for readers only while COMMIT runs', () => {
      expect(write.locks).toEqual(['RESERVED'])
    })
    test('the actor holds EXCLUSIVE in the middle of its transaction: what the cache cannot hold is written to the file', () => {
      expect(write.locks).toEqual(['EXCLUSIVE'])
    })
    test('after COMMIT the actor holds nothing', () => {
      expect(commit.locks).toEqual([])
    })
  })

  describe('when it has attached a second file', { tags: ['q31'] }, () => {
    let read: Outcome, write: Outcome, own: Outcome, immediate: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { actor: { timeout: 0 } }, async ({ actor }) => {
        await actor`ATTACH 'other.db' AS other`
        await actor`CREATE TABLE other.diary (line TEXT)`
        await actor`BEGIN`
        read = await actor`SELECT line FROM other.diary`
        write = await actor`INSERT INTO other.diary VALUES ('Dear diary')`
        await actor`COMMIT`
        await actor`BEGIN`
        own = await actor`UPDATE counter SET n = 1`
        await actor`COMMIT`
        immediate = await actor`BEGIN IMMEDIATE`
      })
    })
    beforeEach((context) => show(context, story))

    test('a SELECT from the second file takes SHARED there, and nothing in the first', () => {
      expect(read.locks).toEqual(['other.db: SHARED'])
    })
    test('an INSERT into the second file takes RESERVED there, and nothing in the first', () => {
      expect(write.locks).toEqual(['other.db: RESERVED'])
    })
    test('an UPDATE of the first file takes RESERVED there, and nothing in the second', () => {
      expect(own.locks).toEqual(['RESERVED'])
    })
    test.fails('myth: BEGIN IMMEDIATE locks the database one has opened', () => {
      expect(immediate.locks).toEqual(['RESERVED'])
    })
    test('BEGIN IMMEDIATE takes RESERVED in every file that is attached', () => {
      expect(immediate.locks).toEqual(['RESERVED', 'other.db: RESERVED'])
    })
  })
})

describe.skipIf(!tellsLocks)('The locks of one process (needs /proc), write-ahead log', { tags: ['q13'] }, () => {
  describe('when it reads and writes in a deferred transaction', () => {
    let begin: Outcome, read: Outcome, write: Outcome, commit: Outcome, secondBegin: Outcome, secondRead: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { actor: { timeout: 0 } }, async ({ actor }) => {
        begin = await actor`BEGIN`
        read = await actor`SELECT n FROM counter`
        write = await actor`UPDATE counter SET n = 1`
        commit = await actor`COMMIT`
        secondBegin = await actor`BEGIN`
        secondRead = await actor`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('after BEGIN the actor, who has not used the file yet, holds nothing', () => {
      expect(begin.locks).toEqual([])
    })
    test.fails('myth: readers take no lock in WAL mode', () => {
      expect(read.locks).toEqual([])
    })
    test('after its first SELECT the actor holds READ(0), the mark of those who read past an empty log, and SHARED and DMS', () => {
      expect(read.locks).toEqual(['SHARED', 'READ(0)', 'DMS'])
    })
    test('after its first write the actor holds WRITE as well, and keeps its mark', () => {
      expect(write.locks).toEqual(['SHARED', 'WRITE', 'READ(0)', 'DMS'])
    })
    test('after COMMIT the actor keeps SHARED and DMS', () => {
      expect(commit.locks).toEqual(['SHARED', 'DMS'])
    })
    test('after another BEGIN the actor holds no more than that', () => {
      expect(secondBegin.locks).toEqual(['SHARED', 'DMS'])
    })
    test('after the SELECT that follows, with something in the log, the actor holds READ(1)', () => {
      expect(secondRead.locks).toEqual(['SHARED', 'READ(1)', 'DMS'])
    })
  })

  describe('when it opens no transaction', () => {
    let read: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { actor: { timeout: 0 } }, async ({ actor }) => {
        read = await actor`SELECT n FROM counter`
        write = await actor`UPDATE counter SET n = 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('after a SELECT of its own the actor keeps SHARED and DMS, and no mark', () => {
      expect(read.locks).toEqual(['SHARED', 'DMS'])
    })
    test('after an UPDATE of its own the actor does not keep WRITE', () => {
      expect(write.locks).toEqual(['SHARED', 'DMS'])
    })
  })

  describe('when it says BEGIN IMMEDIATE, and then BEGIN EXCLUSIVE', { tags: ['q17'] }, () => {
    let immediate: Outcome, rollback: Outcome, exclusive: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { actor: { timeout: 0 } }, async ({ actor }) => {
        immediate = await actor`BEGIN IMMEDIATE`
        rollback = await actor`ROLLBACK`
        exclusive = await actor`BEGIN EXCLUSIVE`
      })
    })
    beforeEach((context) => show(context, story))

    test('after BEGIN IMMEDIATE the actor holds WRITE and a mark, before it has read or written anything', () => {
      expect(immediate.locks).toEqual(['SHARED', 'WRITE', 'READ(0)', 'DMS'])
    })
    test('after ROLLBACK the actor keeps SHARED and DMS', () => {
      expect(rollback.locks).toEqual(['SHARED', 'DMS'])
    })
    test.fails('myth: BEGIN EXCLUSIVE takes a stronger lock than BEGIN IMMEDIATE', () => {
      expect(exclusive.locks).toContain('EXCLUSIVE')
    })
    test('after BEGIN EXCLUSIVE the actor holds what BEGIN IMMEDIATE takes', () => {
      expect(exclusive.locks).toEqual(['SHARED', 'WRITE', 'READ(0)', 'DMS'])
    })
  })

  describe('when others read, before and after it has written', () => {
    let oldest: Outcome, older: Outcome, alike: Outcome, newest: Outcome, still: Outcome, story: Story

    beforeAll(async () => {
      const cast = { actor: { timeout: 0 }, ann: { timeout: 0 }, bob: { timeout: 0 }, cay: { timeout: 0 } }
      story = await contend('wal', cast, async ({ actor, ann, bob, cay }) => {
        await ann`BEGIN`
        oldest = await ann`SELECT n FROM counter`
        await actor`UPDATE counter SET n = 1`
        await bob`BEGIN`
        older = await bob`SELECT n FROM counter`
        await cay`BEGIN`
        alike = await cay`SELECT n FROM counter`
        await cay`COMMIT`
        await actor`UPDATE counter SET n = 2`
        await cay`BEGIN`
        newest = await cay`SELECT n FROM counter`
        still = await ann`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('ann, who reads 0, holds READ(0)', () => {
      expect(oldest).toMatchObject({ rows: [{ n: 0 }], locks: ['SHARED', 'READ(0)', 'DMS'] })
    })
    test('bob, who reads 1, holds READ(1)', () => {
      expect(older).toMatchObject({ rows: [{ n: 1 }], locks: ['SHARED', 'READ(1)', 'DMS'] })
    })
    test('cay, who reads what bob reads, shares his mark', () => {
      expect(alike).toMatchObject({ rows: [{ n: 1 }], locks: ['SHARED', 'READ(1)', 'DMS'] })
    })
    test('cay, who comes back and reads 2, holds READ(2)', () => {
      expect(newest).toMatchObject({ rows: [{ n: 2 }], locks: ['SHARED', 'READ(2)', 'DMS'] })
    })
    test('ann keeps her mark, and her 0', () => {
      expect(still).toMatchObject({ rows: [{ n: 0 }], locks: ['SHARED', 'READ(0)', 'DMS'] })
    })
  })

  describe('when it writes more than its cache holds', () => {
    let write: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { actor: { timeout: 0 }, reader: { timeout: 0 } }, async ({ actor, reader }) => {
        await actor`PRAGMA cache_size = 10`
        await actor`BEGIN`
        write =
          await actor`CREATE TABLE ballast AS WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 100) SELECT randomblob(3000) FROM i`
        read = await reader`SELECT n FROM counter`
        await actor`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the actor holds WRITE, nothing stronger, and READ(1) from when it writes to the log', () => {
      expect(write.locks).toEqual(['SHARED', 'WRITE', 'READ(1)', 'DMS'])
    })
    test('a reader is not refused', () => {
      expect(read.code).toBe('SQLITE_OK')
    })
  })
})
