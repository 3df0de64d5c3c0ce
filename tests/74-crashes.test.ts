/**
 * `kill -9`, and what the next process finds: the old state or the new one, never a mixture, and no lock, for the operating system
 * drops the locks of a process with the process. What is left in the files, whoever comes next sets right with its first SELECT: it
 * rolls back the journal, or reads the write-ahead log up to its last COMMIT. Nobody has to delete a file by hand, and whoever does so
 * loses what was confirmed. It is the process that is killed, and not the machine: what it has written, the operating system still has,
 * so that PRAGMA synchronous does not matter to what is kept; a journal in memory does, for it dies with its process.
 *
 * A process is killed where it is seen to stand. In the middle of a COMMIT none stands still; there nobody is killed, but the files are
 * put together as they are at that moment, and who finds them cannot tell. What becomes of a statement that its process is killed in is a third outcome,
 * beside done and refused: unknown.
 *
 * In the write-ahead log, a COMMIT to two files can be in one of them only. https://sqlite.org/lang_attach.html says so of a computer
 * that crashes; a process that is killed is enough. Which errors end a transaction, and which a statement only, each program has to look
 * up each time, as https://sqlite.org/lang_transaction.html#response_to_errors_within_a_transaction says: SQLITE_FULL is told here of
 * PRAGMA max_page_count, which ends the statement; of a disk, it ends the transaction, as SQLITE_IOERR_WRITE does here.
 *
 * https://sqlite.org/atomiccommit.html · https://sqlite.org/howtocorrupt.html · https://sqlite.org/wal.html ·
 * https://sqlite.org/tempfiles.html
 */
import { spawnSync } from 'node:child_process'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { tellsLocks, tellsSleep } from '../helpers/kernel.ts'
import { show } from '../helpers/show.ts'
import { heldWaiting } from '../helpers/timeline.ts'

/** Signals, `sh`, and files that may be renamed while they are open. */
const withoutPosix = process.platform === 'win32'

/** Sets a limit to the files that a process may write: of util-linux, and so on most Linux systems. */
const withoutPrlimit = spawnSync('prlimit', ['--version']).status !== 0

const shell = { timeout: 0, program: 'shell.ts' }
const images = { timeout: 0, program: 'crash-images.ts' }

