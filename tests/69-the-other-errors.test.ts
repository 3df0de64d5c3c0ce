/**
 * Errors that are taken for "database is locked". "database table is locked" is SQLITE_LOCKED: a connection is in its own way, or in
 * that of one with which it shares a cache, and no timeout applies. SQLITE_BUSY_RECOVERY is "database is locked" like any other, and
 * the timeout applies. SQLITE_PROTOCOL is "locking protocol": a reader finds the header of the log's index half written, may not mend
 * it, for a writer is inside, and gives up after ten seconds of SQLite's own, whatever its timeout. A writer that is stopped half-way
 * through the header leaves it so; here another process changes one byte.
 *
 * Where something may only be read, locks are not the matter, and no timeout applies. In WAL mode the `-wal` and `-shm` files have
 * to be there, or to be created, even for a SELECT, unless it is with `immutable=1`: so the documentation says, and so it is. What it does
 * not say is the code: in a folder that one may only read it is SQLITE_READONLY_DIRECTORY, which is documented for those who write.
 *
 * https://sqlite.org/rescode.html#locked · https://sqlite.org/sharedcache.html · https://sqlite.org/rescode.html#busy_recovery ·
 * https://sqlite.org/rescode.html#protocol · https://sqlite.org/walformat.html#walidxfmt ·
 * https://sqlite.org/rescode.html#readonly_rollback · https://sqlite.org/lang_transaction.html · https://sqlite.org/wal.html#readonly ·
 * https://sqlite.org/rescode.html#readonly_directory
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { tellsLocks } from '../helpers/kernel.ts'
import { show } from '../helpers/show.ts'

const withoutPermissions = process.platform === 'win32' // which has others than POSIX

/** One holds the write lock when the index of its log becomes half written, and two newcomers read. */
async function readHalfWritten() {
  let ofHasty!: Outcome, ofPatient!: Outcome, after!: Outcome
  // Opened alike, for a contender is given as much patience as it is opened with; the hasty one gives up its timeout then.
  const newcomer = { timeout: 60_000 }
  const keeper = { timeout: 0, program: 'housekeeper.ts' }
  const cast = { holder: { timeout: 0 }, keeper, hasty: newcomer, patient: newcomer }
  const story = await contend('wal', cast, async ({ holder, keeper, hasty, patient }) => {
    await holder`BEGIN IMMEDIATE`
    await holder`UPDATE counter SET n = n + 1`
    await hasty`PRAGMA busy_timeout = 0`
    await keeper`.flip database.db-shm 56` // in the second copy of the header, which a writer writes before the first
    const hastily = hasty`SELECT n FROM counter`.mayAnswer('SQLITE_PROTOCOL')
    const patiently = patient`SELECT n FROM counter`.mayAnswer('SQLITE_PROTOCOL')
    ofHasty = await hastily
    ofPatient = await patiently
    await holder`COMMIT`
    after = await hasty`SELECT n FROM counter`
  })
  return { ofHasty, ofPatient, after, story }
}

/** It sleeps for ten seconds, so it begins with the chapter, goes on beside the other stories, and is told last. */
let halfWritten: ReturnType<typeof readHalfWritten>

beforeAll(() => {
  halfWritten = readHalfWritten()
  halfWritten.catch(() => {}) // awaited later
})
afterAll(() => Promise.allSettled([halfWritten]))

