/**
 * PostgreSQL locks rows, where SQLite locks the database: two write at the same time, as long as it is not the same row, and who reads
 * waits for nobody who writes. Two who write the same row take turns. How long one waits for its turn is `lock_timeout`, which is to
 * PostgreSQL what busy_timeout is to SQLite, and whose default is the opposite: for ever. Those who wait are woken, they do not poll; and they
 * are served in order as long as nobody changes the row.
 *
 * https://www.postgresql.org/docs/current/explicit-locking.html · https://www.postgresql.org/docs/current/runtime-config-client.html
 */
import { beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { contend, type Outcome, type Story, show } from '../../helpers/servers/contend.ts'

const { url = '' } = inject('postgresql')

describe.skipIf(!url)('Two in PostgreSQL', () => {
  describe('when they write different rows of a table', () => {
    let ofFirst: Outcome, ofOther: Outcome, rows: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['first', 'other'], async ({ first, other }) => {
        await first`BEGIN`
        await other`BEGIN`
        await first`UPDATE test SET value = 11 WHERE id = 1`
        await other`UPDATE test SET value = 21 WHERE id = 2`
        ofOther = await other`COMMIT`
        ofFirst = await first`COMMIT`
        rows = await first`SELECT value FROM test ORDER BY id`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: one of them waits, or is turned away, as in SQLite', () => {
      expect(ofOther.tag).not.toBe('COMMIT')
    })
    test('both are in the middle of their transactions at the same time, and both commit', () => {
      expect([ofOther.tag, ofFirst.tag]).toEqual(['COMMIT', 'COMMIT'])
      expect(rows.rows).toEqual([{ value: 11 }, { value: 21 }])
    })
  })

  describe('when one reads what the other is writing', () => {
    let before: Outcome, commit: Outcome, after: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['reader', 'writer'], async ({ reader, writer }) => {
        await writer`BEGIN`
        await writer`UPDATE counter SET n = 1`
        await reader`BEGIN`
        before = await reader`SELECT n FROM counter`
        commit = await writer`COMMIT`
        after = await reader`SELECT n FROM counter`
        await reader`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the reader waits for nobody, and reads what was committed before', () => {
      expect(before.rows).toEqual([{ n: 0 }])
    })
    test('the writer commits while the reader is in its transaction, as with a write-ahead log of SQLite', () => {
      expect(commit.tag).toBe('COMMIT')
    })
    test('the reader reads something else the second time, within one transaction: READ COMMITTED, the default, is no snapshot', () => {
      expect(after.rows).toEqual([{ n: 1 }])
    })
  })

  describe('when they write the same row', () => {
    let lock: string, turn: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['holder', 'waiter'], async ({ holder, waiter }) => {
        await holder`BEGIN`
        await holder`UPDATE counter SET n = n + 1`
        const update = waiter`UPDATE counter SET n = n + 1`
        lock = await update.blocks()
        await holder`COMMIT`
        turn = await update
        total = await waiter`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the waiter waits for the transaction of the holder to end', () => {
      expect(lock).toBe('transactionid, of holder')
    })
    test('the waiter then adds to what the holder has committed: n is 2', () => {
      expect(turn.tag).toBe('UPDATE')
      expect(total.rows).toEqual([{ n: 2 }])
    })
  })

  describe('when one waits for a row with a lock_timeout of 2,000 ms', () => {
    let usual: Outcome, turn: Outcome, next: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['holder', 'waiter'], async ({ holder, waiter }) => {
        usual = await waiter`SHOW lock_timeout`
        await waiter`SET lock_timeout = 2000`
        await holder`BEGIN`
        await holder`UPDATE counter SET n = 1`
        await waiter`BEGIN`
        const update = waiter`UPDATE counter SET n = 2`
        await update.blocks()
        turn = await update
        next = await waiter`SELECT n FROM counter`.mayAnswer('25P02')
        await waiter`ROLLBACK`
        await holder`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the waiter would wait for ever as it comes: lock_timeout is 0, which is no limit, where a busy_timeout of 0 is no waiting', () => {
      expect(usual.rows).toEqual([{ lock_timeout: '0' }])
    })
    test('the waiter is turned away with 55P03 after 2,000 ms', () => {
      expect(turn).toMatchObject({ code: '55P03', message: 'canceling statement due to lock timeout' })
      expect(turn.waited).toBeGreaterThanOrEqual(2_000)
    })
    test.fails('myth: its transaction is still open, as it is after SQLITE_BUSY', () => {
      expect(turn.transaction).toBe('open')
    })
    test('its transaction has failed: PostgreSQL runs nothing in it any more, not even a SELECT, with 25P02', () => {
      expect(turn.transaction).toBe('failed')
      expect(next.code).toBe('25P02')
    })
  })

  describe('when one does not want to wait', () => {
    let nowait: Outcome, skipped: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['holder', 'other'], async ({ holder, other }) => {
        await holder`BEGIN`
        await holder`UPDATE test SET value = 11 WHERE id = 1`
        nowait = await other`SELECT id FROM test WHERE id = 1 FOR UPDATE NOWAIT`
        skipped = await other`SELECT id FROM test ORDER BY id FOR UPDATE SKIP LOCKED`
        await holder`COMMIT`
      })
    })
    beforeEach((context) => show(context, story))

    test('the other is turned away at once with FOR UPDATE NOWAIT: 55P03', () => {
      expect(nowait.code).toBe('55P03')
      expect(nowait.waited).toBeLessThan(1_000)
    })
    test('the other has the rows that nobody holds with SKIP LOCKED, which SQLite has not: it has no locks on rows', () => {
      expect(skipped.rows).toEqual([{ id: 2 }])
    })
  })
})

describe.skipIf(!url)('Those who wait in PostgreSQL', () => {
  describe('when two come for a row that is held and not changed, one after the other', () => {
    let behind: string, story: Story

    beforeAll(async () => {
      story = await contend(url, ['holder', 'second', 'third'], async ({ holder, second, third }) => {
        await holder`BEGIN`
        await holder`SELECT n FROM counter FOR UPDATE`
        await second`BEGIN`
        const next = second`SELECT n FROM counter FOR UPDATE`
        await next.blocks()
        const last = third`SELECT n FROM counter FOR UPDATE`
        await last.blocks()
        await holder`COMMIT`
        await next
        behind = await last.blocks()
        await second`COMMIT`
        await last
      })
    })
    beforeEach((context) => show(context, story))

    test('the second is served before the third, who waits on, where SQLite serves whoever happens to try first', () => {
      expect(behind).toBe('transactionid, of second')
    })
  })

  describe('when somebody changes a table that somebody has read', () => {
    let ofMigration: string, ofNewcomer: string, row: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['reader', 'migration', 'newcomer'], async ({ reader, migration, newcomer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        const change = migration`ALTER TABLE counter ADD COLUMN note text`
        ofMigration = await change.blocks()
        const select = newcomer`SELECT n FROM counter`
        ofNewcomer = await select.blocks()
        await reader`COMMIT`
        await change
        row = await select
      })
    })
    beforeEach((context) => show(context, story))

    test('the migration waits for the reader, whose transaction does nothing', () => {
      expect(ofMigration).toBe('relation, of reader')
    })
    test.fails('myth: who only reads waits for nobody', () => {
      expect(ofNewcomer).toBe('')
    })
    test('a newcomer who only reads waits behind the migration, which waits itself, and goes on when both have ended', () => {
      expect(ofNewcomer).toBe('relation, of migration')
      expect(row.rows).toEqual([{ n: 0 }])
    })
  })

  describe('when two make the same table, each with IF NOT EXISTS', () => {
    let lock: string, creation: Outcome, story: Story

    beforeAll(async () => {
      story = await contend(url, ['first', 'other'], async ({ first, other }) => {
        await first`BEGIN`
        await first`CREATE TABLE IF NOT EXISTS fresh (n integer)`
        const create = other`CREATE TABLE IF NOT EXISTS fresh (n integer)`.mayAnswer('23505')
        lock = await create.blocks()
        await first`COMMIT`
        creation = await create
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: IF NOT EXISTS keeps the other from an error', () => {
      expect(creation.code).toBe('00000')
    })
    test('the other waits for the first, and is then refused with 23505, a unique index of the catalogue, where SQLite finds the table', () => {
      expect(lock).toBe('transactionid, of first')
      expect(creation.code).toBe('23505')
    })
  })
})