describe.skipIf(withoutPosix)('A process that is killed, rollback journal (POSIX)', { tags: ['q44'] }, () => {
  describe('when it has said BEGIN IMMEDIATE, and when it has written as well', () => {
    let refused: Outcome, begin: Outcome, left: Outcome, read: Outcome, commit: Outcome, files: Outcome, story: Story

    beforeAll(async () => {
      const cast = { first: { timeout: 0 }, other: { timeout: 0 }, next: { timeout: 0 }, shell }
      story = await contend('delete', cast, async ({ first, other, next, shell }) => {
        await first`BEGIN IMMEDIATE`
        refused = await next`BEGIN IMMEDIATE`
        await first.signal('SIGKILL')
        begin = await next`BEGIN IMMEDIATE`
        await next`ROLLBACK`
        await other`BEGIN IMMEDIATE`
        await other`UPDATE counter SET n = 1`
        await other.signal('SIGKILL')
        left = await shell`echo *`
        read = await next`SELECT n FROM counter`
        await next`BEGIN IMMEDIATE`
        await next`UPDATE counter SET n = n + 10`
        commit = await next`COMMIT`
        files = await shell`echo *`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a process that is killed leaves its lock behind', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
    test('the next, turned away with SQLITE_BUSY before, is admitted at once after the kill: SQLITE_OK, without a timeout', () => {
      expect([refused.code, begin.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test('the other leaves its journal behind', () => {
      expect(left.rows).toEqual([{ said: 'database.db database.db-journal' }])
    })
    test('the next sees nothing of what was written and not committed: n is 0', () => {
      expect(read.rows).toEqual([{ n: 0 }])
    })
    test('the next writes and commits, and the journal of the dead is gone: nobody had to delete it', () => {
      expect(commit.code).toBe('SQLITE_OK')
      expect(files.rows).toEqual([{ said: 'database.db' }])
    })
  })

  describe('when its transaction has outgrown its cache', () => {
    let spilled: Outcome, refused: Outcome, left: Outcome, read: Outcome, check: Outcome
    let after: Outcome, files: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, next: { timeout: 0 }, shell }
      story = await contend('delete', cast, async ({ holder, next, shell }) => {
        await holder`CREATE TABLE ledger AS SELECT 0 AS n, zeroblob(3000) AS page FROM json_each('[1,2,3,4,5,6,7,8]')`
        await holder`PRAGMA cache_size = 1`
        await holder`BEGIN IMMEDIATE`
        await holder`UPDATE ledger SET n = 1, page = printf('%3000s', 'uncommitted')`
        spilled = await shell`grep -l uncommitted *`
        refused = await next`SELECT n FROM counter`
        await holder.signal('SIGKILL')
        left = await shell`echo *`
        read = await next`SELECT n, count(*) AS rows FROM ledger GROUP BY n`
        check = await next`PRAGMA integrity_check`
        after = await shell`grep -l uncommitted * || echo none`
        files = await shell`echo *`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: what is not committed is not in the database file', () => {
      expect(spilled.rows).not.toContainEqual({ said: 'database.db' })
    })
    test('the database file has pages that were never committed, and the next is turned away from it with SQLITE_BUSY', () => {
      expect(spilled.rows).toEqual([{ said: 'database.db' }])
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the next reads the old state, all eight rows of it, after the kill: SQLITE_OK, without a timeout', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0, rows: 8 }] })
    })
    test('the next has rolled back what the dead one began, with a SELECT: nothing of it is in any file, and the journal is gone', () => {
      expect(left.rows).toEqual([{ said: 'database.db database.db-journal' }])
      expect(after.rows).toEqual([{ said: 'none' }])
      expect(files.rows).toEqual([{ said: 'database.db' }])
    })
    test('the next finds the database intact', () => {
      expect(check.rows).toEqual([{ integrity_check: 'ok' }])
    })
  })

  describe('when it waits in COMMIT for a reader', () => {
    let shut: Outcome, open: Outcome, begin: Outcome, still: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 5_000 }, newcomer: { timeout: 0 } }
      story = await contend('delete', cast, async ({ reader, writer, newcomer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        await writer`COMMIT`.blocks()
        shut = await newcomer`SELECT n FROM counter`
        await writer.signal('SIGKILL')
        open = await newcomer`SELECT n FROM counter`
        begin = await newcomer`BEGIN IMMEDIATE`
        still = await reader`SELECT n FROM counter`
        await reader`COMMIT`
        await newcomer`UPDATE counter SET n = n + 10`
        commit = await newcomer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story, 'killed-in-commit.svg'))

    test('the newcomer, turned away with SQLITE_BUSY by the COMMIT that waits, reads when the writer is dead: n is 0', () => {
      expect(shut.code).toBe('SQLITE_BUSY')
      expect(open).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test('the newcomer has the write lock of the dead with its next statement', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the reader goes on reading, and notices nothing', () => {
      expect(still).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }], inTransaction: true })
    })
    test('the newcomer commits on top of the old state', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test.skipIf(!(tellsLocks && tellsSleep))('the writer holds PENDING as it is killed, and nothing then (needs /proc)', () => {
      expect(heldWaiting(story, 'writer')).toEqual([['PENDING']])
      expect(story.moments.find(({ text }) => text === '(SIGKILL)')?.locks).toEqual([])
    })
  })

  describe('when it has written with synchronous = OFF, and a reader is inside', () => {
    let beside: Outcome, refused: Outcome, still: Outcome, ofFirst: Outcome, ofOther: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 5_000
      const cast = {
        reader: { timeout: 0 },
        holder: { timeout: 0 },
        newcomer: { timeout: 0 },
        first: { timeout },
        other: { timeout },
      }
      story = await contend('delete', cast, async ({ reader, holder, newcomer, first, other }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await holder`PRAGMA synchronous = OFF`
        await holder`BEGIN IMMEDIATE`
        await holder`UPDATE counter SET n = 1`
        beside = await newcomer`SELECT n FROM counter`
        await holder.signal('SIGKILL')
        refused = await newcomer`SELECT n FROM counter`
        const turnOfFirst = first`SELECT n FROM counter`
        await turnOfFirst.blocks()
        const turnOfOther = other`BEGIN IMMEDIATE`
        await turnOfOther.blocks()
        still = await reader`SELECT n FROM counter`
        await reader`COMMIT`
        ofFirst = await turnOfFirst
        ofOther = await turnOfOther
      })
    })
    beforeEach((context) => show(context, story))

    test('the newcomer reads beside the holder, as long as that lives', () => {
      expect(beside).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test.fails('myth: to kill the writer lets the readers in', () => {
      expect(refused.code).toBe('SQLITE_OK')
    })
    test('the newcomer, who only wants to read, is turned away with SQLITE_BUSY by the death of the holder', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the reader, who is inside, goes on reading: it is what the others wait for, for to roll back takes an exclusive lock', () => {
      expect(still).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test('the first and the other, who wait at the same time, both get SQLITE_OK when the reader has left: one of them rolls back', () => {
      expect([ofFirst.code, ofOther.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
      expect(ofFirst.rows).toEqual([{ n: 0 }])
    })
  })

  describe('when COMMIT has answered, with synchronous = OFF, and it has said BEGIN EXCLUSIVE since', () => {
    let commit: Outcome, refused: Outcome, left: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, next: { timeout: 0 }, shell }
      story = await contend('delete', cast, async ({ holder, next, shell }) => {
        await holder`PRAGMA synchronous = OFF`
        await holder`BEGIN IMMEDIATE`
        await holder`UPDATE counter SET n = 1`
        commit = await holder`COMMIT`
        await holder`BEGIN EXCLUSIVE`
        refused = await next`SELECT n FROM counter`
        await holder.signal('SIGKILL')
        left = await shell`echo *`
        read = await next`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: with synchronous = OFF, a process that is killed loses what it has just committed', () => {
      expect(read.rows).toEqual([{ n: 0 }])
    })
    test('the next, turned away with SQLITE_BUSY before, reads what was confirmed with SQLITE_OK: n is 1', () => {
      expect([commit.code, refused.code, read.code]).toEqual(['SQLITE_OK', 'SQLITE_BUSY', 'SQLITE_OK'])
      expect(read.rows).toEqual([{ n: 1 }])
    })
    test('the holder leaves nothing behind but the database, and no lock on it', () => {
      expect(left.rows).toEqual([{ said: 'database.db' }])
      expect([refused.code, read.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
  })

  describe('when it keeps its journal in memory, and its transaction has outgrown its cache', () => {
    let read: Outcome, check: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { holder: { timeout: 0 }, next: { timeout: 0 } }, async ({ holder, next }) => {
        await holder`CREATE TABLE ledger AS SELECT 0 AS n, zeroblob(3000) AS page FROM json_each('[1,2,3,4,5,6,7,8]')`
        await holder`PRAGMA journal_mode = memory`
        await holder`PRAGMA cache_size = 1`
        await holder`BEGIN IMMEDIATE`
        await holder`UPDATE ledger SET n = 1`
        await holder.signal('SIGKILL')
        read = await next`SELECT n, count(*) AS rows FROM ledger GROUP BY n`
        check = await next`PRAGMA integrity_check`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: journal_mode = memory, as synchronous = OFF, is only about power cuts', () => {
      expect(read.rows).toEqual([{ n: 0, rows: 8 }])
    })
    test('the next reads a mixture of old and new, with SQLITE_OK: the journal has died with the holder', () => {
      expect(read.code).toBe('SQLITE_OK')
      expect(read.rows).toMatchObject([{ n: 0 }, { n: 1 }])
      expect(check.rows).toEqual([{ integrity_check: 'ok' }])
    })
  })
})

describe.skipIf(withoutPosix)('A process that is killed, write-ahead log (POSIX)', { tags: ['q44'] }, () => {
  describe('when it has said BEGIN IMMEDIATE, and when it has written as well', () => {
    let refused: Outcome, begin: Outcome, read: Outcome, commit: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const cast = { first: { timeout: 0 }, other: { timeout: 0 }, next: { timeout: 0 } }
      story = await contend('wal', cast, async ({ first, other, next }) => {
        await first`BEGIN IMMEDIATE`
        refused = await next`BEGIN IMMEDIATE`
        await first.signal('SIGKILL')
        begin = await next`BEGIN IMMEDIATE`
        await next`ROLLBACK`
        await other`BEGIN IMMEDIATE`
        await other`UPDATE counter SET n = 1`
        await other.signal('SIGKILL')
        read = await next`SELECT n FROM counter`
        await next`BEGIN IMMEDIATE`
        await next`UPDATE counter SET n = n + 10`
        commit = await next`COMMIT`
        after = await next`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the next, turned away with SQLITE_BUSY before, is admitted at once after the kill: SQLITE_OK, without a timeout', () => {
      expect([refused.code, begin.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test('the next sees nothing of what was written and not committed: n is 0', () => {
      expect(read.rows).toEqual([{ n: 0 }])
    })
    test('the next writes on top of the old state, and commits: n is 10', () => {
      expect(commit.code).toBe('SQLITE_OK')
      expect(after.rows).toEqual([{ n: 10 }])
    })
  })

  describe('when its transaction has outgrown its cache, and nobody else is connected', () => {
    let spilled: Outcome, read: Outcome, check: Outcome, begin: Outcome, still: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, reader: { timeout: 0, readonly: true }, writer: { timeout: 0 }, shell }
      story = await contend('wal', cast, async ({ holder, reader, writer, shell }) => {
        await holder`CREATE TABLE ledger AS SELECT 0 AS n, zeroblob(3000) AS page FROM json_each('[1,2,3,4,5,6,7,8]')`
        await holder`PRAGMA cache_size = 1`
        await holder`BEGIN IMMEDIATE`
        await holder`UPDATE ledger SET n = 1, page = printf('%3000s', 'uncommitted')`
        spilled = await shell`grep -l uncommitted *`
        await holder.signal('SIGKILL')
        read = await reader`SELECT n, count(*) AS rows FROM ledger GROUP BY n`
        check = await reader`PRAGMA integrity_check`
        still = await shell`grep -l uncommitted *`
        begin = await writer`BEGIN IMMEDIATE`
        await writer`UPDATE ledger SET n = 2`
        await writer`COMMIT`
        await writer`PRAGMA wal_checkpoint(TRUNCATE)`
        after = await shell`grep -l uncommitted * || echo none`
      })
    })
    beforeEach((context) => show(context, story))

    test('the log has pages that were never committed, and the database has none', () => {
      expect(spilled.rows).toEqual([{ said: 'database.db-wal' }])
    })
    test('a reader whose connection is read-only recovers the log, which it could not do with a journal: SQLITE_OK, the old state', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0, rows: 8 }] })
    })
    test('the reader finds the database intact, although the log still has what was never committed', () => {
      expect(check.rows).toEqual([{ integrity_check: 'ok' }])
      expect(still.rows).toEqual([{ said: 'database.db-wal' }])
    })
    test('the writer is admitted without a timeout, and with its checkpoint the last of it is gone', () => {
      expect(begin.code).toBe('SQLITE_OK')
      expect(after.rows).toEqual([{ said: 'none' }])
    })
  })

  describe('when COMMIT has answered, with synchronous = OFF, and it has said BEGIN IMMEDIATE since', () => {
    let commit: Outcome, left: Outcome, read: Outcome, begin: Outcome
    let mode: Outcome, files: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, next: { timeout: 0 }, shell }
      story = await contend('wal', cast, async ({ holder, next, shell }) => {
        await holder`PRAGMA synchronous = OFF`
        await holder`BEGIN IMMEDIATE`
        await holder`UPDATE counter SET n = 1`
        commit = await holder`COMMIT`
        await holder`BEGIN IMMEDIATE`
        await holder.signal('SIGKILL')
        left = await shell`echo *`
        read = await next`SELECT n FROM counter`
        begin = await next`BEGIN IMMEDIATE`
        await next`ROLLBACK`
        mode = await next`PRAGMA journal_mode = delete`
        files = await shell`echo *`
        after = await next`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the holder leaves its -wal and its -shm behind, and no lock: the next is admitted with SQLITE_OK', () => {
      expect(left.rows).toEqual([{ said: 'database.db database.db-shm database.db-wal' }])
      expect(begin.code).toBe('SQLITE_OK')
    })
    test.fails('myth: a database with a -wal and a -shm left behind is locked until somebody deletes them', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
    test('the next reads what was confirmed, n is 1, and is admitted to write, both at once: SQLITE_OK', () => {
      expect([commit.code, begin.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
    test('the next gets rid of both files, and loses nothing, with PRAGMA journal_mode = delete', () => {
      expect(mode.rows).toEqual([{ journal_mode: 'delete' }])
      expect(files.rows).toEqual([{ said: 'database.db' }])
      expect(after.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when it waits in a TRUNCATE checkpoint for a reader', () => {
    let before: Outcome, shut: Outcome, after: Outcome, write: Outcome, still: Outcome
    let finished: Outcome, read: Outcome, check: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, checkpointer: { timeout: 5_000 }, next: { timeout: 0 }, shell }
      story = await contend('wal', cast, async ({ reader, checkpointer, next, shell }) => {
        await next`CREATE TABLE ledger AS SELECT 1 AS n, printf('%3000s', 'committed') AS page FROM json_each('[1,2,3,4,5,6,7,8]')`
        await reader`BEGIN`
        await reader`SELECT min(n), max(n) FROM ledger`
        before = await shell`grep -l committed *`
        await checkpointer`PRAGMA wal_checkpoint(TRUNCATE)`.blocks()
        shut = await next`UPDATE ledger SET n = 2`
        await checkpointer.signal('SIGKILL')
        after = await shell`grep -l committed *`
        write = await next`UPDATE ledger SET n = 2`
        still = await reader`SELECT min(n), max(n) FROM ledger`
        await reader`COMMIT`
        finished = await next`PRAGMA wal_checkpoint(TRUNCATE)`
        read = await next`SELECT min(n), max(n) FROM ledger`
        check = await next`PRAGMA integrity_check`
      })
    })
    beforeEach((context) => show(context, story))

    test.skipIf(!(tellsLocks && tellsSleep))('the checkpointer holds WRITE and CKPT as it is killed (needs /proc)', () => {
      const [held] = heldWaiting(story, 'checkpointer')
      expect(held).toEqual(expect.arrayContaining(['WRITE', 'CKPT']))
    })
    test('the checkpointer has copied the log into the database, and has not truncated it', () => {
      expect(before.rows).toEqual([{ said: 'database.db-wal' }])
      expect(after.rows).toEqual([{ said: 'database.db' }, { said: 'database.db-wal' }])
    })
    test('the next, turned away with SQLITE_BUSY by the checkpoint, writes when it is dead', () => {
      expect([shut.code, write.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test('the reader, for whom the checkpoint waited, keeps its state', () => {
      expect(still.rows).toEqual([{ 'min(n)': 1, 'max(n)': 1 }])
    })
    test('the next finishes what the dead one had begun, when the reader has left', () => {
      expect(finished.rows).toEqual([{ busy: 0, log: 0, checkpointed: 0 }])
      expect(read.rows).toEqual([{ 'min(n)': 2, 'max(n)': 2 }])
      expect(check.rows).toEqual([{ integrity_check: 'ok' }])
    })
  })

  describe('when it waits for the write lock', () => {
    let commit: Outcome, begin: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, waiter: { timeout: 5_000 }, next: { timeout: 0 } }
      story = await contend('wal', cast, async ({ holder, waiter, next }) => {
        await holder`BEGIN IMMEDIATE`
        await holder`UPDATE counter SET n = n + 1`
        await waiter`UPDATE counter SET n = n + 10`.blocks()
        await waiter.signal('SIGKILL')
        commit = await holder`COMMIT`
        begin = await next`BEGIN IMMEDIATE`
        read = await next`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the holder commits, and the next is admitted without a timeout', () => {
      expect([commit.code, begin.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
    })
    test('what the waiter was killed in was not done: n is 1', () => {
      expect(read.rows).toEqual([{ n: 1 }])
    })
  })
})

describe.skipIf(!tellsLocks)('One that is killed while it recovers, write-ahead log (needs /proc)', { tags: ['q44'] }, () => {
  describe('when it holds the lock for it', () => {
    let read: Outcome, story: Story

    beforeAll(async () => {
      const cast = { recoverer: { timeout: 0, program: 'crash.ts' }, next: { timeout: 5_000 } }
      story = await contend('wal', cast, async ({ recoverer, next }) => {
        await recoverer`.crash PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF; UPDATE counter SET n = 1; CREATE TABLE ballast AS SELECT zeroblob(20000000)`
        await recoverer`.recover`
        await recoverer.signal('SIGKILL')
        read = await next`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the next recovers in its place, and reads what was confirmed: n is 1', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
  })
})

describe.skipIf(withoutPosix)(
  'A COMMIT that is cut off, its files put together, rollback journal (POSIX)',
  { tags: ['q44'] },
  () => {
    describe('when it is cut off wherever it writes to the database', () => {
      let crashes: Outcome, tidied: Outcome, story: Story

      beforeAll(async () => {
        story = await contend('delete', { holder: { timeout: 0 }, images }, async ({ holder, images }) => {
          await holder`CREATE TABLE ledger AS SELECT 0 AS n, zeroblob(3000) AS page FROM json_each('[1,2,3,4,5,6,7,8]')`
          await holder`BEGIN IMMEDIATE`
          await holder`UPDATE ledger SET n = 1, page = randomblob(3000)`
          await images`.watch database.db`
          await holder`COMMIT`
          crashes = await images`.crash SELECT min(n), max(n) FROM ledger`
          tidied = await images`.tidy SELECT min(n), max(n) FROM ledger`
        })
      })
      beforeEach((context) => show(context, story))

      test('the old state is found after every 1,024 bytes that COMMIT writes to the database, and intact', () => {
        const found = { 'min(n)': 0, 'max(n)': 0, integrity_check: 'ok', crashes: expect.any(Number) }
        expect(crashes.rows).toEqual([found])
        expect(crashes.rows[0].crashes).toBeGreaterThan(8)
      })
      test.fails('myth: a -journal that was left behind is rubbish, and may be deleted', () => {
        expect(tidied.rows).not.toContainEqual(expect.objectContaining({ 'min(n)': 0, 'max(n)': 1 }))
      })
      test('a mixture of old and new is found with SQLITE_OK by those who have deleted the journal, and the integrity check says ok', () => {
        expect(tidied.code).toBe('SQLITE_OK')
        expect(tidied.rows).toContainEqual(expect.objectContaining({ 'min(n)': 0, 'max(n)': 1, integrity_check: 'ok' }))
      })
    })

    describe('when it is a COMMIT to two files, and both journals are put back', () => {
      let old: Outcome[], fresh: Outcome[], files: Outcome, story: Story

      beforeAll(async () => {
        const cast = { first: { timeout: 0 }, other: { timeout: 0 }, next: { timeout: 0 }, shell }
        story = await contend('delete', cast, async ({ first, other, next, shell }) => {
          await first`ATTACH 'other.db' AS other`
          await first`CREATE TABLE other.copy AS SELECT n FROM counter`
          await first`BEGIN IMMEDIATE`
          await first`UPDATE counter SET n = 1`
          await first`UPDATE copy SET n = 1`
          await shell`for f in database other; do ln $f.db-journal $f.kept; done`
          await first`COMMIT`
          // Both journals are there, and so is the file that names them, as if COMMIT had not deleted it yet.
          await shell`for f in database other; do mv $f.kept $f.db-journal; done`
          await shell`printf '%s\0' "$PWD/database.db-journal" "$PWD/other.db-journal" > "$(LC_ALL=C grep -ao '/[^[:cntrl:]]*-mj[0-9A-F]*' database.db-journal)"`
          const oldCounter = await next`SELECT n FROM counter`
          await next`ATTACH 'other.db' AS other`
          old = [oldCounter, await next`SELECT n FROM copy`]

          await other`ATTACH 'other.db' AS other`
          await other`BEGIN IMMEDIATE`
          await other`UPDATE counter SET n = 2`
          await other`UPDATE copy SET n = 2`
          await shell`for f in database other; do ln $f.db-journal $f.kept; done`
          await other`COMMIT`
          // Both journals are there, and the file that names them is not, as if COMMIT had deleted it a moment ago.
          await shell`for f in database other; do mv $f.kept $f.db-journal; done`
          fresh = [await next`SELECT n FROM counter`, await next`SELECT n FROM copy`]
          files = await shell`echo *`
        })
      })
      beforeEach((context) => show(context, story))

      test('the next reads the old state in both files, as long as the super-journal is there that names both journals', () => {
        expect(old.map(({ rows }) => rows)).toEqual([[{ n: 0 }], [{ n: 0 }]])
      })
      test('the next reads the new state in both files once the super-journal is gone, although both have a journal still', () => {
        expect(fresh.map(({ rows }) => rows)).toEqual([[{ n: 2 }], [{ n: 2 }]])
      })
      test('the next has deleted all that was left behind', () => {
        expect(files.rows).toEqual([{ said: 'database.db other.db' }])
      })
    })
  },
)

describe.skipIf(withoutPosix)(
  'A COMMIT that is cut off, its files put together, write-ahead log (POSIX)',
  { tags: ['q44'] },
  () => {
    describe('when it is cut off wherever it writes to the log', () => {
      let crashes: Outcome, story: Story

      beforeAll(async () => {
        story = await contend('wal', { holder: { timeout: 0 }, images }, async ({ holder, images }) => {
          await holder`CREATE TABLE ledger AS SELECT 0 AS n, zeroblob(3000) AS page FROM json_each('[1,2,3,4,5,6,7,8]')`
          await holder`BEGIN IMMEDIATE`
          await holder`UPDATE ledger SET n = 1, page = randomblob(3000)`
          await images`.watch database.db-wal`
          await holder`COMMIT`
          crashes = await images`.crash SELECT min(n), max(n) FROM ledger`
        })
      })
      beforeEach((context) => show(context, story))

      test('the old state is found after every 1,024 bytes that COMMIT writes to the log, and the new one after the last: intact', () => {
        expect(crashes.rows).toEqual([
          { 'min(n)': 0, 'max(n)': 0, integrity_check: 'ok', crashes: expect.any(Number) },
          { 'min(n)': 1, 'max(n)': 1, integrity_check: 'ok', crashes: 1 },
        ])
        expect(crashes.rows[0].crashes).toBeGreaterThan(8)
      })
    })

    describe('when it is a COMMIT to two files, and the second log is put back as it was', () => {
      let commit: Outcome, read: Outcome, story: Story

      beforeAll(async () => {
        const cast = { holder: { timeout: 0 }, next: { timeout: 0 }, shell }
        story = await contend('wal', cast, async ({ holder, next, shell }) => {
          await holder`ATTACH 'other.db' AS other`
          await holder`PRAGMA other.journal_mode = wal`
          await holder`CREATE TABLE other.copy AS SELECT n FROM counter`
          await holder`BEGIN IMMEDIATE`
          await holder`UPDATE counter SET n = 1`
          await holder`UPDATE copy SET n = 1`
          await shell`cp other.db-wal kept`
          commit = await holder`COMMIT`
          await holder.signal('SIGKILL')
          // As if COMMIT had written to the first log, and not to the second yet.
          await shell`mv kept other.db-wal`
          await next`ATTACH 'other.db' AS other`
          read = await next`SELECT counter.n, copy.n AS copy FROM counter, copy`
        })
      })
      beforeEach((context) => show(context, story))

      test.fails('myth: a transaction is in all of its files, or in none of them', () => {
        expect(read.rows).toEqual([{ n: 0, copy: 0 }])
      })
      test('the next finds it in the first file only, with SQLITE_OK: n is 1 there, and 0 in the other', () => {
        expect([commit.code, read.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
        expect(read.rows).toEqual([{ n: 1, copy: 0 }])
      })
    })
  },
)

describe.skipIf(withoutPosix)(
  'A checkpoint that is cut off, its files put together, write-ahead log (POSIX)',
  { tags: ['q44'] },
  () => {
    describe('when it is cut off wherever it writes to the database', () => {
      let crashes: Outcome, tidied: Outcome, story: Story

      beforeAll(async () => {
        story = await contend('wal', { holder: { timeout: 0 }, images }, async ({ holder, images }) => {
          await holder`CREATE TABLE ledger AS SELECT 0 AS n, zeroblob(3000) AS page FROM json_each('[1,2,3,4,5,6,7,8]')`
          await holder`PRAGMA wal_checkpoint`
          await holder`UPDATE ledger SET n = 1, page = randomblob(3000)`
          await images`.watch database.db`
          await holder`PRAGMA wal_checkpoint`
          crashes = await images`.crash SELECT min(n), max(n) FROM ledger`
          tidied = await images`.tidy SELECT min(n), max(n) FROM ledger`
        })
      })
      beforeEach((context) => show(context, story))

      test('the new state is found after every 1,024 bytes that the checkpoint copies, and intact: the log still has all of it', () => {
        const found = { 'min(n)': 1, 'max(n)': 1, integrity_check: 'ok', crashes: expect.any(Number) }
        expect(crashes.rows).toEqual([found])
        expect(crashes.rows[0].crashes).toBeGreaterThan(8)
      })
      test.fails('myth: a -wal that was left behind is rubbish, and may be deleted', () => {
        expect(tidied.rows).not.toContainEqual(expect.objectContaining({ 'min(n)': 0, 'max(n)': 1 }))
      })
      test('a mixture of old and new is found with SQLITE_OK by those who have deleted the log, and the integrity check says ok', () => {
        expect(tidied.code).toBe('SQLITE_OK')
        expect(tidied.rows).toContainEqual(expect.objectContaining({ 'min(n)': 0, 'max(n)': 1, integrity_check: 'ok' }))
      })
    })
  },
)

describe.skipIf(withoutPosix)('Somebody who tidies up, rollback journal (POSIX)', { tags: ['q44'] }, () => {
  describe('when the journal of a dead process is deleted', () => {
    let read: Outcome, check: Outcome, corrupt: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 0
      const cast = { first: { timeout }, other: { timeout }, next: { timeout }, last: { timeout }, shell }
      story = await contend('delete', cast, async ({ first, other, next, last, shell }) => {
        await first`CREATE TABLE ledger AS SELECT 0 AS n, zeroblob(3000) AS page FROM json_each('[1,2,3,4,5,6,7,8]')`
        await first`PRAGMA cache_size = 1`
        await first`BEGIN IMMEDIATE`
        await first`UPDATE ledger SET n = 1`
        await first.signal('SIGKILL')
        await shell`rm database.db-journal`
        read = await next`SELECT n, count(*) AS rows FROM ledger GROUP BY n`
        check = await next`PRAGMA integrity_check`
        await other`PRAGMA cache_size = 1`
        await other`BEGIN IMMEDIATE`
        await other`DELETE FROM ledger`
        await other.signal('SIGKILL')
        await shell`rm database.db-journal`
        corrupt = await last`SELECT n, count(*) AS rows FROM ledger GROUP BY n`.mayAnswer('SQLITE_CORRUPT')
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: who deletes the journal undoes what was not committed', () => {
      expect(read.rows).toEqual([{ n: 0, rows: 8 }])
    })
    test('the next reads a mixture of old and new, with SQLITE_OK', () => {
      expect(read.code).toBe('SQLITE_OK')
      expect(read.rows).toMatchObject([{ n: 0 }, { n: 1 }])
    })
    test('the integrity check says ok: it looks at the pages, not at what they say', () => {
      expect(check.rows).toEqual([{ integrity_check: 'ok' }])
    })
    test('the last one gets SQLITE_CORRUPT after a DELETE that was torn in the same way: "database disk image is malformed"', () => {
      expect(corrupt.code).toBe('SQLITE_CORRUPT')
      expect(corrupt.message).toBe('database disk image is malformed')
    })
  })

  describe('when the journal of a living process is deleted', () => {
    let commit: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, next: { timeout: 0 }, shell }
      story = await contend('delete', cast, async ({ writer, next, shell }) => {
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = 1`
        await shell`rm database.db-journal`
        commit = await writer`COMMIT`.mayAnswer('SQLITE_IOERR_DELETE_NOENT')
        read = await next`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a COMMIT that ends in an error has committed nothing', () => {
      expect(read.rows).toEqual([{ n: 0 }])
    })
    test('the writer gets SQLITE_IOERR_DELETE_NOENT from its COMMIT, and the next reads what it has written: n is 1', () => {
      expect(commit).toMatchObject({ code: 'SQLITE_IOERR_DELETE_NOENT', inTransaction: false })
      expect(read.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when a backup is copied over the database, and the journal of a dead process is beside it', () => {
    let read: Outcome, check: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, next: { timeout: 0 }, shell }
      story = await contend('delete', cast, async ({ holder, next, shell }) => {
        await holder`CREATE TABLE ledger AS SELECT 0 AS n, zeroblob(3000) AS page FROM json_each('[1,2,3,4,5,6,7,8]')`
        await holder`VACUUM INTO 'backup.db'`
        await holder`UPDATE ledger SET n = 1`
        await holder`PRAGMA cache_size = 1`
        await holder`BEGIN IMMEDIATE`
        await holder`UPDATE ledger SET n = 2`
        await holder.signal('SIGKILL')
        await shell`cp backup.db database.db`
        read = await next`SELECT n, count(*) AS rows FROM ledger GROUP BY n`
        check = await next`PRAGMA integrity_check`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: after the copy, the database is what the backup is', () => {
      expect(read.rows).toEqual([{ n: 0, rows: 8 }])
    })
    test('the next rolls the journal back into the backup: it reads 0 and 1 with SQLITE_OK, a state that never was, and intact', () => {
      expect(read.code).toBe('SQLITE_OK')
      expect(read.rows).toMatchObject([{ n: 0 }, { n: 1 }])
      expect(check.rows).toEqual([{ integrity_check: 'ok' }])
    })
  })
})

describe.skipIf(withoutPosix)('Somebody who tidies up, write-ahead log (POSIX)', { tags: ['q44'] }, () => {
  describe('when the -shm of a dead process is deleted, and when its -wal is', () => {
    let commit: Outcome, withoutShm: Outcome, withoutWal: Outcome, check: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, next: { timeout: 0 }, last: { timeout: 0 }, shell }
      story = await contend('wal', cast, async ({ holder, next, last, shell }) => {
        await holder`BEGIN IMMEDIATE`
        await holder`UPDATE counter SET n = 1`
        commit = await holder`COMMIT`
        await holder.signal('SIGKILL')
        await shell`rm database.db-shm`
        withoutShm = await next`SELECT n FROM counter`
        await next.signal('SIGKILL')
        await shell`rm database.db-wal`
        withoutWal = await last`SELECT n FROM counter`
        check = await last`PRAGMA integrity_check`
      })
    })
    beforeEach((context) => show(context, story))

    test('the next reads what was confirmed without the -shm, which it makes anew: n is 1', () => {
      expect(withoutShm).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
    test.fails('myth: what COMMIT has confirmed with SQLITE_OK is in the database file', () => {
      expect(withoutWal.rows).toEqual([{ n: 1 }])
    })
    test('the last one finds that what was confirmed has gone with the -wal: n is 0, and nobody is told, SQLITE_OK', () => {
      expect([commit.code, withoutWal.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
      expect(withoutWal.rows).toEqual([{ n: 0 }])
    })
    test('the integrity check says ok', () => {
      expect(check.rows).toEqual([{ integrity_check: 'ok' }])
    })
  })

  describe('when -wal and -shm of a living process are deleted', () => {
    let begin: Outcome, ofHolder: Outcome, ofNext: Outcome, own: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, next: { timeout: 0 }, last: { timeout: 0 }, shell }
      story = await contend('wal', cast, async ({ holder, next, last, shell }) => {
        await holder`BEGIN IMMEDIATE`
        await holder`UPDATE counter SET n = n + 1`
        await shell`rm database.db-wal database.db-shm`
        begin = await next`BEGIN IMMEDIATE`
        await next`UPDATE counter SET n = n + 10`
        ofHolder = await holder`COMMIT`
        ofNext = await next`COMMIT`
        own = await holder`SELECT n FROM counter`
        read = await last`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: as long as the holder lives, the write lock is its own', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
    test('the next is admitted with SQLITE_OK beside the holder: the lock was on the file that is gone', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the holder and the next both commit, SQLITE_OK, and the holder reads its own change: n is 1', () => {
      expect([ofHolder.code, ofNext.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
      expect(own.rows).toEqual([{ n: 1 }])
    })
    test('everybody else finds the change of the next only: n is 10', () => {
      expect(read.rows).toEqual([{ n: 10 }])
    })
  })

  describe('when a backup is copied over the database, and the -wal of a dead process is beside it', () => {
    let read: Outcome, check: Outcome, begin: Outcome, again: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, next: { timeout: 0 }, last: { timeout: 0 }, shell }
      story = await contend('wal', cast, async ({ holder, next, last, shell }) => {
        await holder`CREATE TABLE ledger AS SELECT 0 AS n, zeroblob(3000) AS page FROM json_each('[1,2,3,4,5,6,7,8]')`
        await holder`VACUUM INTO 'backup.db'`
        await holder`UPDATE ledger SET n = 1`
        await holder`PRAGMA wal_checkpoint(TRUNCATE)`
        await holder`UPDATE ledger SET n = 2 WHERE rowid < 5`
        await holder`BEGIN IMMEDIATE`
        await holder.signal('SIGKILL')
        await shell`cp backup.db database.db`
        read = await next`SELECT n, count(*) AS rows FROM ledger GROUP BY n`
        check = await next`PRAGMA integrity_check`
        begin = await next`BEGIN IMMEDIATE`
        await next.signal('SIGKILL')
        await shell`cp backup.db database.db && rm database.db-wal`
        again = await last`SELECT n, count(*) AS rows FROM ledger GROUP BY n`
        write = await last`UPDATE ledger SET n = 3`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: after the copy, the database is what the backup is', () => {
      expect(read.rows).toEqual([{ n: 0, rows: 8 }])
    })
    test('the next, with no lock beside it, reads the backup with the log of another state on top: half of it 0, half of it 2, and intact', () => {
      expect(begin.code).toBe('SQLITE_OK')
      expect(read).toMatchObject({
        code: 'SQLITE_OK',
        rows: [
          { n: 0, rows: 4 },
          { n: 2, rows: 4 },
        ],
      })
      expect(check.rows).toEqual([{ integrity_check: 'ok' }])
    })
    test('the last one reads the backup, and writes, where the -wal was deleted with the database that it belongs to', () => {
      expect(again.rows).toEqual([{ n: 0, rows: 8 }])
      expect(write.code).toBe('SQLITE_OK')
    })
  })
})

describe.skipIf(withoutPosix)('Somebody who copies the files, write-ahead log (POSIX)', () => {
  describe('when the database is copied without its -wal', () => {
    let alone: Outcome, vacuumed: Outcome, whole: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, copier: { timeout: 0 }, shell }
      story = await contend('wal', cast, async ({ writer, copier, shell }) => {
        await writer`UPDATE counter SET n = 1`
        await shell`cp database.db alone.db`
        await copier`VACUUM INTO 'vacuumed.db'`
        await writer`PRAGMA wal_checkpoint(TRUNCATE)`
        await shell`cp database.db whole.db`
        await copier`ATTACH 'alone.db' AS alone`
        await copier`ATTACH 'vacuumed.db' AS vacuumed`
        await copier`ATTACH 'whole.db' AS whole`
        alone = await copier`SELECT n FROM alone.counter`
        vacuumed = await copier`SELECT n FROM vacuumed.counter`
        whole = await copier`SELECT n FROM whole.counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: to copy a database is to copy its file', () => {
      expect(alone.rows).toEqual([{ n: 1 }])
    })
    test('the copy lacks what is confirmed and not checkpointed, and opens with SQLITE_OK: n is 0', () => {
      expect(alone).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test('the copier has all of it with VACUUM INTO: n is 1', () => {
      expect(vacuumed.rows).toEqual([{ n: 1 }])
    })
    test('the copy has all of it after a TRUNCATE checkpoint, with nobody writing: n is 1', () => {
      expect(whole.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when the database and its -wal are copied one after the other', () => {
    let mixed: Outcome, refused: Outcome, kept: Outcome, safe: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, copier: { timeout: 0 }, shell }
      story = await contend('wal', cast, async ({ writer, copier, shell }) => {
        await writer`CREATE TABLE diary (line TEXT)`
        await writer`PRAGMA wal_checkpoint(TRUNCATE)`
        await shell`cp database.db mixed.db`
        await writer`UPDATE counter SET n = 1`
        await writer`PRAGMA wal_checkpoint(TRUNCATE)`
        await writer`INSERT INTO diary VALUES ('n is 1')`
        await shell`cp database.db-wal mixed.db-wal`

        await copier`BEGIN IMMEDIATE`
        await shell`cp database.db safe.db`
        refused = await writer`UPDATE counter SET n = 2`
        kept = await writer`PRAGMA wal_checkpoint(TRUNCATE)`
        await shell`cp database.db-wal safe.db-wal`
        await copier`COMMIT`

        await copier`ATTACH 'mixed.db' AS mixed`
        await copier`ATTACH 'safe.db' AS safe`
        mixed = await copier`SELECT n, line FROM mixed.counter, mixed.diary`
        safe = await copier`SELECT n, line FROM safe.counter, safe.diary`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: to copy a database is to copy its files', () => {
      expect(mixed.rows).toEqual([{ n: 1, line: 'n is 1' }])
    })
    test('the copy has the second change and not the first, a state that never was, and opens with SQLITE_OK: n is 0', () => {
      expect(mixed).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0, line: 'n is 1' }] })
    })
    test('the copy has both where the copier holds the write lock meanwhile, and another process does the copying', () => {
      expect(safe.rows).toEqual([{ n: 1, line: 'n is 1' }])
    })
    test('the writer is kept from writing by that lock, with SQLITE_BUSY, and from truncating the log: busy is 1', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(kept.rows).toMatchObject([{ busy: 1 }])
    })
  })
})

describe.skipIf(withoutPosix)('Somebody who copies the files, rollback journal (POSIX)', () => {
  describe('when the database is copied in the middle of a transaction that has outgrown its cache', () => {
    let mixed: Outcome, check: Outcome, refused: Outcome, safe: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, copier: { timeout: 0 }, shell }
      story = await contend('delete', cast, async ({ writer, copier, shell }) => {
        await writer`CREATE TABLE ledger AS SELECT 0 AS n, zeroblob(3000) AS page FROM json_each('[1,2,3,4,5,6,7,8]')`
        await writer`PRAGMA cache_size = 1`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE ledger SET n = 1`
        await shell`cp database.db mixed.db`
        await writer`COMMIT`

        await copier`BEGIN IMMEDIATE`
        await shell`cp database.db safe.db`
        refused = await writer`UPDATE ledger SET n = 2`
        await copier`COMMIT`

        await copier`ATTACH 'mixed.db' AS mixed`
        await copier`ATTACH 'safe.db' AS safe`
        mixed = await copier`SELECT n, count(*) AS rows FROM mixed.ledger GROUP BY n`
        check = await copier`PRAGMA mixed.integrity_check`
        safe = await copier`SELECT n, count(*) AS rows FROM safe.ledger GROUP BY n`
      })
    })
    beforeEach((context) => show(context, story))

    test('the copy is a mixture of old and new, opens with SQLITE_OK, and is intact', () => {
      expect(mixed.code).toBe('SQLITE_OK')
      expect(mixed.rows).toMatchObject([{ n: 0 }, { n: 1 }])
      expect(check.rows).toEqual([{ integrity_check: 'ok' }])
    })
    test('the copy is whole where the copier holds the write lock meanwhile, and another process does the copying', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(safe.rows).toEqual([{ n: 1, rows: 8 }])
    })
  })
})

describe('A database that may not grow, rollback journal', () => {
  describe('when a statement needs more than max_page_count', () => {
    let full: Outcome, refused: Outcome, commit: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 }, next: { timeout: 0 } }, async ({ writer, next }) => {
        await writer`CREATE TABLE ledger AS SELECT 0 AS n, zeroblob(3000) AS page FROM json_each('[1,2,3,4,5,6,7,8]')`
        await writer`PRAGMA max_page_count = 20`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = 1`
        full = await writer`UPDATE ledger SET n = 1, page = zeroblob(9000)`.mayAnswer('SQLITE_FULL')
        refused = await next`BEGIN IMMEDIATE`
        commit = await writer`COMMIT`
        after = await next`SELECT counter.n, max(ledger.n) FROM counter, ledger`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: SQLITE_FULL ends the transaction', () => {
      expect(full.inTransaction).toBe(false)
    })
    test('the writer gets SQLITE_FULL, "database or disk is full", and its transaction is open', () => {
      expect(full).toMatchObject({ code: 'SQLITE_FULL', message: 'database or disk is full', inTransaction: true })
    })
    test('the next is turned away with SQLITE_BUSY as long as the writer does not end what it has begun', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the writer commits what it did before: n is 1, and the ledger has nothing of the statement that failed', () => {
      expect(commit.code).toBe('SQLITE_OK')
      expect(after.rows).toEqual([{ n: 1, 'max(ledger.n)': 0 }])
    })
  })
})

describe('A database that may not grow, write-ahead log', () => {
  describe('when a statement needs more than max_page_count', () => {
    let full: Outcome, refused: Outcome, commit: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 0 }, next: { timeout: 0 } }, async ({ writer, next }) => {
        await writer`CREATE TABLE ledger AS SELECT 0 AS n, zeroblob(3000) AS page FROM json_each('[1,2,3,4,5,6,7,8]')`
        await writer`PRAGMA max_page_count = 20`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = 1`
        full = await writer`UPDATE ledger SET n = 1, page = zeroblob(9000)`.mayAnswer('SQLITE_FULL')
        refused = await next`BEGIN IMMEDIATE`
        commit = await writer`COMMIT`
        after = await next`SELECT counter.n, max(ledger.n) FROM counter, ledger`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer gets SQLITE_FULL, and its transaction is open', () => {
      expect(full).toMatchObject({ code: 'SQLITE_FULL', inTransaction: true })
    })
    test('the next is turned away with SQLITE_BUSY as long as the writer does not end what it has begun', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the writer commits what it did before: n is 1, and the ledger has nothing of the statement that failed', () => {
      expect(commit.code).toBe('SQLITE_OK')
      expect(after.rows).toEqual([{ n: 1, 'max(ledger.n)': 0 }])
    })
  })
})

