/**
 * node:sqlite: the SQLite inside of Node, synchronous, one connection an object. Bun and Deno have a node:sqlite of their own, which is seen here too.
 *
 * Its documentation has an option `timeout`, of 0 milliseconds unless it is set, and no `transaction()`: a program says BEGIN itself. Of what it
 * throws, it says nothing: an Error, whose `code` is ERR_SQLITE_ERROR whatever happened (in Bun, there is none), and whose `errcode` is SQLite's,
 * extended, as a number. What `exec()` throws in Deno has no `errcode`.
 *
 * https://nodejs.org/api/sqlite.html#new-databasesyncpath-options · https://docs.deno.com/api/node/sqlite/ · https://bun.com/docs/runtime/nodejs-compat
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { converse, type Dialogue, inNode, type Reply, showDialogue } from '../../helpers/stack/dialogue.ts'
import { bun, deno, inRuntime } from '../../helpers/stack/runtimes.ts'
import { line, type Sight, survey } from '../../helpers/stack/survey.ts'

describe('node:sqlite, as it comes', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('node-sqlite.ts')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN', () => {
    expect(seen.sql).toBe('BEGIN; SELECT; UPDATE; COMMIT')
  })
  test('its database has a rollback journal', () => {
    expect(seen.journalMode).toBe('delete')
  })
  test.fails('myth: it waits for a lock', () => {
    expect(seen.timeout).toBeGreaterThan(0)
  })
  test('it does not wait for a lock: it is turned away at once, with an Error that has SQLITE_BUSY in errcode', () => {
    expect(seen.timeout).toBe(0)
    expect(seen.error).toMatchObject({
      code: 'SQLITE_BUSY',
      message: 'database is locked',
      error: { class: 'Error', at: 'errcode' },
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
  test('it goes on after a refusal, and after a refused COMMIT', () => {
    expect(seen.verdicts['manners usable']).toBe('kept')
    expect(seen.verdicts['manners commit']).toBe('kept')
  })
})

describe('node:sqlite, with its option timeout, and BEGIN IMMEDIATE', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await survey('node-sqlite.ts#fixed')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN IMMEDIATE', () => {
    expect(seen.sql).toBe('BEGIN IMMEDIATE; SELECT; UPDATE; COMMIT')
  })
  test('its database has a rollback journal', () => {
    expect(seen.journalMode).toBe('delete')
  })
  test('it waits for a lock as long as it is told to, five seconds, and is then turned away with SQLITE_BUSY in errcode', () => {
    expect(seen.timeout).toBeGreaterThanOrEqual(5_000)
    expect(seen.error).toMatchObject({ code: 'SQLITE_BUSY', error: { class: 'Error', at: 'errcode' } })
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

describe('node:sqlite, as it comes, on a write-ahead log', () => {
  describe('when another process writes between its read and its write', () => {
    let refused: Reply, next: Reply, story: Dialogue

    beforeAll(async () => {
      const cast = { first: inNode('node-sqlite.ts'), other: inNode('node-sqlite.ts') }
      story = await converse('wal', cast, async ({ first, other }) => {
        await first`increment, pause`
        await other`increment`
        refused = await first`continue`
        next = await first`increment`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test('the first is turned away, with an Error that has SQLITE_BUSY_SNAPSHOT in errcode', () => {
      expect(refused).toMatchObject({ refused: 'SQLITE_BUSY_SNAPSHOT', error: { class: 'Error', at: 'errcode' } })
    })
    test('the first comes once more, and is confirmed', () => {
      expect(next.confirmed).toBe(true)
    })
  })
})

describe.skipIf(!deno)('In Deno (needs its binary, an optional package)', () => {
  describe('node:sqlite in Deno, as it comes', () => {
    let seen: Sight

    beforeAll(async () => {
      seen = await survey(`${deno} node-sqlite.ts`, { tap: '--preload' })
    })
    beforeEach((context) => line(context, seen))

    test('its transaction begins with BEGIN', () => {
      expect(seen.sql).toBe('BEGIN; SELECT; UPDATE; COMMIT')
    })
    test('its database has a rollback journal', () => {
      expect(seen.journalMode).toBe('delete')
    })
    test('it does not wait for a lock', () => {
      expect(seen.timeout).toBe(0)
    })
    test.fails('myth: the error of a COMMIT that is refused tells the code', () => {
      expect(seen.error?.code).toBe('SQLITE_BUSY')
    })
    test('an Error without a code says that the database is locked', () => {
      expect(seen.error).toMatchObject({ code: 'Error', message: 'database is locked', error: { class: 'Error' } })
      expect(seen.error?.error?.at).toBeUndefined()
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
    test('it goes on after a refusal, and after a refused COMMIT', () => {
      expect(seen.verdicts['manners usable']).toBe('kept')
      expect(seen.verdicts['manners commit']).toBe('kept')
    })
  })

  describe('node:sqlite in Deno, with its option timeout, and BEGIN IMMEDIATE', () => {
    let seen: Sight

    beforeAll(async () => {
      seen = await survey(`${deno} node-sqlite.ts#fixed`, { tap: '--preload' })
    })
    beforeEach((context) => line(context, seen))

    test('its transaction begins with BEGIN IMMEDIATE', () => {
      expect(seen.sql).toBe('BEGIN IMMEDIATE; SELECT; UPDATE; COMMIT')
    })
    test('its database has a rollback journal', () => {
      expect(seen.journalMode).toBe('delete')
    })
    test('it waits for a lock as long as it is told to, five seconds, and is then turned away with an Error without a code', () => {
      expect(seen.timeout).toBeGreaterThanOrEqual(5_000)
      expect(seen.error).toMatchObject({ code: 'Error', message: 'database is locked' })
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

  describe('when another process holds the lock, and it comes to write, and then to begin', () => {
    let write: Reply, begin: Reply, story: Dialogue

    beforeAll(async () => {
      const holder = inNode('node-sqlite.ts#fixed')
      const writer = inRuntime(deno, 'node-sqlite.ts', 'node-sqlite.ts in Deno')
      const beginner = inRuntime(deno, 'node-sqlite.ts#fixed', 'node-sqlite.ts#fixed in Deno')
      story = await converse('delete', { holder, writer, beginner }, async ({ holder, writer, beginner }) => {
        await holder`increment, pause`
        await writer`increment, pause`
        write = await writer`continue`
        begin = await beginner`increment`
        await holder`continue`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test('run() of a statement is refused with SQLITE_BUSY in errcode', () => {
      expect(write).toMatchObject({ refused: 'SQLITE_BUSY', error: { class: 'Error', at: 'errcode' } })
    })
    test('exec() is refused without a code, and with the same message', () => {
      expect(begin).toMatchObject({ refused: 'Error', message: 'database is locked' })
      expect(begin.message).toBe(write.message)
    })
  })
})

describe.skipIf(!bun)('In Bun (needs its binary, an optional package)', () => {
  describe('node:sqlite in Bun, as it comes', () => {
    let seen: Sight

    beforeAll(async () => {
      seen = await survey(`${bun} node-sqlite.ts`, { tap: '--preload' })
    })
    beforeEach((context) => line(context, seen))

    test('its transaction begins with BEGIN', () => {
      expect(seen.sql).toBe('BEGIN; SELECT; UPDATE; COMMIT')
    })
    test('its database has a rollback journal', () => {
      expect(seen.journalMode).toBe('delete')
    })
    test('it does not wait for a lock: it is turned away at once, with an Error that has SQLITE_BUSY in errcode', () => {
      expect(seen.timeout).toBe(0)
      expect(seen.error).toMatchObject({
        code: 'SQLITE_BUSY',
        message: 'database is locked',
        error: { class: 'Error', at: 'errcode' },
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
    test('it goes on after a refusal, and after a refused COMMIT', () => {
      expect(seen.verdicts['manners usable']).toBe('kept')
      expect(seen.verdicts['manners commit']).toBe('kept')
    })
  })

  describe('node:sqlite in Bun, with its option timeout, and BEGIN IMMEDIATE', () => {
    let seen: Sight

    beforeAll(async () => {
      seen = await survey(`${bun} node-sqlite.ts#fixed`, { tap: '--preload' })
    })
    beforeEach((context) => line(context, seen))

    test('its transaction begins with BEGIN IMMEDIATE', () => {
      expect(seen.sql).toBe('BEGIN IMMEDIATE; SELECT; UPDATE; COMMIT')
    })
    test('its database has a rollback journal', () => {
      expect(seen.journalMode).toBe('delete')
    })
    test('it waits for a lock as long as it is told to, five seconds, and is then turned away with SQLITE_BUSY in errcode', () => {
      expect(seen.timeout).toBeGreaterThanOrEqual(5_000)
      expect(seen.error).toMatchObject({ code: 'SQLITE_BUSY', error: { class: 'Error', at: 'errcode' } })
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
})
