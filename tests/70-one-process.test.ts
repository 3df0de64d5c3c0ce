/**
 * Several connections in one process contend like several processes, as long as all of them go through one copy of SQLite. What
 * they have in common is the event loop: a driver that waits synchronously stops it, and with it whoever should let go of the lock.
 * And on POSIX systems they have the locks in common, which belong to the process: a second copy of SQLite, or a mere read of
 * the file, takes them away without a word, from a transaction that believes it holds them.
 *
 * https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_ ·
 * https://sqlite.org/howtocorrupt.html#multiple_copies_of_sqlite_linked_into_the_same_application
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Setting, type Story } from '../helpers/contend.ts'
import { tellsLocks } from '../helpers/kernel.ts'
import { show } from '../helpers/show.ts'

describe('Two connections of one process, write-ahead log', () => {
  const connection: Setting = { timeout: 0, process: 'shop' }

  describe('when one is writing and the other reads, and then wants to write', { tags: ['q37'] }, () => {
    let during: Outcome, refused: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: connection, other: connection }, async ({ first, other }) => {
        await first`BEGIN IMMEDIATE`
        await first`UPDATE counter SET n = n + 1`
        during = await other`SELECT n FROM counter`
        refused = await other`BEGIN IMMEDIATE`
        await first`COMMIT`
        after = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: the connections of one process are in one transaction: the other sees what the first has written', () => {
      expect(during.rows).toEqual([{ n: 1 }])
    })
    test('the other sees what is committed, SQLITE_OK, and not what its own process is writing', () => {
      expect(during).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test.fails('myth: the connections of one process do not lock each other out', () => {
      expect(refused.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY, and is not inside the transaction of the first', () => {
      expect(refused).toMatchObject({ code: 'SQLITE_BUSY', inTransaction: false })
    })
    test('the other sees the change once it is committed', () => {
      expect(after.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when both have read, and both go on to write', { tags: ['q37'] }, () => {
    let write: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: connection, other: connection }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = n + 1`
        write = await other`UPDATE counter SET n = n + 1`
        await first`COMMIT`
        repeated = await other`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other is turned away with SQLITE_BUSY while the first writes', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the other is turned away with SQLITE_BUSY_SNAPSHOT once the first has committed', () => {
      expect(repeated.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
  })
})

describe('Two connections of one process, rollback journal', () => {
  const connection: Setting = { timeout: 0, process: 'shop' }

  describe('when both have read, and both go on to write', { tags: ['q37'] }, () => {
    let write: Outcome, commit: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: connection, other: connection }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = n + 1`
        write = await other`UPDATE counter SET n = n + 1`
        commit = await first`COMMIT`
        await other`ROLLBACK`
        repeated = await first`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other is turned away with SQLITE_BUSY while the first writes', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the first is turned away at COMMIT with SQLITE_BUSY', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
    })
    test('the first commits once the other has rolled back', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
  })

  describe('when one is closed while the other holds the lock', { tags: ['q37'] }, () => {
    let refused: Outcome, admitted: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: connection, closer: connection, stranger: { timeout: 0 } }
      story = await contend('delete', cast, async ({ holder, closer, stranger }) => {
        await closer`SELECT n FROM counter`
        await holder`BEGIN IMMEDIATE`
        await closer`.close`
        refused = await stranger`BEGIN IMMEDIATE`
        await holder`COMMIT`
        admitted = await stranger`BEGIN IMMEDIATE`
      })
    })
    beforeEach((context) => show(context, story))

    test('the stranger, in another process, is turned away with SQLITE_BUSY after a connection of the process is closed', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the stranger is admitted once the holder has committed', () => {
      expect(admitted.code).toBe('SQLITE_OK')
    })
  })
})

describe('Two connections of one event loop, write-ahead log', () => {
  describe('when the waiter is given 300 ms, and then 600 ms, and the holder commits meanwhile', { tags: ['q36', 'q37'] }, () => {
    let update: Outcome, commit: Outcome, again: Outcome, longer: Outcome, served: string, story: Story

    beforeAll(async () => {
      const connection: Setting = { timeout: 300, process: 'shop' }
      story = await contend('wal', { holder: connection, waiter: connection }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        const turn = waiter`UPDATE counter SET n = n + 1`
        await turn.blocks()
        const end = holder`COMMIT`
        served = await Promise.race([turn.outcome.then(() => 'waiter'), end.outcome.then(() => 'holder')])
        update = await turn
        commit = await end
        again = await waiter`UPDATE counter SET n = n + 1`
        await waiter`PRAGMA busy_timeout = 600`
        await holder`BEGIN IMMEDIATE`
        const next = waiter`UPDATE counter SET n = n + 1`
        await next.blocks()
        const last = holder`COMMIT`
        longer = await next
        await last
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a timeout lets the holder of the same event loop finish, and the waiter in', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
    test('the waiter is turned away with SQLITE_BUSY after its whole timeout of 300 ms, although COMMIT has been sent to the holder', () => {
      expect(update.code).toBe('SQLITE_BUSY')
      expect(update.waited).toBeGreaterThanOrEqual(300)
    })
    test('the waiter is answered first, and then the holder, whose COMMIT is SQLITE_OK', () => {
      expect(served).toBe('waiter')
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the waiter writes when it asks again', () => {
      expect([update.code, again.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test.fails('myth: a longer timeout gives the holder the time it needs', () => {
      expect(longer.code).toBe('SQLITE_OK')
    })
    test('the waiter is turned away with SQLITE_BUSY, and stops its process for 600 ms instead', () => {
      expect(longer.code).toBe('SQLITE_BUSY')
      expect(longer.waited).toBeGreaterThanOrEqual(600)
    })
  })

  describe('when a timer is to fire while the waiter waits', { tags: ['q36'] }, () => {
    let begin: Outcome, story: Story

    beforeAll(async () => {
      const connection: Setting = { timeout: 100, process: 'shop' }
      story = await contend('wal', { holder: connection, waiter: connection }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        begin = await waiter`.timer BEGIN IMMEDIATE`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: while a synchronous driver waits, the timers of its event loop go on', () => {
      expect(begin.rows).toEqual([{ timer: 'first' }])
    })
    test('the waiter gets its SQLITE_BUSY before a timer fires that was set for one millisecond', () => {
      expect(begin).toMatchObject({ code: 'SQLITE_BUSY', rows: [{ timer: 'last' }] })
    })
    test('the waiter keeps the timer waiting for its whole timeout of 100 ms', () => {
      expect(begin.waited).toBeGreaterThanOrEqual(100)
    })
  })
})

describe('Worker threads, five-second timeout, write-ahead log', () => {
  describe('when the waiter waits in a worker thread, and the holder is in the main thread', { tags: ['q36', 'q37'] }, () => {
    let begin: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 5_000, process: 'shop' }, waiter: { timeout: 5_000, process: 'shop', worker: true } }
      story = await contend('wal', cast, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        const turn = waiter`.timer BEGIN IMMEDIATE`
        await turn.blocks()
        await holder`.timer`
        await turn.blocks()
        commit = await holder`COMMIT`
        begin = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a synchronous driver stops its whole process while it waits, in whatever thread', () => {
      expect(begin.rows).toEqual([{ timer: 'last' }])
    })
    test('the waiter does not stop the main thread: a timer fires there, the holder commits, and then it gets its SQLITE_OK', () => {
      expect(begin).toMatchObject({ code: 'SQLITE_OK', rows: [{ timer: 'first' }] })
      expect(commit.code).toBe('SQLITE_OK')
    })
  })
})

describe('Worker threads, five-second timeout, rollback journal', () => {
  describe('when holder and waiter have a worker thread each', { tags: ['q37'] }, () => {
    let begin: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      const thread: Setting = { timeout: 5_000, process: 'shop', worker: true }
      story = await contend('delete', { holder: thread, waiter: thread }, async ({ holder, waiter }) => {
        await holder`BEGIN IMMEDIATE`
        await holder`UPDATE counter SET n = n + 1`
        const turn = waiter`BEGIN IMMEDIATE`
        await turn.blocks()
        await holder`COMMIT`
        begin = await turn
        read = await waiter`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the waiter waits its turn, SQLITE_OK, and reads what the holder has committed', () => {
      expect(begin.code).toBe('SQLITE_OK')
      expect(read.rows).toEqual([{ n: 1 }])
    })
  })
})

describe.skipIf(process.platform === 'win32')('Two SQLite libraries in one process, write-ahead log (POSIX)', () => {
  const first: Setting = { timeout: 0, process: 'shop', driver: 'better-sqlite3' }
  const other: Setting = { timeout: 0, process: 'shop', driver: 'node:sqlite' }
  const stranger: Setting = { timeout: 0 }

  describe('when both say BEGIN IMMEDIATE', { tags: ['q37'] }, () => {
    let refused: Outcome, begin: Outcome, commit: Outcome, late: Outcome, total: Outcome, check: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first, other, stranger }, async ({ first, other, stranger }) => {
        await first`UPDATE counter SET n = 10`
        await first`BEGIN IMMEDIATE`
        refused = await stranger`BEGIN IMMEDIATE`
        begin = await other`BEGIN IMMEDIATE`
        await first`UPDATE counter SET n = n + 1`
        commit = await first`COMMIT`
        await other`UPDATE counter SET n = n + 1`
        late = await other`COMMIT`.mayAnswer('SQLITE_ERROR')
        total = await stranger`SELECT n FROM counter`
        check = await stranger`PRAGMA integrity_check`
      })
    })
    beforeEach((context) => show(context, story))

    test('the stranger, in another process, is turned away with SQLITE_BUSY by the first', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test.fails('myth: two libraries in one process exclude each other as two processes do', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
    test('the other is admitted with SQLITE_OK, while the first is inside', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the first commits, and the other commits as well: SQLITE_OK for both', () => {
      expect([commit.code, late.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
    })
    test.fails('myth: two changes under BEGIN IMMEDIATE, both confirmed, are both there: n is 12', () => {
      expect(total.rows).toEqual([{ n: 12 }])
    })
    test('the stranger, reading with SQLITE_OK, finds that one of the two confirmed changes is lost: n is 11', () => {
      expect(total).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 11 }] })
    })
    test('the stranger is told ok by PRAGMA integrity_check', () => {
      expect(check.rows).toEqual([{ integrity_check: 'ok' }])
    })
  })

  describe('when both say BEGIN IMMEDIATE, each in a worker thread', { tags: ['q37'] }, () => {
    let begin: Outcome, story: Story

    beforeAll(async () => {
      const cast = { first: { ...first, worker: true }, other: { ...other, worker: true } }
      story = await contend('wal', cast, async ({ first, other }) => {
        await first`BEGIN IMMEDIATE`
        begin = await other`BEGIN IMMEDIATE`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other is admitted with SQLITE_OK all the same', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
  })

  describe('when the other reads for the first time while the first holds the lock', { tags: ['q37'] }, () => {
    let held: Outcome, read: Outcome, update: Outcome, commit: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first, other, stranger }, async ({ first, other, stranger }) => {
        await first`UPDATE counter SET n = 10`
        held = await first`BEGIN IMMEDIATE`
        read = await other`SELECT n FROM counter`
        update = await stranger`UPDATE counter SET n = n + 1`
        await first`UPDATE counter SET n = n + 1`
        commit = await first`COMMIT`
        total = await stranger`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a reader cannot cost its process the write lock', () => {
      expect(update.code).toBe('SQLITE_BUSY')
    })
    test('the stranger, in another process, writes and commits, SQLITE_OK, and so does the first', () => {
      expect([update.code, commit.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
    })
    test('the stranger finds that one of the two confirmed changes is lost: n is 11', () => {
      expect(total.rows).toEqual([{ n: 11 }])
    })
    test.skipIf(!tellsLocks)('the process holds WRITE until the other reads, and no WRITE afterwards (needs /proc)', () => {
      expect(held.locks).toContain('WRITE')
      expect(read.locks).not.toContain('WRITE')
    })
  })

  describe('when the other has been closed before the first writes', { tags: ['q37'] }, () => {
    let update: Outcome, own: Outcome, missing: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first, other, stranger }, async ({ first, other, stranger }) => {
        await first`SELECT n FROM counter`
        await other`SELECT n FROM counter`
        await other`.close`
        update = await first`UPDATE counter SET n = n + 1`
        own = await first`SELECT n FROM counter`
        missing = await stranger`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the first is told SQLITE_OK for its change, and reads it back: n is 1', () => {
      expect(update.code).toBe('SQLITE_OK')
      expect(own.rows).toEqual([{ n: 1 }])
    })
    test.fails('myth: what is committed in one process, the next process sees', () => {
      expect(missing.rows).toEqual([{ n: 1 }])
    })
    test('the stranger, with SQLITE_OK, does not see it: n is 0', () => {
      expect(missing).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
  })
})

describe.skipIf(process.platform === 'win32')('Two SQLite libraries in one process, rollback journal (POSIX)', () => {
  const first: Setting = { timeout: 0, process: 'shop', driver: 'better-sqlite3' }
  const other: Setting = { timeout: 0, process: 'shop', driver: 'node:sqlite' }
  const stranger: Setting = { timeout: 0 }

  describe('when both say BEGIN IMMEDIATE, and read before they write', { tags: ['q37'] }, () => {
    let begin: Outcome, commit: Outcome, late: Outcome, total: Outcome, check: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first, other, stranger }, async ({ first, other, stranger }) => {
        await first`BEGIN IMMEDIATE`
        await first`SELECT n FROM counter`
        begin = await other`BEGIN IMMEDIATE`
        await other`SELECT n FROM counter`
        await first`UPDATE counter SET n = n + 1`
        commit = await first`COMMIT`
        await other`UPDATE counter SET n = n + 1`
        late = await other`COMMIT`.mayAnswer('SQLITE_ERROR')
        total = await stranger`SELECT n FROM counter`
        check = await stranger`PRAGMA integrity_check`
      })
    })
    beforeEach((context) => show(context, story, 'two-libraries.svg'))

    test('the other is admitted with SQLITE_OK, while the first is inside', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the first commits, and the other commits as well: SQLITE_OK for both', () => {
      expect([commit.code, late.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
    })
    test.fails('myth: two changes under BEGIN IMMEDIATE, both confirmed, are both there: n is 2', () => {
      expect(total.rows).toEqual([{ n: 2 }])
    })
    test('the stranger, reading with SQLITE_OK, finds that one of the two confirmed changes is lost: n is 1', () => {
      expect(total).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
    test('the stranger is told ok by PRAGMA integrity_check', () => {
      expect(check.rows).toEqual([{ integrity_check: 'ok' }])
    })
  })

  describe('when the other only reads while the first holds the lock', { tags: ['q37'] }, () => {
    let held: Outcome, read: Outcome, update: Outcome, commit: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first, other, stranger }, async ({ first, other, stranger }) => {
        held = await first`BEGIN IMMEDIATE`
        await first`SELECT n FROM counter`
        read = await other`SELECT n FROM counter`
        update = await stranger`UPDATE counter SET n = n + 1`
        await first`UPDATE counter SET n = n + 1`
        commit = await first`COMMIT`
        total = await stranger`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the stranger, in another process, writes and commits, SQLITE_OK, and so does the first', () => {
      expect([update.code, commit.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
    })
    test('the stranger finds that one of the two confirmed changes is lost: n is 1', () => {
      expect(total.rows).toEqual([{ n: 1 }])
    })
    test.skipIf(!tellsLocks)('the process holds RESERVED until the other reads, and nothing afterwards (needs /proc)', () => {
      expect([held.locks, read.locks]).toEqual([['RESERVED'], []])
    })
  })

  describe('when the first has written more than its cache holds, and the other reads', { tags: ['q37'] }, () => {
    let read: Outcome, commit: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first, other, stranger }, async ({ first, other, stranger }) => {
        await first`CREATE TABLE diary (line TEXT)`
        await first`PRAGMA cache_size = 5`
        await first`BEGIN IMMEDIATE`
        await first`INSERT INTO diary SELECT hex(zeroblob(2000)) FROM json_each('[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]')`
        read = await other`SELECT count(*) FROM diary`
        commit = await first`COMMIT`.mayAnswer('SQLITE_IOERR_DELETE_NOENT')
        after = await stranger`SELECT count(*) FROM diary`.mayAnswer('SQLITE_CORRUPT')
      })
    })
    beforeEach((context) => show(context, story))

    test('the other reads, SQLITE_OK, and finds no line', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ 'count(*)': 0 }] })
    })
    test('the first is turned away at COMMIT with SQLITE_IOERR_DELETE_NOENT', () => {
      expect(commit).toMatchObject({ code: 'SQLITE_IOERR_DELETE_NOENT', inTransaction: false })
    })
    test.fails('myth: the worst that can happen is an error', () => {
      expect(after.code).toBe('SQLITE_OK')
    })
    test('the stranger finds a database that is destroyed: SQLITE_CORRUPT', () => {
      expect(after.code).toBe('SQLITE_CORRUPT')
    })
  })
})

describe.skipIf(process.platform === 'win32')('A process that reads its own database file, rollback journal (POSIX)', () => {
  const holder: Setting = { timeout: 0, program: 'looks-at-files.ts' }
  const other: Setting = { timeout: 0 }

  describe('when the holder of the lock reads the file', { tags: ['q37'] }, () => {
    let held: Outcome, read: Outcome, update: Outcome, commit: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { holder, other }, async ({ holder, other }) => {
        held = await holder`BEGIN IMMEDIATE`
        await holder`SELECT n FROM counter`
        read = await holder`.read database.db`
        update = await other`UPDATE counter SET n = n + 1`
        await holder`UPDATE counter SET n = n + 1`
        commit = await holder`COMMIT`
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: to read the file does no harm: the other is still locked out', () => {
      expect(update.code).toBe('SQLITE_BUSY')
    })
    test('the other writes and commits, SQLITE_OK, while the holder believes that it is inside its transaction', () => {
      expect(update.code).toBe('SQLITE_OK')
      expect(read.inTransaction).toBe(true)
    })
    test('the holder commits as well, SQLITE_OK, and one of the two confirmed changes is lost: n is 1', () => {
      expect(commit.code).toBe('SQLITE_OK')
      expect(total.rows).toEqual([{ n: 1 }])
    })
    test.skipIf(!tellsLocks)('the holder holds RESERVED until it reads the file, and nothing afterwards (needs /proc)', () => {
      expect([held.locks, read.locks]).toEqual([['RESERVED'], []])
    })
  })

  describe('when the holder asks about the file, has it read by another process, opens and closes it, and copies it', {
    tags: ['q37'],
  }, () => {
    let stat: Outcome, exists: Outcome, cat: Outcome, open: Outcome, copy: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { holder, other }, async ({ holder, other }) => {
        await holder`BEGIN IMMEDIATE`
        await holder`.stat database.db`
        stat = await other`UPDATE counter SET n = n + 1`
        await holder`.exists database.db`
        exists = await other`UPDATE counter SET n = n + 1`
        await holder`.cat database.db`
        cat = await other`UPDATE counter SET n = n + 1`
        await holder`.open database.db`
        open = await other`UPDATE counter SET n = n + 1`
        await holder`ROLLBACK`
        await holder`BEGIN IMMEDIATE`
        await holder`.copy database.db`
        copy = await other`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other is turned away with SQLITE_BUSY after the holder has asked for the size', () => {
      expect(stat.code).toBe('SQLITE_BUSY')
    })
    test('the other is turned away with SQLITE_BUSY after the holder has asked whether the file exists', () => {
      expect(exists.code).toBe('SQLITE_BUSY')
    })
    test('the other is turned away with SQLITE_BUSY after a child process of the holder has read the whole file', () => {
      expect(cat.code).toBe('SQLITE_BUSY')
    })
    test('the other writes and commits, SQLITE_OK, after the holder has opened and closed the file, and read not a byte', () => {
      expect(open.code).toBe('SQLITE_OK')
    })
    test.fails('myth: to copy the file, it is enough to hold its write lock: that keeps the other out', () => {
      expect(copy.code).toBe('SQLITE_BUSY')
    })
    test('the other writes and commits, SQLITE_OK, after the holder has copied the file', () => {
      expect(copy.code).toBe('SQLITE_OK')
    })
  })
})

describe.skipIf(process.platform === 'win32')('A process that reads its own database file, write-ahead log (POSIX)', () => {
  const holder: Setting = { timeout: 0, program: 'looks-at-files.ts' }
  const other: Setting = { timeout: 0 }

  describe('when the holder of the lock reads the database, the -wal file and the -shm file', { tags: ['q37'] }, () => {
    let held: Outcome, database: Outcome, log: Outcome, memory: Outcome, story: Story
    let refused: Outcome, again: Outcome, update: Outcome, commit: Outcome, total: Outcome

    beforeAll(async () => {
      story = await contend('wal', { holder, other }, async ({ holder, other }) => {
        await holder`UPDATE counter SET n = 10`
        held = await holder`BEGIN IMMEDIATE`
        database = await holder`.read database.db`
        refused = await other`UPDATE counter SET n = n + 1`
        log = await holder`.read database.db-wal`
        again = await other`UPDATE counter SET n = n + 1`
        memory = await holder`.read database.db-shm`
        update = await other`UPDATE counter SET n = n + 1`
        await holder`UPDATE counter SET n = n + 1`
        commit = await holder`COMMIT`
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other is turned away with SQLITE_BUSY after the database is read, and after the -wal file is read', () => {
      expect([refused.code, again.code]).toEqual(['SQLITE_BUSY', 'SQLITE_BUSY'])
    })
    test.fails('myth: in WAL mode the holder may copy all three files, lock in hand', () => {
      expect(update.code).toBe('SQLITE_BUSY')
    })
    test('the other writes and commits, SQLITE_OK, after the -shm file is read', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
    test('the holder commits as well, SQLITE_OK, and one of the two confirmed changes is lost: n is 11', () => {
      expect(commit.code).toBe('SQLITE_OK')
      expect(total.rows).toEqual([{ n: 11 }])
    })
    test.skipIf(!tellsLocks)(
      'the holder loses SHARED with the database, nothing with the -wal file, and all the rest with the -shm file (needs /proc)',
      () => {
        expect([held.locks, database.locks, log.locks, memory.locks]).toEqual([
          ['SHARED', 'WRITE', 'READ(1)', 'DMS'],
          ['WRITE', 'READ(1)', 'DMS'],
          ['WRITE', 'READ(1)', 'DMS'],
          [],
        ])
      },
    )
  })
})