describe.skipIf(withoutPrlimit)('A disk that is full, rollback journal (needs prlimit)', () => {
  describe('when a transaction has outgrown its cache, and there is no room', () => {
    let failed: Outcome, begin: Outcome, careless: Outcome, commit: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0, program: 'small-disk.ts' }, next: { timeout: 0 } }
      story = await contend('delete', cast, async ({ writer, next }) => {
        await writer`CREATE TABLE ledger AS SELECT 0 AS n, zeroblob(3000) AS page FROM json_each('[1,2,3,4,5,6,7,8]')`
        await writer`PRAGMA cache_size = 1`
        await writer`.limit 90000`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        failed = await writer`UPDATE ledger SET n = 1, page = zeroblob(9000)`.mayAnswer('SQLITE_IOERR_WRITE')
        begin = await next`BEGIN IMMEDIATE`
        await next`ROLLBACK`
        careless = await writer`UPDATE counter SET n = n + 10`
        commit = await writer`COMMIT`.mayAnswer('SQLITE_ERROR')
        after = await next`SELECT counter.n, max(ledger.n) FROM counter, ledger`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a statement that fails leaves its transaction open', () => {
      expect(failed.inTransaction).toBe(true)
    })
    test('the writer gets SQLITE_IOERR_WRITE, "disk I/O error", and SQLite has rolled back all of its transaction', () => {
      expect(failed).toMatchObject({ code: 'SQLITE_IOERR_WRITE', message: 'disk I/O error', inTransaction: false })
    })
    test('the next is admitted at once, although nobody has said ROLLBACK', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the writer who goes on without looking commits with every statement: n is 10, half of what it wanted to be one change', () => {
      expect(careless).toMatchObject({ code: 'SQLITE_OK', inTransaction: false })
      expect(after.rows).toEqual([{ n: 10, 'max(ledger.n)': 0 }])
    })
    test('the COMMIT of the writer is SQLITE_ERROR, "cannot commit - no transaction is active"', () => {
      expect(commit).toMatchObject({ code: 'SQLITE_ERROR', message: 'cannot commit - no transaction is active' })
    })
  })

  describe('when COMMIT finds no room', () => {
    let commit: Outcome, write: Outcome, repeated: Outcome, after: Outcome, check: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0, program: 'small-disk.ts' }, next: { timeout: 0 } }
      story = await contend('delete', cast, async ({ writer, next }) => {
        await writer`CREATE TABLE ledger AS SELECT 0 AS n, zeroblob(3000) AS page FROM json_each('[1,2,3,4,5,6,7,8]')`
        await writer`.limit 90000`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE ledger SET n = 1, page = zeroblob(9000)`
        commit = await writer`COMMIT`.mayAnswer('SQLITE_IOERR_WRITE')
        write = await next`UPDATE counter SET n = n + 1`
        repeated = await writer`COMMIT`.mayAnswer('SQLITE_ERROR')
        after = await next`SELECT counter.n, max(ledger.n) FROM counter, ledger`
        check = await next`PRAGMA integrity_check`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer gets SQLITE_IOERR_WRITE, and all of its transaction is undone: other than after SQLITE_BUSY, there is no COMMIT to repeat', () => {
      expect(commit).toMatchObject({ code: 'SQLITE_IOERR_WRITE', inTransaction: false })
      expect(repeated.code).toBe('SQLITE_ERROR')
    })
    test('the next writes at once, to an intact database in the old state', () => {
      expect(write.code).toBe('SQLITE_OK')
      expect(after.rows).toEqual([{ n: 1, 'max(ledger.n)': 0 }])
      expect(check.rows).toEqual([{ integrity_check: 'ok' }])
    })
  })
})

describe.skipIf(withoutPrlimit)('A disk that is full, write-ahead log (needs prlimit)', () => {
  describe('when a transaction has outgrown its cache, and there is no room', () => {
    let failed: Outcome, begin: Outcome, careless: Outcome, commit: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0, program: 'small-disk.ts' }, next: { timeout: 0 } }
      story = await contend('wal', cast, async ({ writer, next }) => {
        await writer`CREATE TABLE ledger AS SELECT 0 AS n, zeroblob(3000) AS page FROM json_each('[1,2,3,4,5,6,7,8]')`
        await writer`PRAGMA cache_size = 1`
        await writer`.limit 90000`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        failed = await writer`UPDATE ledger SET n = 1, page = zeroblob(9000)`.mayAnswer('SQLITE_IOERR_WRITE')
        begin = await next`BEGIN IMMEDIATE`
        await next`ROLLBACK`
        careless = await writer`UPDATE counter SET n = n + 10`
        commit = await writer`COMMIT`.mayAnswer('SQLITE_ERROR')
        after = await next`SELECT counter.n, max(ledger.n) FROM counter, ledger`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer gets SQLITE_IOERR_WRITE, and SQLite has rolled back all of its transaction', () => {
      expect(failed).toMatchObject({ code: 'SQLITE_IOERR_WRITE', inTransaction: false })
    })
    test('the next is admitted at once, although nobody has said ROLLBACK', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the writer who goes on without looking commits with every statement, and its COMMIT is SQLITE_ERROR: n is 10', () => {
      expect(careless).toMatchObject({ code: 'SQLITE_OK', inTransaction: false })
      expect(commit.code).toBe('SQLITE_ERROR')
      expect(after.rows).toEqual([{ n: 10, 'max(ledger.n)': 0 }])
    })
  })

  describe('when COMMIT finds no room', () => {
    let commit: Outcome, write: Outcome, repeated: Outcome, after: Outcome, check: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0, program: 'small-disk.ts' }, next: { timeout: 0 } }
      story = await contend('wal', cast, async ({ writer, next }) => {
        await writer`CREATE TABLE ledger AS SELECT 0 AS n, zeroblob(3000) AS page FROM json_each('[1,2,3,4,5,6,7,8]')`
        await writer`.limit 90000`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE ledger SET n = 1, page = zeroblob(9000)`
        commit = await writer`COMMIT`.mayAnswer('SQLITE_IOERR_WRITE')
        write = await next`UPDATE counter SET n = n + 1`
        repeated = await writer`COMMIT`.mayAnswer('SQLITE_ERROR')
        after = await next`SELECT counter.n, max(ledger.n) FROM counter, ledger`
        check = await next`PRAGMA integrity_check`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer gets SQLITE_IOERR_WRITE, and all of its transaction is undone: other than after SQLITE_BUSY, there is no COMMIT to repeat', () => {
      expect(commit).toMatchObject({ code: 'SQLITE_IOERR_WRITE', inTransaction: false })
      expect(repeated.code).toBe('SQLITE_ERROR')
    })
    test('the next writes at once, to an intact database in the old state', () => {
      expect(write.code).toBe('SQLITE_OK')
      expect(after.rows).toEqual([{ n: 1, 'max(ledger.n)': 0 }])
      expect(check.rows).toEqual([{ integrity_check: 'ok' }])
    })
  })

  describe('when a checkpoint finds no room', () => {
    let failed: Outcome, read: Outcome, repeated: Outcome, check: Outcome, story: Story

    beforeAll(async () => {
      const cast = { checkpointer: { timeout: 0, program: 'small-disk.ts' }, next: { timeout: 0 } }
      story = await contend('wal', cast, async ({ checkpointer, next }) => {
        await next`CREATE TABLE ledger AS SELECT 0 AS n, zeroblob(3000) AS page FROM json_each('[1,2,3,4,5,6,7,8]')`
        await checkpointer`.limit 20000`
        failed = await checkpointer`PRAGMA wal_checkpoint`.mayAnswer('SQLITE_IOERR_WRITE')
        read = await next`SELECT n, count(*) AS rows FROM ledger GROUP BY n`
        await checkpointer`.limit unlimited`
        repeated = await checkpointer`PRAGMA wal_checkpoint`
        check = await next`PRAGMA integrity_check`
      })
    })
    beforeEach((context) => show(context, story))

    test('the checkpointer gets SQLITE_IOERR_WRITE', () => {
      expect(failed.code).toBe('SQLITE_IOERR_WRITE')
    })
    test('the next reads all of it from the log', () => {
      expect(read.rows).toEqual([{ n: 0, rows: 8 }])
    })
    test('the checkpointer copies the whole log when there is room again', () => {
      expect(repeated.rows).toMatchObject([{ busy: 0 }])
      expect(check.rows).toEqual([{ integrity_check: 'ok' }])
    })
  })
})