describe('A connection in its own way, five-second timeout, write-ahead log', () => {
  describe('when it drops a table in the middle of a SELECT from another, node:sqlite', { tags: ['q32', 'q38'] }, () => {
    let drop: Outcome, write: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const loner = { timeout: 5_000, driver: 'node:sqlite', program: 'iterator.ts' } as const
      story = await contend('wal', { loner }, async ({ loner }) => {
        await loner`CREATE TABLE diary (line TEXT)`
        await loner`.first SELECT n FROM counter`
        drop = await loner`DROP TABLE diary`
        write = await loner`UPDATE counter SET n = n + 1`
        await loner`.break`
        after = await loner`DROP TABLE diary`
      })
    })
    beforeEach((context) => show(context, story))

    test('the loner, though alone, is told "database table is locked", of a table that nobody reads', () => {
      expect(drop.message).toBe('database table is locked')
    })
    test.fails('myth: a busy timeout applies to "database table is locked"', () => {
      expect(drop.waited).toBeGreaterThanOrEqual(5_000)
    })
    test('the loner gets SQLITE_LOCKED at once, with most of its five seconds to spare', () => {
      expect(drop.code).toBe('SQLITE_LOCKED')
      expect(drop.waited).toBeLessThan(1_000)
    })
    test('the loner may write beside its own SELECT, to the very table it reads', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the loner drops the table once it has let the SELECT go', () => {
      expect(after.code).toBe('SQLITE_OK')
    })
  })

  describe('when it drops a table in the middle of a SELECT from another, better-sqlite3', { tags: ['q32'] }, () => {
    let drop: Outcome, story: Story

    beforeAll(async () => {
      const loner = { timeout: 5_000, driver: 'better-sqlite3', program: 'iterator.ts' } as const
      story = await contend('wal', { loner }, async ({ loner }) => {
        await loner`CREATE TABLE diary (line TEXT)`
        await loner`.first SELECT n FROM counter`
        drop = await loner`DROP TABLE diary`.mayAnswer('TypeError')
        await loner`.break`
      })
    })
    beforeEach((context) => show(context, story))

    test('better-sqlite3 does not ask SQLite: it throws a TypeError, "This database connection is busy executing a query"', () => {
      expect(drop.code).toBe('TypeError')
      expect(drop.message).toBe('This database connection is busy executing a query')
    })
  })

  describe('when it wants a checkpoint in the middle of its own SELECT', { tags: ['q32', 'q38'] }, () => {
    let checkpoint: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { loner: { timeout: 5_000, program: 'iterator.ts' } }, async ({ loner }) => {
        await loner`UPDATE counter SET n = n + 1`
        await loner`.first SELECT n FROM counter`
        checkpoint = await loner`PRAGMA wal_checkpoint(TRUNCATE)`
        await loner`.break`
        after = await loner`PRAGMA wal_checkpoint(TRUNCATE)`
      })
    })
    beforeEach((context) => show(context, story))

    test('the loner gets SQLITE_LOCKED at once, and its checkpoint when it has let the SELECT go', () => {
      expect(checkpoint.code).toBe('SQLITE_LOCKED')
      expect(checkpoint.waited).toBeLessThan(1_000)
      expect(after.rows).toMatchObject([{ busy: 0 }])
    })
  })

  describe('when another drops the table that it reads', { tags: ['q32'] }, () => {
    let drop: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 5_000, program: 'iterator.ts' }, other: { timeout: 5_000 } }
      story = await contend('wal', cast, async ({ reader, other }) => {
        await reader`.first SELECT n FROM counter`
        drop = await other`DROP TABLE counter`
        await reader`.break`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other, on a connection of its own, drops the table: SQLITE_OK', () => {
      expect(drop.code).toBe('SQLITE_OK')
    })
  })
})

describe('A connection in its own way, five-second timeout, rollback journal', () => {
  describe('when it drops a table in the middle of a SELECT from another, node:sqlite', { tags: ['q32'] }, () => {
    let drop: Outcome, story: Story

    beforeAll(async () => {
      const loner = { timeout: 5_000, driver: 'node:sqlite', program: 'iterator.ts' } as const
      story = await contend('delete', { loner }, async ({ loner }) => {
        await loner`CREATE TABLE diary (line TEXT)`
        await loner`.first SELECT n FROM counter`
        drop = await loner`DROP TABLE diary`
        await loner`.break`
      })
    })
    beforeEach((context) => show(context, story))

    test('the loner gets SQLITE_LOCKED at once, as in the write-ahead log', () => {
      expect(drop.code).toBe('SQLITE_LOCKED')
      expect(drop.waited).toBeLessThan(1_000)
    })
  })

  describe('when another drops the table that it reads', { tags: ['q32'] }, () => {
    let drop: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 5_000, program: 'iterator.ts' }, other: { timeout: 5_000 } }
      story = await contend('delete', cast, async ({ reader, other }) => {
        await reader`.first SELECT n FROM counter`
        const turn = other`DROP TABLE counter`
        await turn.blocks()
        await reader`.break`
        drop = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the other, on a connection of its own, waits until the SELECT is let go, and drops the table', () => {
      expect(drop.code).toBe('SQLITE_OK')
    })
  })
})

