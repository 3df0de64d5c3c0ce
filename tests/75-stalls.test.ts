/**
 * A process can be alive and stand still: stopped by SIGSTOP, in a debugger, in a paused container. Its locks stay
 * its own for as long as that takes. SQLite has no lease and no watchdog: nobody takes a lock away from one who does not answer, the
 * others get their timeout and SQLITE_BUSY, and when the sleeper wakes, its transaction is as it was. Nothing is lost, but nobody gets
 * on either. Idle or stopped, to the others it is the same; but one that is idle does what it is told. So each is told something here as
 * it stands, and has not answered when the others have. Who does not want to wait has one way, and it is safe: SIGKILL (chapter 74).
 *
 * What a waiter finds that was stopped itself, chapter 63 tells: a timeout counts sleeps only.
 *
 * https://sqlite.org/lockingv3.html · https://sqlite.org/wal.html#avoiding_excessively_large_wal_files ·
 * https://sqlite.org/c3ref/busy_timeout.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { show } from '../helpers/show.ts'

/** How a process is known to be stopped, and where. */
const withoutProc = process.platform !== 'linux'

describe.skipIf(withoutProc)('A holder that is stopped, rollback journal (needs /proc)', { tags: ['q45'] }, () => {
  describe('when it has written, and is told to COMMIT as it stands', () => {
    let hasty: Outcome, late: Outcome, read: Outcome, commit: Outcome, begin: Outcome, seen: Outcome
    let isAnswered: boolean, isPatient: boolean, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 5_000 }, hasty: { timeout: 0 }, late: { timeout: 100 }, waiter: { timeout: 5_000 } }
      story = await contend('delete', cast, async (contenders) => {
        const { holder, waiter } = contenders
        await holder`BEGIN IMMEDIATE`
        await holder`UPDATE counter SET n = n + 1`
        await holder.signal('SIGSTOP')
        const leaving = holder`COMMIT`
        hasty = await contenders.hasty`BEGIN IMMEDIATE`
        read = await contenders.hasty`SELECT n FROM counter`
        const turn = waiter`BEGIN IMMEDIATE`
        await turn.blocks()
        late = await contenders.late`BEGIN IMMEDIATE`
        isPatient = !turn.answered
        isAnswered = leaving.answered
        await holder.signal('SIGCONT')
        commit = await leaving
        begin = await turn
        seen = await waiter`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the hasty one, without a timeout, is turned away with SQLITE_BUSY, and reads the old state: n is 0', () => {
      expect(hasty.code).toBe('SQLITE_BUSY')
      expect(read.rows).toEqual([{ n: 0 }])
    })
    test.fails('myth: a lock is taken away from a process that does not answer any more', () => {
      expect(late.code).toBe('SQLITE_OK')
    })
    test('the late one waits for its whole timeout of 100 ms, and gets SQLITE_BUSY, while one who has 5,000 ms waits on', () => {
      expect(late.code).toBe('SQLITE_BUSY')
      expect(late.waited).toBeGreaterThanOrEqual(100)
      expect(late.waited).toBeLessThan(5_000)
      expect(isPatient).toBe(true)
    })
    test('the holder, told to COMMIT as it stands, has not answered by then; it wakes in its transaction, and commits', () => {
      expect(isAnswered).toBe(false)
      expect(commit).toMatchObject({ code: 'SQLITE_OK', inTransaction: false })
    })
    test('the waiter, who is patient, gets its turn then, and reads what the holder has written: n is 1', () => {
      expect(isPatient).toBe(true)
      expect(begin.code).toBe('SQLITE_OK')
      expect(seen.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when it waits in COMMIT for a reader, and the reader leaves', () => {
    let refused: Outcome, again: Outcome, commit: Outcome, read: Outcome, isAnswered: boolean, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, holder: { timeout: 5_000 }, newcomer: { timeout: 100 } }
      story = await contend('delete', cast, async ({ reader, holder, newcomer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await holder`BEGIN IMMEDIATE`
        await holder`UPDATE counter SET n = n + 1`
        const leaving = holder`COMMIT`
        await leaving.blocks()
        await holder.signal('SIGSTOP')
        await reader`COMMIT`
        again = await reader`SELECT n FROM counter`
        refused = await newcomer`SELECT n FROM counter`
        isAnswered = leaving.answered
        await holder.signal('SIGCONT')
        commit = await leaving
        read = await newcomer`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader, once it has left, is not let in again: SQLITE_BUSY', () => {
      expect(again.code).toBe('SQLITE_BUSY')
    })
    test('the newcomer, who only wants to read, waits for 100 ms and gets SQLITE_BUSY, although nobody is inside', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeGreaterThanOrEqual(100)
      expect(refused.waited).toBeLessThan(5_000)
    })
    test('the holder has not answered by then; it wakes, and commits', () => {
      expect(isAnswered).toBe(false)
      expect(commit.code).toBe('SQLITE_OK')
      expect(read.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when it is told to COMMIT as it stands, and is killed', () => {
    let refused: Outcome, begin: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { holder: { timeout: 0 }, next: { timeout: 0 } }, async ({ holder, next }) => {
        await holder`BEGIN IMMEDIATE`
        await holder`UPDATE counter SET n = n + 1`
        await holder.signal('SIGSTOP')
        holder`COMMIT`
        refused = await next`BEGIN IMMEDIATE`
        await holder.signal('SIGKILL')
        begin = await next`BEGIN IMMEDIATE`
        read = await next`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the next, turned away with SQLITE_BUSY before, is admitted at once: SQLITE_OK, without a timeout', () => {
      expect([refused.code, begin.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test('the next reads the old state: n is 0, for the COMMIT was never begun', () => {
      expect(read.rows).toEqual([{ n: 0 }])
    })
  })
})

describe.skipIf(withoutProc)('A holder that is stopped, write-ahead log (needs /proc)', { tags: ['q45'] }, () => {
  describe('when it has written, and is told to COMMIT as it stands', () => {
    let hasty: Outcome, late: Outcome, read: Outcome, commit: Outcome, begin: Outcome, seen: Outcome
    let isAnswered: boolean, isPatient: boolean, story: Story

    beforeAll(async () => {
      const cast = { holder: { timeout: 0 }, hasty: { timeout: 0 }, late: { timeout: 100 }, waiter: { timeout: 5_000 } }
      story = await contend('wal', cast, async (contenders) => {
        const { holder, waiter } = contenders
        await holder`BEGIN IMMEDIATE`
        await holder`UPDATE counter SET n = n + 1`
        await holder.signal('SIGSTOP')
        const leaving = holder`COMMIT`
        hasty = await contenders.hasty`BEGIN IMMEDIATE`
        read = await contenders.hasty`SELECT n FROM counter`
        const turn = waiter`BEGIN IMMEDIATE`
        await turn.blocks()
        late = await contenders.late`BEGIN IMMEDIATE`
        isPatient = !turn.answered
        isAnswered = leaving.answered
        await holder.signal('SIGCONT')
        commit = await leaving
        begin = await turn
        seen = await waiter`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the hasty one, without a timeout, is turned away with SQLITE_BUSY, and reads the old state: n is 0', () => {
      expect(hasty.code).toBe('SQLITE_BUSY')
      expect(read.rows).toEqual([{ n: 0 }])
    })
    test('the late one waits for its whole timeout of 100 ms, and gets SQLITE_BUSY, while one who has 5,000 ms waits on', () => {
      expect(late.code).toBe('SQLITE_BUSY')
      expect(late.waited).toBeGreaterThanOrEqual(100)
      expect(late.waited).toBeLessThan(5_000)
      expect(isPatient).toBe(true)
    })
    test('the holder, told to COMMIT as it stands, has not answered by then; it wakes in its transaction, and commits', () => {
      expect(isAnswered).toBe(false)
      expect(commit).toMatchObject({ code: 'SQLITE_OK', inTransaction: false })
    })
    test('the waiter, who is patient, gets its turn then, and reads what the holder has written: n is 1', () => {
      expect(isPatient).toBe(true)
      expect(begin.code).toBe('SQLITE_OK')
      expect(seen.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when it waits in a FULL checkpoint for a reader, and the reader leaves', () => {
    let refused: Outcome, second: Outcome, read: Outcome, checkpoint: Outcome, write: Outcome
    let isAnswered: boolean, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, checkpointer: { timeout: 5_000 }, writer: { timeout: 100 } }
      story = await contend('wal', cast, async ({ reader, checkpointer, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        const turn = checkpointer`PRAGMA wal_checkpoint(FULL)`
        await turn.blocks()
        await checkpointer.signal('SIGSTOP')
        await reader`COMMIT`
        refused = await writer`UPDATE counter SET n = n + 1`
        second = await writer`PRAGMA wal_checkpoint`
        read = await reader`SELECT n FROM counter`
        isAnswered = turn.answered
        await checkpointer.signal('SIGCONT')
        checkpoint = await turn
        write = await writer`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails("myth: a checkpoint is housekeeping, and in nobody's way", () => {
      expect(refused.code).toBe('SQLITE_OK')
    })
    test('the writer waits for 100 ms and gets SQLITE_BUSY, and so does a second checkpoint, with busy = 1', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeGreaterThanOrEqual(100)
      expect(refused.waited).toBeLessThan(5_000)
      expect(second.rows).toMatchObject([{ busy: 1 }])
    })
    test('the reader reads the newest state meanwhile', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
    test('the checkpointer has not answered by then; it wakes, and finishes, and the writer writes', () => {
      expect(isAnswered).toBe(false)
      expect(checkpoint.rows).toEqual([{ busy: 0, log: 1, checkpointed: 1 }])
      expect(write.code).toBe('SQLITE_OK')
    })
  })

  describe('when it is told to COMMIT as it stands, and is killed', () => {
    let refused: Outcome, begin: Outcome, read: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { holder: { timeout: 0 }, next: { timeout: 0 } }, async ({ holder, next }) => {
        await holder`BEGIN IMMEDIATE`
        await holder`UPDATE counter SET n = n + 1`
        await holder.signal('SIGSTOP')
        holder`COMMIT`
        refused = await next`BEGIN IMMEDIATE`
        await holder.signal('SIGKILL')
        begin = await next`BEGIN IMMEDIATE`
        read = await next`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the next, turned away with SQLITE_BUSY before, is admitted at once: SQLITE_OK, without a timeout', () => {
      expect([refused.code, begin.code]).toEqual(['SQLITE_BUSY', 'SQLITE_OK'])
    })
    test('the next reads the old state: n is 0, for the COMMIT was never begun', () => {
      expect(read.rows).toEqual([{ n: 0 }])
    })
  })
})

describe.skipIf(withoutProc)('A reader that is stopped, rollback journal (needs /proc)', { tags: ['q45'] }, () => {
  describe('when somebody wants to commit', () => {
    let refused: Outcome, shut: Outcome, left: Outcome, commit: Outcome, isAnswered: boolean, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 100 }, newcomer: { timeout: 100 } }
      story = await contend('delete', cast, async ({ reader, writer, newcomer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await reader.signal('SIGSTOP')
        const leaving = reader`COMMIT`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        refused = await writer`COMMIT`
        shut = await newcomer`SELECT n FROM counter`
        isAnswered = leaving.answered
        await reader.signal('SIGCONT')
        left = await leaving
        commit = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer waits in COMMIT for its 100 ms, and gets SQLITE_BUSY', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
      expect(refused.waited).toBeGreaterThanOrEqual(100)
      expect(refused.waited).toBeLessThan(5_000)
    })
    test.fails('myth: a reader that does nothing keeps writers waiting, and nobody else', () => {
      expect(shut.code).toBe('SQLITE_OK')
    })
    test('the newcomer, who only wants to read, gets SQLITE_BUSY after its 100 ms as well: one stopped reader stops everybody', () => {
      expect(shut.code).toBe('SQLITE_BUSY')
      expect(shut.waited).toBeGreaterThanOrEqual(100)
      expect(shut.waited).toBeLessThan(5_000)
    })
    test('the reader, told to COMMIT as it stands, has not answered by then; it wakes, and leaves', () => {
      expect(isAnswered).toBe(false)
      expect(left).toMatchObject({ code: 'SQLITE_OK', inTransaction: false })
    })
    test('the writer repeats its COMMIT when the reader has left, SQLITE_OK', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
  })

  describe('when it has only said BEGIN, and is told to read as it stands', () => {
    let write: Outcome, read: Outcome, isAnswered: boolean, story: Story

    beforeAll(async () => {
      story = await contend('delete', { sleeper: { timeout: 0 }, writer: { timeout: 0 } }, async ({ sleeper, writer }) => {
        await sleeper`BEGIN`
        await sleeper.signal('SIGSTOP')
        const turn = sleeper`SELECT n FROM counter`
        write = await writer`UPDATE counter SET n = n + 1`
        isAnswered = turn.answered
        await sleeper.signal('SIGCONT')
        read = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer writes, SQLITE_OK, before that is answered: one who holds nothing may sleep as long as it likes', () => {
      expect(write.code).toBe('SQLITE_OK')
      expect(isAnswered).toBe(false)
    })
    test('the sleeper wakes, and reads the newest state: n is 1', () => {
      expect(read.rows).toEqual([{ n: 1 }])
    })
  })
})

describe.skipIf(withoutProc)('A reader that is stopped, write-ahead log (needs /proc)', { tags: ['q45'] }, () => {
  describe('when somebody writes, and wants a checkpoint', () => {
    let write: Outcome, held: Outcome, again: Outcome, still: Outcome, stale: Outcome, freed: Outcome
    let isAnswered: boolean, story: Story

    beforeAll(async () => {
      story = await contend('wal', { reader: { timeout: 5_000 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await reader.signal('SIGSTOP')
        const turn = reader`SELECT n FROM counter`
        write = await writer`UPDATE counter SET n = n + 1`
        held = await writer`PRAGMA wal_checkpoint(TRUNCATE)`
        again = await writer`UPDATE counter SET n = n + 1`
        isAnswered = turn.answered
        await reader.signal('SIGCONT')
        still = await turn
        stale = await reader`UPDATE counter SET n = n + 10`
        await reader`ROLLBACK`
        freed = await writer`PRAGMA wal_checkpoint(TRUNCATE)`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer writes before the checkpoint and after it, and the reader, told to read as it stands, has not answered', () => {
      expect(isAnswered).toBe(false)
      expect([write.code, again.code]).toEqual(['SQLITE_OK', 'SQLITE_OK'])
    })
    test('the writer cannot truncate the log, SQLITE_OK with busy = 1, until the reader has woken and left', () => {
      expect(isAnswered).toBe(false)
      expect(held).toMatchObject({ code: 'SQLITE_OK', rows: [{ busy: 1 }] })
      expect(freed.rows).toEqual([{ busy: 0, log: 0, checkpointed: 0 }])
    })
    test.fails('myth: a snapshot expires when its reader does not answer any more', () => {
      expect(still.rows).not.toEqual([{ n: 0 }])
    })
    test('the reader wakes with its snapshot, and answers only then, SQLITE_OK: n is 0, two commits later', () => {
      expect(isAnswered).toBe(false)
      expect(still).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test('the reader, if it goes on to write, is turned away with SQLITE_BUSY_SNAPSHOT, as anybody with an old snapshot', () => {
      expect(stale.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
  })

  describe('when it has only said BEGIN, and is told to read as it stands', () => {
    let write: Outcome, checkpoint: Outcome, read: Outcome, isAnswered: boolean, story: Story

    beforeAll(async () => {
      story = await contend('wal', { sleeper: { timeout: 0 }, writer: { timeout: 0 } }, async ({ sleeper, writer }) => {
        await sleeper`BEGIN`
        await sleeper.signal('SIGSTOP')
        const turn = sleeper`SELECT n FROM counter`
        write = await writer`UPDATE counter SET n = n + 1`
        checkpoint = await writer`PRAGMA wal_checkpoint(TRUNCATE)`
        isAnswered = turn.answered
        await sleeper.signal('SIGCONT')
        read = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer writes, SQLITE_OK, and truncates the log, before that is answered', () => {
      expect(write.code).toBe('SQLITE_OK')
      expect(isAnswered).toBe(false)
      expect(checkpoint.rows).toEqual([{ busy: 0, log: 0, checkpointed: 0 }])
    })
    test('the sleeper wakes, and reads the newest state: n is 1', () => {
      expect(read.rows).toEqual([{ n: 1 }])
    })
  })
})