describe.skipIf(withoutPosix)('A pipe that is closed, write-ahead log (POSIX)', () => {
  describe('when nobody is left to hear what the holder answers', () => {
    let unnoticed: Outcome, ended: Outcome, begin: Outcome, read: Outcome, last: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const middleman = { timeout: 0, program: 'middleman.ts' }
      const cast = { first: middleman, other: middleman, next: { timeout: 0 } }
      story = await contend('wal', cast, async ({ first, other, next }) => {
        await first`BEGIN IMMEDIATE`
        await first`UPDATE counter SET n = 1`
        await first`.hangup`
        unnoticed = await next`BEGIN IMMEDIATE`
        ended = await first`SELECT n FROM counter`
        begin = await next`BEGIN IMMEDIATE`
        read = await next`SELECT n FROM counter`
        await next`ROLLBACK`
        await other`BEGIN IMMEDIATE`
        await other`UPDATE counter SET n = 2`
        await other`.hangup`
        last = await other`COMMIT`
        after = await next`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the first, a process that has nothing to say, does not notice, and keeps its lock: the next gets SQLITE_BUSY', () => {
      expect(unnoticed.code).toBe('SQLITE_BUSY')
    })
    test('the first ends with its next answer, and its lock and its change with it: SQLITE_OK for the next, and n is 0', () => {
      expect(ended.rows).toEqual([{ ended: 'exit code 1' }])
      expect(begin.code).toBe('SQLITE_OK')
      expect(read.rows).toEqual([{ n: 0 }])
    })
    test.fails('myth: what was never confirmed was never done', () => {
      expect(after.rows).toEqual([{ n: 0 }])
    })
    test('the other ends in answering its COMMIT, which nobody has heard, and the next reads n = 2, SQLITE_OK', () => {
      expect(last.rows).toEqual([{ ended: 'exit code 1' }])
      expect(after).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 2 }] })
    })
  })
})
