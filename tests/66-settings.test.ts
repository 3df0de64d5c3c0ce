/**
 * What is set, where, and for whom. The journal mode WAL is written into the file, and everybody finds it there; the busy timeout belongs
 * to the connection, and is gone with it. To switch to WAL is itself a contest: it waits for readers, and is turned away at once by a
 * writer, whatever the timeout. It is done once for a file, not at every start.
 *
 * https://sqlite.org/pragma.html#pragma_journal_mode · https://sqlite.org/wal.html#persistence_of_wal_mode ·
 * https://sqlite.org/pragma.html#pragma_locking_mode · https://sqlite.org/uri.html#uriimmutable
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { tellsLocks } from '../helpers/kernel.ts'
import { show } from '../helpers/show.ts'

describe('What belongs to the file, and what to the connection', { tags: ['q24'] }, () => {
  describe('when the first sets, and the other asks, write-ahead log', () => {
    let theirs: Outcome, sync: Outcome, mode: Outcome, refused: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`PRAGMA busy_timeout = 5000`
        theirs = await other`PRAGMA busy_timeout`
        await first`PRAGMA synchronous = OFF`
        sync = await other`PRAGMA synchronous`
        mode = await other`PRAGMA journal_mode`
        await first`BEGIN IMMEDIATE`
        refused = await other`BEGIN IMMEDIATE`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: busy_timeout is a property of the database', () => {
      expect(theirs.rows).toEqual([{ timeout: 5_000 }])
    })
    test('the other still has its timeout of 0', () => {
      expect(theirs.rows).toEqual([{ timeout: 0 }])
    })
    test('the other is turned away with SQLITE_BUSY at once, whatever the first has set', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeLessThan(1_000)
    })
    test('the synchronous of the first is not that of the other either', () => {
      expect(sync.rows).not.toEqual([{ synchronous: 0 }])
    })
    test('the other finds the journal mode wal, which it has never set', () => {
      expect(mode.rows).toEqual([{ journal_mode: 'wal' }])
    })
  })

  describe('when the first switches to WAL under another that is open', () => {
    let asked: Outcome, write: Outcome, after: Outcome, late: Outcome, story: Story

    beforeAll(async () => {
      const cast = { first: { timeout: 0 }, other: { timeout: 0 }, late: { timeout: 0 } }
      story = await contend('delete', cast, async (contenders) => {
        const { first, other } = contenders
        await other`SELECT n FROM counter`
        await first`PRAGMA journal_mode = wal`
        asked = await other`PRAGMA journal_mode`
        write = await other`UPDATE counter SET n = 1`
        after = await other`PRAGMA journal_mode`
        late = await contenders.late`PRAGMA journal_mode`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other, asked for its journal mode, still answers delete: it has not looked', () => {
      expect(asked.rows).toEqual([{ journal_mode: 'delete' }])
    })
    test('the other writes, and is in WAL mode with that', () => {
      expect(write.code).toBe('SQLITE_OK')
      expect(after.rows).toEqual([{ journal_mode: 'wal' }])
    })
    test('one who comes later finds the journal mode wal', () => {
      expect(late.rows).toEqual([{ journal_mode: 'wal' }])
    })
  })

  describe('when the first sets another kind of rollback journal', () => {
    let own: Outcome, theirs: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`PRAGMA journal_mode = truncate`
        own = await first`PRAGMA journal_mode`
        theirs = await other`PRAGMA journal_mode`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: every journal mode is stored in the file', () => {
      expect(theirs.rows).toEqual([{ journal_mode: 'truncate' }])
    })
    test('the first has truncate and the other delete: of the journal modes, only wal is stored', () => {
      expect(own.rows).toEqual([{ journal_mode: 'truncate' }])
      expect(theirs.rows).toEqual([{ journal_mode: 'delete' }])
    })
  })
})

describe('Switching to WAL, five-second timeout', { tags: ['q26'] }, () => {
  describe('when someone reads', () => {
    let newcomer: Outcome, mode: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, actor: { timeout: 5_000 }, newcomer: { timeout: 0 } }
      story = await contend('delete', cast, async (contenders) => {
        const { reader, actor } = contenders
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        const turn = actor`PRAGMA journal_mode = wal`
        await turn.blocks()
        newcomer = await contenders.newcomer`SELECT n FROM counter`
        await reader`COMMIT`
        mode = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the actor waits for the reader, and switches', () => {
      expect(mode).toMatchObject({ code: 'SQLITE_OK', rows: [{ journal_mode: 'wal' }] })
    })
    test('a newcomer who only wants to read is turned away with SQLITE_BUSY meanwhile', () => {
      expect(newcomer.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when someone writes', { tags: ['q25'] }, () => {
    let refused: Outcome, mode: Outcome, again: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 }, actor: { timeout: 0 } }, async ({ writer, actor }) => {
        await writer`BEGIN IMMEDIATE`
        await actor`PRAGMA busy_timeout = 5000`
        refused = await actor`PRAGMA journal_mode = wal`
        mode = await actor`PRAGMA journal_mode`
        await writer`COMMIT`
        again = await actor`PRAGMA journal_mode = wal`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: set busy_timeout first, then journal_mode = WAL, and it waits its turn', () => {
      expect(refused.code).toBe('SQLITE_OK')
    })
    test('the actor is turned away with SQLITE_BUSY', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the actor is turned away at once, with five seconds to spare', () => {
      expect(refused.waited).toBeLessThan(1_000)
    })
    test('the file is still in rollback-journal mode: whoever swallows the error goes on without WAL', () => {
      expect(mode.rows).toEqual([{ journal_mode: 'delete' }])
    })
    test('the same PRAGMA, said again when the writer has left, is SQLITE_OK', () => {
      expect(again).toMatchObject({ code: 'SQLITE_OK', rows: [{ journal_mode: 'wal' }] })
    })
  })

  describe('when it has been switched already, and someone writes', { tags: ['q25'] }, () => {
    let mode: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 0 }, actor: { timeout: 0 } }, async ({ writer, actor }) => {
        await writer`BEGIN IMMEDIATE`
        mode = await actor`PRAGMA journal_mode = wal`
      })
    })
    beforeEach((context) => show(context, story))

    test('the actor, even without a timeout, is not refused: there is nothing to switch', () => {
      expect(mode).toMatchObject({ code: 'SQLITE_OK', rows: [{ journal_mode: 'wal' }] })
    })
  })

  describe('when it is in a transaction', () => {
    let mode: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { actor: { timeout: 5_000 } }, async ({ actor }) => {
        await actor`BEGIN`
        mode = await actor`PRAGMA journal_mode = wal`.mayAnswer('SQLITE_ERROR')
      })
    })
    beforeEach((context) => show(context, story))

    test('the actor gets SQLITE_ERROR, and no lock error: "cannot change into wal mode from within a transaction"', () => {
      expect(mode).toMatchObject({ code: 'SQLITE_ERROR', message: 'cannot change into wal mode from within a transaction' })
    })
  })
})

describe('Switching to WAL, no timeout', { tags: ['q25', 'q26'] }, () => {
  describe('when someone reads, and the timeout is set after the journal mode', () => {
    let before: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, hasty: { timeout: 0 }, careful: { timeout: 0 } }
      story = await contend('delete', cast, async ({ reader, hasty, careful }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        before = await hasty`PRAGMA journal_mode = wal`
        await hasty`PRAGMA busy_timeout = 5000`
        await careful`PRAGMA busy_timeout = 5000`
        const turn = careful`PRAGMA journal_mode = wal`
        await turn.blocks()
        await reader`COMMIT`
        after = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the hasty one, who says journal_mode first, is turned away with SQLITE_BUSY', () => {
      expect(before.code).toBe('SQLITE_BUSY')
    })
    test('the careful one, who says busy_timeout first, waits for the reader, and switches', () => {
      expect(after).toMatchObject({ code: 'SQLITE_OK', rows: [{ journal_mode: 'wal' }] })
    })
  })
})

describe('Switching back from WAL, five-second timeout', { tags: ['q26'] }, () => {
  describe('when another connection has been used, and is idle', () => {
    let refused: Outcome, mode: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { idle: { timeout: 0 }, actor: { timeout: 5_000 } }, async ({ idle, actor }) => {
        await idle`SELECT n FROM counter`
        refused = await actor`PRAGMA journal_mode = delete`
        mode = await actor`PRAGMA journal_mode`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a connection that does nothing is in nobody’s way', () => {
      expect(refused.code).toBe('SQLITE_OK')
    })
    test('the actor is turned away with SQLITE_BUSY by one that does nothing', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the actor is turned away at once, with five seconds to spare', () => {
      expect(refused.waited).toBeLessThan(1_000)
    })
    test('the file stays in WAL mode', () => {
      expect(mode.rows).toEqual([{ journal_mode: 'wal' }])
    })
  })

  describe('when another connection is open, and has never been used', () => {
    let mode: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { unused: { timeout: 0 }, actor: { timeout: 5_000 } }, async ({ unused, actor }) => {
        await unused`BEGIN`
        mode = await actor`PRAGMA journal_mode = delete`
        read = await unused`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the actor switches back', () => {
      expect(mode).toMatchObject({ code: 'SQLITE_OK', rows: [{ journal_mode: 'delete' }] })
    })
    test('the unused one reads on, in the new mode', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
  })
})

describe('locking_mode = EXCLUSIVE, no timeout, rollback journal', { tags: ['q30'] }, () => {
  describe('when the holder reads, writes, and goes back to NORMAL', () => {
    let beside: Outcome, write: Outcome, shut: Outcome, set: Outcome, still: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { holder: { timeout: 0 }, other: { timeout: 0 } }, async ({ holder, other }) => {
        await holder`PRAGMA locking_mode = EXCLUSIVE`
        await holder`SELECT n FROM counter`
        beside = await other`SELECT n FROM counter`
        write = await other`UPDATE counter SET n = 5`
        await holder`UPDATE counter SET n = 1`
        shut = await other`SELECT n FROM counter`
        set = await holder`PRAGMA locking_mode = NORMAL`
        still = await other`SELECT n FROM counter`
        await holder`SELECT n FROM counter`
        after = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the holder has read, and others may read', () => {
      expect(beside.code).toBe('SQLITE_OK')
    })
    test('the holder has read, and nobody else can write: SQLITE_BUSY', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the holder has written, and nobody else can even read: SQLITE_BUSY', () => {
      expect(shut.code).toBe('SQLITE_BUSY')
    })
    test.fails('myth: PRAGMA locking_mode = NORMAL unlocks the file', () => {
      expect(still.code).toBe('SQLITE_OK')
    })
    test('the holder has said NORMAL, and others are turned away with SQLITE_BUSY until it next reads', () => {
      expect(set.rows).toEqual([{ locking_mode: 'normal' }])
      expect(still.code).toBe('SQLITE_BUSY')
    })
    test('the holder has read once more, and others may read', () => {
      expect(after.rows).toEqual([{ n: 1 }])
    })
  })
})

describe('locking_mode = EXCLUSIVE, no timeout, write-ahead log', { tags: ['q30'] }, () => {
  describe('when the holder has said it before its first statement', () => {
    let read: Outcome, normal: Outcome, still: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, other: { timeout: 0 } }, async ({ holder, other }) => {
        await holder`PRAGMA locking_mode = EXCLUSIVE`
        await holder`SELECT n FROM counter`
        read = await other`SELECT n FROM counter`
        normal = await holder`PRAGMA locking_mode = NORMAL`
        await holder`SELECT n FROM counter`
        still = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the holder has only read, and nobody else can read: SQLITE_BUSY', () => {
      expect(read.code).toBe('SQLITE_BUSY')
    })
    test('the holder cannot go back: to PRAGMA locking_mode = NORMAL it answers exclusive', () => {
      expect(normal.rows).toEqual([{ locking_mode: 'exclusive' }])
    })
    test('the others stay turned away with SQLITE_BUSY', () => {
      expect(still.code).toBe('SQLITE_BUSY')
    })
  })
})

describe('A read-only connection, no timeout, rollback journal', { tags: ['q30'] }, () => {
  describe('when it reads in a transaction', () => {
    let update: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0, readonly: true }, writer: { timeout: 0 } }
      story = await contend('delete', cast, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        update = await reader`UPDATE counter SET n = 1`.mayAnswer('SQLITE_READONLY')
        write = await writer`UPDATE counter SET n = 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader cannot write: SQLITE_READONLY, "attempt to write a readonly database"', () => {
      expect(update).toMatchObject({ code: 'SQLITE_READONLY', message: 'attempt to write a readonly database' })
    })
    test.fails('myth: a read-only connection locks nobody out', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the writer is turned away with SQLITE_BUSY, as by any other reader', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when it is opened as immutable', () => {
    let during: Outcome, after: Outcome, real: Outcome, update: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0, driver: 'node:sqlite', uri: 'immutable=1' }, writer: { timeout: 0 } } as const
      story = await contend('delete', cast, async ({ reader, writer }) => {
        await writer`BEGIN EXCLUSIVE`
        await writer`UPDATE counter SET n = 1`
        during = await reader`SELECT n FROM counter`
        await writer`COMMIT`
        after = await reader`SELECT n FROM counter`
        real = await writer`SELECT n FROM counter`
        update = await reader`UPDATE counter SET n = 2`.mayAnswer('SQLITE_READONLY')
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader reads beside one who has said BEGIN EXCLUSIVE', () => {
      expect(during).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test.fails('myth: immutable=1 only saves the locks', () => {
      expect(after.rows).toEqual([{ n: 1 }])
    })
    test('the reader reads 0 after the writer has committed 1, and goes on believing it', () => {
      expect(real.rows).toEqual([{ n: 1 }])
      expect(after.rows).toEqual([{ n: 0 }])
    })
    test('the reader cannot write: SQLITE_READONLY', () => {
      expect(update.code).toBe('SQLITE_READONLY')
    })
    test.skipIf(!tellsLocks)('the reader takes no lock at all (needs /proc)', () => {
      expect(during.locks).toEqual([])
    })
  })

  describe('when it is opened with nolock', () => {
    let read: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      const cast = { careless: { timeout: 0, driver: 'node:sqlite', uri: 'nolock=1' }, writer: { timeout: 0 } } as const
      story = await contend('delete', cast, async ({ careless, writer }) => {
        await writer`BEGIN EXCLUSIVE`
        read = await careless`SELECT n FROM counter`
        write = await careless`UPDATE counter SET n = 7`
      })
    })
    beforeEach((context) => show(context, story))

    test('the careless one reads and writes beside one who has said BEGIN EXCLUSIVE: nothing protects either', () => {
      expect(read.code).toBe('SQLITE_OK')
      expect(write.code).toBe('SQLITE_OK')
    })
  })
})

describe('A read-only connection, no timeout, write-ahead log', { tags: ['q30'] }, () => {
  describe('when it says BEGIN IMMEDIATE', () => {
    let immediate: Outcome, write: Outcome, update: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0, readonly: true }, writer: { timeout: 0 } }
      story = await contend('wal', cast, async ({ reader, writer }) => {
        immediate = await reader`BEGIN IMMEDIATE`
        write = await writer`UPDATE counter SET n = 1`
        update = await reader`UPDATE counter SET n = 2`.mayAnswer('SQLITE_READONLY')
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader is let in, and takes no write lock: the writer writes', () => {
      expect(immediate).toMatchObject({ code: 'SQLITE_OK', inTransaction: true })
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the reader cannot write, after BEGIN IMMEDIATE either: SQLITE_READONLY', () => {
      expect(update.code).toBe('SQLITE_READONLY')
    })
  })

  describe('when it is opened as immutable', () => {
    let after: Outcome, real: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0, driver: 'node:sqlite', uri: 'immutable=1' }, writer: { timeout: 0 } } as const
      story = await contend('wal', cast, async ({ reader, writer }) => {
        await writer`UPDATE counter SET n = 1`
        after = await reader`SELECT n FROM counter`
        real = await writer`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader, who has come after the COMMIT of 1, reads 0: it does not look into the log', () => {
      expect(real.rows).toEqual([{ n: 1 }])
      expect(after.rows).toEqual([{ n: 0 }])
    })
  })

  describe('when it is opened with nolock', () => {
    let read: Outcome, story: Story

    beforeAll(async () => {
      const cast = { careless: { timeout: 0, driver: 'node:sqlite', uri: 'nolock=1' } } as const
      story = await contend('wal', cast, async ({ careless }) => {
        read = await careless`SELECT n FROM counter`.mayAnswer('SQLITE_CANTOPEN')
      })
    })
    beforeEach((context) => show(context, story))

    test('the careless one cannot open the file: SQLITE_CANTOPEN, for a write-ahead log needs locks', () => {
      expect(read.code).toBe('SQLITE_CANTOPEN')
    })
  })
})
