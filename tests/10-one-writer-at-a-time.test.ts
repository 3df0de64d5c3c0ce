/**
 * A SQLite database has one writer at a time, whatever its journal. The write-ahead log lets readers work beside the
 * writer; it does not let a second writer in. And the writer is the first to write, not the first to say BEGIN.
 *
 * https://sqlite.org/wal.html#concurrency · https://sqlite.org/lockingv3.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { show } from '../helpers/show.ts'

describe('Two connections, write-ahead log', () => {
  describe('when one is writing and the other starts to write', { tags: ['q3', 'q9'] }, () => {
    let refused: Outcome, commit: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 0 }, second: { timeout: 0 } }, async ({ writer, second }) => {
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        refused = await second`UPDATE counter SET n = n + 1`
        commit = await writer`COMMIT`
        repeated = await second`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: the write-ahead log lets two write at once', () => {
      expect(refused.code).toBe('SQLITE_OK')
    })
    test('the second writer is turned away with SQLITE_BUSY', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the second writer, without a timeout, is turned away at once', () => {
      expect(refused.waited).toBeLessThan(1_000)
    })
    test('the message of SQLITE_BUSY is "database is locked"', () => {
      expect(refused.message).toBe('database is locked')
    })
    test('the writer commits, undisturbed', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the second writer writes once the first has committed', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
  })

  describe('when the two write to different tables', { tags: ['q9', 'q31'] }, () => {
    let refused: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 0 }, second: { timeout: 0 } }, async ({ writer, second }) => {
        await writer`CREATE TABLE diary (line TEXT)`
        await writer`BEGIN`
        await writer`INSERT INTO diary VALUES ('Dear diary')`
        refused = await second`UPDATE counter SET n = n + 1`
        await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: writers to different tables do not lock each other out', () => {
      expect(refused.code).toBe('SQLITE_OK')
    })
    test('the second writer is turned away with SQLITE_BUSY: the lock is the whole database', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
  })

  describe('when one is writing and the other reads', { tags: ['q18'] }, () => {
    let during: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { writer: { timeout: 0 }, reader: { timeout: 0 } }, async ({ writer, reader }) => {
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        during = await reader`SELECT n FROM counter`
        await writer`COMMIT`
        after = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a writer locks readers out', () => {
      expect(during.code).toBe('SQLITE_BUSY')
    })
    test('the reader is not refused: it sees the last committed state while the writer writes', () => {
      expect(during).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test('the reader sees the change once it is committed', () => {
      expect(after.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when one is reading and the other writes', { tags: ['q18'] }, () => {
    let update: Outcome, commit: Outcome, still: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { reader: { timeout: 0 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN`
        update = await writer`UPDATE counter SET n = n + 1`
        commit = await writer`COMMIT`
        still = await reader`SELECT n FROM counter`
        await reader`COMMIT`
        after = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader does not keep the writer from writing', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
    test('the reader does not keep the writer from committing', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the reader goes on seeing what it saw first, until its transaction ends', () => {
      expect(still.rows).toEqual([{ n: 0 }])
    })
    test('the reader sees the change in its next transaction', () => {
      expect(after.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when both have said BEGIN and nothing else', { tags: ['q6'] }, () => {
    let update: Outcome, refused: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        update = await other`UPDATE counter SET n = n + 1`
        refused = await first`UPDATE counter SET n = n + 1`
        await other`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: BEGIN reserves the database for whoever says it first', () => {
      expect(refused.code).toBe('SQLITE_OK')
    })
    test('the first to say BEGIN is turned away with SQLITE_BUSY', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the first to write is the writer', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
  })
})

describe('Two connections, rollback journal', () => {
  describe('when one is writing and the other starts to write', { tags: ['q9'] }, () => {
    let refused: Outcome, commit: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 }, second: { timeout: 0 } }, async ({ writer, second }) => {
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        refused = await second`UPDATE counter SET n = n + 1`
        commit = await writer`COMMIT`
        repeated = await second`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test('the second writer is turned away with SQLITE_BUSY, as in the write-ahead log', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the second writer, without a timeout, is turned away at once', () => {
      expect(refused.waited).toBeLessThan(1_000)
    })
    test('the writer commits, undisturbed by the refused one', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the second writer writes once the first has committed', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
  })

  describe('when one is writing and the other reads', { tags: ['q18'] }, () => {
    let during: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { writer: { timeout: 0 }, reader: { timeout: 0 } }, async ({ writer, reader }) => {
        await writer`BEGIN`
        await writer`UPDATE counter SET n = n + 1`
        during = await reader`SELECT n FROM counter`
        await writer`COMMIT`
        after = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: a rollback journal keeps readers out for as long as someone writes', () => {
      expect(during.code).toBe('SQLITE_BUSY')
    })
    test('the reader is not refused: it sees the last committed state until the writer commits', () => {
      expect(during).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
    })
    test('the reader sees the change once it is committed', () => {
      expect(after.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when one is reading and the other commits', { tags: ['q16', 'q18'] }, () => {
    let update: Outcome, commit: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN`
        update = await writer`UPDATE counter SET n = n + 1`
        commit = await writer`COMMIT`
        await reader`COMMIT`
        repeated = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader does not keep the writer from writing', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
    test.fails('myth: a reader never locks a writer out', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the writer is turned away at COMMIT with SQLITE_BUSY', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
    })
    test('the writer keeps its transaction', () => {
      expect(commit.inTransaction).toBe(true)
    })
    test('the writer repeats its COMMIT, and succeeds, once the reader has ended', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
  })

  describe('when both have said BEGIN and nothing else', { tags: ['q6'] }, () => {
    let update: Outcome, refused: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        update = await other`UPDATE counter SET n = n + 1`
        refused = await first`UPDATE counter SET n = n + 1`
        await other`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the first to say BEGIN is turned away with SQLITE_BUSY', () => {
      expect(refused.code).toBe('SQLITE_BUSY')
    })
    test('the first to write is the writer', () => {
      expect(update.code).toBe('SQLITE_OK')
    })
  })
})
