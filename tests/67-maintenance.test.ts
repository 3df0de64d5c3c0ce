/**
 * A checkpoint copies the write-ahead log back into the database file. `PRAGMA wal_checkpoint` does not fail when it is kept from it:
 * it answers one row, and whoever does not read that row does not learn it. (https://sqlite.org/pragma.html#pragma_wal_checkpoint has
 * the first column, busy, 1 for a blocked FULL, RESTART or TRUNCATE; a PASSIVE one has it too, while another checkpoint is at work.)
 * VACUUM, CREATE INDEX and ANALYZE are writers like any other. VACUUM INTO only reads, and a backup reads a step at a time; what it says
 * when it is kept out is its library's affair.
 *
 * https://sqlite.org/wal.html#ckpt · https://sqlite.org/c3ref/wal_checkpoint_v2.html · https://sqlite.org/lang_vacuum.html · https://sqlite.org/backup.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { tellsLocks, tellsSleep } from '../helpers/kernel.ts'
import { show } from '../helpers/show.ts'
import { heldWaiting } from '../helpers/timeline.ts'

describe('Checkpoints, no timeout, write-ahead log', { tags: ['q27'] }, () => {
  describe('when a reader has an old snapshot', () => {
    let noop: Outcome, passive: Outcome, full: Outcome, restart: Outcome, truncate: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, reader: { timeout: 0 }, checkpointer: { timeout: 0 } }
      story = await contend('wal', cast, async ({ writer, reader, checkpointer }) => {
        await writer`UPDATE counter SET n = n + 1`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        noop = await checkpointer`PRAGMA wal_checkpoint(NOOP)`
        passive = await checkpointer`PRAGMA wal_checkpoint(PASSIVE)`
        full = await checkpointer`PRAGMA wal_checkpoint(FULL)`
        restart = await checkpointer`PRAGMA wal_checkpoint(RESTART)`
        truncate = await checkpointer`PRAGMA wal_checkpoint(TRUNCATE)`
        read = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the NOOP checkpoint copies nothing, and tells that the log has two frames', () => {
      expect(noop.rows).toEqual([{ busy: 0, log: 2, checkpointed: 0 }])
    })
    test('the PASSIVE checkpoint copies what the reader sees, one frame of two, and does not call that busy', () => {
      expect(passive.rows).toEqual([{ busy: 0, log: 2, checkpointed: 1 }])
    })
    test('the FULL and the RESTART checkpoint copy no more than that, and say busy = 1', () => {
      expect([full.rows, restart.rows]).toEqual([[{ busy: 1, log: 2, checkpointed: 1 }], [{ busy: 1, log: 2, checkpointed: 1 }]])
    })
    test.fails('myth: TRUNCATE truncates, or it is an error', () => {
      expect(truncate.code).toBe('SQLITE_BUSY')
    })
    test('the TRUNCATE checkpoint truncates nothing and is SQLITE_OK: only its row tells, with busy = 1', () => {
      expect(truncate).toMatchObject({ code: 'SQLITE_OK', rows: [{ busy: 1, log: 2, checkpointed: 1 }] })
    })
    test('the reader goes on reading what it saw', () => {
      expect(read.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when a reader has the newest snapshot', () => {
    let full: Outcome, restart: Outcome, truncate: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, reader: { timeout: 0 }, checkpointer: { timeout: 0 } }
      story = await contend('wal', cast, async ({ writer, reader, checkpointer }) => {
        await writer`UPDATE counter SET n = n + 1`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        full = await checkpointer`PRAGMA wal_checkpoint(FULL)`
        restart = await checkpointer`PRAGMA wal_checkpoint(RESTART)`
        truncate = await checkpointer`PRAGMA wal_checkpoint(TRUNCATE)`
      })
    })
    beforeEach((context) => show(context, story))

    test('the FULL checkpoint copies the whole log, busy = 0', () => {
      expect(full.rows).toEqual([{ busy: 0, log: 1, checkpointed: 1 }])
    })
    test('the RESTART and the TRUNCATE checkpoint say busy = 1, although everything is copied', () => {
      expect([restart.rows, truncate.rows]).toEqual([
        [{ busy: 1, log: 1, checkpointed: 1 }],
        [{ busy: 1, log: 1, checkpointed: 1 }],
      ])
    })
  })

  describe('when a writer is inside', () => {
    let passive: Outcome, full: Outcome, restart: Outcome, truncate: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 0 }, checkpointer: { timeout: 0 } }, async ({ writer, checkpointer }) => {
        await writer`UPDATE counter SET n = n + 1`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        passive = await checkpointer`PRAGMA wal_checkpoint(PASSIVE)`
        full = await checkpointer`PRAGMA wal_checkpoint(FULL)`
        restart = await checkpointer`PRAGMA wal_checkpoint(RESTART)`
        truncate = await checkpointer`PRAGMA wal_checkpoint(TRUNCATE)`
      })
    })
    beforeEach((context) => show(context, story))

    test('the PASSIVE checkpoint copies all that is committed', () => {
      expect(passive.rows).toEqual([{ busy: 0, log: 1, checkpointed: 1 }])
    })
    test('the FULL, the RESTART and the TRUNCATE checkpoint say busy = 1, although all that is committed is copied', () => {
      const busy = [{ busy: 1, log: 1, checkpointed: 1 }]
      expect([full.rows, restart.rows, truncate.rows]).toEqual([busy, busy, busy])
    })
  })

  describe('when the checkpointer is itself inside a transaction', () => {
    let checkpoint: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { checkpointer: { timeout: 0 } }, async ({ checkpointer }) => {
        await checkpointer`BEGIN`
        await checkpointer`SELECT n FROM counter`
        checkpoint = await checkpointer`PRAGMA wal_checkpoint(PASSIVE)`
      })
    })
    beforeEach((context) => show(context, story))

    test('the checkpointer gets SQLITE_LOCKED, "database table is locked", from nobody but itself', () => {
      expect(checkpoint).toMatchObject({ code: 'SQLITE_LOCKED', message: 'database table is locked' })
    })
  })
})

describe('Checkpoints, no timeout, rollback journal', { tags: ['q27'] }, () => {
  describe('when a writer is inside', () => {
    let checkpoints: Outcome[], story: Story

    beforeAll(async () => {
      story = await contend(
        'delete',
        { writer: { timeout: 0 }, checkpointer: { timeout: 0 } },
        async ({ writer, checkpointer }) => {
          await writer`BEGIN IMMEDIATE`
          checkpoints = [
            await checkpointer`PRAGMA wal_checkpoint(NOOP)`,
            await checkpointer`PRAGMA wal_checkpoint(PASSIVE)`,
            await checkpointer`PRAGMA wal_checkpoint(FULL)`,
            await checkpointer`PRAGMA wal_checkpoint(RESTART)`,
            await checkpointer`PRAGMA wal_checkpoint(TRUNCATE)`,
          ]
        },
      )
    })
    beforeEach((context) => show(context, story))

    test('no checkpoint of any kind finds a log, nor is one busy: each says busy = 0, and -1 for both numbers', () => {
      expect(checkpoints.map(({ rows }) => rows)).toEqual(Array(5).fill([{ busy: 0, log: -1, checkpointed: -1 }]))
    })
  })
})

describe('Checkpoints with a timeout, write-ahead log', { tags: ['q27'] }, () => {
  describe('when a FULL checkpoint waits for a reader with an old snapshot', () => {
    let passive: Outcome, read: Outcome, write: Outcome, second: Outcome, third: Outcome, noop: Outcome, full: Outcome
    let story: Story

    beforeAll(async () => {
      const timeout = 5_000
      const cast = { writer: { timeout: 0 }, reader: { timeout: 0 }, checkpointer: { timeout }, second: { timeout } }
      story = await contend('wal', cast, async ({ writer, reader, checkpointer, second: other }) => {
        await writer`UPDATE counter SET n = n + 1`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        passive = await checkpointer`PRAGMA wal_checkpoint(PASSIVE)`
        const turn = checkpointer`PRAGMA wal_checkpoint(FULL)`
        await turn.blocks()
        read = await writer`SELECT n FROM counter`
        write = await writer`UPDATE counter SET n = n + 1`
        second = await other`PRAGMA wal_checkpoint(FULL)`
        third = await other`PRAGMA wal_checkpoint(PASSIVE)`
        noop = await other`PRAGMA wal_checkpoint(NOOP)`
        await reader`COMMIT`
        full = await turn
      })
    })
    beforeEach((context) => show(context, story, 'a-checkpoint-waits.svg'))

    test('the PASSIVE checkpoint does not wait', () => {
      expect(passive).toMatchObject({ code: 'SQLITE_OK', rows: [{ busy: 0, log: 2, checkpointed: 1 }] })
      expect(passive.waited).toBeLessThan(1_000)
    })
    test('the FULL checkpoint waits until the reader has left, and has copied both frames', () => {
      expect(full.rows).toEqual([{ busy: 0, log: 2, checkpointed: 2 }])
    })
    test.fails('myth: a FULL checkpoint locks readers out', () => {
      expect(read.code).toBe('SQLITE_BUSY')
    })
    test('one who comes to read meanwhile reads, SQLITE_OK', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 2 }] })
    })
    test('one who comes to write meanwhile is turned away with SQLITE_BUSY', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('a second checkpoint does not wait for the first: it says busy = 1 at once, and -1 for both numbers', () => {
      expect(second.rows).toEqual([{ busy: 1, log: -1, checkpointed: -1 }])
      expect(second.waited).toBeLessThan(1_000)
    })
    test('a second checkpoint says busy = 1 even if it is PASSIVE, and not if it is NOOP', () => {
      expect(third.rows).toEqual([{ busy: 1, log: -1, checkpointed: -1 }])
      expect(noop.rows).toEqual([{ busy: 0, log: 2, checkpointed: 1 }])
    })
  })

  describe('when a RESTART checkpoint waits for a reader with the newest snapshot', () => {
    let read: Outcome, restart: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 5_000
      const cast = { writer: { timeout }, reader: { timeout: 0 }, checkpointer: { timeout }, newcomer: { timeout: 0 } }
      story = await contend('wal', cast, async ({ writer, reader, checkpointer, newcomer }) => {
        await writer`UPDATE counter SET n = n + 1`
        await writer`UPDATE counter SET n = n + 1`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        const turn = checkpointer`PRAGMA wal_checkpoint(RESTART)`
        await turn.blocks()
        read = await newcomer`SELECT n FROM counter`
        const turnOfWriter = writer`UPDATE counter SET n = n + 1`
        await turnOfWriter.blocks()
        await reader`COMMIT`
        restart = await turn
        await turnOfWriter
        after = await checkpointer`PRAGMA wal_checkpoint(PASSIVE)`
      })
    })
    beforeEach((context) => show(context, story))

    test('the RESTART checkpoint waits until the reader has left', () => {
      expect(restart.rows).toEqual([{ busy: 0, log: 2, checkpointed: 2 }])
    })
    test('a newcomer reads meanwhile', () => {
      expect(read.rows).toEqual([{ n: 2 }])
    })
    test('the writer has to wait for the checkpoint, and starts the log over: it has one frame', () => {
      expect(after.rows).toEqual([{ busy: 0, log: 1, checkpointed: 1 }])
    })
  })

  describe('when a TRUNCATE checkpoint waits for a writer, and another for a reader', () => {
    let early: Outcome, read: Outcome, write: Outcome, late: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, checkpointer: { timeout: 5_000 }, reader: { timeout: 0 }, newcomer: { timeout: 0 } }
      story = await contend('wal', cast, async ({ writer, checkpointer, reader, newcomer }) => {
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        const turn = checkpointer`PRAGMA wal_checkpoint(TRUNCATE)`
        await turn.blocks()
        await writer`COMMIT`
        early = await turn
        await writer`UPDATE counter SET n = n + 1`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        const next = checkpointer`PRAGMA wal_checkpoint(TRUNCATE)`
        await next.blocks()
        read = await newcomer`SELECT n FROM counter`
        write = await writer`UPDATE counter SET n = n + 1`
        await reader`COMMIT`
        late = await next
      })
    })
    beforeEach((context) => show(context, story))

    test('the TRUNCATE checkpoint waits until the writer has left, and leaves a log of no frames', () => {
      expect(early.rows).toEqual([{ busy: 0, log: 0, checkpointed: 0 }])
    })
    test('the other waits until the reader has left, though its snapshot is the newest, and leaves a log of no frames', () => {
      expect(late.rows).toEqual([{ busy: 0, log: 0, checkpointed: 0 }])
    })
    test('a newcomer reads while the checkpoint waits for the reader', () => {
      expect(read.rows).toEqual([{ n: 2 }])
    })
    test('the writer is turned away with SQLITE_BUSY while the checkpoint waits for the reader', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when a FULL checkpoint waits for a writer, and another for a reader', () => {
    let read: Outcome, commit: Outcome, full: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, checkpointer: { timeout: 5_000 }, reader: { timeout: 0 } }
      story = await contend('wal', cast, async ({ writer, checkpointer, reader }) => {
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        const turn = checkpointer`PRAGMA wal_checkpoint(FULL)`
        await turn.blocks()
        read = await reader`SELECT n FROM counter`
        commit = await writer`COMMIT`
        full = await turn
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        const next = checkpointer`PRAGMA wal_checkpoint(FULL)`
        await next.blocks()
        await reader`COMMIT`
        await next
      })
    })
    beforeEach((context) => show(context, story))

    test('the FULL checkpoint waits for the writer, and copies what it has committed', () => {
      expect(full.rows).toEqual([{ busy: 0, log: 1, checkpointed: 1 }])
    })
    test('the writer and a reader go on meanwhile', () => {
      expect([read.code, commit.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
    })
    test.skipIf(!(tellsLocks && tellsSleep))(
      'the checkpoint holds CKPT while it waits for a writer, and WRITE beside it while it waits for a reader (needs /proc)',
      () => {
        expect(heldWaiting(story, 'checkpointer')).toEqual([
          ['SHARED', 'CKPT', 'DMS'],
          ['SHARED', 'WRITE', 'CKPT', 'DMS'],
        ])
      },
    )
  })

  describe('when the reader stays for longer than the timeout of the checkpoint', () => {
    let full: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, reader: { timeout: 0 }, checkpointer: { timeout: 100 } }
      story = await contend('wal', cast, async ({ writer, reader, checkpointer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        full = await checkpointer`PRAGMA wal_checkpoint(FULL)`
      })
    })
    beforeEach((context) => show(context, story))

    test('the FULL checkpoint gives up after its whole timeout of 100 ms, with busy = 1 and SQLITE_OK', () => {
      expect(full).toMatchObject({ code: 'SQLITE_OK', rows: [{ busy: 1, log: 1, checkpointed: 0 }] })
      expect(full.waited).toBeGreaterThanOrEqual(100)
    })
  })
})

describe('One long reader, write-ahead log', { tags: ['q28'] }, () => {
  describe('when a reader keeps its transaction open while twenty commits pass', () => {
    let ten: Outcome, twenty: Outcome, left: Outcome, over: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, reader: { timeout: 0 }, checkpointer: { timeout: 0 } }
      story = await contend('wal', cast, async ({ writer, reader, checkpointer }) => {
        await writer`UPDATE counter SET n = n + 1`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        for (let i = 0; i < 10; i++) await writer`UPDATE counter SET n = n + 1`
        ten = await checkpointer`PRAGMA wal_checkpoint(PASSIVE)`
        for (let i = 0; i < 10; i++) await writer`UPDATE counter SET n = n + 1`
        twenty = await checkpointer`PRAGMA wal_checkpoint(PASSIVE)`
        await reader`COMMIT`
        left = await checkpointer`PRAGMA wal_checkpoint(PASSIVE)`
        await writer`UPDATE counter SET n = n + 1`
        over = await checkpointer`PRAGMA wal_checkpoint(PASSIVE)`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader lets the checkpoint copy the one frame that it sees, of eleven', () => {
      expect(ten.rows).toEqual([{ busy: 0, log: 11, checkpointed: 1 }])
    })
    test('the log grows by a frame with each commit, to twenty-one, though it is checkpointed', () => {
      expect(twenty.rows).toEqual([{ busy: 0, log: 21, checkpointed: 1 }])
    })
    test.fails('myth: when the reader has left, a PASSIVE checkpoint empties the log', () => {
      expect(left.rows).toEqual([{ busy: 0, log: 0, checkpointed: 0 }])
    })
    test('a PASSIVE checkpoint copies all twenty-one frames when the reader has left, SQLITE_OK, and leaves them in the log', () => {
      expect(left).toMatchObject({ code: 'SQLITE_OK', rows: [{ busy: 0, log: 21, checkpointed: 21 }] })
    })
    test('the next writer starts the log over, with one frame', () => {
      expect(over.rows).toEqual([{ busy: 0, log: 1, checkpointed: 1 }])
    })
  })

  describe('when the reader came after everything had been copied', () => {
    let during: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, reader: { timeout: 0 }, checkpointer: { timeout: 0 } }
      story = await contend('wal', cast, async ({ writer, reader, checkpointer }) => {
        await writer`UPDATE counter SET n = n + 1`
        await checkpointer`PRAGMA wal_checkpoint(PASSIVE)`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        for (let i = 0; i < 3; i++) await writer`UPDATE counter SET n = n + 1`
        during = await checkpointer`PRAGMA wal_checkpoint(PASSIVE)`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader lets no frame of three be copied into the database', () => {
      expect(during.rows).toEqual([{ busy: 0, log: 3, checkpointed: 0 }])
    })
  })

  describe('when the writer checkpoints every three frames, by wal_autocheckpoint', () => {
    let ofReader: Outcome, alone: Outcome, commits: Outcome[], beside: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 5_000 }, reader: { timeout: 0 } }, async ({ writer, reader }) => {
        await reader`SELECT n FROM counter`
        await writer`PRAGMA wal_autocheckpoint = 3`
        ofReader = await reader`PRAGMA wal_autocheckpoint`
        for (let i = 0; i < 8; i++) await writer`UPDATE counter SET n = n + 1`
        alone = await reader`PRAGMA wal_checkpoint(PASSIVE)`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        commits = []
        for (let i = 0; i < 8; i++) commits.push(await writer`UPDATE counter SET n = n + 1`)
        await reader`COMMIT`
        beside = await reader`PRAGMA wal_checkpoint(PASSIVE)`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader keeps its own wal_autocheckpoint, 1000', () => {
      expect(ofReader.rows).toEqual([{ wal_autocheckpoint: 1000 }])
    })
    test('the writer starts the log over every three frames: after eight commits it has two', () => {
      expect(alone.rows).toEqual([{ busy: 0, log: 2, checkpointed: 2 }])
    })
    test('the writer cannot start the log over while the reader reads: after eight more commits it has eight', () => {
      expect(beside.rows).toEqual([{ busy: 0, log: 8, checkpointed: 8 }])
    })
    test('the writer is not delayed by a reader that is in the way of its checkpoints', () => {
      expect(commits.map(({ code }) => code)).toEqual(Array(8).fill('SQLITE_OK'))
      expect(Math.max(...commits.map(({ waited }) => waited))).toBeLessThan(1_000)
    })
  })
})

describe('VACUUM, write-ahead log', { tags: ['q29'] }, () => {
  describe('when someone reads', () => {
    let vacuum: Outcome, read: Outcome, upgrade: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { reader: { timeout: 5_000 }, vacuumer: { timeout: 0 } }, async ({ reader, vacuumer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        vacuum = await vacuumer`VACUUM`
        read = await reader`SELECT n FROM counter`
        upgrade = await reader`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: VACUUM needs the database for itself', () => {
      expect(vacuum.code).toBe('SQLITE_BUSY')
    })
    test('VACUUM is SQLITE_OK beside the reader', () => {
      expect(vacuum.code).toBe('SQLITE_OK')
    })
    test('the reader goes on reading', () => {
      expect(read.rows).toEqual([{ n: 0 }])
    })
    test('the reader that goes on to write is turned away with SQLITE_BUSY_SNAPSHOT', () => {
      expect(upgrade.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
  })

  describe('when someone writes', () => {
    let refused: Outcome, vacuum: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 0 }, vacuumer: { timeout: 100 } }, async ({ writer, vacuumer }) => {
        await writer`BEGIN IMMEDIATE`
        refused = await vacuumer`VACUUM`
        await writer`COMMIT`
        vacuum = await vacuumer`VACUUM`
      })
    })
    beforeEach((context) => show(context, story))

    test('the vacuumer is turned away with SQLITE_BUSY after its whole timeout of 100 ms', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeGreaterThanOrEqual(100)
    })
    test('the vacuumer is admitted when the writer has left', () => {
      expect([refused.code, vacuum.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
  })

  describe('when the vacuumer has said BEGIN', () => {
    let vacuum: Outcome, into: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { vacuumer: { timeout: 0 } }, async ({ vacuumer }) => {
        await vacuumer`BEGIN`
        vacuum = await vacuumer`VACUUM`.mayAnswer('SQLITE_ERROR')
        into = await vacuumer`VACUUM INTO 'copy.db'`.mayAnswer('SQLITE_ERROR')
      })
    })
    beforeEach((context) => show(context, story))

    test('the vacuumer gets SQLITE_ERROR, for VACUUM and for VACUUM INTO: neither can be part of a transaction', () => {
      const error = { code: 'SQLITE_ERROR', message: 'cannot VACUUM from within a transaction' }
      expect([vacuum, into]).toMatchObject([error, error])
    })
  })
})

describe('VACUUM, rollback journal', { tags: ['q29'] }, () => {
  describe('when someone reads', () => {
    let refused: Outcome, read: Outcome, write: Outcome, vacuum: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, vacuumer: { timeout: 0 }, writer: { timeout: 0 }, newcomer: { timeout: 0 } }
      story = await contend('delete', cast, async ({ reader, vacuumer, writer, newcomer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        refused = await vacuumer`VACUUM`
        await vacuumer`PRAGMA busy_timeout = 5000`
        const turn = vacuumer`VACUUM`
        await turn.blocks()
        read = await newcomer`SELECT n FROM counter`
        write = await writer`UPDATE counter SET n = n + 1`
        await reader`COMMIT`
        vacuum = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the vacuumer, without a timeout, is turned away with SQLITE_BUSY', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the vacuumer, with a timeout, waits until the reader has left', () => {
      expect(vacuum.code).toBe('SQLITE_OK')
    })
    test('the vacuumer keeps a newcomer from reading, and a writer from writing, with SQLITE_BUSY, while it waits', () => {
      expect([read.code, write.code]).toEqual(['SQLITE_BUSY', 'SQLITE_BUSY'])
    })
  })

  describe('when someone writes', () => {
    let refused: Outcome, vacuum: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 }, vacuumer: { timeout: 0 } }, async ({ writer, vacuumer }) => {
        await writer`BEGIN IMMEDIATE`
        refused = await vacuumer`VACUUM`
        await vacuumer`PRAGMA busy_timeout = 5000`
        const turn = vacuumer`VACUUM`
        await turn.blocks()
        await writer`ROLLBACK`
        vacuum = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the vacuumer, without a timeout, is turned away with SQLITE_BUSY', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the vacuumer, with a timeout, waits until the writer has left', () => {
      expect(vacuum.code).toBe('SQLITE_OK')
    })
  })
})

describe('VACUUM INTO, no timeout, write-ahead log', { tags: ['q29'] }, () => {
  describe('when someone reads and someone writes', () => {
    let copy: Outcome, copied: Outcome, again: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 0 }, copier: { timeout: 0 } }
      story = await contend('wal', cast, async ({ reader, writer, copier }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN EXCLUSIVE`
        await writer`UPDATE counter SET n = n + 1`
        copy = await copier`VACUUM INTO 'copy.db'`
        again = await copier`VACUUM INTO 'copy.db'`.mayAnswer('SQLITE_ERROR')
        await copier`ATTACH 'copy.db' AS copy`
        copied = await copier`SELECT n FROM copy.counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the copier copies what is committed, beside a reader and a writer', () => {
      expect(copy.code).toBe('SQLITE_OK')
      expect(copied.rows).toEqual([{ n: 0 }])
    })
    test('the copier does not write over a file: the second time it is SQLITE_ERROR', () => {
      expect(again).toMatchObject({ code: 'SQLITE_ERROR', message: 'output file already exists' })
    })
  })
})

describe('VACUUM INTO, rollback journal', { tags: ['q29'] }, () => {
  describe('when someone reads and someone writes', () => {
    let copy: Outcome, copied: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 0 }, copier: { timeout: 0 } }
      story = await contend('delete', cast, async ({ reader, writer, copier }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        copy = await copier`VACUUM INTO 'copy.db'`
        await copier`ATTACH 'copy.db' AS copy`
        copied = await copier`SELECT n FROM copy.counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the copier copies what is committed, beside a reader and a writer that has not come to COMMIT', () => {
      expect(copy.code).toBe('SQLITE_OK')
      expect(copied.rows).toEqual([{ n: 0 }])
    })
  })

  describe('when someone holds an exclusive lock', () => {
    let copy: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { holder: { timeout: 0 }, copier: { timeout: 5_000 } }, async ({ holder, copier }) => {
        await holder`BEGIN EXCLUSIVE`
        const turn = copier`VACUUM INTO 'copy.db'`
        await turn.blocks()
        await holder`COMMIT`
        copy = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the copier waits until the holder has left', () => {
      expect(copy.code).toBe('SQLITE_OK')
    })
  })
})

// A step copies a page, and the database has two.
const copier = { timeout: 0, program: 'backup.ts', driver: 'better-sqlite3' } as const

describe('The backup API of better-sqlite3, write-ahead log', { tags: ['q29'] }, () => {
  describe('when someone writes between two steps', () => {
    let begin: Outcome, one: Outcome, update: Outcome, two: Outcome, early: Outcome, last: Outcome, late: Outcome
    let copied: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { copier, writer: { timeout: 0 } }, async ({ copier, writer }) => {
        begin = await copier`.backup copy.db`
        one = await copier`.step 1`
        update = await writer`UPDATE counter SET n = n + 1`
        two = await copier`.step 1`
        early = await writer`ATTACH 'copy.db' AS copy`
        last = await copier`.step 1`
        late = await writer`ATTACH 'copy.db' AS copy`
        copied = await writer`SELECT n FROM copy.counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a backup of better-sqlite3 keeps writers out until it is done', () => {
      expect(update.code).toBe('SQLITE_BUSY')
    })
    test('the writer writes and commits, SQLITE_OK, and the copy has what it has written', () => {
      expect(update.code).toBe('SQLITE_OK')
      expect(last.rows).toEqual([{ remaining: 0 }])
      expect(copied.rows).toEqual([{ n: 1 }])
    })
    test('the copier begins again: one page remained, and after the next step one remains', () => {
      expect([begin.rows, one.rows, two.rows]).toEqual([[{ remaining: 2 }], [{ remaining: 1 }], [{ remaining: 1 }]])
    })
    test('the copy is locked until it is complete: one who attaches it is turned away with SQLITE_BUSY before, and not afterwards', () => {
      expect([early.code, late.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test.skipIf(!tellsLocks)('the copier holds EXCLUSIVE on its copy, and no snapshot of the database (needs /proc)', () => {
      expect(one.locks?.toSorted()).toEqual(['DMS', 'SHARED', 'copy.db: EXCLUSIVE'])
    })
  })

  describe('when someone writes after every step', () => {
    let steps: Outcome[], story: Story

    beforeAll(async () => {
      story = await contend('wal', { copier, writer: { timeout: 0 } }, async ({ copier, writer }) => {
        await copier`.backup copy.db`
        steps = []
        for (let i = 0; i < 4; i++) {
          steps.push(await copier`.step 1`)
          await writer`UPDATE counter SET n = n + 1`
        }
      })
    })
    beforeEach((context) => show(context, story))

    test('the copier gets nowhere: after each of four steps, one page of two remains', () => {
      expect(steps.map(({ rows }) => rows)).toEqual([
        [{ remaining: 1 }],
        [{ remaining: 1 }],
        [{ remaining: 1 }],
        [{ remaining: 1 }],
      ])
    })
  })

  describe('when the copier reads in a transaction around its backup', () => {
    let update: Outcome, last: Outcome, copied: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { copier, writer: { timeout: 0 } }, async ({ copier, writer }) => {
        await copier`BEGIN`
        await copier`SELECT n FROM counter`
        await copier`.backup copy.db`
        await copier`.step 1`
        update = await writer`UPDATE counter SET n = n + 1`
        last = await copier`.step 1`
        await writer`ATTACH 'copy.db' AS copy`
        copied = await writer`SELECT n FROM copy.counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the copier finishes what it began, though the writer has committed', () => {
      expect(update.code).toBe('SQLITE_OK')
      expect(last.rows).toEqual([{ remaining: 0 }])
    })
    test('the copy has what the copier had read', () => {
      expect(copied.rows).toEqual([{ n: 0 }])
    })
  })

  describe('when the copier itself writes between two steps', () => {
    let last: Outcome, copied: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { copier }, async ({ copier }) => {
        await copier`.backup copy.db`
        await copier`.step 1`
        await copier`UPDATE counter SET n = n + 1`
        last = await copier`.step 1`
        await copier`ATTACH 'copy.db' AS copy`
        copied = await copier`SELECT n FROM copy.counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the copier does not begin again, and its copy has what it wrote', () => {
      expect(last.rows).toEqual([{ remaining: 0 }])
      expect(copied.rows).toEqual([{ n: 1 }])
    })
  })
})

describe('The backup API of better-sqlite3, rollback journal', { tags: ['q29'] }, () => {
  describe('when someone writes, and commits between two steps', () => {
    let beside: Outcome, commit: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { copier, writer: { timeout: 0 } }, async ({ copier, writer }) => {
        await copier`.backup copy.db`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        beside = await copier`.step 1`
        commit = await writer`COMMIT`
        after = await copier`.step 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the copier takes its step beside the writer: one page remains', () => {
      expect(beside.rows).toEqual([{ remaining: 1 }])
    })
    test('the writer commits between two steps, SQLITE_OK, and the copier begins again: one page remains still', () => {
      expect(commit.code).toBe('SQLITE_OK')
      expect(after.rows).toEqual([{ remaining: 1 }])
    })
    test.skipIf(!tellsLocks)('the copier holds nothing on the database between two steps (needs /proc)', () => {
      expect(beside.locks).toEqual(['copy.db: EXCLUSIVE'])
    })
  })

  describe('when someone holds an exclusive lock between two steps', () => {
    let refused: Outcome, waited: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { copier, holder: { timeout: 0 } }, async ({ copier, holder }) => {
        await copier`.backup copy.db`
        await holder`BEGIN EXCLUSIVE`
        refused = await copier`.step 1`
        await copier`PRAGMA busy_timeout = 5000`
        const turn = copier`.step 1`
        await turn.blocks()
        await holder`COMMIT`
        waited = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the copier, without a timeout, copies nothing while the lock is held', () => {
      expect(refused.rows).toEqual([{ remaining: 2 }])
    })
    test('the copier, with a timeout, waits in its step until the holder has left, and copies a page', () => {
      expect(waited.rows).toEqual([{ remaining: 1 }])
    })
  })

  describe('when someone holds an exclusive lock as the backup begins', () => {
    let begin: Outcome, tables: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { copier, holder: { timeout: 0 } }, async ({ copier, holder }) => {
        await holder`BEGIN EXCLUSIVE`
        begin = await copier`.backup copy.db`
        await holder`COMMIT`
        await copier`ATTACH 'copy.db' AS copy`
        tables = await copier`SELECT name FROM copy.sqlite_schema`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a backup of better-sqlite3 that is kept out says so', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
    test('the copier gets SQLITE_OK from better-sqlite3, and that nothing remains', () => {
      expect(begin).toMatchObject({ code: 'SQLITE_OK', rows: [{ remaining: 0 }] })
    })
    test('the copier has no copy: the file it opens has no table', () => {
      expect(tables.rows).toEqual([])
    })
  })
})

describe('The backup API of node:sqlite, write-ahead log', { tags: ['q29'] }, () => {
  describe('when someone reads and someone writes', () => {
    let backup: Outcome, copied: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 0 }, copier: { ...copier, driver: 'node:sqlite' } } as const
      story = await contend('wal', cast, async ({ reader, writer, copier }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        backup = await copier`.backup copy.db`
        await copier`ATTACH 'copy.db' AS copy`
        copied = await copier`SELECT n FROM copy.counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the copier copies both pages beside a reader and a writer, and the copy has what is committed', () => {
      expect(backup.rows).toEqual([{ pages: 2 }])
      expect(copied.rows).toEqual([{ n: 1 }])
    })
  })
})

describe('The backup API of node:sqlite, rollback journal', { tags: ['q29'] }, () => {
  describe('when someone holds an exclusive lock as the backup begins', () => {
    let backup: Outcome, left: Outcome, again: Outcome, story: Story

    beforeAll(async () => {
      const driver = 'node:sqlite'
      const cast = {
        copier: { ...copier, driver, timeout: 100 },
        holder: { timeout: 0 },
        looker: { timeout: 0, driver },
      } as const
      story = await contend('delete', cast, async ({ copier, holder, looker }) => {
        await holder`BEGIN EXCLUSIVE`
        backup = await copier`.backup copy.db`.mayAnswer("SQLite's error 0")
        await holder`COMMIT`
        await looker`ATTACH 'file:copy.db?mode=ro' AS copy` // which is an error where there is no file
        left = await looker`PRAGMA copy.page_count`
        again = await copier`.backup copy.db`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a backup of node:sqlite that is kept out is SQLITE_BUSY', () => {
      expect(backup.code).toBe('SQLITE_BUSY')
    })
    test('the copier gets SQLite\'s error 0 from node:sqlite, "not an error"', () => {
      expect(backup).toMatchObject({ code: "SQLite's error 0", message: 'not an error' })
    })
    test('the copier gets it after its whole timeout of 100 ms', () => {
      expect(backup.waited).toBeGreaterThanOrEqual(100)
    })
    test('the copier leaves a file of no pages', () => {
      expect(left.rows).toEqual([{ page_count: 0 }])
    })
    test('the copier copies both pages into that file when the holder has left', () => {
      expect(again.rows).toEqual([{ pages: 2 }])
    })
  })
})

describe('Work on the schema, no timeout, write-ahead log', { tags: ['q29'] }, () => {
  describe('when someone builds an index', () => {
    let read: Outcome, write: Outcome, commit: Outcome, still: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const cast = { builder: { timeout: 0 }, reader: { timeout: 0 }, writer: { timeout: 0 } }
      story = await contend('wal', cast, async ({ builder, reader, writer }) => {
        await builder`BEGIN`
        await builder`CREATE INDEX by_n ON counter (n)`
        await reader`BEGIN`
        read = await reader`SELECT n FROM counter`
        write = await writer`UPDATE counter SET n = n + 1`
        commit = await builder`COMMIT`
        still = await reader`SELECT count(*) AS indexes FROM sqlite_schema WHERE type = 'index'`
        await reader`COMMIT`
        after = await reader`SELECT count(*) AS indexes FROM sqlite_schema WHERE type = 'index'`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader reads', () => {
      expect(read.rows).toEqual([{ n: 0 }])
    })
    test('the writer is turned away with SQLITE_BUSY', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the builder commits beside the reader', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the reader sees no index until its transaction ends', () => {
      expect([still.rows, after.rows]).toEqual([[{ indexes: 0 }], [{ indexes: 1 }]])
    })
  })

  describe('when a column is added between two statements of a reader', () => {
    let before: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { reader: { timeout: 0 }, builder: { timeout: 0 } }, async ({ reader, builder }) => {
        before = await reader`SELECT * FROM counter`
        await builder`ALTER TABLE counter ADD COLUMN note TEXT`
        after = await reader`SELECT * FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader sees the new column with its next statement: no SQLITE_SCHEMA reaches it', () => {
      expect(before.rows).toEqual([{ n: 0 }])
      expect(after).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0, note: null }] })
    })
  })

  describe('when someone writes', () => {
    let index: Outcome, analyze: Outcome, reindex: Outcome, drop: Outcome, alter: Outcome, story: Story
    let optimize: Outcome, check: Outcome

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, other: { timeout: 0 } }, async ({ holder, other }) => {
        await holder`CREATE TABLE diary (line TEXT)`
        await holder`CREATE INDEX by_n ON counter (n)`
        await holder`BEGIN IMMEDIATE`
        index = await other`CREATE INDEX by_line ON diary (line)`
        analyze = await other`ANALYZE`
        reindex = await other`REINDEX`
        drop = await other`DROP TABLE diary`
        alter = await other`ALTER TABLE counter ADD COLUMN note TEXT`
        check = await other`PRAGMA integrity_check`
        optimize = await other`PRAGMA optimize`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other is turned away from CREATE INDEX, DROP TABLE and ALTER TABLE with SQLITE_BUSY', () => {
      expect([index.code, drop.code, alter.code]).toEqual(['SQLITE_BUSY', 'SQLITE_BUSY', 'SQLITE_BUSY'])
    })
    test('the other is turned away from ANALYZE, REINDEX and PRAGMA optimize with SQLITE_BUSY', () => {
      expect([analyze.code, reindex.code, optimize.code]).toEqual(['SQLITE_BUSY', 'SQLITE_BUSY', 'SQLITE_BUSY'])
    })
    test('the other runs PRAGMA integrity_check beside the holder', () => {
      expect(check.rows).toEqual([{ integrity_check: 'ok' }])
    })
  })
})

describe('Work on the schema, no timeout, rollback journal', { tags: ['q29'] }, () => {
  describe('when someone builds an index', () => {
    let write: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      const cast = { builder: { timeout: 0 }, reader: { timeout: 0 }, writer: { timeout: 0 } }
      story = await contend('delete', cast, async ({ builder, reader, writer }) => {
        await builder`BEGIN`
        await builder`CREATE INDEX by_n ON counter (n)`
        write = await writer`UPDATE counter SET n = n + 1`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        commit = await builder`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer is turned away with SQLITE_BUSY', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('the builder is turned away at COMMIT with SQLITE_BUSY while the reader is inside', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when someone holds an exclusive lock', () => {
    let check: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { holder: { timeout: 0 }, checker: { timeout: 0 } }, async ({ holder, checker }) => {
        await holder`BEGIN EXCLUSIVE`
        check = await checker`PRAGMA integrity_check`
      })
    })
    beforeEach((context) => show(context, story))

    test('the checker is turned away from PRAGMA integrity_check with SQLITE_BUSY', () => {
      expect(check.code).toBe('SQLITE_BUSY')
    })
  })
})

describe('Work on the schema with a timeout, write-ahead log', { tags: ['q29'] }, () => {
  describe('when someone builds an index after a writer, and before the next', () => {
    let index: Outcome, update: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 5_000 }, builder: { timeout: 5_000 } }, async ({ writer, builder }) => {
        await writer`BEGIN IMMEDIATE`
        await builder`BEGIN`
        const turn = builder`CREATE INDEX by_n ON counter (n)`
        await turn.blocks()
        await writer`COMMIT`
        index = await turn
        const turnOfWriter = writer`UPDATE counter SET n = n + 1`
        await turnOfWriter.blocks()
        await builder`COMMIT`
        update = await turnOfWriter
      })
    })
    beforeEach((context) => show(context, story))

    test('the builder waits until the writer has left', () => {
      expect(index.code).toBe('SQLITE_OK')
    })
    test('the writer waits until the builder has committed', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
  })
})

describe('Work on the schema with a timeout, rollback journal', { tags: ['q29'] }, () => {
  describe('when someone builds an index after a writer, and beside a reader', () => {
    let index: Outcome, read: Outcome, commit: Outcome, late: Outcome, update: Outcome, story: Story

    beforeAll(async () => {
      const timeout = 5_000
      const cast = { writer: { timeout }, builder: { timeout }, reader: { timeout }, newcomer: { timeout } }
      story = await contend('delete', cast, async ({ writer, builder, reader, newcomer }) => {
        await writer`BEGIN IMMEDIATE`
        await builder`BEGIN`
        const turn = builder`CREATE INDEX by_n ON counter (n)`
        await turn.blocks()
        await writer`COMMIT`
        index = await turn
        await reader`BEGIN`
        read = await reader`SELECT n FROM counter`
        const turnAtCommit = builder`COMMIT`
        await turnAtCommit.blocks()
        const turnOfNewcomer = newcomer`SELECT count(*) FROM counter`
        await turnOfNewcomer.blocks()
        const turnOfWriter = writer`UPDATE counter SET n = n + 1`
        await turnOfWriter.blocks()
        await reader`COMMIT`
        commit = await turnAtCommit
        late = await turnOfNewcomer
        update = await turnOfWriter
      })
    })
    beforeEach((context) => show(context, story))

    test('the builder waits with CREATE INDEX until the writer has left', () => {
      expect(index.code).toBe('SQLITE_OK')
    })
    test('the reader is admitted before the builder comes to COMMIT, and the builder waits there until the reader has left', () => {
      expect([read.code, commit.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
    })
    test('a newcomer who reads and the writer wait until the builder has committed', () => {
      expect([late.code, update.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
    })
  })
})
