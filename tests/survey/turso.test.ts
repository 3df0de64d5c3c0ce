/**
 * @tursodatabase/database: SQLite written anew, in Rust; asynchronous. Its files are SQLite's, in WAL mode.
 *
 * Its documentation has one process a file: a second one is refused as it opens, and so is SQLite. An experimental feature, `multiprocess_wal`, lets
 * several in, which agree in a file of their own, `counter.db-tshm`; it does nothing on Windows. `timeout` is an option, and `transactionAsync()` has
 * an `immediate()`. That SQLite and Turso share a file in several processes is "not supported": with `multiprocess_wal`, nobody refuses it, and
 * what comes of it is told below, the worst first. Its errors have no code.
 *
 * https://docs.turso.tech/sql-reference/multiprocess-access · https://github.com/tursodatabase/turso/blob/main/COMPAT.md#guarantees
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { converse, type Dialogue, inNode, type Reply, showDialogue } from '../../helpers/stack/dialogue.ts'
import { inRing } from '../../helpers/stack/ring.ts'
import { line, type Sight } from '../../helpers/stack/survey.ts'
import { surveyThemselves } from '../../helpers/stack/themselves.ts'

const turso = inNode('turso.ts')
const fixed = inNode('turso.ts#fixed')
const sqlite = inNode('better-sqlite3.ts#fixed')

describe('@tursodatabase/database, as it comes, among its own processes', () => {
  let seen: Sight

  beforeAll(async () => {
    seen = await surveyThemselves('turso.ts')
  })
  beforeEach((context) => line(context, seen))

  test('its transaction begins with BEGIN', () => {
    expect(seen.sql).toBe('BEGIN; SELECT; UPDATE; COMMIT')
  })
  test('its database is in WAL mode', () => {
    expect(seen.journalMode).toBe('wal')
  })
  test.fails('myth: a second process can open the file', () => {
    expect(seen.verdicts['progress held']).toBe('kept')
  })
  test('a second process is turned away as it opens the file, at once, for as long as the first is there, with an Error without a code', () => {
    expect(seen.timeout).toBe(0)
    expect(seen.verdicts['progress between']).toBe('broken')
    expect(seen.verdicts['progress held']).toBe('broken')
    expect(seen.error).toMatchObject({ code: 'Error', error: { class: 'Error' } })
    expect(seen.error?.error?.at).toBeUndefined()
    expect(seen.error?.message).toMatch(/^failed to open database .* File is locked by another process$/)
  })
  test('no update is lost', () => {
    expect(seen.verdicts['safety between']).toBe('kept')
    expect(seen.verdicts['safety held']).toBe('kept')
  })
  test('the second goes on when the first has ended', () => {
    expect(seen.verdicts['manners usable']).toBe('kept')
  })
})

describe.skipIf(process.platform === 'win32')('With multiprocess_wal (which does nothing on Windows)', () => {
  describe('@tursodatabase/database, with multiprocess_wal, timeout, and immediate(), among its own processes', () => {
    let seen: Sight

    beforeAll(async () => {
      seen = await surveyThemselves('turso.ts#fixed')
    })
    beforeEach((context) => line(context, seen))

    test('its transaction begins with BEGIN IMMEDIATE', () => {
      expect(seen.sql).toBe('BEGIN IMMEDIATE; SELECT; UPDATE; COMMIT')
    })
    test('its database is in WAL mode', () => {
      expect(seen.journalMode).toBe('wal')
    })
    test('it waits for a lock as long as it is told to, five seconds, and is then turned away with an Error without a code', () => {
      expect(seen.timeout).toBeGreaterThanOrEqual(5_000)
      expect(seen.error).toMatchObject({ code: 'Error', message: 'database is locked', error: { class: 'Error' } })
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

  describe('@tursodatabase/database, with multiprocess_wal, beside SQLite', () => {
    describe('when each of them writes once, and SQLite makes a checkpoint, as it does when it closes the database', () => {
      let ofSqlite: unknown, ofTurso: unknown, later: string

      beforeAll(async () => {
        await inRing(fixed, 10_000, async ({ start, rival }) => {
          const turso = await start()
          await turso.ask({ do: 'total' })
          const sqlite = await rival(5_000)
          await sqlite.says('SELECT n FROM counter')
          await sqlite.says('CREATE TABLE other (x)')
          ofTurso = await turso.ask({ do: 'increment' })
          ofSqlite = await sqlite.says('PRAGMA wal_checkpoint')
          await turso.end()
          const newcomer = await rival(0)
          later = await newcomer.says('SELECT n FROM counter').then(
            (rows) => JSON.stringify(rows),
            ({ message }) => message,
          )
        })
      })

      test.fails('myth: a file that both can read is safe with both', () => {
        expect(later).toBe('[{"n":1}]')
      })
      test('nobody is refused, and the database is destroyed: whoever comes next is told SQLITE_NOTADB, "file is not a database"', () => {
        expect(ofTurso).toEqual({ confirmed: true })
        expect(ofSqlite).toMatchObject([{ busy: 0 }])
        expect(later).toContain('SQLITE_NOTADB: file is not a database')
      })
    })

    describe('when SQLite is in its transaction, begun with BEGIN IMMEDIATE, and it comes to count', () => {
      let ofTurso: Reply, ofSqlite: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        story = await converse('delete', { turso: fixed, sqlite }, async ({ turso, sqlite }) => {
          await sqlite`increment, pause`
          ofTurso = await turso`increment`
          ofSqlite = await sqlite`continue`
          total = await sqlite`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test.fails('myth: BEGIN IMMEDIATE, on both sides, keeps the other out', () => {
        expect(ofTurso).not.toHaveProperty('confirmed')
      })
      test('both are confirmed, neither with SQLITE_BUSY, and one is counted: a change that was confirmed is lost', () => {
        expect(ofTurso).toMatchObject({ confirmed: true })
        expect(ofSqlite).toMatchObject({ confirmed: true })
        expect(total.total).toBe(1)
      })
    })

    describe('when it is in its transaction, begun with BEGIN IMMEDIATE, and SQLite comes to count', () => {
      let ofTurso: Reply, ofSqlite: Reply, total: Reply, story: Dialogue

      beforeAll(async () => {
        story = await converse('delete', { turso: fixed, sqlite }, async ({ turso, sqlite }) => {
          await turso`increment, pause`
          ofSqlite = await sqlite`increment`
          ofTurso = await turso`continue`
          total = await sqlite`total`
        })
      })
      beforeEach((context) => showDialogue(context, story))

      test('both are confirmed, and one is counted: a change that was confirmed is lost', () => {
        expect(ofTurso.confirmed).toBe(true)
        expect(ofSqlite.confirmed).toBe(true)
        expect(total.total).toBe(1)
      })
    })
  })
})

describe('@tursodatabase/database, as it comes, beside SQLite', () => {
  describe('when it has the file open, and does nothing', () => {
    let rows: string, later: unknown

    beforeAll(async () => {
      await inRing(turso, 10_000, async ({ start, rival }) => {
        const turso = await start()
        await turso.ask({ do: 'increment' })
        const sqlite = await rival(0)
        rows = await sqlite.says('SELECT n FROM counter').then(
          () => 'SQLITE_OK',
          ({ message }) => message,
        )
        await turso.end()
        later = await sqlite.says('SELECT n FROM counter')
      })
    })

    test('SQLite cannot even read: SQLITE_BUSY, for as long as it is there', () => {
      expect(rows).toContain('SQLITE_BUSY')
    })
    test('SQLite reads what was confirmed when it has ended', () => {
      expect(later).toEqual([{ n: 1 }])
    })
  })

  describe('when SQLite has the file open, in WAL mode, and does nothing', () => {
    let ofTurso: Record<string, unknown>

    beforeAll(async () => {
      await inRing(turso, 10_000, async ({ start, rival }) => {
        const sqlite = await rival(0)
        await sqlite.says('PRAGMA journal_mode = wal')
        await sqlite.says('CREATE TABLE other (x)')
        ofTurso = await (await start()).ask({ do: 'increment' })
      })
    })

    test('it is turned away as it opens the file', () => {
      expect(ofTurso.refused).toBe('Error')
      expect(ofTurso.message).toMatch(/File is locked by another process$/)
    })
  })
})
