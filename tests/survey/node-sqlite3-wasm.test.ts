/**
 * node-sqlite3-wasm: SQLite compiled to WebAssembly, synchronous, on the file system through Node.
 *
 * Its documentation says nothing of locks, and nothing of a busy timeout, which is SQLite's: 0 unless PRAGMA busy_timeout sets it. There is no
 * `transaction()`: a program says BEGIN itself. Its errors have no code.
 *
 * What it does not say: its lock is a folder beside the file, `counter.db.lock`, made by whoever reads or writes, and taken away when that is over. It is
 * all there is: readers lock each other out, no other build of SQLite knows of it, and it knows of no other's locks. So it is seen among its
 * own processes first, and then beside SQLite. WAL mode takes shared memory, which it does not have.
 *
 * https://github.com/tndrle/node-sqlite3-wasm · https://github.com/tndrle/node-sqlite3-wasm/issues/56 · https://sqlite.org/howtocorrupt.html
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { converse, type Dialogue, inNode, type Reply, showDialogue } from '../../helpers/stack/dialogue.ts'
import { inRing } from '../../helpers/stack/ring.ts'
import { line, type Sight } from '../../helpers/stack/survey.ts'
import { surveyThemselves } from '../../helpers/stack/themselves.ts'

const fixed = inNode('node-sqlite3-wasm.ts#fixed')
const sqlite = inNode('better-sqlite3.ts#fixed')

describe('node-sqlite3-wasm, as it comes, among its own processes', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await surveyThemselves('node-sqlite3-wasm.ts')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN TRANSACTION', () => {
    expect(seen.sql).toBe('BEGIN TRANSACTION; SELECT; UPDATE; COMMIT')
  })
  test('its database has a rollback journal', () => {
    expect(seen.journalMode).toBe('delete')
  })
  test('it does not wait for a lock', () => {
    expect(seen.timeout).toBe(0)
  })
  test.fails('myth: its error tells the code', () => {
    expect(seen.error?.code).toBe('SQLITE_BUSY')
  })
  test('a SQLite3Error without a code says that the database is locked', () => {
    expect(seen.error).toMatchObject({ code: 'SQLite3Error', message: 'database is locked', error: { class: 'SQLite3Error' } })
    expect(seen.error?.error?.at).toBeUndefined()
  })
  test('it is turned away when it comes between the read and the write of another', () => {
    expect(seen.verdicts['progress between']).toBe('broken')
  })
  test('it is turned away while another is in its transaction for half a second', () => {
    expect(seen.verdicts['progress held']).toBe('broken')
  })
  test('no update is lost', () => {
    expect(seen.verdicts['safety between']).toBe('kept')
    expect(seen.verdicts['safety held']).toBe('kept')
  })
  test('it goes on after a refusal', () => {
    expect(seen.verdicts['manners usable']).toBe('kept')
  })
})

describe('node-sqlite3-wasm, with PRAGMA busy_timeout, among its own processes', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await surveyThemselves('node-sqlite3-wasm.ts#fixed')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN TRANSACTION', () => {
    expect(seen.sql).toBe('BEGIN TRANSACTION; SELECT; UPDATE; COMMIT')
  })
  test('its database has a rollback journal', () => {
    expect(seen.journalMode).toBe('delete')
  })
  test('it waits for a lock as long as it is told to, five seconds, and is then turned away with a SQLite3Error without a code', () => {
    expect(seen.timeout).toBeGreaterThanOrEqual(5_000)
    expect(seen.error).toMatchObject({ code: 'SQLite3Error', message: 'database is locked' })
  })
  test('nobody is turned away who comes between the read and the write of another', () => {
    expect(seen.verdicts['progress between']).toBe('kept')
  })
  test('nobody is turned away while another is in its transaction for half a second', () => {
    expect(seen.verdicts['progress held']).toBe('kept')
  })
  test('no update is lost', () => {
    expect(seen.verdicts['safety between']).toBe('kept')
    expect(seen.verdicts['safety held']).toBe('kept')
  })
  test('it goes on after a refusal', () => {
    expect(seen.verdicts['manners usable']).toBe('kept')
  })
})

describe('node-sqlite3-wasm, with PRAGMA busy_timeout, beside SQLite, which begins with BEGIN IMMEDIATE', () => {
  describe('when SQLite holds the lock, and it comes to count', () => {
    let ofWasm: Reply, ofSqlite: Reply, total: Reply, story: Dialogue

    beforeAll(async () => {
      story = await converse('delete', { sqlite, wasm: fixed }, async ({ sqlite, wasm }) => {
        await sqlite`increment, pause`
        ofWasm = await wasm`increment`
        ofSqlite = await sqlite`continue`
        total = await sqlite`total`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test.fails('myth: two libraries that are SQLite keep to the same locks', () => {
      expect(ofWasm).not.toHaveProperty('confirmed')
    })
    test('both are confirmed, neither with SQLITE_BUSY, and one is counted: a change that was confirmed is lost', () => {
      expect(ofWasm).toMatchObject({ confirmed: true })
      expect(ofSqlite).toMatchObject({ confirmed: true })
      expect(total.total).toBe(1)
    })
  })

  describe('when it is in its transaction, and SQLite comes to count', () => {
    let ofWasm: Reply, ofSqlite: Reply, total: Reply, story: Dialogue

    beforeAll(async () => {
      story = await converse('delete', { wasm: fixed, sqlite }, async ({ wasm, sqlite }) => {
        await wasm`increment, pause`
        ofSqlite = await sqlite`increment`
        ofWasm = await wasm`continue`
        total = await sqlite`total`
      })
    })
    beforeEach((context) => showDialogue(context, story))

    test('both are confirmed, and one is counted: a change that was confirmed is lost', () => {
      expect(ofSqlite.confirmed).toBe(true)
      expect(ofWasm.confirmed).toBe(true)
      expect(total.total).toBe(1)
    })
  })

  describe('when SQLite has written and not committed yet, and it comes to count', () => {
    let ofWasm: unknown, commit: string, rows: unknown

    beforeAll(async () => {
      await inRing(fixed, 10_000, async ({ start, rival }) => {
        const wasm = await start()
        await wasm.ask({ do: 'total' })
        const sqlite = await rival(5_000)
        await sqlite.says('BEGIN IMMEDIATE')
        await sqlite.says('UPDATE counter SET n = 100')
        ofWasm = await wasm.ask({ do: 'increment' })
        commit = await sqlite.says('COMMIT').then(
          () => 'SQLITE_OK',
          ({ message }) => message,
        )
        rows = await (await rival(0)).says('SELECT n FROM counter')
      })
    })

    test.fails('myth: a COMMIT that fails has not happened', () => {
      expect(rows).toEqual([{ n: 1 }])
    })
    test('it takes the journal of SQLite away: the COMMIT of SQLite fails with SQLITE_IOERR_DELETE_NOENT, and has happened, and its own is lost', () => {
      expect(ofWasm).toEqual({ confirmed: true })
      expect(commit).toContain('SQLITE_IOERR_DELETE_NOENT: disk I/O error')
      expect(rows).toEqual([{ n: 100 }])
    })
  })
})

describe('node-sqlite3-wasm, with PRAGMA busy_timeout, on a database in WAL mode', () => {
  let answer: Record<string, unknown>

  beforeAll(async () => {
    await inRing(fixed, 10_000, async ({ start, rival }) => {
      const sqlite = await rival(0)
      await sqlite.says('PRAGMA journal_mode = wal')
      answer = await (await start()).ask({ do: 'total' })
    })
  })

  test('it cannot open it: "unable to open database file"', () => {
    expect(answer).toMatchObject({ refused: 'SQLite3Error', message: 'unable to open database file' })
  })
})

describe('node-sqlite3-wasm, with PRAGMA busy_timeout, when one of its processes is killed in its transaction', () => {
  let answer: Record<string, unknown>, rows: unknown, took: number

  beforeAll(async () => {
    await inRing(fixed, 30_000, async ({ start, rival }) => {
      const killed = await start()
      await killed.ask({ do: 'increment' })
      await killed.ask({ do: 'increment', pause: true })
      await killed.kill()
      const newcomer = await start()
      const since = performance.now()
      answer = await newcomer.ask({ do: 'total' })
      took = performance.now() - since
      rows = await (await rival(0)).says('SELECT n FROM counter')
    })
  })

  test.fails('myth: the lock of a process that is killed goes with it', () => {
    expect(answer.total).toBe(1)
  })
  test('its folder stays behind: everybody else of it is refused from now on, after five seconds, with "database is locked", without a code', () => {
    expect(answer).toMatchObject({ refused: 'SQLite3Error', message: 'database is locked' })
    expect(took).toBeGreaterThanOrEqual(5_000)
  })
  test('SQLite, which does not know the folder, reads what was confirmed', () => {
    expect(rows).toEqual([{ n: 1 }])
  })
})