describe('Two connections of one process with a shared cache, five-second timeout, write-ahead log', () => {
  describe('when one is writing', { tags: ['q32'] }, () => {
    let read: Outcome, begin: Outcome, outside: Outcome, dirty: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const shared = { timeout: 5_000, driver: 'node:sqlite', uri: 'cache=shared', process: 'family' } as const
      const cast = { writer: shared, sibling: shared, outsider: { timeout: 0 } }
      story = await contend('wal', cast, async ({ writer, sibling, outsider }) => {
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        read = await sibling`SELECT n FROM counter`
        begin = await sibling`BEGIN IMMEDIATE`
        outside = await outsider`SELECT n FROM counter`
        await sibling`PRAGMA read_uncommitted = ON`
        dirty = await sibling`SELECT n FROM counter`
        await writer`ROLLBACK`
        after = await sibling`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: in the write-ahead log, a writer never keeps a reader out', () => {
      expect(read.code).toBe('SQLITE_OK')
    })
    test('the sibling that reads is turned away with SQLITE_LOCKED_SHAREDCACHE, "database table is locked: counter"', () => {
      expect(read.code).toBe('SQLITE_LOCKED_SHAREDCACHE')
      expect(read.message).toBe('database table is locked: counter')
    })
    test('an outsider reads beside the writer with SQLITE_OK', () => {
      expect(outside).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test.fails('myth: with a timeout, the sibling waits its turn', () => {
      expect(begin.waited).toBeGreaterThanOrEqual(5_000)
    })
    test('the sibling that says BEGIN IMMEDIATE is turned away with SQLITE_LOCKED_SHAREDCACHE at once', () => {
      expect(begin.code).toBe('SQLITE_LOCKED_SHAREDCACHE')
      expect(begin.waited).toBeLessThan(1_000)
    })
    test.fails('myth: nobody ever reads what another connection has not committed', () => {
      expect(dirty.rows).toEqual([{ n: 0 }])
    })
    test('the sibling with read_uncommitted is not refused, and reads the 1 that is never committed', () => {
      expect(dirty).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
      expect(after.rows).toEqual([{ n: 0 }])
    })
  })

  describe('when one is reading', { tags: ['q32', 'q38'] }, () => {
    let refused: Outcome, elsewhere: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      const shared = { timeout: 5_000, driver: 'node:sqlite', uri: 'cache=shared', process: 'family' } as const
      story = await contend('wal', { reader: shared, sibling: shared }, async ({ reader, sibling }) => {
        await reader`CREATE TABLE diary (line TEXT)`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        refused = await sibling`UPDATE counter SET n = n + 1`
        elsewhere = await sibling`INSERT INTO diary VALUES ('Dear diary')`
        await reader`COMMIT`
        repeated = await sibling`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the sibling gets SQLITE_LOCKED_SHAREDCACHE for the table that is read, and writes to another with SQLITE_OK', () => {
      expect(refused.code).toBe('SQLITE_LOCKED_SHAREDCACHE')
      expect(elsewhere.code).toBe('SQLITE_OK')
    })
    test('the sibling writes when the reader has left', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
  })

  describe('when the two are in processes of their own', { tags: ['q32'] }, () => {
    let begin: Outcome, story: Story

    beforeAll(async () => {
      const first = { timeout: 0, driver: 'node:sqlite', uri: 'cache=shared' } as const
      const other = { timeout: 100, driver: 'node:sqlite', uri: 'cache=shared' } as const
      story = await contend('wal', { first, other }, async ({ first, other }) => {
        await first`BEGIN IMMEDIATE`
        begin = await other`BEGIN IMMEDIATE`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other waits its whole timeout of 100 ms, and gets SQLITE_BUSY: no cache is shared between processes', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
      expect(begin.waited).toBeGreaterThanOrEqual(100)
    })
  })
})

describe('Two connections of one process with a shared cache, five-second timeout, rollback journal', () => {
  describe('when one is writing', { tags: ['q32'] }, () => {
    let read: Outcome, outside: Outcome, story: Story

    beforeAll(async () => {
      const shared = { timeout: 5_000, driver: 'node:sqlite', uri: 'cache=shared', process: 'family' } as const
      const cast = { writer: shared, sibling: shared, outsider: { timeout: 0 } }
      story = await contend('delete', cast, async ({ writer, sibling, outsider }) => {
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        read = await sibling`SELECT n FROM counter`
        outside = await outsider`SELECT n FROM counter`
        await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the sibling that reads gets SQLITE_LOCKED_SHAREDCACHE at once, where an outsider gets SQLITE_OK', () => {
      expect(read.code).toBe('SQLITE_LOCKED_SHAREDCACHE')
      expect(read.waited).toBeLessThan(1_000)
      expect(outside.code).toBe('SQLITE_OK')
    })
  })
})

describe('A transaction within a transaction, write-ahead log', () => {
  describe('when BEGIN IMMEDIATE is said in a transaction that has only begun', { tags: ['q23'] }, () => {
    let nested: Outcome, begin: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { nester: { timeout: 5_000 }, other: { timeout: 0 } }, async ({ nester, other }) => {
        await nester`BEGIN`
        nested = await nester`BEGIN IMMEDIATE`.mayAnswer('SQLITE_ERROR')
        begin = await other`BEGIN IMMEDIATE`
        await nester`UPDATE counter SET n = n + 1`
        await nester`COMMIT`
        total = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the nester gets SQLITE_ERROR, "cannot start a transaction within a transaction"', () => {
      expect(nested.code).toBe('SQLITE_ERROR')
      expect(nested.message).toBe('cannot start a transaction within a transaction')
    })
    test.fails('myth: a statement that fails has changed nothing', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('another who says BEGIN IMMEDIATE gets SQLITE_BUSY: the one that failed has taken the write lock', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
    test('the transaction of the nester goes on, and commits', () => {
      expect(nested).toMatchObject({ code: 'SQLITE_ERROR', inTransaction: true })
      expect(total.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when another writes', () => {
    let nested: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, stray: { timeout: 5_000 }, nester: { timeout: 100 } }
      story = await contend('wal', cast, async ({ writer, stray, nester }) => {
        await writer`BEGIN IMMEDIATE`
        commit = await stray`COMMIT`.mayAnswer('SQLITE_ERROR')
        await nester`BEGIN`
        nested = await nester`BEGIN IMMEDIATE`
      })
    })
    beforeEach((context) => show(context, story))

    test('the nester, who says BEGIN IMMEDIATE in a transaction, waits its 100 ms and gets SQLITE_BUSY, for what could never succeed', () => {
      expect(nested.code).toBe('SQLITE_BUSY')
      expect(nested.waited).toBeGreaterThanOrEqual(100)
    })
    test('a COMMIT outside a transaction waits for nobody: SQLITE_ERROR, "cannot commit - no transaction is active"', () => {
      expect(commit.code).toBe('SQLITE_ERROR')
      expect(commit.message).toBe('cannot commit - no transaction is active')
      expect(commit.waited).toBeLessThan(1_000)
    })
  })
})

describe('A transaction within a transaction, rollback journal', () => {
  describe('when BEGIN IMMEDIATE is said in a transaction that has only begun', { tags: ['q23'] }, () => {
    let nested: Outcome, begin: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { nester: { timeout: 5_000 }, other: { timeout: 0 } }, async ({ nester, other }) => {
        await nester`BEGIN`
        nested = await nester`BEGIN IMMEDIATE`.mayAnswer('SQLITE_ERROR')
        begin = await other`BEGIN IMMEDIATE`
      })
    })
    beforeEach((context) => show(context, story))

    test('the nester gets SQLITE_ERROR, and its transaction stays open', () => {
      expect(nested).toMatchObject({ code: 'SQLITE_ERROR', inTransaction: true })
    })
    test('another who says BEGIN IMMEDIATE gets SQLITE_BUSY: the one that failed has taken the write lock', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
  })
})

describe.skipIf(!tellsLocks)('After a crash, write-ahead log (needs /proc)', () => {
  describe('when one recovers the log that another has left behind', { tags: ['q33', 'q38'] }, () => {
    let recovery: Outcome, refused: Outcome, late: Outcome, read: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      const recoverer = { timeout: 0, program: 'crash.ts' }
      const cast = { recoverer, newcomer: { timeout: 0 }, late: { timeout: 100 }, waiter: { timeout: 5_000 } }
      story = await contend('wal', cast, async ({ recoverer, newcomer, late: hasty, waiter }) => {
        await recoverer`.crash PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF; CREATE TABLE ballast AS SELECT zeroblob(20000000)`
        recovery = await recoverer`.recover`
        refused = await newcomer`SELECT n FROM counter`
        late = await hasty`SELECT n FROM counter`
        const turn = waiter`SELECT n FROM counter`
        await turn.blocks()
        await recoverer`.resume`
        read = await turn
        repeated = await newcomer`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('whoever recovers, though it only reads, holds RECOVER, and with it WRITE and CKPT, beside its own SHARED and DMS', () => {
      expect(recovery.rows.map(({ lock }) => lock)).toEqual(['SHARED', 'WRITE', 'CKPT', 'RECOVER', 'DMS'])
    })
    test('a newcomer without a timeout is turned away with SQLITE_BUSY_RECOVERY, though it only wants to read', () => {
      expect(refused.code).toBe('SQLITE_BUSY_RECOVERY')
    })
    test('the message of SQLITE_BUSY_RECOVERY is "database is locked" too', () => {
      expect(refused.message).toBe('database is locked')
    })
    test('one with a timeout of 100 ms waits for the whole of it, and gets SQLITE_BUSY_RECOVERY', () => {
      expect(late.code).toBe('SQLITE_BUSY_RECOVERY')
      expect(late.waited).toBeGreaterThanOrEqual(100)
    })
    test.fails('myth: SQLITE_BUSY_RECOVERY is deaf to the timeout', () => {
      expect(read.code).toBe('SQLITE_BUSY_RECOVERY')
    })
    test('one with a timeout of five seconds waits until the log is recovered, and reads with SQLITE_OK', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test('the newcomer repeats its statement after that, and reads', () => {
      expect(repeated).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
  })
})

describe('After a crash, rollback journal', () => {
  describe('when the first who comes may only read', { tags: ['q30'] }, () => {
    let refused: Outcome, recovered: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      const crash = { timeout: 0, program: 'crash.ts' }
      const cast = { crash, reader: { timeout: 5_000, readonly: true }, writer: { timeout: 0 } }
      story = await contend('delete', cast, async ({ crash, reader, writer }) => {
        await crash`.crash PRAGMA synchronous = OFF; UPDATE counter SET n = 1; BEGIN IMMEDIATE; UPDATE counter SET n = 2`
        refused = await reader`SELECT n FROM counter`.mayAnswer('SQLITE_READONLY_ROLLBACK')
        recovered = await writer`SELECT n FROM counter`
        read = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: to read, a read-only connection is enough', () => {
      expect(refused.code).toBe('SQLITE_OK')
    })
    test('the reader gets SQLITE_READONLY_ROLLBACK: somebody has to roll back what the dead one has begun', () => {
      expect(refused.code).toBe('SQLITE_READONLY_ROLLBACK')
    })
    test('the message of SQLITE_READONLY_ROLLBACK is "attempt to write a readonly database", for a SELECT', () => {
      expect(refused.message).toBe('attempt to write a readonly database')
    })
    test('the timeout does not apply: the reader is turned away at once', () => {
      expect(refused.code).toBe('SQLITE_READONLY_ROLLBACK')
      expect(refused.waited).toBeLessThan(1_000)
    })
    test('a SELECT of a connection that may write rolls back, and reads the 1 that was committed', () => {
      expect(recovered.rows).toEqual([{ n: 1 }])
    })
    test('the reader reads the 1 after that', () => {
      expect(read.rows).toEqual([{ n: 1 }])
    })
  })
})

describe.skipIf(withoutPermissions)('What may only be read, rollback journal (needs POSIX permissions)', () => {
  describe('when the guest may write to the file, and not create another beside it', { tags: ['q30'] }, () => {
    let read: Outcome, begin: Outcome, update: Outcome, before: Outcome, after: Outcome, memory: Outcome, story: Story

    beforeAll(async () => {
      const cast = { keeper: { timeout: 0, program: 'housekeeper.ts' }, guest: { timeout: 5_000, program: 'guest.ts' } }
      story = await contend('delete', cast, async ({ keeper, guest }) => {
        await keeper`.chmod 666 database.db`
        await keeper`.chmod 555 .`
        read = await guest`SELECT n FROM counter`
        begin = await guest`BEGIN IMMEDIATE`
        update = await guest`UPDATE counter SET n = n + 1`.mayAnswer('SQLITE_READONLY_DIRECTORY')
        before = await keeper`BEGIN IMMEDIATE`
        await guest`ROLLBACK`
        after = await keeper`BEGIN IMMEDIATE`
        await keeper`ROLLBACK`
        await guest`PRAGMA journal_mode = MEMORY`
        memory = await guest`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the guest reads with SQLITE_OK', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test.fails('myth: permission to write to the file is permission to write to the database', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
    test('the guest that writes gets SQLITE_READONLY_DIRECTORY, "attempt to write a readonly database", at once', () => {
      expect(update.code).toBe('SQLITE_READONLY_DIRECTORY')
      expect(update.message).toBe('attempt to write a readonly database')
      expect(update.waited).toBeLessThan(1_000)
    })
    test('the guest got SQLITE_OK for its BEGIN IMMEDIATE, and until it rolls back the keeper gets SQLITE_BUSY', () => {
      expect(begin.code).toBe('SQLITE_OK')
      expect(update.inTransaction).toBe(true)
      expect([before.code, after.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test('the guest writes with journal_mode = MEMORY, which takes no file', () => {
      expect(memory.code).toBe('SQLITE_OK')
    })
  })

  describe('when the guest may create files, and not write to this one', { tags: ['q30'] }, () => {
    let begin: Outcome, update: Outcome, commit: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      const cast = { keeper: { timeout: 0, program: 'housekeeper.ts' }, guest: { timeout: 5_000, program: 'guest.ts' } }
      story = await contend('delete', cast, async ({ keeper, guest }) => {
        await keeper`.chmod 444 database.db`
        await keeper`.chmod 777 .`
        await keeper`BEGIN IMMEDIATE`
        await keeper`UPDATE counter SET n = n + 1`
        begin = await guest`BEGIN IMMEDIATE`
        update = await guest`UPDATE counter SET n = n + 1`.mayAnswer('SQLITE_READONLY')
        commit = await keeper`COMMIT`
        await guest`COMMIT`
        await keeper`COMMIT`
        await keeper`BEGIN EXCLUSIVE`
        const turn = guest`SELECT n FROM counter`
        await turn.blocks()
        await keeper`COMMIT`
        read = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the guest gets SQLITE_OK for its BEGIN IMMEDIATE beside a writer, and SQLITE_READONLY when it writes', () => {
      expect([begin.code, update.code]).toEqual(['SQLITE_OK', 'SQLITE_READONLY'])
    })
    test.fails('myth: one who may not write is in the way of nobody who writes', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the keeper is turned away at COMMIT with SQLITE_BUSY by the guest that reads', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
    })
    test('the guest waits for a lock as anybody does, and reads', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
  })

  describe('when a crash has left a journal in the folder', { tags: ['q30'] }, () => {
    let refused: Outcome, strict: Outcome, left: Outcome, read: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const guest = { timeout: 5_000, program: 'guest.ts' }
      const crash = { timeout: 0, program: 'crash.ts' }
      const cast = { keeper: { timeout: 0, program: 'housekeeper.ts' }, crash, guest, reader: { ...guest, readonly: true } }
      story = await contend('delete', cast, async ({ keeper, crash, guest, reader }) => {
        await keeper`.chmod 666 database.db`
        await crash`.crash PRAGMA synchronous = OFF; UPDATE counter SET n = 1; BEGIN IMMEDIATE; UPDATE counter SET n = 2`
        await keeper`.chmod 555 .`
        refused = await guest`SELECT n FROM counter`.mayAnswer('SQLITE_IOERR_DELETE')
        strict = await reader`SELECT n FROM counter`.mayAnswer('SQLITE_READONLY_ROLLBACK')
        left = await keeper`.ls`
        await keeper`.chmod 777 .`
        read = await guest`SELECT n FROM counter`
        after = await keeper`.ls`
      })
    })
    beforeEach((context) => show(context, story))

    test('the guest, who may write to the file, gets SQLITE_IOERR_DELETE, "disk I/O error", for a SELECT, at once', () => {
      expect(refused.code).toBe('SQLITE_IOERR_DELETE')
      expect(refused.message).toBe('disk I/O error')
      expect(refused.waited).toBeLessThan(1_000)
    })
    test('one that has opened it read-only gets SQLITE_READONLY_ROLLBACK', () => {
      expect(strict.code).toBe('SQLITE_READONLY_ROLLBACK')
    })
    test('the guest, once it may delete the journal, does so, and reads the 1 that was committed', () => {
      expect(left.rows).toEqual([{ file: 'database.db' }, { file: 'database.db-journal' }])
      expect(read.rows).toEqual([{ n: 1 }])
      expect(after.rows).toEqual([{ file: 'database.db' }])
    })
  })
})

describe.skipIf(withoutPermissions)('What may only be read, write-ahead log (needs POSIX permissions)', () => {
  describe('when the guest may not write in the folder, and nobody else is there', { tags: ['q30'] }, () => {
    let refused: Outcome, strict: Outcome, mode: Outcome, immutable: Outcome, left: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      const guest = { timeout: 5_000, program: 'guest.ts' }
      const believer = { ...guest, driver: 'node:sqlite', uri: 'immutable=1' } as const
      const cast = { keeper: { timeout: 0, program: 'housekeeper.ts' }, guest, reader: { ...guest, readonly: true }, believer }
      story = await contend('wal', cast, async ({ keeper, guest, reader, believer }) => {
        await keeper`.chmod 666 database.db`
        await keeper`.chmod 555 .`
        refused = await guest`SELECT n FROM counter`.mayAnswer('SQLITE_READONLY_DIRECTORY')
        strict = await reader`SELECT n FROM counter`.mayAnswer('SQLITE_READONLY_DIRECTORY')
        mode = await guest`PRAGMA journal_mode`.mayAnswer('SQLITE_READONLY_DIRECTORY')
        immutable = await believer`SELECT n FROM counter`
        left = await keeper`.ls`
        await keeper`.chmod 777 .`
        await keeper`UPDATE counter SET n = n + 1`
        await keeper`.chmod 555 .`
        read = await guest`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: one who only reads does not need permission to write', () => {
      expect(refused.code).toBe('SQLITE_OK')
    })
    test('the guest gets SQLITE_READONLY_DIRECTORY, "attempt to write a readonly database", for a SELECT, at once', () => {
      expect(refused.code).toBe('SQLITE_READONLY_DIRECTORY')
      expect(refused.message).toBe('attempt to write a readonly database')
      expect(refused.waited).toBeLessThan(1_000)
    })
    test('the guest cannot even ask for the journal_mode', () => {
      expect(mode.code).toBe('SQLITE_READONLY_DIRECTORY')
    })
    test('one that has opened it read-only gets SQLITE_READONLY_DIRECTORY too', () => {
      expect(strict.code).toBe('SQLITE_READONLY_DIRECTORY')
    })
    test('one that has opened it with immutable=1 reads with SQLITE_OK', () => {
      expect(immutable).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test('the guest reads when one who may write keeps the -wal and -shm files there', () => {
      expect(left.rows).toEqual([{ file: 'database.db' }])
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
  })

  describe('when a writer keeps the -wal and -shm files there, and the guest may read them', { tags: ['q30'] }, () => {
    let still: Outcome, during: Outcome, read: Outcome, begin: Outcome, update: Outcome, story: Story

    beforeAll(async () => {
      const cast = { keeper: { timeout: 0, program: 'housekeeper.ts' }, guest: { timeout: 5_000, program: 'guest.ts' } }
      story = await contend('wal', cast, async ({ keeper, guest }) => {
        await keeper`UPDATE counter SET n = 1`
        await keeper`.chmod 444 database.db`
        await keeper`.chmod 444 database.db-wal`
        await keeper`.chmod 444 database.db-shm`
        await keeper`.chmod 555 .`
        await guest`BEGIN`
        await guest`SELECT n FROM counter`
        await keeper`UPDATE counter SET n = 2`
        still = await guest`SELECT n FROM counter`
        during = await keeper`PRAGMA wal_checkpoint(TRUNCATE)`
        await guest`COMMIT`
        read = await guest`SELECT n FROM counter`
        begin = await guest`BEGIN IMMEDIATE`
        update = await guest`UPDATE counter SET n = 3`.mayAnswer('SQLITE_READONLY')
      })
    })
    beforeEach((context) => show(context, story))

    test('the guest keeps its snapshot while the keeper writes, and reads the change in its next transaction', () => {
      expect([still.rows, read.rows]).toEqual([[{ n: 1 }], [{ n: 2 }]])
    })
    test('the guest, as any reader, keeps the log from being emptied: busy is 1', () => {
      expect(during.rows).toMatchObject([{ busy: 1 }])
    })
    test('the guest gets SQLITE_OK for BEGIN IMMEDIATE, and SQLITE_READONLY when it writes', () => {
      expect([begin.code, update.code]).toEqual(['SQLITE_OK', 'SQLITE_READONLY'])
    })
  })

  describe('when a writer keeps the -wal and -shm files there, and the guest may write to them', { tags: ['q30'] }, () => {
    let write: Outcome, left: Outcome, late: Outcome, story: Story

    beforeAll(async () => {
      const guest = { timeout: 5_000, program: 'guest.ts' }
      const cast = { keeper: { timeout: 0, program: 'housekeeper.ts' }, writer: guest, guest }
      story = await contend('wal', cast, async ({ keeper, writer, guest }) => {
        await keeper`.chmod 666 database.db`
        await keeper`.chmod 777 .`
        await writer`UPDATE counter SET n = n + 1`
        await keeper`.chmod 555 .`
        write = await guest`UPDATE counter SET n = n + 1`
        await writer`.close`
        await guest`.close`
        left = await keeper`.ls`
        late = await guest`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: in a folder that one may only read, one may only read', () => {
      expect(write.code).toBe('SQLITE_READONLY_DIRECTORY')
    })
    test('the guest writes with SQLITE_OK: it has to create nothing', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the last to leave cannot delete the files, and who comes later writes too', () => {
      expect(left.rows).toEqual([{ file: 'database.db' }, { file: 'database.db-shm' }, { file: 'database.db-wal' }])
      expect(late.code).toBe('SQLITE_OK')
    })
  })

  describe('when the guest may create files, and not write to this one', { tags: ['q30'] }, () => {
    let read: Outcome, left: Outcome, refused: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      const cast = { keeper: { timeout: 0, program: 'housekeeper.ts' }, guest: { timeout: 5_000, program: 'guest.ts' } }
      story = await contend('wal', cast, async ({ keeper, guest }) => {
        await keeper`.chmod 444 database.db`
        await keeper`.chmod 777 .`
        read = await guest`SELECT n FROM counter`
        await guest`.close`
        left = await keeper`.ls`
        await keeper`.chmod 666 database.db`
        refused = await guest`UPDATE counter SET n = n + 1`.mayAnswer('SQLITE_READONLY')
        await guest`.close`
        await keeper`.chmod 666 database.db-shm`
        await keeper`.chmod 666 database.db-wal`
        write = await guest`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the guest reads with SQLITE_OK', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test.fails('myth: one who only reads leaves nothing behind', () => {
      expect(left.rows).toEqual([{ file: 'database.db' }])
    })
    test('the guest leaves the -wal and -shm files behind, though it was the last', () => {
      expect(left.rows).toEqual([{ file: 'database.db' }, { file: 'database.db-shm' }, { file: 'database.db-wal' }])
    })
    test('the guest gets SQLITE_READONLY when the file may be written to again: the two are as read-only as it was', () => {
      expect(refused.code).toBe('SQLITE_READONLY')
    })
    test('the guest writes when the two may be written to as well, SQLITE_OK', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
  })

  describe('when a crash has left the -wal and -shm files, and the guest may read them', { tags: ['q30'] }, () => {
    let read: Outcome, update: Outcome, story: Story

    beforeAll(async () => {
      const crash = { timeout: 0, program: 'crash.ts' }
      const guest = { timeout: 5_000, program: 'guest.ts' }
      const cast = { keeper: { timeout: 0, program: 'housekeeper.ts' }, crash, guest }
      story = await contend('wal', cast, async ({ keeper, crash, guest }) => {
        await crash`.crash UPDATE counter SET n = 1`
        await keeper`.chmod 444 database.db`
        await keeper`.chmod 444 database.db-wal`
        await keeper`.chmod 444 database.db-shm`
        await keeper`.chmod 555 .`
        read = await guest`SELECT n FROM counter`
        update = await guest`UPDATE counter SET n = 2`.mayAnswer('SQLITE_READONLY')
      })
    })
    beforeEach((context) => show(context, story))

    test('the guest reads the 1 that the dead one has committed', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
    test('the guest gets SQLITE_READONLY when it writes', () => {
      expect(update.code).toBe('SQLITE_READONLY')
    })
  })

  describe('when a writer keeps the -wal and -shm files there, and the guest may not read -shm', { tags: ['q30'] }, () => {
    let refused: Outcome, story: Story

    beforeAll(async () => {
      const cast = { keeper: { timeout: 0, program: 'housekeeper.ts' }, guest: { timeout: 5_000, program: 'guest.ts' } }
      story = await contend('wal', cast, async ({ keeper, guest }) => {
        await keeper`UPDATE counter SET n = n + 1`
        await keeper`.chmod 000 database.db-shm`
        await keeper`.chmod 555 .`
        refused = await guest`SELECT n FROM counter`.mayAnswer('SQLITE_CANTOPEN')
      })
    })
    beforeEach((context) => show(context, story))

    test('the guest gets SQLITE_CANTOPEN, "unable to open database file", at once', () => {
      expect(refused.code).toBe('SQLITE_CANTOPEN')
      expect(refused.message).toBe('unable to open database file')
      expect(refused.waited).toBeLessThan(1_000)
    })
  })
})

describe('The index of the log, half written, write-ahead log', () => {
  describe('when newcomers read while a writer is inside', { tags: ['q38'] }, () => {
    let ofHasty: Outcome, ofPatient: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      ;({ ofHasty, ofPatient, after, story } = await halfWritten)
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: whoever has no timeout is answered at once', () => {
      expect(ofHasty.waited).toBeLessThan(5_000)
    })
    test('the hasty one gets SQLITE_PROTOCOL, "locking protocol", after more than five seconds although its timeout is 0', () => {
      expect(ofHasty).toMatchObject({ code: 'SQLITE_PROTOCOL', message: 'locking protocol' })
      expect(ofHasty.waited).toBeGreaterThan(5_000)
    })
    test('the patient one gets SQLITE_PROTOCOL too, after more than five seconds, and long before its minute is over', () => {
      expect(ofPatient.code).toBe('SQLITE_PROTOCOL')
      expect(ofPatient.waited).toBeGreaterThan(5_000)
      expect(ofPatient.waited).toBeLessThan(60_000)
    })
    test('the hasty one repeats its SELECT when the holder has committed, and gets SQLITE_OK: n is 1', () => {
      expect(after).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
  })
})
