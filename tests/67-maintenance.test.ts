/**
 * Somebody has to copy the log back into the database, rebuild it, index it, back it up. Of these, a PASSIVE checkpoint, VACUUM INTO
 * and a step of the backup API disturb nobody; VACUUM and CREATE INDEX are writers like any other; and the checkpoints that promise
 * more than PASSIVE wait for readers, and keep all writers out while they do.
 *
 * A refused checkpoint answers with a row, busy = 1, and not with an error: who does not look at the row does not notice.
 *
 * https://sqlite.org/pragma.html#pragma_wal_checkpoint · https://sqlite.org/wal.html#ckpt · https://sqlite.org/lang_vacuum.html ·
 * https://sqlite.org/c3ref/backup_finish.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { tellsLocks } from '../helpers/kernel.ts'
import { show } from '../helpers/show.ts'

describe('Checkpoints, write-ahead log', { tags: ['q27'] }, () => {
  describe('when a reader still sees an older state', () => {
    let passive: Outcome, full: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 0 }, keeper: { timeout: 100 } }
      story = await contend('wal', cast, async ({ reader, writer, keeper }) => {
        await writer`UPDATE counter SET n = 1`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`UPDATE counter SET n = 2`
        passive = await keeper`PRAGMA wal_checkpoint(PASSIVE)`
        full = await keeper`PRAGMA wal_checkpoint(FULL)`
      })
    })
    beforeEach((context) => show(context, story))

    test('PASSIVE copies what the reader has seen, 1 page of 2, and does not call that busy', () => {
      expect(passive.rows).toEqual([{ busy: 0, log: 2, checkpointed: 1 }])
    })
    test('PASSIVE, with a timeout of 100 ms, does not wait', () => {
      expect(passive.waited).toBeLessThan(100)
    })
    test.fails('myth: a checkpoint that cannot finish is an error', () => {
      expect(full.code).toBe('SQLITE_BUSY')
    })
    test('FULL answers SQLITE_OK, with busy = 1 in its row and 1 page of 2 copied', () => {
      expect(full).toMatchObject({ code: 'SQLITE_OK', rows: [{ busy: 1, log: 2, checkpointed: 1 }] })
    })
    test('FULL waits for the reader, for its whole timeout of 100 ms', () => {
      expect(full.waited).toBeGreaterThanOrEqual(100)
    })
  })

  describe('when the reader sees the newest state', () => {
    let full: Outcome, restart: Outcome, truncate: Outcome, write: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 0 }, keeper: { timeout: 0 } }
      story = await contend('wal', cast, async ({ reader, writer, keeper }) => {
        await writer`UPDATE counter SET n = 1`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        full = await keeper`PRAGMA wal_checkpoint(FULL)`
        restart = await keeper`PRAGMA wal_checkpoint(RESTART)`
        truncate = await keeper`PRAGMA wal_checkpoint(TRUNCATE)`
        write = await writer`UPDATE counter SET n = 2`
      })
    })
    beforeEach((context) => show(context, story))

    test('FULL copies everything: nobody needs anything older', () => {
      expect(full.rows).toEqual([{ busy: 0, log: 1, checkpointed: 1 }])
    })
    test('RESTART copies everything and is busy all the same: it wants the reader out of the log', () => {
      expect(restart.rows).toEqual([{ busy: 1, log: 1, checkpointed: 1 }])
    })
    test.fails('myth: TRUNCATE empties the log', () => {
      expect(truncate.rows).toEqual([{ busy: 0, log: 0, checkpointed: 0 }])
    })
    test('TRUNCATE leaves the log as it is, and says so only with busy = 1', () => {
      expect(truncate).toMatchObject({ code: 'SQLITE_OK', rows: [{ busy: 1, log: 1, checkpointed: 1 }] })
    })
    test('the writer goes on as if no checkpoint had been tried', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
  })

  describe('when a writer is inside', () => {
    let passive: Outcome, full: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 0 }, keeper: { timeout: 100 } }, async ({ writer, keeper }) => {
        await writer`UPDATE counter SET n = 1`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = 2`
        passive = await keeper`PRAGMA wal_checkpoint(PASSIVE)`
        full = await keeper`PRAGMA wal_checkpoint(FULL)`
        commit = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('PASSIVE copies what is committed, beside the writer', () => {
      expect(passive.rows).toEqual([{ busy: 0, log: 1, checkpointed: 1 }])
    })
    test('FULL waits for the writer, for its whole timeout of 100 ms, and answers busy = 1', () => {
      expect(full.rows).toMatchObject([{ busy: 1 }])
      expect(full.waited).toBeGreaterThanOrEqual(100)
    })
    test('the writer commits', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
  })

  describe('when FULL waits for a reader, with a timeout of five seconds', () => {
    let write: Outcome, read: Outcome, second: Outcome, full: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 0 }, keeper: { timeout: 5_000 }, second: { timeout: 0 } }
      story = await contend('wal', cast, async (contenders) => {
        const { reader, writer, keeper } = contenders
        await writer`UPDATE counter SET n = 1`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`UPDATE counter SET n = 2`
        const turn = keeper`PRAGMA wal_checkpoint(FULL)`
        await turn.blocks()
        write = await writer`UPDATE counter SET n = 3`
        read = await contenders.second`SELECT n FROM counter`
        second = await contenders.second`PRAGMA wal_checkpoint(PASSIVE)`
        await reader`COMMIT`
        full = await turn
        after = await writer`UPDATE counter SET n = 3`
      })
    })
    beforeEach((context) => show(context, story, 'a-checkpoint-waits.svg'))

    test.fails('myth: one who only reads never keeps a writer out, in WAL mode', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the writer is turned away with SQLITE_BUSY: the checkpoint that waits for the reader holds the write lock', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('a newcomer reads the newest state meanwhile', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 2 }] })
    })
    test('a second checkpoint, even a PASSIVE one, is busy at once and learns nothing of the log', () => {
      expect(second.rows).toEqual([{ busy: 1, log: -1, checkpointed: -1 }])
    })
    test('FULL copies everything when the reader has left', () => {
      expect(full.rows).toEqual([{ busy: 0, log: 2, checkpointed: 2 }])
    })
    test('the writer writes when the checkpoint is done', () => {
      expect(after.code).toBe('SQLITE_OK')
    })
    test.skipIf(!tellsLocks)('the checkpoint that waits holds WRITE and CKPT (needs /proc)', () => {
      const waiting = story.moments.find(({ contender, waits }) => contender === 'keeper' && waits)
      expect(waiting?.locks).toEqual(expect.arrayContaining(['WRITE', 'CKPT']))
    })
  })

  describe('when TRUNCATE waits for a reader, with a timeout of five seconds', () => {
    let write: Outcome, truncate: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 0 }, keeper: { timeout: 5_000 } }
      story = await contend('wal', cast, async ({ reader, writer, keeper }) => {
        await writer`UPDATE counter SET n = 1`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        const turn = keeper`PRAGMA wal_checkpoint(TRUNCATE)`
        await turn.blocks()
        write = await writer`UPDATE counter SET n = 2`
        await reader`COMMIT`
        truncate = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer is turned away with SQLITE_BUSY, although the reader sees the newest state', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('TRUNCATE empties the log when the reader has left', () => {
      expect(truncate.rows).toEqual([{ busy: 0, log: 0, checkpointed: 0 }])
    })
  })

  describe('when the keeper itself is in a transaction that has read', () => {
    let checkpoint: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { keeper: { timeout: 5_000 } }, async ({ keeper }) => {
        await keeper`BEGIN`
        await keeper`SELECT n FROM counter`
        checkpoint = await keeper`PRAGMA wal_checkpoint(PASSIVE)`
      })
    })
    beforeEach((context) => show(context, story))

    test('the checkpoint is refused with SQLITE_LOCKED: it is in its own way', () => {
      expect(checkpoint.code).toBe('SQLITE_LOCKED')
    })
    test('the checkpoint is refused at once: no timeout helps against oneself', () => {
      expect(checkpoint.waited).toBeLessThan(1_000)
    })
  })
})

describe('One long reader, write-ahead log', { tags: ['q28'] }, () => {
  describe('when others commit, and checkpoint each time', () => {
    let checkpoints: Outcome[], still: Outcome, last: Outcome, afterwards: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 0 }, keeper: { timeout: 0 } }
      story = await contend('wal', cast, async ({ reader, writer, keeper }) => {
        await writer`UPDATE counter SET n = 1`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        checkpoints = []
        for (let i = 0; i < 3; i++) {
          await writer`UPDATE counter SET n = n + 1`
          checkpoints.push(await keeper`PRAGMA wal_checkpoint(PASSIVE)`)
        }
        still = await reader`SELECT n FROM counter`
        await reader`COMMIT`
        last = await keeper`PRAGMA wal_checkpoint(PASSIVE)`
        await writer`UPDATE counter SET n = n + 1`
        afterwards = await keeper`PRAGMA wal_checkpoint(PASSIVE)`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: checkpoints keep the log short', () => {
      expect(checkpoints.map(({ rows }) => rows[0].log)).toEqual([1, 1, 1])
    })
    test('the log grows with every commit, to 2, 3, 4 pages', () => {
      expect(checkpoints.map(({ rows }) => rows[0].log)).toEqual([2, 3, 4])
    })
    test('each checkpoint stops at the 1 page that the reader has seen', () => {
      expect(checkpoints.map(({ rows }) => rows[0].checkpointed)).toEqual([1, 1, 1])
    })
    test('the reader sees 1 all the time', () => {
      expect(still.rows).toEqual([{ n: 1 }])
    })
    test('a checkpoint copies all 4 pages when the reader has left', () => {
      expect(last.rows).toEqual([{ busy: 0, log: 4, checkpointed: 4 }])
    })
    test('the next writer starts the log from its beginning: it is 1 page long', () => {
      expect(afterwards.rows).toEqual([{ busy: 0, log: 1, checkpointed: 1 }])
    })
  })
})

describe('VACUUM and its kin, write-ahead log', { tags: ['q29'] }, () => {
  describe('when someone reads', () => {
    let vacuum: Outcome, still: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { reader: { timeout: 0 }, keeper: { timeout: 0 } }, async ({ reader, keeper }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        vacuum = await keeper`VACUUM`
        still = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: VACUUM needs the database for itself', () => {
      expect(vacuum.code).toBe('SQLITE_BUSY')
    })
    test('VACUUM is SQLITE_OK beside the reader: it writes to the log, as any writer does', () => {
      expect(vacuum.code).toBe('SQLITE_OK')
    })
    test('the reader reads on', () => {
      expect(still).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
  })

  describe('when someone writes', () => {
    let vacuum: Outcome, index: Outcome, into: Outcome, check: Outcome, copied: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 0 }, keeper: { timeout: 0 } }, async ({ writer, keeper }) => {
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = 1`
        vacuum = await keeper`VACUUM`
        index = await keeper`CREATE INDEX by_n ON counter(n)`
        into = await keeper`VACUUM INTO 'copy.db'`
        check = await keeper`PRAGMA integrity_check`
        await writer`COMMIT`
        await keeper`ATTACH 'copy.db' AS copy`
        copied = await keeper`SELECT n FROM copy.counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('VACUUM is turned away with SQLITE_BUSY', () => {
      expect(vacuum.code).toBe('SQLITE_BUSY')
    })
    test('CREATE INDEX is turned away with SQLITE_BUSY', () => {
      expect(index.code).toBe('SQLITE_BUSY')
    })
    test('VACUUM INTO is not refused: it only reads', () => {
      expect(into.code).toBe('SQLITE_OK')
    })
    test('VACUUM INTO copies the last committed state', () => {
      expect(copied.rows).toEqual([{ n: 0 }])
    })
    test('integrity_check is not refused: it only reads', () => {
      expect(check.rows).toEqual([{ integrity_check: 'ok' }])
    })
  })

  describe('when the writer leaves while VACUUM and CREATE INDEX wait, with a timeout of five seconds', () => {
    let vacuum: Outcome, index: Outcome, story: Story

    beforeAll(async () => {
      const cast = { writer: { timeout: 0 }, keeper: { timeout: 5_000 } }
      story = await contend('wal', cast, async ({ writer, keeper }) => {
        await writer`BEGIN IMMEDIATE`
        const rebuilding = keeper`VACUUM`
        await rebuilding.blocks()
        await writer`COMMIT`
        vacuum = await rebuilding
        await writer`BEGIN IMMEDIATE`
        const indexing = keeper`CREATE INDEX by_n ON counter(n)`
        await indexing.blocks()
        await writer`COMMIT`
        index = await indexing
      })
    })
    beforeEach((context) => show(context, story))

    test('VACUUM waits its turn', () => {
      expect(vacuum.code).toBe('SQLITE_OK')
    })
    test('CREATE INDEX waits its turn', () => {
      expect(index.code).toBe('SQLITE_OK')
    })
  })

  describe('when an index is being created', () => {
    let write: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      const cast = { keeper: { timeout: 0 }, writer: { timeout: 0 }, reader: { timeout: 0 } }
      story = await contend('wal', cast, async ({ keeper, writer, reader }) => {
        await keeper`BEGIN`
        await keeper`CREATE INDEX by_n ON counter(n)`
        write = await writer`UPDATE counter SET n = 1`
        read = await reader`SELECT n FROM counter`
        await keeper`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('a writer is turned away with SQLITE_BUSY', () => {
      expect(write.code).toBe('SQLITE_BUSY')
    })
    test('a reader is not', () => {
      expect(read.code).toBe('SQLITE_OK')
    })
  })

  describe('when the keeper is in a transaction', () => {
    let vacuum: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { keeper: { timeout: 0 } }, async ({ keeper }) => {
        await keeper`BEGIN`
        vacuum = await keeper`VACUUM`.mayAnswer('SQLITE_ERROR')
      })
    })
    beforeEach((context) => show(context, story))

    test('VACUUM is no lock error but SQLITE_ERROR: "cannot VACUUM from within a transaction"', () => {
      expect(vacuum).toMatchObject({ code: 'SQLITE_ERROR', message: 'cannot VACUUM from within a transaction' })
    })
    test('the transaction goes on', () => {
      expect(vacuum.inTransaction).toBe(true)
    })
  })
})

describe('VACUUM and its kin, rollback journal', { tags: ['q29'] }, () => {
  describe('when someone reads', () => {
    let vacuum: Outcome, into: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, keeper: { timeout: 100 } }, async ({ reader, keeper }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        vacuum = await keeper`VACUUM`
        into = await keeper`VACUUM INTO 'copy.db'`
      })
    })
    beforeEach((context) => show(context, story))

    test('VACUUM is turned away with SQLITE_BUSY, after its whole timeout of 100 ms', () => {
      expect(vacuum.code).toBe('SQLITE_BUSY')
      expect(vacuum.waited).toBeGreaterThanOrEqual(100)
    })
    test('VACUUM INTO is not refused', () => {
      expect(into.code).toBe('SQLITE_OK')
    })
  })

  describe('when VACUUM waits for a reader, with a timeout of five seconds', () => {
    let read: Outcome, vacuum: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, keeper: { timeout: 5_000 }, newcomer: { timeout: 0 } }
      story = await contend('delete', cast, async ({ reader, keeper, newcomer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        const turn = keeper`VACUUM`
        await turn.blocks()
        read = await newcomer`SELECT n FROM counter`
        await reader`COMMIT`
        vacuum = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('a newcomer who only wants to read is turned away with SQLITE_BUSY', () => {
      expect(read.code).toBe('SQLITE_BUSY')
    })
    test('VACUUM goes on when the reader has left', () => {
      expect(vacuum.code).toBe('SQLITE_OK')
    })
  })

  describe('when an index has been created, and someone reads', () => {
    let commit: Outcome, again: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, keeper: { timeout: 0 } }, async ({ reader, keeper }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await keeper`BEGIN`
        await keeper`CREATE INDEX by_n ON counter(n)`
        commit = await keeper`COMMIT`
        await reader`COMMIT`
        again = await keeper`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('its COMMIT is turned away with SQLITE_BUSY, as that of any writer', () => {
      expect(commit).toMatchObject({ code: 'SQLITE_BUSY', inTransaction: true })
    })
    test('its COMMIT succeeds when the reader has left', () => {
      expect(again.code).toBe('SQLITE_OK')
    })
  })
})

const backup = { timeout: 0, driver: 'better-sqlite3', program: 'backup.ts' } as const

describe('The backup API, write-ahead log', { tags: ['q29'] }, () => {
  describe('when another process writes between two steps', () => {
    let before: Outcome, write: Outcome, restarted: Outcome, end: Outcome, copied: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { keeper: backup, writer: { timeout: 0 } }, async ({ keeper, writer }) => {
        await writer`CREATE TABLE ballast AS SELECT randomblob(10000) AS pages`
        await keeper`.backup copy.db`
        await keeper`.step 1`
        before = await keeper`.step 1`
        write = await writer`UPDATE counter SET n = 1`
        restarted = await keeper`.step 1`
        end = await keeper`.step 100`
        await writer`ATTACH 'copy.db' AS copy`
        copied = await writer`SELECT n FROM copy.counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer is not refused: a backup holds no lock on its source between two steps', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test.fails('myth: a backup goes on where it was', () => {
      expect(restarted.rows).toEqual([{ remaining: 2 }])
    })
    test('the backup starts over: of 5 pages 3 remained, and after one more step 4 do', () => {
      expect(before.rows).toEqual([{ remaining: 3 }])
      expect(restarted.rows).toEqual([{ remaining: 4 }])
    })
    test('the copy, once complete, has what was written meanwhile', () => {
      expect(end.rows).toEqual([{ remaining: 0 }])
      expect(copied.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when a writer is inside', () => {
    let step: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { keeper: backup, writer: { timeout: 0 } }, async ({ keeper, writer }) => {
        await writer`CREATE TABLE ballast AS SELECT randomblob(10000) AS pages`
        await keeper`.backup copy.db`
        await writer`BEGIN EXCLUSIVE`
        await writer`UPDATE counter SET n = 1`
        step = await keeper`.step 1`
        await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the backup copies its page beside the writer, even one that has said BEGIN EXCLUSIVE', () => {
      expect(step.rows).toEqual([{ remaining: 4 }])
    })
  })
})

describe('The backup API, rollback journal', { tags: ['q29'] }, () => {
  describe('when a writer is inside', () => {
    let beside: Outcome, commit: Outcome, refused: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { keeper: backup, writer: { timeout: 0 } }, async ({ keeper, writer }) => {
        await writer`CREATE TABLE ballast AS SELECT randomblob(10000) AS pages`
        await keeper`.backup copy.db`
        await writer`BEGIN IMMEDIATE`
        beside = await keeper`.step 1`
        commit = await writer`COMMIT`
        await writer`BEGIN EXCLUSIVE`
        refused = await keeper`.step 1`
        await writer`COMMIT`
        after = await keeper`.step 2`
      })
    })
    beforeEach((context) => show(context, story))

    test('the backup copies a page beside one who has said BEGIN IMMEDIATE', () => {
      expect(beside.rows).toEqual([{ remaining: 4 }])
    })
    test('the writer commits: between two steps the backup is no reader', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the backup copies nothing beside one who has said BEGIN EXCLUSIVE', () => {
      expect(refused.rows).toEqual([{ remaining: 4 }])
    })
    test('the backup goes on when the writer has left, having changed nothing', () => {
      expect(after.rows).toEqual([{ remaining: 2 }])
    })
  })
})
