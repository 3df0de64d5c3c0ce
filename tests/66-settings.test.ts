/**
 * What is set once and for all, and what every connection sets for itself. The file keeps one thing that matters here: that it is
 * in WAL mode. The timeout, the kind of rollback journal, `synchronous`, `wal_autocheckpoint` and `locking_mode` belong to the connection.
 *
 * The switch to WAL is a contest in itself, and where many processes open a fresh file, all of them take part. With `busy_timeout` said
 * before `journal_mode`, it waits for readers, for BEGIN EXCLUSIVE, and for another switch that waits. It does not wait for BEGIN
 * IMMEDIATE, nor for another switch that has begun in the same moment: of two processes that were made to, each with a timeout of five
 * seconds, one was turned away at once now and then. What is safe is to switch once, before anybody else comes, for
 * to say it again to a file in WAL mode contends with no writer; or to take SQLITE_BUSY from the switch for "try again".
 *
 * The documentation of `journal_mode` says that the original mode is returned if it could not be changed, and that it cannot be changed
 * while a transaction is active. Measured, both are true of one kind of rollback journal and another, once the transaction has
 * written; before that the kind changes. A switch to WAL or back that is not possible is an error.
 *
 * https://sqlite.org/pragma.html#pragma_busy_timeout · https://sqlite.org/pragma.html#pragma_journal_mode ·
 * https://sqlite.org/wal.html · https://sqlite.org/pragma.html#pragma_locking_mode · https://sqlite.org/uri.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { tellsLocks, tellsSleep } from '../helpers/kernel.ts'
import { show } from '../helpers/show.ts'
import { heldWaiting } from '../helpers/timeline.ts'

describe('What belongs to the file, what to the connection, write-ahead log', () => {
  describe('when one sets its busy_timeout and the other does not', { tags: ['q24'] }, () => {
    let set: Outcome, unset: Outcome, refused: Outcome, update: Outcome, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, first: { timeout: 0 }, other: { timeout: 0 } }
      story = await contend('wal', cast, async ({ holder, first, other }) => {
        await holder`BEGIN IMMEDIATE`
        set = await first`PRAGMA busy_timeout = 5000`
        unset = await other`PRAGMA busy_timeout`
        refused = await other`UPDATE counter SET n = n + 1`
        const turn = first`UPDATE counter SET n = n + 1`
        await turn.blocks()
        await holder`COMMIT`
        update = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: busy_timeout is a setting of the database, and holds for every connection', () => {
      expect(unset.rows).toEqual([{ timeout: 5000 }])
    })
    test('the other connection still has a timeout of 0, when the first has 5000', () => {
      expect([set.rows, unset.rows]).toEqual([[{ timeout: 5000 }], [{ timeout: 0 }]])
    })
    test('the other is turned away by the holder with SQLITE_BUSY at once', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeLessThan(1_000)
    })
    test('the first waits for the holder, and writes', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
  })

  describe('when the settings of one are not those of the other', { tags: ['q24'] }, () => {
    let synchronous: Outcome, checkpoint: Outcome, locking: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await other`PRAGMA synchronous = EXTRA`
        await other`PRAGMA wal_autocheckpoint = 500`
        await first`PRAGMA synchronous = OFF`
        await first`PRAGMA wal_autocheckpoint = 7`
        await first`PRAGMA locking_mode = EXCLUSIVE`
        synchronous = await other`PRAGMA synchronous`
        checkpoint = await other`PRAGMA wal_autocheckpoint`
        locking = await other`PRAGMA locking_mode`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other keeps its own synchronous, wal_autocheckpoint and locking_mode, whatever the first has set', () => {
      expect(synchronous.rows).toEqual([{ synchronous: 3 }])
      expect(checkpoint.rows).toEqual([{ wal_autocheckpoint: 500 }])
      expect(locking.rows).toEqual([{ locking_mode: 'normal' }])
    })
  })

  describe('when the file is in WAL mode, and the newcomer asks for WAL while another writes', { tags: ['q25', 'q26'] }, () => {
    let mode: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 0 }, newcomer: { timeout: 0 } }, async ({ writer, newcomer }) => {
        await writer`BEGIN EXCLUSIVE`
        await writer`UPDATE counter SET n = n + 1`
        mode = await newcomer`PRAGMA journal_mode`
        repeated = await newcomer`PRAGMA journal_mode = WAL`
        await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: every connection has to switch to WAL for itself', () => {
      expect(mode.rows).toEqual([{ journal_mode: 'delete' }])
    })
    test('the newcomer finds the mode in the file: wal', () => {
      expect(mode.rows).toEqual([{ journal_mode: 'wal' }])
    })
    test('the newcomer that sets WAL again gets SQLITE_OK beside the writer, without a timeout', () => {
      expect(repeated).toMatchObject({ code: 'SQLITE_OK', rows: [{ journal_mode: 'wal' }] })
    })
  })
})

describe('What belongs to the file, what to the connection, rollback journal', () => {
  describe('when one sets its busy_timeout and the other does not', { tags: ['q24'] }, () => {
    let refused: Outcome, update: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`PRAGMA busy_timeout = 5000`
        await first`BEGIN IMMEDIATE`
        refused = await other`UPDATE counter SET n = n + 1`
        await first`COMMIT`
        await other`BEGIN IMMEDIATE`
        const turn = first`UPDATE counter SET n = n + 1`
        await turn.blocks()
        await other`ROLLBACK`
        update = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the other is turned away by the first with SQLITE_BUSY at once', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeLessThan(1_000)
    })
    test('the first waits for the other, and writes', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
  })

  describe('when one changes to another rollback journal while the other writes', { tags: ['q24', 'q26'] }, () => {
    let truncate: Outcome, persist: Outcome, memory: Outcome, mode: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { one: { timeout: 0 }, writer: { timeout: 0 } }, async ({ one, writer }) => {
        await writer`BEGIN IMMEDIATE`
        truncate = await one`PRAGMA journal_mode = TRUNCATE`
        persist = await one`PRAGMA journal_mode = PERSIST`
        memory = await one`PRAGMA journal_mode = MEMORY`
        await writer`COMMIT`
        mode = await writer`PRAGMA journal_mode`
      })
    })
    beforeEach((context) => show(context, story))

    test('one changes to TRUNCATE, PERSIST and MEMORY, and is not refused: it is its own affair', () => {
      expect(truncate.rows).toEqual([{ journal_mode: 'truncate' }])
      expect(persist.rows).toEqual([{ journal_mode: 'persist' }])
      expect(memory.rows).toEqual([{ journal_mode: 'memory' }])
    })
    test.fails('myth: a journal_mode, once set, holds for every connection', () => {
      expect(mode.rows).toEqual([{ journal_mode: 'memory' }])
    })
    test('the writer still has delete: the kind of rollback journal belongs to the connection', () => {
      expect(mode.rows).toEqual([{ journal_mode: 'delete' }])
    })
  })

  describe('when one switches the file to WAL, and the other has used it before', { tags: ['q24', 'q26'] }, () => {
    let mode: Outcome, stale: Outcome, read: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const cast = { switcher: { timeout: 0 }, other: { timeout: 0 } }
      story = await contend('delete', cast, async ({ switcher, other }) => {
        await other`SELECT n FROM counter`
        mode = await switcher`PRAGMA journal_mode = WAL`
        stale = await other`PRAGMA journal_mode`
        await switcher`BEGIN IMMEDIATE`
        read = await other`SELECT n FROM counter`
        after = await other`PRAGMA journal_mode`
        await switcher`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the switch does not mind a connection that is merely open', () => {
      expect(mode).toMatchObject({ code: 'SQLITE_OK', rows: [{ journal_mode: 'wal' }] })
    })
    test('the other, until it reads, still believes in delete', () => {
      expect(stale.rows).toEqual([{ journal_mode: 'delete' }])
    })
    test('the other notices the switch when it reads, and goes on in wal beside a writer, without having been opened again', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
      expect(after.rows).toEqual([{ journal_mode: 'wal' }])
    })
  })
})

describe('Switching to WAL, no database yet', () => {
  describe('when one creates the tables, and another comes to switch', { tags: ['q25'] }, () => {
    let before: Outcome, after: Outcome, mode: Outcome, repeated: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('none', { creator: { timeout: 0 }, newcomer: { timeout: 0 } }, async ({ creator, newcomer }) => {
        await creator`BEGIN IMMEDIATE`
        await creator`CREATE TABLE counter (n INTEGER NOT NULL)`
        before = await newcomer`PRAGMA journal_mode = WAL`
        await newcomer`PRAGMA busy_timeout = 5000`
        after = await newcomer`PRAGMA journal_mode = WAL`
        await creator`COMMIT`
        mode = await newcomer`PRAGMA journal_mode`
        repeated = await newcomer`PRAGMA journal_mode = WAL`
        write = await newcomer`INSERT INTO counter VALUES (1)`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: where many open a fresh file, it is enough to say busy_timeout before journal_mode', () => {
      expect(after.code).toBe('SQLITE_OK')
    })
    test('the newcomer that has said busy_timeout first is turned away with SQLITE_BUSY, at once', () => {
      expect(after.code).toBe('SQLITE_BUSY')
      expect(after.waited).toBeLessThan(1_000)
    })
    test('the newcomer that says journal_mode first is turned away just so', () => {
      expect(before.code).toBe('SQLITE_BUSY')
    })
    test('the newcomer finds delete after the COMMIT: what it was refused has not happened later', () => {
      expect(mode.rows).toEqual([{ journal_mode: 'delete' }])
    })
    test('the newcomer that takes SQLITE_BUSY for "try again" switches, and writes to the table of the creator', () => {
      expect(repeated.rows).toEqual([{ journal_mode: 'wal' }])
      expect(write.code).toBe('SQLITE_OK')
    })
  })

  describe('when one creates the tables under BEGIN EXCLUSIVE, and another comes to switch', { tags: ['q25'] }, () => {
    let before: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('none', { creator: { timeout: 0 }, newcomer: { timeout: 0 } }, async ({ creator, newcomer }) => {
        await creator`BEGIN EXCLUSIVE`
        await creator`CREATE TABLE counter (n INTEGER NOT NULL)`
        before = await newcomer`PRAGMA journal_mode = WAL`
        await newcomer`PRAGMA busy_timeout = 5000`
        const turn = newcomer`PRAGMA journal_mode = WAL`
        await turn.blocks()
        await creator`COMMIT`
        after = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the newcomer that says journal_mode before busy_timeout is turned away with SQLITE_BUSY', () => {
      expect(before.code).toBe('SQLITE_BUSY')
    })
    test('the newcomer that says busy_timeout before journal_mode waits until the creator has left, and switches', () => {
      expect(after.rows).toEqual([{ journal_mode: 'wal' }])
    })
  })

  describe('when two come to switch while a third reads', { tags: ['q25'] }, () => {
    let before: Outcome, behind: Outcome, after: Outcome[], story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, first: { timeout: 0 }, other: { timeout: 0 } }
      story = await contend('none', cast, async ({ reader, first, other }) => {
        await reader`BEGIN`
        await reader`SELECT count(*) AS tables FROM sqlite_schema`
        before = await first`PRAGMA journal_mode = WAL`
        await first`PRAGMA busy_timeout = 5000`
        const turn = first`PRAGMA journal_mode = WAL`
        await turn.blocks()
        behind = await other`PRAGMA journal_mode = WAL`
        await other`PRAGMA busy_timeout = 5000`
        const next = other`PRAGMA journal_mode = WAL`
        await next.blocks()
        await reader`COMMIT`
        after = [await turn, await next]
      })
    })
    beforeEach((context) => show(context, story))

    test('the first, with journal_mode before busy_timeout, is turned away by the reader with SQLITE_BUSY', () => {
      expect(before.code).toBe('SQLITE_BUSY')
    })
    test('the other, with journal_mode before busy_timeout, is turned away with SQLITE_BUSY by the first, who waits', () => {
      expect(behind.code).toBe('SQLITE_BUSY')
    })
    test('both, with busy_timeout before journal_mode, wait until the reader has left, and get wal', () => {
      expect(after.map(({ rows }) => rows)).toEqual([[{ journal_mode: 'wal' }], [{ journal_mode: 'wal' }]])
    })
    test.skipIf(!(tellsLocks && tellsSleep))(
      'the first waits with PENDING, which lets no other in, and the other with nothing (needs /proc)',
      () => {
        expect(heldWaiting(story, 'first')).toEqual([['PENDING']])
        expect(heldWaiting(story, 'other')).toEqual([[]])
      },
    )
  })

  describe('when two switch who are both inside, as if they had come in the same moment', { tags: ['q25'] }, () => {
    let held: Outcome, refused: Outcome, switched: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      const cast = { first: { timeout: 5_000 }, other: { timeout: 5_000 } }
      story = await contend('none', cast, async ({ first, other }) => {
        await other`PRAGMA locking_mode = EXCLUSIVE`
        held = await other`SELECT count(*) AS tables FROM sqlite_schema`
        const turn = first`PRAGMA journal_mode = WAL`
        await turn.blocks()
        refused = await other`PRAGMA journal_mode = WAL`
        await other`PRAGMA locking_mode = NORMAL`
        await other`SELECT count(*) AS tables FROM sqlite_schema`
        switched = await turn
        repeated = await other`PRAGMA journal_mode = WAL`
      })
    })
    beforeEach((context) => show(context, story))

    test.skipIf(!tellsLocks)('the other has SHARED, which locking_mode = EXCLUSIVE keeps (needs /proc)', () => {
      expect(held.locks).toEqual(['SHARED'])
    })
    test.fails('myth: with a timeout, one switch waits for another that is already inside', () => {
      expect(refused.code).toBe('SQLITE_OK')
    })
    test('the other is turned away with SQLITE_BUSY, at once, with five seconds to spare', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeLessThan(1_000)
    })
    test('the first goes on to switch when the other has let go of its lock', () => {
      expect(switched.rows).toEqual([{ journal_mode: 'wal' }])
    })
    test('the other gets wal when it tries again', () => {
      expect(repeated.rows).toEqual([{ journal_mode: 'wal' }])
    })
  })

  describe('when one switches, and another who has read goes on to create the tables', { tags: ['q25'] }, () => {
    let create: Outcome, mode: Outcome, late: Outcome, story: Story

    beforeAll(async () => {
      const cast = { creator: { timeout: 5_000 }, switcher: { timeout: 5_000 }, third: { timeout: 5_000 } }
      story = await contend('none', cast, async ({ creator, switcher, third }) => {
        await creator`BEGIN`
        await creator`SELECT count(*) AS tables FROM sqlite_schema`
        const turn = switcher`PRAGMA journal_mode = WAL`
        await turn.blocks()
        const door = third`CREATE TABLE IF NOT EXISTS counter (n INTEGER NOT NULL)`
        await door.blocks()
        create = await creator`CREATE TABLE IF NOT EXISTS counter (n INTEGER NOT NULL)`
        await creator`ROLLBACK`
        mode = await turn
        late = await door
      })
    })
    beforeEach((context) => show(context, story))

    test('the creator is turned away with SQLITE_BUSY, at once, and its transaction stays open', () => {
      expect(create).toMatchObject({ code: 'SQLITE_BUSY', inTransaction: true })
      expect(create.waited).toBeLessThan(1_000)
    })
    test('the switcher waits until the creator rolls back, and switches', () => {
      expect(mode.rows).toEqual([{ journal_mode: 'wal' }])
    })
    test('a third, who creates the table without reading first, waits for the switch, and creates it', () => {
      expect(late.code).toBe('SQLITE_OK')
    })
  })

  describe('when the switcher waits in vain', { tags: ['q25'] }, () => {
    let refused: Outcome, pages: Outcome, left: Outcome, create: Outcome, mode: Outcome, story: Story

    beforeAll(async () => {
      const reader = { timeout: 0, program: 'housekeeper.ts' }
      story = await contend('none', { reader, switcher: { timeout: 100 } }, async ({ reader, switcher }) => {
        await reader`BEGIN`
        await reader`SELECT count(*) AS tables FROM sqlite_schema`
        refused = await switcher`PRAGMA journal_mode = WAL`
        pages = await switcher`PRAGMA page_count`
        left = await reader`.ls`
        await reader`COMMIT`
        create = await reader`CREATE TABLE counter (n INTEGER NOT NULL)`
        mode = await switcher`PRAGMA journal_mode`
      })
    })
    beforeEach((context) => show(context, story))

    test('the switcher gets SQLITE_BUSY after its whole timeout of 100 ms', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeGreaterThanOrEqual(100)
    })
    test('the refused switch leaves nothing behind: a database of no pages, and no file beside it', () => {
      expect(pages.rows).toEqual([{ page_count: 0 }])
      expect(left.rows).toEqual([{ file: 'database.db' }])
    })
    test('the reader creates a table then, in delete mode', () => {
      expect(create.code).toBe('SQLITE_OK')
      expect(mode.rows).toEqual([{ journal_mode: 'delete' }])
    })
  })

  describe('when four come to switch while one creates the tables, and all insist', { tags: ['q25'] }, () => {
    let refused: Outcome[], switched: Outcome[], story: Story

    beforeAll(async () => {
      const insistent = { timeout: 5_000, program: 'insistent.ts' }
      const cast = { creator: { timeout: 5_000 }, ann: insistent, bob: insistent, cay: insistent, dan: insistent }
      story = await contend('none', cast, async ({ creator, ann, bob, cay, dan }) => {
        await creator`BEGIN IMMEDIATE`
        refused = [
          await ann`PRAGMA journal_mode = WAL`,
          await bob`PRAGMA journal_mode = WAL`,
          await cay`PRAGMA journal_mode = WAL`,
          await dan`PRAGMA journal_mode = WAL`,
        ]
        const turns = [
          ann`.insist PRAGMA journal_mode = WAL`,
          bob`.insist PRAGMA journal_mode = WAL`,
          cay`.insist PRAGMA journal_mode = WAL`,
          dan`.insist PRAGMA journal_mode = WAL`,
        ]
        await creator`CREATE TABLE counter (n INTEGER NOT NULL)`
        await creator`COMMIT`
        switched = await Promise.all(turns)
      })
    })
    beforeEach((context) => show(context, story))

    test('all four are turned away with SQLITE_BUSY as long as the creator is inside', () => {
      expect(refused.map(({ code }) => code)).toEqual(['SQLITE_BUSY', 'SQLITE_BUSY', 'SQLITE_BUSY', 'SQLITE_BUSY'])
    })
    test('all four get wal, asking again after each refusal', () => {
      const wal = [{ journal_mode: 'wal' }]
      expect(switched.map(({ rows }) => rows)).toEqual([wal, wal, wal, wal])
    })
  })
})

describe('Switching to WAL, rollback journal', () => {
  describe('when another writes', { tags: ['q26'] }, () => {
    let refused: Outcome, mode: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 }, newcomer: { timeout: 5_000 } }, async ({ writer, newcomer }) => {
        await writer`BEGIN IMMEDIATE`
        refused = await newcomer`PRAGMA journal_mode = WAL`
        mode = await newcomer`PRAGMA journal_mode`
        await writer`COMMIT`
        repeated = await newcomer`PRAGMA journal_mode = WAL`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: with a timeout, the switch to WAL waits for a writer', () => {
      expect(refused.code).toBe('SQLITE_OK')
    })
    test('the newcomer is turned away with SQLITE_BUSY, at once, with most of its five seconds to spare', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeLessThan(1_000)
    })
    test.fails('myth: a switch that is not possible is no error, the pragma returns the original mode', () => {
      expect(refused.rows).toEqual([{ journal_mode: 'delete' }])
    })
    test('the refused pragma returns no row: SQLITE_BUSY is an error, and leaves the file as it was', () => {
      expect(refused).toMatchObject({ code: 'SQLITE_BUSY', rows: [] })
      expect(mode.rows).toEqual([{ journal_mode: 'delete' }])
    })
    test('the newcomer switches when it asks again after the COMMIT', () => {
      expect(repeated.rows).toEqual([{ journal_mode: 'wal' }])
    })
  })

  describe('when another writes under BEGIN EXCLUSIVE', { tags: ['q26'] }, () => {
    let mode: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 }, newcomer: { timeout: 5_000 } }, async ({ writer, newcomer }) => {
        await writer`BEGIN EXCLUSIVE`
        const turn = newcomer`PRAGMA journal_mode = WAL`
        await turn.blocks()
        await writer`COMMIT`
        mode = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the newcomer, who does not wait for BEGIN IMMEDIATE, waits for BEGIN EXCLUSIVE, and switches', () => {
      expect(mode.rows).toEqual([{ journal_mode: 'wal' }])
    })
  })

  describe('when another reads', { tags: ['q26'] }, () => {
    let third: Outcome, mode: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, newcomer: { timeout: 5_000 }, third: { timeout: 0 } }
      story = await contend('delete', cast, async ({ reader, newcomer, third: late }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        const turn = newcomer`PRAGMA journal_mode = WAL`
        await turn.blocks()
        third = await late`SELECT n FROM counter`
        await reader`COMMIT`
        mode = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the newcomer waits until the reader has left, and switches', () => {
      expect(mode.rows).toEqual([{ journal_mode: 'wal' }])
    })
    test('a third who comes to read while the switch waits is turned away with SQLITE_BUSY', () => {
      expect(third.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when the reader stays for longer than the timeout', { tags: ['q26'] }, () => {
    let refused: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, newcomer: { timeout: 100 } }, async ({ reader, newcomer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        refused = await newcomer`PRAGMA journal_mode = WAL`
        await reader`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the newcomer is turned away with SQLITE_BUSY after its whole timeout of 100 ms', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeGreaterThanOrEqual(100)
      expect(refused.waited).toBeLessThan(5_000)
    })
  })

  describe('when it is said inside a transaction', { tags: ['q26'] }, () => {
    let wal: Outcome, truncate: Outcome, persist: Outcome, mode: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 5_000 } }, async ({ writer }) => {
        await writer`BEGIN IMMEDIATE`
        wal = await writer`PRAGMA journal_mode = WAL`.mayAnswer('SQLITE_ERROR')
        truncate = await writer`PRAGMA journal_mode = TRUNCATE`
        await writer`UPDATE counter SET n = n + 1`
        persist = await writer`PRAGMA journal_mode = PERSIST`
        await writer`COMMIT`
        mode = await writer`PRAGMA journal_mode`
      })
    })
    beforeEach((context) => show(context, story))

    test('the switch to WAL is refused with SQLITE_ERROR: "cannot change into wal mode from within a transaction", and it goes on', () => {
      expect(wal.code).toBe('SQLITE_ERROR')
      expect(wal.message).toBe('cannot change into wal mode from within a transaction')
      expect(wal.inTransaction).toBe(true)
    })
    test.fails('myth: the journal_mode cannot be changed while a transaction is active', () => {
      expect(truncate.rows).toEqual([{ journal_mode: 'delete' }])
    })
    test('the writer changes to TRUNCATE in a transaction that has not written yet', () => {
      expect(truncate.rows).toEqual([{ journal_mode: 'truncate' }])
    })
    test('the writer that has written asks for PERSIST, is answered with truncate, which is no error, and keeps it', () => {
      expect(persist).toMatchObject({ code: 'SQLITE_OK', rows: [{ journal_mode: 'truncate' }] })
      expect(mode.rows).toEqual([{ journal_mode: 'truncate' }])
    })
  })
})

describe('Switching back to DELETE, write-ahead log', () => {
  describe('when another reads', { tags: ['q26', 'q35'] }, () => {
    let refused: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { reader: { timeout: 0 }, switcher: { timeout: 5_000 } }, async ({ reader, switcher }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        refused = await switcher`PRAGMA journal_mode = DELETE`
      })
    })
    beforeEach((context) => show(context, story))

    test('the switcher is turned away with SQLITE_BUSY at once: the timeout is not for this', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeLessThan(1_000)
    })
  })

  describe('when another connection is open, and idle', { tags: ['q26'] }, () => {
    let refused: Outcome, mode: Outcome, write: Outcome, alone: Outcome, story: Story

    beforeAll(async () => {
      const cast = { idle: { timeout: 5_000, process: 'idle' }, switcher: { timeout: 5_000 } }
      story = await contend('wal', cast, async ({ idle, switcher }) => {
        await idle`SELECT n FROM counter`
        refused = await switcher`PRAGMA journal_mode = DELETE`
        mode = await switcher`PRAGMA journal_mode`
        write = await idle`UPDATE counter SET n = n + 1`
        await idle`.close`
        alone = await switcher`PRAGMA journal_mode = DELETE`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a connection that is in no transaction is in the way of nobody', () => {
      expect(refused.code).toBe('SQLITE_OK')
    })
    test('the switcher is turned away with SQLITE_BUSY', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the switcher is turned away at once, with most of its five seconds to spare', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeLessThan(1_000)
    })
    test('the file stays as it was, wal, and the idle one writes as before', () => {
      expect(mode.rows).toEqual([{ journal_mode: 'wal' }])
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the switcher gets delete when the idle one has closed its connection', () => {
      expect(alone.rows).toEqual([{ journal_mode: 'delete' }])
    })
  })

  describe('when another writes', { tags: ['q26'] }, () => {
    let refused: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 5_000 }, switcher: { timeout: 5_000 } }, async ({ writer, switcher }) => {
        await writer`BEGIN IMMEDIATE`
        refused = await switcher`PRAGMA journal_mode = DELETE`
        await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the switcher does not wait for the writer: it is turned away with SQLITE_BUSY at once', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeLessThan(1_000)
    })
  })

  describe('when another connection is open, and has not used the file yet', { tags: ['q24', 'q26'] }, () => {
    let mode: Outcome, found: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { opened: { timeout: 0 }, switcher: { timeout: 0 } }, async ({ opened, switcher }) => {
        await opened`PRAGMA busy_timeout`
        mode = await switcher`PRAGMA journal_mode = DELETE`
        found = await opened`PRAGMA journal_mode`
      })
    })
    beforeEach((context) => show(context, story))

    test('the switcher succeeds, for to open a connection touches nothing, and the other finds delete', () => {
      expect(mode.rows).toEqual([{ journal_mode: 'delete' }])
      expect(found.rows).toEqual([{ journal_mode: 'delete' }])
    })
  })

  describe('when it is said inside a transaction', { tags: ['q26'] }, () => {
    let refused: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 5_000 } }, async ({ writer }) => {
        await writer`BEGIN`
        refused = await writer`PRAGMA journal_mode = DELETE`.mayAnswer('SQLITE_ERROR')
      })
    })
    beforeEach((context) => show(context, story))

    test('the switch is refused with SQLITE_ERROR: "cannot change out of wal mode from within a transaction"', () => {
      expect(refused.code).toBe('SQLITE_ERROR')
      expect(refused.message).toBe('cannot change out of wal mode from within a transaction')
    })
  })
})

describe('locking_mode = EXCLUSIVE, write-ahead log', () => {
  describe('when the hermit sets it before its first access', { tags: ['q30'] }, () => {
    let read: Outcome, normal: Outcome, still: Outcome, left: Outcome, free: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { hermit: { timeout: 0 }, other: { timeout: 0 } }, async ({ hermit, other }) => {
        await hermit`PRAGMA locking_mode = EXCLUSIVE`
        await hermit`SELECT n FROM counter`
        read = await other`SELECT n FROM counter`
        normal = await hermit`PRAGMA locking_mode = NORMAL`
        await hermit`SELECT n FROM counter`
        still = await other`SELECT n FROM counter`
        await hermit`PRAGMA journal_mode = DELETE`
        left = await hermit`PRAGMA locking_mode = NORMAL`
        await hermit`SELECT n FROM counter`
        free = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: in the write-ahead log a reader is never locked out', () => {
      expect(read.code).toBe('SQLITE_OK')
    })
    test('the other cannot even read: SQLITE_BUSY, though the hermit has only read and is in no transaction', () => {
      expect(read.code).toBe('SQLITE_BUSY')
    })
    test('the hermit that says NORMAL is answered with exclusive, and the other gets SQLITE_BUSY still', () => {
      expect(normal.rows).toEqual([{ locking_mode: 'exclusive' }])
      expect(still.code).toBe('SQLITE_BUSY')
    })
    test('the hermit has to leave WAL before NORMAL is answered with normal, and the other reads', () => {
      expect([...normal.rows, ...left.rows]).toEqual([{ locking_mode: 'exclusive' }, { locking_mode: 'normal' }])
      expect(free.code).toBe('SQLITE_OK')
    })
  })

  describe('when the hermit sets it after its first access', { tags: ['q30'] }, () => {
    let refused: Outcome, normal: Outcome, still: Outcome, free: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { hermit: { timeout: 0 }, other: { timeout: 0 } }, async ({ hermit, other }) => {
        await hermit`SELECT n FROM counter`
        await hermit`PRAGMA locking_mode = EXCLUSIVE`
        await hermit`UPDATE counter SET n = n + 1`
        refused = await other`SELECT n FROM counter`
        normal = await hermit`PRAGMA locking_mode = NORMAL`
        still = await other`SELECT n FROM counter`
        await hermit`SELECT n FROM counter`
        free = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other is turned away with SQLITE_BUSY once the hermit has written', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the hermit that has said NORMAL lets go only when it next uses the file: the other gets SQLITE_BUSY until then', () => {
      expect(normal.rows).toEqual([{ locking_mode: 'normal' }])
      expect(still.code).toBe('SQLITE_BUSY')
      expect(free.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when another connection is open, and idle', { tags: ['q30'] }, () => {
    let refused: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { idle: { timeout: 0 }, hermit: { timeout: 100 } }, async ({ idle, hermit }) => {
        await idle`SELECT n FROM counter`
        await hermit`PRAGMA locking_mode = EXCLUSIVE`
        refused = await hermit`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the hermit, for a mere SELECT, waits its whole timeout of 100 ms for the idle one, and gets SQLITE_BUSY', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeGreaterThanOrEqual(100)
    })
  })
})

describe('locking_mode = EXCLUSIVE, rollback journal', () => {
  describe('when the hermit has read', { tags: ['q30'] }, () => {
    let read: Outcome, begin: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { hermit: { timeout: 0 }, other: { timeout: 100 } }, async ({ hermit, other }) => {
        await hermit`PRAGMA locking_mode = EXCLUSIVE`
        await hermit`SELECT n FROM counter`
        read = await other`SELECT n FROM counter`
        begin = await other`BEGIN IMMEDIATE`
        await other`UPDATE counter SET n = n + 1`
        commit = await other`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: locking_mode = EXCLUSIVE locks everybody else out', () => {
      expect(read.code).toBe('SQLITE_BUSY')
    })
    test('the other reads, and begins to write, with SQLITE_OK: the hermit has kept the lock of a reader, not more', () => {
      expect(read.code).toBe('SQLITE_OK')
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the other waits in vain in COMMIT, and is turned away with SQLITE_BUSY: the hermit keeps that lock', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
      expect(commit.waited).toBeGreaterThanOrEqual(100)
    })
  })

  describe('when the hermit has written', { tags: ['q30'] }, () => {
    let refused: Outcome, normal: Outcome, still: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      const cast = { hermit: { timeout: 0 }, other: { timeout: 0 }, waiter: { timeout: 5_000 } }
      story = await contend('delete', cast, async ({ hermit, other, waiter }) => {
        await hermit`PRAGMA locking_mode = EXCLUSIVE`
        await hermit`UPDATE counter SET n = n + 1`
        refused = await other`SELECT n FROM counter`
        const turn = waiter`SELECT n FROM counter`
        await turn.blocks()
        normal = await hermit`PRAGMA locking_mode = NORMAL`
        still = await other`SELECT n FROM counter`
        await hermit`SELECT n FROM counter`
        read = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the other cannot even read: SQLITE_BUSY, though the hermit has committed', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the hermit that has said NORMAL has not let go: the other gets SQLITE_BUSY again', () => {
      expect(normal.rows).toEqual([{ locking_mode: 'normal' }])
      expect(still.code).toBe('SQLITE_BUSY')
    })
    test('the waiter, who has waited all the time, reads when the hermit next uses the file', () => {
      expect(read.rows).toEqual([{ n: 1 }])
    })
  })
})

describe('A connection that only reads, rollback journal', () => {
  describe('when it is opened read-only, and reads while another commits', { tags: ['q30'] }, () => {
    let commit: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0, readonly: true }, writer: { timeout: 0 } }
      story = await contend('delete', cast, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        commit = await writer`COMMIT`
        await reader`COMMIT`
        repeated = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a read-only connection takes no locks and is in the way of nobody', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the writer is turned away at COMMIT with SQLITE_BUSY, as by any reader', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
    })
    test('the writer commits when the read-only one has left', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
  })

  describe('when it is opened read-only, and another has said BEGIN IMMEDIATE', { tags: ['q30'] }, () => {
    let begin: Outcome, update: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, reader: { timeout: 0, readonly: true } }
      story = await contend('delete', cast, async ({ writer, reader }) => {
        await writer`BEGIN IMMEDIATE`
        begin = await reader`BEGIN IMMEDIATE`
        update = await reader`UPDATE counter SET n = n + 1`.mayAnswer('SQLITE_READONLY')
        await reader`COMMIT`
        await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the read-only one gets SQLITE_OK for its BEGIN IMMEDIATE beside the writer: it only begins to read', () => {
      expect(begin).toMatchObject({ code: 'SQLITE_OK', inTransaction: true })
    })
    test.skipIf(!tellsLocks)('its BEGIN IMMEDIATE takes SHARED, the lock of a reader (needs /proc)', () => {
      expect(begin.locks).toEqual(['SHARED'])
    })
    test('the read-only one gets SQLITE_READONLY when it writes, and its transaction stays open', () => {
      expect(update.code).toBe('SQLITE_READONLY')
      expect(update.message).toBe('attempt to write a readonly database')
      expect(update.inTransaction).toBe(true)
    })
  })

  describe('when it is opened read-only, and another has said BEGIN EXCLUSIVE', { tags: ['q30'] }, () => {
    let read: Outcome, write: Outcome, informed: Outcome, story: Story

    beforeAll(async () => {
      const reader = { timeout: 0, readonly: true }
      story = await contend('delete', { writer: { timeout: 0 }, reader, former: reader }, async ({ writer, reader, former }) => {
        await former`SELECT n FROM counter`
        await writer`BEGIN EXCLUSIVE`
        read = await reader`SELECT n FROM counter`
        write = await reader`UPDATE counter SET n = n + 1`.mayAnswer('SQLITE_READONLY')
        informed = await former`UPDATE counter SET n = n + 1`.mayAnswer('SQLITE_READONLY')
        await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the read-only one is turned away with SQLITE_BUSY', () => {
      expect(read.code).toBe('SQLITE_BUSY')
    })
    test('the read-only one that tries to write gets SQLITE_BUSY too, not SQLITE_READONLY', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('a former reader, who knows the schema, gets SQLITE_READONLY when it tries to write', () => {
      expect(informed.code).toBe('SQLITE_READONLY')
    })
  })

  describe('when it has set query_only', { tags: ['q30'] }, () => {
    let begin: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await reader`PRAGMA query_only = ON`
        begin = await reader`BEGIN IMMEDIATE`.mayAnswer('SQLITE_READONLY')
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        commit = await writer`COMMIT`
        await reader`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('its BEGIN IMMEDIATE, unlike that of a read-only connection, gets SQLITE_READONLY', () => {
      expect(begin.code).toBe('SQLITE_READONLY')
      expect(begin.inTransaction).toBe(false)
    })
    test('its reading turns the writer away at COMMIT with SQLITE_BUSY like any other', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when it is opened with immutable=1 beside a writer', { tags: ['q30'] }, () => {
    let begin: Outcome, read: Outcome, commit: Outcome, stale: Outcome, story: Story

    beforeAll(async () => {
      const reader = { timeout: 0, driver: 'node:sqlite', uri: 'immutable=1' } as const
      story = await contend('delete', { writer: { timeout: 0 }, reader }, async ({ writer, reader }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        begin = await writer`BEGIN EXCLUSIVE`
        read = await reader`SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        commit = await writer`COMMIT`
        await reader`COMMIT`
        stale = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader holds no lock: the writer says BEGIN EXCLUSIVE, and commits, in the middle of its transaction', () => {
      expect(begin.code).toBe('SQLITE_OK')
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the reader asks for no lock: it reads on beside BEGIN EXCLUSIVE', () => {
      expect(begin.code).toBe('SQLITE_OK')
      expect(read.code).toBe('SQLITE_OK')
    })
    test.fails('myth: immutable=1 saves the locks, and sees what is committed as a read-only connection does', () => {
      expect(stale.rows).toEqual([{ n: 1 }])
    })
    test('the reader does not see the change, though it is committed and its own transaction has ended', () => {
      expect(stale.rows).toEqual([{ n: 0 }])
    })
  })

  describe('when it is opened with immutable=1, and a large transaction of another has begun to reach the file', {
    tags: ['q30'],
  }, () => {
    let read: Outcome, healthy: Outcome, story: Story

    beforeAll(async () => {
      const reader = { timeout: 0, driver: 'node:sqlite', uri: 'immutable=1' } as const
      story = await contend('delete', { writer: { timeout: 0 }, reader }, async ({ writer, reader }) => {
        await writer`PRAGMA cache_size = 1`
        await writer`CREATE TABLE ballast (bytes BLOB)`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        await writer`INSERT INTO ballast VALUES (zeroblob(100000))`
        read = await reader`SELECT n FROM counter`.mayAnswer('SQLITE_CORRUPT')
        await writer`ROLLBACK`
        healthy = await writer`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader gets SQLITE_CORRUPT where nothing is corrupt: it reads what is half written', () => {
      expect(read.code).toBe('SQLITE_CORRUPT')
      expect(healthy.rows).toEqual([{ n: 0 }])
    })
  })

  describe('when it is opened with nolock=1 beside a writer', { tags: ['q30'] }, () => {
    let begin: Outcome, story: Story

    beforeAll(async () => {
      const reckless = { timeout: 0, driver: 'node:sqlite', uri: 'nolock=1' } as const
      story = await contend('delete', { writer: { timeout: 0 }, reckless }, async ({ writer, reckless }) => {
        await writer`BEGIN EXCLUSIVE`
        begin = await reckless`BEGIN EXCLUSIVE`
        await reckless`ROLLBACK`
        await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('it gets SQLITE_OK for a BEGIN EXCLUSIVE of its own: nothing guards the file any more', () => {
      expect(begin).toMatchObject({ code: 'SQLITE_OK', inTransaction: true })
    })
  })
})

describe('A connection that only reads, write-ahead log', () => {
  describe('when it is opened read-only beside a writer', { tags: ['q30'] }, () => {
    let begin: Outcome, read: Outcome, update: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, reader: { timeout: 0, readonly: true } }
      story = await contend('wal', cast, async ({ writer, reader }) => {
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        begin = await reader`BEGIN IMMEDIATE`
        read = await reader`SELECT n FROM counter`
        update = await reader`UPDATE counter SET n = n + 1`.mayAnswer('SQLITE_READONLY')
        await writer`COMMIT`
        await reader`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the read-only one gets SQLITE_OK for its BEGIN IMMEDIATE beside the writer: it only begins to read', () => {
      expect(begin).toMatchObject({ code: 'SQLITE_OK', inTransaction: true })
      expect(read.rows).toEqual([{ n: 0 }])
    })
    test('the read-only one gets SQLITE_READONLY when it writes', () => {
      expect(update.code).toBe('SQLITE_READONLY')
    })
  })

  describe('when it is opened read-only, and another wants to empty the log', { tags: ['q30'] }, () => {
    let during: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, reader: { timeout: 0, readonly: true } }
      story = await contend('wal', cast, async ({ writer, reader }) => {
        await writer`UPDATE counter SET n = n + 1`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        during = await writer`PRAGMA wal_checkpoint(TRUNCATE)`
        await reader`COMMIT`
        after = await writer`PRAGMA wal_checkpoint(TRUNCATE)`
      })
    })
    beforeEach((context) => show(context, story))

    test('the read-only one, as any reader, keeps the log from being emptied until it has left: busy is 1, then 0', () => {
      expect(during.rows).toMatchObject([{ busy: 1 }])
      expect(after.rows).toMatchObject([{ busy: 0 }])
    })
  })

  describe('when it is opened with immutable=1 after another has committed', { tags: ['q30'] }, () => {
    let read: Outcome, stale: Outcome, fresh: Outcome, story: Story

    beforeAll(async () => {
      const immutable = { timeout: 0, driver: 'node:sqlite', uri: 'immutable=1' } as const
      const cast = { writer: { timeout: 0 }, reader: immutable, late: immutable }
      story = await contend('wal', cast, async ({ writer, reader, late }) => {
        await writer`UPDATE counter SET n = n + 1`
        read = await reader`SELECT n FROM counter`
        await writer`PRAGMA wal_checkpoint(TRUNCATE)`
        stale = await reader`SELECT n FROM counter`
        fresh = await late`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: immutable=1 sees whatever was committed before it was opened', () => {
      expect(read.rows).toEqual([{ n: 1 }])
    })
    test('the reader ignores the log, and what is committed in it', () => {
      expect(read.rows).toEqual([{ n: 0 }])
    })
    test('the reader goes on seeing n as 0 when the log has been copied into the file', () => {
      expect(stale.rows).toEqual([{ n: 0 }])
    })
    test('one who comes later finds the change in the file', () => {
      expect(fresh.rows).toEqual([{ n: 1 }])
    })
  })
})
