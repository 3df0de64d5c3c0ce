/**
 * With a rollback journal there is one file, and COMMIT writes to it: readers and the writer share it until then, and not a moment
 * longer. The writer begins beside the readers (RESERVED), waits at COMMIT until the last of them has left and lets no new one in
 * (PENDING), then has the file for itself (EXCLUSIVE). A COMMIT that is refused has lost nothing, but the door it has closed stays closed.
 *
 * https://sqlite.org/lockingv3.html#locking · https://sqlite.org/lang_transaction.html · https://sqlite.org/atomiccommit.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { show } from '../helpers/show.ts'

describe('A writer and readers, no timeout, rollback journal', () => {
  describe('when COMMIT is refused because someone reads', { tags: ['q16'] }, () => {
    let commit: Outcome, newcomer: Outcome, inside: Outcome, closed: Outcome, again: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 0 }, newcomer: { timeout: 0 } }
      story = await contend('delete', cast, async (contenders) => {
        const { reader, writer } = contenders
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        commit = await writer`COMMIT`
        newcomer = await contenders.newcomer`SELECT n FROM counter`
        inside = await reader`SELECT n FROM counter`
        await reader`COMMIT`
        closed = await contenders.newcomer`SELECT n FROM counter`
        again = await writer`COMMIT`
        after = await contenders.newcomer`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story, 'a-refused-commit.svg'))

    test.fails('myth: whoever has got in with BEGIN IMMEDIATE can commit', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('COMMIT is turned away with SQLITE_BUSY', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
    })
    test('the transaction is still open', () => {
      expect(commit.inTransaction).toBe(true)
    })
    test.fails('myth: a newcomer may read until the writer has committed', () => {
      expect(newcomer.code).toBe('SQLITE_OK')
    })
    test('a newcomer who only wants to read is turned away with SQLITE_BUSY', () => {
      expect(newcomer.code).toBe('SQLITE_BUSY')
    })
    test('the reader who is inside reads on, and sees the old state', () => {
      expect(inside).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test('the newcomer is turned away with SQLITE_BUSY even when nobody reads any more: the writer has to try again first', () => {
      expect(closed.code).toBe('SQLITE_BUSY')
    })
    test('the same COMMIT, said again, is SQLITE_OK', () => {
      expect(again).toMatchObject({ code: 'SQLITE_OK', inTransaction: false })
    })
    test('nothing was lost: the newcomer reads 1', () => {
      expect(after.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when the writer gives up after its COMMIT is refused', { tags: ['q16'] }, () => {
    let rollback: Outcome, newcomer: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 0 }, newcomer: { timeout: 0 } }
      story = await contend('delete', cast, async (contenders) => {
        const { reader, writer } = contenders
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        await writer`COMMIT`
        rollback = await writer`ROLLBACK`
        newcomer = await contenders.newcomer`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('ROLLBACK is never refused, although someone reads', () => {
      expect(rollback).toMatchObject({ code: 'SQLITE_OK', inTransaction: false })
    })
    test('the newcomer is let in, and reads the old state', () => {
      expect(newcomer).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
  })

  describe('when a reader comes while the writer has written and not committed', { tags: ['q18'] }, () => {
    let read: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 }, reader: { timeout: 0 } }, async ({ writer, reader }) => {
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        read = await reader`SELECT n FROM counter`
        commit = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader is let in, and reads the old state', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test('the writer commits, for a SELECT without a transaction is over when it has answered', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
  })

  describe('when the writer has said BEGIN EXCLUSIVE', { tags: ['q17'] }, () => {
    let read: Outcome, commit: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 }, reader: { timeout: 0 } }, async ({ writer, reader }) => {
        await writer`BEGIN EXCLUSIVE`
        read = await reader`SELECT n FROM counter`
        await writer`UPDATE counter SET n = n + 1`
        commit = await writer`COMMIT`
        after = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('a reader is turned away with SQLITE_BUSY, before anything is written', () => {
      expect(read.code).toBe('SQLITE_BUSY')
    })
    test('the writer commits: nobody can have come in', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the reader is let in after that', () => {
      expect(after.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when someone reads, and the writer says BEGIN EXCLUSIVE', { tags: ['q17'] }, () => {
    let exclusive: Outcome, immediate: Outcome, newcomer: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 0 }, newcomer: { timeout: 0 } }
      story = await contend('delete', cast, async (contenders) => {
        const { reader, writer } = contenders
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        exclusive = await writer`BEGIN EXCLUSIVE`
        newcomer = await contenders.newcomer`SELECT n FROM counter`
        immediate = await writer`BEGIN IMMEDIATE`
      })
    })
    beforeEach((context) => show(context, story))

    test('BEGIN EXCLUSIVE is turned away with SQLITE_BUSY by one who only reads', () => {
      expect(exclusive).toMatchObject({ code: 'SQLITE_BUSY', inTransaction: false })
    })
    test('a newcomer is let in: unlike a refused COMMIT, a refused BEGIN EXCLUSIVE leaves nothing behind', () => {
      expect(newcomer.code).toBe('SQLITE_OK')
    })
    test('BEGIN IMMEDIATE is let in beside the reader', () => {
      expect(immediate.code).toBe('SQLITE_OK')
    })
  })

  describe('when the writer writes more than its cache holds', { tags: ['q18'] }, () => {
    let read: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 }, reader: { timeout: 0 } }, async ({ writer, reader }) => {
        await writer`PRAGMA cache_size = 10`
        await writer`BEGIN`
        await writer`CREATE TABLE ballast AS WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 100) SELECT randomblob(3000) FROM i`
        read = await reader`SELECT n FROM counter`
        await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('a reader is turned away with SQLITE_BUSY long before COMMIT', () => {
      expect(read.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when someone reads, and the writer writes more than its cache holds', { tags: ['q18'] }, () => {
    let write: Outcome, newcomer: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 0 }, writer: { timeout: 0 }, newcomer: { timeout: 0 } }
      story = await contend('delete', cast, async (contenders) => {
        const { reader, writer } = contenders
        await writer`PRAGMA cache_size = 10`
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN`
        write =
          await writer`CREATE TABLE ballast AS WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 100) SELECT randomblob(3000) FROM i`
        newcomer = await contenders.newcomer`SELECT n FROM counter`
        await reader`COMMIT`
        commit = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer is not refused: it keeps in memory what it cannot write to the file yet', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('a newcomer who only wants to read is turned away with SQLITE_BUSY: to have tried has closed the door', () => {
      expect(newcomer.code).toBe('SQLITE_BUSY')
    })
    test('the writer commits when the reader has left', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
  })
})

describe('A writer and readers, five-second timeout, rollback journal', () => {
  describe('when COMMIT waits for a reader', { tags: ['q16'] }, () => {
    let newcomer: Outcome, still: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      const cast = { reader: { timeout: 5_000 }, writer: { timeout: 5_000 }, newcomer: { timeout: 5_000 } }
      story = await contend('delete', cast, async (contenders) => {
        const { reader, writer } = contenders
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        const turn = writer`COMMIT`
        await turn.blocks()
        const question = contenders.newcomer`SELECT n FROM counter`
        await question.blocks()
        still = await reader`SELECT n FROM counter`
        await reader`COMMIT`
        commit = await turn
        newcomer = await question
      })
    })
    beforeEach((context) => show(context, story, 'commit-waits.svg'))

    test('the writer waits in COMMIT for the reader, and commits', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('a newcomer who only wants to read waits for the writer that waits, and reads the new state', () => {
      expect(newcomer).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
    test('the reader, for whom everybody waits, reads the old state meanwhile', () => {
      expect(still.rows).toEqual([{ n: 0 }])
    })
  })

  describe('when the reader stays for longer than the timeout of the writer', { tags: ['q15', 'q16'] }, () => {
    let commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, writer: { timeout: 100 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        commit = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('COMMIT is turned away with SQLITE_BUSY after its whole timeout of 100 ms', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
      expect(commit.waited).toBeGreaterThanOrEqual(100)
    })
    test('the transaction is still open: COMMIT may be said again', () => {
      expect(commit.inTransaction).toBe(true)
    })
  })

  describe('when a reader meets one who has said BEGIN EXCLUSIVE', { tags: ['q17', 'q18'] }, () => {
    let read: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 5_000 }, reader: { timeout: 5_000 } }, async ({ writer, reader }) => {
        await writer`BEGIN EXCLUSIVE`
        const question = reader`SELECT n FROM counter`
        await question.blocks()
        await writer`UPDATE counter SET n = n + 1`
        await writer`COMMIT`
        read = await question
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader waits, and reads what the writer has written', () => {
      expect(read).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
    })
  })

  describe('when two have read, and the one that writes waits in COMMIT for the other', { tags: ['q14'] }, () => {
    let upgrade: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 5_000 }, other: { timeout: 5_000 } }, async ({ first, other }) => {
        await other`BEGIN`
        await other`SELECT n FROM counter`
        await first`BEGIN`
        await first`SELECT n FROM counter`
        await first`UPDATE counter SET n = n + 1`
        const turn = first`COMMIT`
        await turn.blocks()
        upgrade = await other`UPDATE counter SET n = n + 1`
        await other`ROLLBACK`
        commit = await turn
      })
    })
    beforeEach((context) => show(context, story))

    test('the other is turned away with SQLITE_BUSY, and never with SQLITE_BUSY_SNAPSHOT: what it has read cannot be out of date', () => {
      expect(upgrade.code).toBe('SQLITE_BUSY')
    })
    test('the other is turned away at once: it is the one that is waited for', () => {
      expect(upgrade.waited).toBeLessThan(1_000)
    })
    test('the first commits as soon as the other has rolled back', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
  })
})
