/**
 * libsql: a fork of SQLite, behind the API of better-sqlite3.
 *
 * Its documentation has an option `timeout`, in milliseconds, to wait "before returning SQLITE_BUSY error", and not that it is 0 unless it is set;
 * `transaction()` begins with BEGIN, and has better-sqlite3's `immediate()`, which the documentation leaves to that.
 *
 * What it does not say: a statement that was refused is not reset. It goes on reading what it has begun to read, after ROLLBACK too, until it runs
 * again or is garbage. The cure is on its way: https://github.com/tursodatabase/libsql-js/pull/238
 *
 * https://github.com/tursodatabase/libsql-js/blob/main/docs/api.md
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { converse, type Dialogue, inNode, type Reply, showDialogue } from '../../helpers/stack/dialogue.ts'
import { line, type Sight, survey } from '../../helpers/stack/survey.ts'

describe('libsql, as it comes', () => {
  let seen: Sight
  let write: Reply, commit: Reply, retry: Reply, next: Reply, last: Reply, story: Dialogue

  beforeAll(async () => {
    seen = await survey('libsql.ts')
    const cast = { holder: inNode('better-sqlite3.ts#fixed'), libsql: inNode('libsql.ts') }
    story = await converse('delete', cast, async ({ holder, libsql }) => {
      await holder`increment, pause`
      await libsql`increment, pause`
      write = await libsql`continue`
      commit = await holder`continue`
      retry = await holder`increment`
      next = await libsql`increment`
      last = await holder`increment`
    })
  })
  beforeEach(async (context) => {
    line(context, seen)
    await showDialogue(context, story)
  })

  test('its transaction begins with BEGIN', () => {
    expect(seen.sql).toBe('BEGIN; SELECT; UPDATE; COMMIT')
  })
  test('its database has a rollback journal', () => {
    expect(seen.journalMode).toBe('delete')
  })
  test.fails('myth: it waits for a lock, as better-sqlite3 does', () => {
    expect(seen.timeout).toBeGreaterThan(0)
  })
  test('it does not wait for a lock: it is turned away at once, with a SqliteError that has SQLITE_BUSY in code', () => {
    expect(seen.timeout).toBe(0)
    expect(seen.error).toMatchObject({
      code: 'SQLITE_BUSY',
      message: 'database is locked',
      error: { class: 'SqliteError', at: 'code' },
    })
  })
  test('one of the two is turned away when another process writes between its read and its write', () => {
    expect(seen.verdicts['progress between']).toBe('broken')
  })
  test('it is turned away while another process holds the lock for half a second', () => {
    expect(seen.verdicts['progress held']).toBe('broken')
  })
  test('those who open a new database while somebody else makes it are turned away', () => {
    expect(seen.verdicts['progress fresh']).toBe('broken')
  })
  test('no update is lost', () => {
    expect(seen.verdicts['safety between']).toBe('kept')
    expect(seen.verdicts['safety crowd']).toBe('kept')
  })
  test('it goes on after a refused COMMIT', () => {
    expect(seen.verdicts['manners commit']).toBe('kept')
  })
  test('after a refusal, it keeps the one who held the lock from its COMMIT', () => {
    expect(seen.verdicts['manners usable']).toBe('broken')
    expect(seen.whys['manners usable']).toBe('after it was refused its write, the COMMIT of the one who held the lock is refused')
  })
  test.fails("myth: when it was refused its write, and has rolled back, it is in nobody's way", () => {
    expect(commit.confirmed).toBe(true)
  })
  test('it still reads after its ROLLBACK: the COMMIT of the one who held the lock is refused with SQLITE_BUSY, after five seconds', () => {
    expect(write.refused).toBe('SQLITE_BUSY')
    expect(commit.refused).toBe('SQLITE_BUSY')
    expect(commit.took).toBeGreaterThanOrEqual(5_000)
  })
  test.runIf(process.platform === 'linux')('it is seen to hold SHARED (the kernel tells on Linux alone)', () => {
    expect(write.locks).toEqual(['SHARED'])
  })
  test('whoever else writes is refused as well, for as long as it does nothing', () => {
    expect(retry.refused).toBe('SQLITE_BUSY')
  })
  test('when it comes once more, it is confirmed, and so are the others', () => {
    expect(next.confirmed).toBe(true)
    expect(last.confirmed).toBe(true)
  })
})

describe('libsql, with its option timeout, and transaction.immediate()', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('libsql.ts#fixed')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN IMMEDIATE', () => {
    expect(seen.sql).toBe('BEGIN IMMEDIATE; SELECT; UPDATE; COMMIT')
  })
  test('its database has a rollback journal', () => {
    expect(seen.journalMode).toBe('delete')
  })
  test('it waits for a lock as long as it is told to, five seconds, and is then turned away with SQLITE_BUSY in code', () => {
    expect(seen.timeout).toBeGreaterThanOrEqual(5_000)
    expect(seen.error).toMatchObject({ code: 'SQLITE_BUSY', error: { class: 'SqliteError', at: 'code' } })
  })
  test('nobody is turned away when another process writes between its read and its write', () => {
    expect(seen.verdicts['progress between']).toBe('kept')
  })
  test('nobody is turned away while another process holds the lock for half a second', () => {
    expect(seen.verdicts['progress held']).toBe('kept')
  })
  test('nobody is turned away who opens a new database while somebody else makes it', () => {
    expect(seen.verdicts['progress fresh']).toBe('kept')
  })
  test('no update is lost', () => {
    expect(seen.verdicts['safety between']).toBe('kept')
    expect(seen.verdicts['safety crowd']).toBe('kept')
  })
  test('it goes on after a refusal, and after a refused COMMIT', () => {
    expect(seen.verdicts['manners usable']).toBe('kept')
    expect(seen.verdicts['manners commit']).toBe('kept')
  })
})

describe('libsql, as it comes, on a write-ahead log', () => {
  describe('when another process writes between its read and its write', () => {
    let refused: Reply, again: Reply, later: Reply, stale: Reply, counted: Reply, story: Dialogue

    beforeAll(async () => {
      const cast = { libsql: inNode('libsql.ts'), other: inNode('better-sqlite3.ts') }
      story = await converse('wal', cast, async ({ libsql, other }) => {
        await libsql`increment, pause`
        await other`increment`
        refused = await libsql`continue`
        again = await libsql`increment`
        await other`increment`
        later = await libsql`increment`
        stale = await libsql`total`
        counted = await other`total`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test.fails('myth: who is refused once, and has rolled back, begins anew with what is there now', () => {
      expect(again.confirmed).toBe(true)
    })
    test('it is refused with SQLITE_BUSY_SNAPSHOT each time it comes, with nobody else at work', () => {
      expect(refused).toMatchObject({ refused: 'SQLITE_BUSY_SNAPSHOT', error: { class: 'SqliteError', at: 'code' } })
      expect(again.refused).toBe('SQLITE_BUSY_SNAPSHOT')
      expect(later.refused).toBe('SQLITE_BUSY_SNAPSHOT')
    })
    test('it reads what was there before it was refused, and nothing that others have written since', () => {
      expect(stale.total).toBe(0)
      expect(counted.total).toBe(2)
    })
  })
})
