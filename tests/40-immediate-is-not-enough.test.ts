/**
 * `BEGIN IMMEDIATE` asks for the write lock before anything is read. The refusal moves from the middle of the transaction to
 * the door, where nothing is lost by it: nothing was read, nothing is open, and asking again can succeed. But without a
 * timeout it is a refusal all the same.
 *
 * https://sqlite.org/lang_transaction.html#deferred_immediate_and_exclusive_transactions
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { show } from '../helpers/show.ts'

describe('Immediate transactions, no timeout, write-ahead log', () => {
  describe('when the first is inside and the other wants to enter', { tags: ['q6', 'q10'] }, () => {
    let begin: Outcome, commit: Outcome, again: Outcome, read: Outcome, otherCommit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`BEGIN IMMEDIATE`
        await first`SELECT n FROM counter`
        begin = await other`BEGIN IMMEDIATE`
        await first`UPDATE counter SET n = n + 1`
        commit = await first`COMMIT`
        again = await other`BEGIN IMMEDIATE`
        read = await other`SELECT n FROM counter`
        await other`UPDATE counter SET n = n + 1`
        otherCommit = await other`COMMIT`
      })
    })
    beforeEach((context) => show(context, story, 'immediate-is-not-enough.svg'))

    test.fails('myth: BEGIN IMMEDIATE alone ends "database is locked"', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the other is turned away at the door with SQLITE_BUSY', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
    test('the other is turned away at once', () => {
      expect(begin.waited).toBeLessThan(1_000)
    })
    test.fails('myth: the other has a transaction to roll back', () => {
      expect(begin.inTransaction).toBe(true)
    })
    test('the other has no transaction to roll back: SQLITE_BUSY left none open', () => {
      expect(begin.inTransaction).toBe(false)
    })
    test('the first commits, undisturbed', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the other is admitted when it asks again after the COMMIT', () => {
      expect(again.code).toBe('SQLITE_OK')
    })
    test('the other reads what the first has written, so nothing it decides is out of date', () => {
      expect(read.rows).toEqual([{ n: 1 }])
    })
    test('the other, once admitted, commits', () => {
      expect(otherCommit.code).toBe('SQLITE_OK')
    })
  })

  describe('when someone has read and keeps its transaction open', { tags: ['q6'] }, () => {
    let begin: Outcome, commit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { reader: { timeout: 0 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        begin = await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        commit = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer is admitted', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the writer commits: the write-ahead log does not make it wait for a reader', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
  })

  describe('when someone says BEGIN, without IMMEDIATE, and writes', { tags: ['q6'] }, () => {
    let write: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('wal', { first: { timeout: 0 }, careless: { timeout: 0 } }, async ({ first, careless }) => {
        await careless`BEGIN`
        await careless`SELECT n FROM counter`
        await first`BEGIN IMMEDIATE`
        await first`UPDATE counter SET n = n + 1`
        await first`COMMIT`
        write = await careless`UPDATE counter SET n = n + 1`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: it is enough if some of the writers say IMMEDIATE', () => {
      expect(write.code).toBe('SQLITE_OK')
    })
    test('the careless one is turned away with SQLITE_BUSY_SNAPSHOT: every transaction that writes has to say IMMEDIATE', () => {
      expect(write.code).toBe('SQLITE_BUSY_SNAPSHOT')
    })
  })
})

describe('Immediate transactions, no timeout, rollback journal', () => {
  describe('when the first is inside and the other wants to enter', { tags: ['q6', 'q10'] }, () => {
    let begin: Outcome, commit: Outcome, again: Outcome, read: Outcome, otherCommit: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { first: { timeout: 0 }, other: { timeout: 0 } }, async ({ first, other }) => {
        await first`BEGIN IMMEDIATE`
        await first`SELECT n FROM counter`
        begin = await other`BEGIN IMMEDIATE`
        await first`UPDATE counter SET n = n + 1`
        commit = await first`COMMIT`
        again = await other`BEGIN IMMEDIATE`
        read = await other`SELECT n FROM counter`
        await other`UPDATE counter SET n = n + 1`
        otherCommit = await other`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: BEGIN IMMEDIATE alone ends "database is locked"', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test('the other is turned away at the door with SQLITE_BUSY', () => {
      expect(begin.code).toBe('SQLITE_BUSY')
    })
    test('the other is turned away at once', () => {
      expect(begin.waited).toBeLessThan(1_000)
    })
    test('the other has no transaction to roll back', () => {
      expect(begin.inTransaction).toBe(false)
    })
    test('the first commits, undisturbed', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the other is admitted when it asks again after the COMMIT', () => {
      expect(again.code).toBe('SQLITE_OK')
    })
    test('the other reads what the first has written, so nothing it decides is out of date', () => {
      expect(read.rows).toEqual([{ n: 1 }])
    })
    test('the other, once admitted, commits', () => {
      expect(otherCommit.code).toBe('SQLITE_OK')
    })
  })

  describe('when someone has read and keeps its transaction open', { tags: ['q6'] }, () => {
    let begin: Outcome, commit: Outcome, repeated: Outcome, story: Story

    beforeAll(async () => {
      story = await contend('delete', { reader: { timeout: 0 }, writer: { timeout: 0 } }, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        begin = await writer`BEGIN IMMEDIATE`
        await writer`UPDATE counter SET n = n + 1`
        commit = await writer`COMMIT`
        await reader`COMMIT`
        repeated = await writer`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer is admitted', () => {
      expect(begin.code).toBe('SQLITE_OK')
    })
    test.fails('myth: after BEGIN IMMEDIATE, COMMIT cannot be refused', () => {
      expect(commit.code).toBe('SQLITE_OK')
    })
    test('the writer is turned away at COMMIT with SQLITE_BUSY: the reader has to leave first', () => {
      expect(commit.code).toBe('SQLITE_BUSY')
    })
    test('the writer is turned away at once', () => {
      expect(commit.waited).toBeLessThan(1_000)
    })
    test('the writer keeps its transaction', () => {
      expect(commit.inTransaction).toBe(true)
    })
    test('the writer repeats its COMMIT, and succeeds, once the reader has ended', () => {
      expect(repeated.code).toBe('SQLITE_OK')
    })
  })
})
