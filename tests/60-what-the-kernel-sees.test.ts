/**
 * SQLite's locks are locks of the operating system, which can be asked for them: here is what a process holds after each statement.
 * BEGIN takes nothing. In a rollback journal a connection climbs from SHARED to EXCLUSIVE and is back at nothing after COMMIT. The
 * first page below calls PENDING a temporary stepping stone; seen from here, whoever is refused at COMMIT rests on it. In the
 * write-ahead log readers take locks as well, only none that a writer would have to wait for.
 *
 * https://sqlite.org/lockingv3.html · https://sqlite.org/walformat.html#locks · https://sqlite.org/lang_transaction.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { tellsLocks, tellsSleep } from '../helpers/kernel.ts'
import { show } from '../helpers/show.ts'
import { heldWaiting } from '../helpers/timeline.ts'

describe.skipIf(!tellsLocks)('The locks of a process, rollback journal (needs /proc)', { tags: ['q13'] }, () => {
  describe('when a transaction reads, writes, reads again and commits', () => {
    let begin: Outcome, read: Outcome, write: Outcome, again: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 } }, async ({ writer }) => {
        begin = await writer`BEGIN`
        read = await writer`SELECT n FROM counter`
        write = await writer`UPDATE counter SET n = n + 1`
        again = await writer`SELECT n FROM counter`
        commit = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: BEGIN locks the database', () => {
      expect(begin.locks).not.toEqual([])
    })
    test('the writer says BEGIN, gets SQLITE_OK, and holds nothing', () => {
      expect(begin).toMatchObject({ code: 'SQLITE_OK', inTransaction: true, locks: [] })
    })
    test('the writer holds SHARED after its first SELECT', () => {
      expect(read.locks).toEqual(['SHARED'])
    })
    test.fails('myth: whoever writes holds the database exclusively from its first write', () => {
      expect(write.locks).toEqual(['EXCLUSIVE'])
    })
    test('the writer holds RESERVED after its first UPDATE, SQLITE_OK', () => {
      expect(write).toMatchObject({ code: 'SQLITE_OK', locks: ['RESERVED'] })
    })
    test('the writer keeps RESERVED, no less, when it reads again', () => {
      expect(again.locks).toEqual(['RESERVED'])
    })
    test('the writer holds nothing after COMMIT', () => {
      expect(commit.locks).toEqual([])
    })
  })

  describe('when the writer takes its change back, and when it finds no row to change', () => {
    let back: Outcome, rollback: Outcome, unmatched: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 } }, async ({ writer }) => {
        await writer`BEGIN`
        await writer`SELECT n FROM counter`
        await writer`SAVEPOINT clean`
        await writer`UPDATE counter SET n = n + 1`
        back = await writer`ROLLBACK TO clean`
        rollback = await writer`ROLLBACK`
        await writer`BEGIN`
        unmatched = await writer`UPDATE counter SET n = n + 1 WHERE n = 1000 RETURNING n`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer keeps RESERVED after ROLLBACK TO', () => {
      expect(back.locks).toEqual(['RESERVED'])
    })
    test('the writer holds nothing after ROLLBACK', () => {
      expect(rollback.locks).toEqual([])
    })
    test('the writer holds RESERVED after an UPDATE that has changed no row', () => {
      expect(unmatched).toMatchObject({ rows: [], locks: ['RESERVED'] })
    })
  })

  describe('when there is no transaction, or only a SAVEPOINT', { tags: ['q20'] }, () => {
    let read: Outcome, write: Outcome, savepoint: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { single: { timeout: 0 } }, async ({ single }) => {
        read = await single`SELECT n FROM counter`
        write = await single`UPDATE counter SET n = n + 1`
        savepoint = await single`SAVEPOINT start`
      })
    })
    beforeEach((context) => show(context, story))

    test('a single SELECT leaves no lock behind', () => {
      expect(read.locks).toEqual([])
    })
    test('a single UPDATE leaves no lock behind', () => {
      expect(write.locks).toEqual([])
    })
    test('SAVEPOINT begins a transaction, and takes no lock', () => {
      expect(savepoint).toMatchObject({ inTransaction: true, locks: [] })
    })
  })

  describe('when BEGIN says IMMEDIATE or EXCLUSIVE', { tags: ['q17'] }, () => {
    let immediate: Outcome, exclusive: Outcome, read: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 } }, async ({ writer }) => {
        immediate = await writer`BEGIN IMMEDIATE`
        await writer`COMMIT`
        exclusive = await writer`BEGIN EXCLUSIVE`
        read = await writer`SELECT n FROM counter`
        write = await writer`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer holds RESERVED after BEGIN IMMEDIATE, before it has read or written', () => {
      expect(immediate.locks).toEqual(['RESERVED'])
    })
    test('the writer holds EXCLUSIVE after BEGIN EXCLUSIVE, before it has read or written', () => {
      expect(exclusive.locks).toEqual(['EXCLUSIVE'])
    })
    test('the writer keeps EXCLUSIVE through SELECT and UPDATE', () => {
      expect([read.locks, write.locks]).toEqual([['EXCLUSIVE'], ['EXCLUSIVE']])
    })
  })

  describe('when a writer waits for a reader to leave', () => {
    let story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, writer: { timeout: 5_000 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        const commit = writer`COMMIT`
        await commit.blocks()
        await reader`COMMIT`
        await commit
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        const update = writer`UPDATE counter SET n = n + 1`
        await update.blocks()
        await reader`COMMIT`
        await update
      })
    })
    beforeEach((context) => show(context, story))

    test.skipIf(!tellsSleep)(
      'the writer holds PENDING while it waits in COMMIT, and while it waits in an UPDATE outside a transaction',
      () => {
        expect(heldWaiting(story, 'writer')).toEqual([['PENDING'], ['PENDING']])
      },
    )
  })

  describe('when COMMIT is refused because of a reader', () => {
    let commit: Outcome, still: Outcome, entry: Outcome, own: Outcome, rollback: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 0 }, newcomer: { timeout: 0 } }
      story = await contend('delete', cast, async ({ reader, writer, newcomer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        commit = await writer`COMMIT`
        still = await reader`SELECT n FROM counter`
        entry = await newcomer`SELECT n FROM counter`
        own = await writer`SELECT n FROM counter`
        rollback = await writer`ROLLBACK`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: PENDING is a moment within COMMIT, and no connection stays there', () => {
      expect(commit.locks).toEqual(['RESERVED'])
    })
    test('the writer, refused with SQLITE_BUSY, holds PENDING afterwards', () => {
      expect(commit).toMatchObject({ code: 'SQLITE_BUSY', locks: ['PENDING'] })
    })
    test('the reader keeps SHARED beside PENDING', () => {
      expect([commit.locks, still.locks]).toEqual([['PENDING'], ['SHARED']])
    })
    test('a newcomer, refused at SELECT with SQLITE_BUSY, holds nothing', () => {
      expect(entry).toMatchObject({ code: 'SQLITE_BUSY', locks: [] })
    })
    test('the writer keeps PENDING when it goes on with other statements', () => {
      expect(own.locks).toEqual(['PENDING'])
    })
    test('the writer holds nothing after ROLLBACK', () => {
      expect(rollback.locks).toEqual([])
    })
  })

  describe('when BEGIN EXCLUSIVE has to wait, or is refused', { tags: ['q17'] }, () => {
    let refused: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, holder: { timeout: 0 }, writer: { timeout: 5_000 } }
      story = await contend('delete', cast, async ({ reader, holder, writer }) => {
        await holder`BEGIN IMMEDIATE`
        const turn = writer`BEGIN EXCLUSIVE`
        await turn.blocks()
        await holder`ROLLBACK`
        await turn
        await writer`COMMIT`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        refused = await holder`BEGIN EXCLUSIVE`
        const door = writer`BEGIN EXCLUSIVE`
        await door.blocks()
        await reader`COMMIT`
        await door
      })
    })
    beforeEach((context) => show(context, story))

    test.skipIf(!tellsSleep)(
      'the writer, waiting in BEGIN EXCLUSIVE, holds nothing while another writes, and PENDING while another reads',
      () => {
        expect(heldWaiting(story, 'writer')).toEqual([[], ['PENDING']])
      },
    )
    test('the holder, refused at BEGIN EXCLUSIVE with SQLITE_BUSY, holds nothing afterwards', () => {
      expect(refused).toMatchObject({ code: 'SQLITE_BUSY', locks: [] })
    })
  })

  describe('when a transaction outgrows its cache of ten pages', () => {
    let small: Outcome, large: Outcome, kept: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 } }, async ({ writer }) => {
        await writer`CREATE TABLE album (photo BLOB)`
        await writer`PRAGMA cache_size = 10`
        await writer`BEGIN`
        small = await writer`INSERT INTO album VALUES (randomblob(4000))`
        large = await writer`INSERT INTO album VALUES (randomblob(400000))`
        await writer`ROLLBACK`
        await writer`PRAGMA cache_spill = off`
        await writer`BEGIN`
        kept = await writer`INSERT INTO album VALUES (randomblob(400000))`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer holds RESERVED as long as what it writes fits into the cache', () => {
      expect(small.locks).toEqual(['RESERVED'])
    })
    test.fails('myth: a transaction takes EXCLUSIVE at COMMIT, and not before', () => {
      expect(large.locks).toEqual(['RESERVED'])
    })
    test('the writer holds EXCLUSIVE after an INSERT, SQLITE_OK, that does not fit', () => {
      expect(large).toMatchObject({ code: 'SQLITE_OK', inTransaction: true, locks: ['EXCLUSIVE'] })
    })
    test('the writer holds RESERVED after the same INSERT where the cache may not be spilled into the file', () => {
      expect(kept.locks).toEqual(['RESERVED'])
    })
  })

  describe('when a second file is attached', { tags: ['q31'] }, () => {
    let attach: Outcome, read: Outcome, write: Outcome, immediate: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 } }, async ({ writer }) => {
        await writer`ATTACH 'other.db' AS other`
        attach = await writer`CREATE TABLE other.diary (line TEXT)`
        await writer`BEGIN`
        read = await writer`SELECT n FROM counter`
        write = await writer`INSERT INTO diary VALUES ('Dear diary')`
        await writer`COMMIT`
        immediate = await writer`BEGIN IMMEDIATE`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer holds nothing on a file that it has attached and does not use', () => {
      expect([attach.locks, read.locks]).toEqual([[], ['SHARED']])
    })
    test('the writer holds RESERVED only on the file it writes, and SHARED on the one it has read', () => {
      expect(write.locks).toEqual(['SHARED', 'other.db: RESERVED'])
    })
    test('the writer holds RESERVED on both files after BEGIN IMMEDIATE', () => {
      expect(immediate.locks).toEqual(['RESERVED', 'other.db: RESERVED'])
    })
  })

  describe('when COMMIT is for two files, and one of them is being read', { tags: ['q31'] }, () => {
    let read: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await writer`ATTACH 'other.db' AS other`
        await writer`CREATE TABLE other.diary (line TEXT)`
        await reader`ATTACH 'other.db' AS other`
        await reader`BEGIN`
        read = await reader`SELECT line FROM diary`
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        await writer`INSERT INTO diary VALUES ('Dear diary')`
        commit = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader holds SHARED on the file it reads, and nothing on the other', () => {
      expect(read.locks).toEqual(['other.db: SHARED'])
    })
    test('the writer, refused with SQLITE_BUSY, holds PENDING on the file that is read, and EXCLUSIVE on the other', () => {
      expect(commit).toMatchObject({ code: 'SQLITE_BUSY', locks: ['EXCLUSIVE', 'other.db: PENDING'] })
    })
  })
})

describe.skipIf(!tellsLocks)('The locks of a process, write-ahead log (needs /proc)', { tags: ['q13'] }, () => {
  describe('when a transaction reads, writes and commits', () => {
    let unused: Outcome, begin: Outcome, read: Outcome, write: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 0 } }, async ({ writer }) => {
        unused = await writer`PRAGMA busy_timeout`
        begin = await writer`BEGIN`
        read = await writer`SELECT n FROM counter`
        write = await writer`UPDATE counter SET n = n + 1`
        commit = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer holds nothing before its first SELECT, not even after BEGIN', () => {
      expect([unused.locks, begin.locks]).toEqual([[], []])
    })
    test.fails('myth: in the write-ahead log, reading takes no locks', () => {
      expect(read.locks).toEqual([])
    })
    test('the writer, reading with SQLITE_OK, holds SHARED on the database, and a read mark and DMS beside it', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', locks: ['SHARED', 'READ(0)', 'DMS'] })
    })
    test('the writer adds WRITE at its first UPDATE, and keeps its read mark', () => {
      expect(write.locks).toEqual(['SHARED', 'WRITE', 'READ(0)', 'DMS'])
    })
    test.fails('myth: after COMMIT, a connection holds nothing', () => {
      expect(commit.locks).toEqual([])
    })
    test('the writer, after its COMMIT and SQLITE_OK, still holds SHARED and DMS', () => {
      expect(commit).toMatchObject({ code: 'SQLITE_OK', locks: ['SHARED', 'DMS'] })
    })
  })

  describe('when there is no transaction', () => {
    let first: Outcome, read: Outcome, write: Outcome, begin: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { single: { timeout: 0 } }, async ({ single }) => {
        first = await single`SELECT 1`
        read = await single`SELECT n FROM counter`
        write = await single`UPDATE counter SET n = n + 1`
        begin = await single`BEGIN`
      })
    })
    beforeEach((context) => show(context, story))

    test('a first SELECT 1, which names no table, leaves SHARED and DMS behind', () => {
      expect(first.locks).toEqual(['SHARED', 'DMS'])
    })
    test('a single SELECT leaves SHARED and DMS behind, and no read mark', () => {
      expect(read.locks).toEqual(['SHARED', 'DMS'])
    })
    test('a single UPDATE leaves SHARED and DMS behind, and no WRITE', () => {
      expect(write.locks).toEqual(['SHARED', 'DMS'])
    })
    test('BEGIN adds nothing to what the connection holds', () => {
      expect(begin.locks).toEqual(['SHARED', 'DMS'])
    })
  })

  describe('when two read the same state of the log, and four read later ones', () => {
    let first: Outcome, same: Outcome, second: Outcome, fourth: Outcome, fifth: Outcome, still: Outcome, ended: Outcome
    let story: Story

    beforeAll(async () => {
      const [writer, ann, twin, bob, cay, dan, eve] = Array(7).fill({ timeout: 0 })
      story = await contend(
        'wal',
        { writer, ann, twin, bob, cay, dan, eve },
        async ({ writer, ann, twin, bob, cay, dan, eve }) => {
          await writer`UPDATE counter SET n = n + 1`
          await ann`BEGIN`
          first = await ann`SELECT n FROM counter`
          await twin`BEGIN`
          same = await twin`SELECT n FROM counter`
          await writer`UPDATE counter SET n = n + 1`
          await bob`BEGIN`
          second = await bob`SELECT n FROM counter`
          await writer`UPDATE counter SET n = n + 1`
          await cay`BEGIN`
          await cay`SELECT n FROM counter`
          await writer`UPDATE counter SET n = n + 1`
          await dan`BEGIN`
          fourth = await dan`SELECT n FROM counter`
          await writer`UPDATE counter SET n = n + 1`
          await eve`BEGIN`
          fifth = await eve`SELECT n FROM counter`
          still = await ann`SELECT n FROM counter`
          ended = await ann`COMMIT`
        },
      )
    })
    beforeEach((context) => show(context, story))

    test('ann holds READ(1) where there is something in the log', () => {
      expect(first).toMatchObject({ rows: [{ n: 1 }], locks: ['SHARED', 'READ(1)', 'DMS'] })
    })
    test('her twin, who sees the same, shares READ(1) with her', () => {
      expect(same).toMatchObject({ rows: [{ n: 1 }], locks: ['SHARED', 'READ(1)', 'DMS'] })
    })
    test('bob, who sees more, takes a mark of his own, READ(2)', () => {
      expect(second).toMatchObject({ rows: [{ n: 2 }], locks: ['SHARED', 'READ(2)', 'DMS'] })
    })
    test('dan, who sees the fourth state, takes the last mark there is, READ(4)', () => {
      expect(fourth).toMatchObject({ rows: [{ n: 4 }], locks: ['SHARED', 'READ(4)', 'DMS'] })
    })
    test.fails('myth: there are as many readers as there are marks, and the next is turned away', () => {
      expect(fifth.code).toBe('SQLITE_BUSY')
    })
    test('eve, who sees the fifth state, gets SQLITE_OK, and shares READ(4) with dan', () => {
      expect(fifth).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 5 }], locks: ['SHARED', 'READ(4)', 'DMS'] })
    })
    test('ann keeps READ(1), and sees what she saw, while the log grows', () => {
      expect(still).toMatchObject({ rows: [{ n: 1 }], locks: ['SHARED', 'READ(1)', 'DMS'] })
    })
    test('ann gives her mark back at COMMIT', () => {
      expect(ended.locks).toEqual(['SHARED', 'DMS'])
    })
  })

  describe('when all of the log has been copied into the database', () => {
    let before: Outcome, after: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { reader: { timeout: 0 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await writer`UPDATE counter SET n = n + 1`
        await reader`BEGIN`
        before = await reader`SELECT n FROM counter`
        await reader`COMMIT`
        await writer`PRAGMA wal_checkpoint`
        await reader`BEGIN`
        after = await reader`SELECT n FROM counter`
        await writer`BEGIN`
        write = await writer`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader, which held READ(1) before the checkpoint, holds READ(0) after it', () => {
      expect([before.locks, after.locks]).toEqual([
        ['SHARED', 'READ(1)', 'DMS'],
        ['SHARED', 'READ(0)', 'DMS'],
      ])
    })
    test('the writer holds READ(0) with WRITE, beside the reader', () => {
      expect(write.locks).toEqual(['SHARED', 'WRITE', 'READ(0)', 'DMS'])
    })
  })

  describe('when BEGIN says IMMEDIATE or EXCLUSIVE', { tags: ['q17'] }, () => {
    let immediate: Outcome, exclusive: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 0 } }, async ({ writer }) => {
        immediate = await writer`BEGIN IMMEDIATE`
        await writer`COMMIT`
        exclusive = await writer`BEGIN EXCLUSIVE`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer holds WRITE after BEGIN IMMEDIATE, before it has read or written', () => {
      expect(immediate.locks).toEqual(['SHARED', 'WRITE', 'READ(0)', 'DMS'])
    })
    test.fails('myth: BEGIN EXCLUSIVE locks the database exclusively in every journal mode', () => {
      expect(exclusive.locks).toContain('EXCLUSIVE')
    })
    test('the writer gets SQLITE_OK from BEGIN EXCLUSIVE, and holds what it held after BEGIN IMMEDIATE', () => {
      expect(exclusive).toMatchObject({ code: 'SQLITE_OK', locks: ['SHARED', 'WRITE', 'READ(0)', 'DMS'] })
    })
  })

  describe('when a second writer has to wait, or is refused', () => {
    let entry: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, waiter: { timeout: 5_000 }, second: { timeout: 0 }, reader: { timeout: 0 } }
      story = await contend('wal', cast, async ({ holder, waiter, second, reader }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await holder`BEGIN IMMEDIATE`
        const turn = waiter`BEGIN IMMEDIATE`
        await turn.blocks()
        entry = await second`BEGIN IMMEDIATE`
        write = await reader`UPDATE counter SET n = n + 1`
        await holder`COMMIT`
        await turn
      })
    })
    beforeEach((context) => show(context, story))

    test.skipIf(!tellsSleep)('the waiter holds no read mark while it waits for WRITE', () => {
      expect(heldWaiting(story, 'waiter')).toEqual([['SHARED', 'DMS']])
    })
    test('the second, refused at BEGIN IMMEDIATE with SQLITE_BUSY, holds no read mark either', () => {
      expect(entry).toMatchObject({ code: 'SQLITE_BUSY', locks: ['SHARED', 'DMS'] })
    })
    test('the reader, refused at UPDATE with SQLITE_BUSY, keeps the read mark it had', () => {
      expect(write).toMatchObject({ code: 'SQLITE_BUSY', locks: ['SHARED', 'READ(0)', 'DMS'] })
    })
  })

  describe('when a file with another journal is attached', () => {
    let exclusive: Outcome, commit: Outcome, logged: Outcome, detach: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 0 } }, async ({ writer }) => {
        await writer`ATTACH 'other.db' AS other`
        await writer`CREATE TABLE other.diary (line TEXT)`
        exclusive = await writer`BEGIN EXCLUSIVE`
        commit = await writer`COMMIT`
        await writer`PRAGMA other.journal_mode = wal`
        logged = await writer`SELECT line FROM diary`
        detach = await writer`DETACH other`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer, after BEGIN EXCLUSIVE, holds WRITE on the file with the log, and EXCLUSIVE on the one without', () => {
      expect(exclusive.locks).toEqual(['SHARED', 'WRITE', 'READ(0)', 'DMS', 'other.db: EXCLUSIVE'])
    })
    test('the writer, after COMMIT, holds SHARED and DMS on the file with the log, and nothing on the other', () => {
      expect(commit.locks).toEqual(['SHARED', 'DMS'])
    })
    test('the writer holds SHARED and DMS on both, once both have a log, and gives them back with DETACH', () => {
      expect(logged.locks).toEqual(['SHARED', 'DMS', 'other.db: SHARED', 'other.db: DMS'])
      expect(detach.locks).toEqual(['SHARED', 'DMS'])
    })
  })
})
