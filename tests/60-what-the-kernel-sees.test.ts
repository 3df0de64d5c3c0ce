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

  describe('when the writer takes back what it has written', () => {
    let back: Outcome, rollback: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 } }, async ({ writer }) => {
        await writer`BEGIN`
        await writer`SELECT n FROM counter`
        await writer`SAVEPOINT clean`
        await writer`UPDATE counter SET n = n + 1`
        back = await writer`ROLLBACK TO clean`
        rollback = await writer`ROLLBACK`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer gives its change back with ROLLBACK TO, and keeps RESERVED', () => {
      expect(back.locks).toEqual(['RESERVED'])
    })
    test('the writer holds nothing after ROLLBACK', () => {
      expect(rollback.locks).toEqual([])
    })
  })

  describe('when an UPDATE finds no row to change', () => {
    let write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 } }, async ({ writer }) => {
        await writer`BEGIN`
        write = await writer`UPDATE counter SET n = n + 1 WHERE n = 1000`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer holds RESERVED, although it has written nothing', () => {
      expect(write.locks).toEqual(['RESERVED'])
    })
  })

  describe('when there is no transaction', () => {
    let read: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { single: { timeout: 0 } }, async ({ single }) => {
        read = await single`SELECT n FROM counter`
        write = await single`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('a single SELECT has given its lock back when it ends', () => {
      expect(read.locks).toEqual([])
    })
    test('a single UPDATE has given its locks back when it ends', () => {
      expect(write.locks).toEqual([])
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

  describe('when COMMIT waits for a reader', () => {
    let still: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 5_000 }, newcomer: { timeout: 5_000 } }
      story = await contend('delete', cast, async ({ reader, writer, newcomer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        const turn = writer`COMMIT`
        await turn.blocks()
        const entry = newcomer`SELECT n FROM counter`
        await entry.blocks()
        still = await reader`SELECT n FROM counter`
        await reader`COMMIT`
        await turn
        await entry
      })
    })
    beforeEach((context) => show(context, story))

    test.skipIf(!tellsSleep)('the writer holds PENDING while it waits', () => {
      expect(heldWaiting(story, 'writer')).toEqual([['PENDING']])
    })
    test('the reader keeps SHARED beside PENDING', () => {
      expect(still.locks).toEqual(['SHARED'])
    })
    test.skipIf(!tellsSleep)('a newcomer that waits to read holds nothing', () => {
      expect(heldWaiting(story, 'newcomer')).toEqual([[]])
    })
  })

  describe('when COMMIT is refused because of a reader', () => {
    let commit: Outcome, own: Outcome, rollback: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        commit = await writer`COMMIT`
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
    test('the writer keeps PENDING when it goes on with other statements', () => {
      expect(own.locks).toEqual(['PENDING'])
    })
    test('the writer holds nothing after ROLLBACK', () => {
      expect(rollback.locks).toEqual([])
    })
  })

  describe('when BEGIN has to wait, or is refused', { tags: ['q17'] }, () => {
    let begin: Outcome, refused: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, holder: { timeout: 0 }, second: { timeout: 5_000 }, writer: { timeout: 5_000 } }
      story = await contend('delete', cast, async ({ reader, holder, second, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        refused = await holder`BEGIN EXCLUSIVE`
        const door = writer`BEGIN EXCLUSIVE`
        await door.blocks()
        await reader`COMMIT`
        begin = await door
        await writer`COMMIT`
        await holder`BEGIN IMMEDIATE`
        const turn = second`BEGIN IMMEDIATE`
        await turn.blocks()
        await holder`COMMIT`
        await turn
      })
    })
    beforeEach((context) => show(context, story))

    test.skipIf(!tellsSleep)('the second, waiting in BEGIN IMMEDIATE for the holder, holds nothing', () => {
      expect(heldWaiting(story, 'second')).toEqual([[]])
    })
    test.skipIf(!tellsSleep)('the writer, waiting in BEGIN EXCLUSIVE for a reader, holds PENDING already', () => {
      expect(heldWaiting(story, 'writer')).toEqual([['PENDING']])
    })
    test('the writer holds EXCLUSIVE when the reader has left', () => {
      expect(begin.locks).toEqual(['EXCLUSIVE'])
    })
    test('the holder, refused at BEGIN EXCLUSIVE with SQLITE_BUSY, holds nothing afterwards', () => {
      expect(refused).toMatchObject({ code: 'SQLITE_BUSY', locks: [] })
    })
  })

  describe('when a transaction outgrows its cache of ten pages', () => {
    let small: Outcome, large: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 } }, async ({ writer }) => {
        await writer`CREATE TABLE album (photo BLOB)`
        await writer`PRAGMA cache_size = 10`
        await writer`BEGIN`
        small = await writer`INSERT INTO album VALUES (randomblob(4000))`
        large = await writer`INSERT INTO album VALUES (randomblob(400000))`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer holds RESERVED as long as all it has written fits into the cache', () => {
      expect(small.locks).toEqual(['RESERVED'])
    })
    test.fails('myth: a transaction takes EXCLUSIVE at COMMIT, and not before', () => {
      expect(large.locks).toEqual(['RESERVED'])
    })
    test('the writer holds EXCLUSIVE after an INSERT, SQLITE_OK, that does not fit: the cache is spilled into the file', () => {
      expect(large).toMatchObject({ code: 'SQLITE_OK', inTransaction: true, locks: ['EXCLUSIVE'] })
    })
  })

  describe('when a second file is attached', () => {
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
    test('the writer holds RESERVED on both files after BEGIN IMMEDIATE, whichever it will write', () => {
      expect(immediate.locks).toEqual(['RESERVED', 'other.db: RESERVED'])
    })
  })

  describe('when COMMIT is for two files, and one of them is being read', () => {
    let commit: Outcome, refused: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 0 }, newcomer: { timeout: 0 } }
      story = await contend('delete', cast, async ({ reader, writer, newcomer }) => {
        await writer`ATTACH 'other.db' AS other`
        await writer`CREATE TABLE other.diary (line TEXT)`
        await reader`ATTACH 'other.db' AS other`
        await reader`BEGIN`
        await reader`SELECT line FROM diary`
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        await writer`INSERT INTO diary VALUES ('Dear diary')`
        commit = await writer`COMMIT`
        refused = await newcomer`SELECT n FROM counter`
        await reader`COMMIT`
        await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer, refused with SQLITE_BUSY, holds PENDING on the file that is read, and EXCLUSIVE on the other', () => {
      expect(commit).toMatchObject({ code: 'SQLITE_BUSY', locks: ['EXCLUSIVE', 'other.db: PENDING'] })
    })
    test('a newcomer to the file that nobody reads is turned away with SQLITE_BUSY', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
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

    test('a first SELECT 1, which names no table, leaves SHARED and DMS: to understand it, SQLite reads the schema', () => {
      expect(first.locks).toEqual(['SHARED', 'DMS'])
    })
    test('a single SELECT has given its read mark back when it ends, and leaves SHARED and DMS', () => {
      expect(read.locks).toEqual(['SHARED', 'DMS'])
    })
    test('a single UPDATE has given WRITE back when it ends', () => {
      expect(write.locks).toEqual(['SHARED', 'DMS'])
    })
    test('BEGIN adds nothing to what the connection holds', () => {
      expect(begin.locks).toEqual(['SHARED', 'DMS'])
    })
  })

  describe('when two read the same log, and a third after it has grown', () => {
    let first: Outcome, other: Outcome, still: Outcome, later: Outcome, ended: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 0
      const cast = { writer: { timeout }, reader: { timeout }, second: { timeout }, newcomer: { timeout } }
      story = await contend('wal', cast, async ({ writer, reader, second, newcomer }) => {
        await writer`UPDATE counter SET n = n + 1`
        await reader`BEGIN`
        first = await reader`SELECT n FROM counter`
        await second`BEGIN`
        other = await second`SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        await newcomer`BEGIN`
        later = await newcomer`SELECT n FROM counter`
        still = await reader`SELECT n FROM counter`
        ended = await reader`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader holds READ(1) where there is something in the log', () => {
      expect(first.locks).toEqual(['SHARED', 'READ(1)', 'DMS'])
    })
    test('the second shares READ(1) with the reader, for it sees the same', () => {
      expect(other).toMatchObject({ rows: [{ n: 1 }], locks: ['SHARED', 'READ(1)', 'DMS'] })
    })
    test('the newcomer, who sees more, takes a mark of its own, READ(2)', () => {
      expect(later).toMatchObject({ rows: [{ n: 2 }], locks: ['SHARED', 'READ(2)', 'DMS'] })
    })
    test('the reader keeps READ(1) while the log grows', () => {
      expect(still).toMatchObject({ rows: [{ n: 1 }], locks: ['SHARED', 'READ(1)', 'DMS'] })
    })
    test('the reader gives its mark back at COMMIT', () => {
      expect(ended.locks).toEqual(['SHARED', 'DMS'])
    })
  })

  describe('when five have read five states of the log', () => {
    let fourth: Outcome, fifth: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 0
      const cast = {
        writer: { timeout },
        ann: { timeout },
        bob: { timeout },
        cay: { timeout },
        dan: { timeout },
        eve: { timeout },
      }
      story = await contend('wal', cast, async ({ writer, ann, bob, cay, dan, eve }) => {
        for (const reader of [ann, bob, cay]) {
          await writer`UPDATE counter SET n = n + 1`
          await reader`BEGIN`
          await reader`SELECT n FROM counter`
        }
        await writer`UPDATE counter SET n = n + 1`
        await dan`BEGIN`
        fourth = await dan`SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        await eve`BEGIN`
        fifth = await eve`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('dan, the fourth, takes the last mark there is, READ(4)', () => {
      expect(fourth).toMatchObject({ rows: [{ n: 4 }], locks: ['SHARED', 'READ(4)', 'DMS'] })
    })
    test.fails('myth: there are as many readers as there are marks, and the next is turned away', () => {
      expect(fifth.code).toBe('SQLITE_BUSY')
    })
    test('eve, the fifth, gets SQLITE_OK, shares READ(4) with dan, and sees a later state than dan does', () => {
      expect(fifth).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 5 }], locks: ['SHARED', 'READ(4)', 'DMS'] })
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

    test('the reader, which held READ(1) before, holds READ(0): it reads past the log', () => {
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
    let immediate: Outcome, exclusive: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 0 }, reader: { timeout: 0 } }, async ({ writer, reader }) => {
        immediate = await writer`BEGIN IMMEDIATE`
        await writer`COMMIT`
        exclusive = await writer`BEGIN EXCLUSIVE`
        read = await reader`SELECT n FROM counter`
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
    test('a reader enters beside BEGIN EXCLUSIVE with SQLITE_OK', () => {
      expect(read.code).toBe('SQLITE_OK')
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

    test.skipIf(!tellsSleep)(
      'the waiter holds no read mark while it waits for WRITE, so that it will see the latest state',
      () => {
        expect(heldWaiting(story, 'waiter')).toEqual([['SHARED', 'DMS']])
      },
    )
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
