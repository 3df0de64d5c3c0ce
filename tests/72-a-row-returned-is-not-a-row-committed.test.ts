/**
 * Outside a transaction, a statement commits when it ends, and RETURNING gives its rows back before that. With a rollback journal
 * a reader can still have that commit refused. Whoever takes a row and does not ask how the statement ended reports as done what SQLite
 * has undone: https://sqlite.org/c3ref/reset.html says that applications have to look at what `sqlite3_reset` returns, and gives this
 * very example. `get()` of better-sqlite3 does not look, nor does that of `node:sqlite` before Node 26 (tests/matrix/README.md); leaving a
 * loop over `iterate()` does not, in either library.
 *
 * What confirms a write is the answer of `run()` or `all()` or, in a transaction, that of COMMIT or of `transaction()`. A loop over
 * `iterate()` that is still open there has COMMIT refused: chapter 65.
 *
 * https://sqlite.org/lang_returning.html · https://sqlite.org/lang_transaction.html#implicit_versus_explicit_transactions
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { contend, type Outcome, type Story } from '../helpers/contend.ts'
import { type Results, show, showResults } from '../helpers/show.ts'

/** A row of the table: what one way of running an INSERT … RETURNING answered, and whether its value is in the table in the end. */
const row = (way: string, { code, rows }: Outcome, value: number, total: Outcome): string[] => [
  way,
  code,
  rows.length > 0 ? 'yes' : 'no',
  total.rows.some(({ n }) => n === value) ? 'yes' : 'no',
]
const beforeNode26 = Number(process.versions.node.split('.')[0]) < 26

const head = ['INSERT … RETURNING, run by', 'answers', 'gives its row back', 'is in the table']

describe('INSERT … RETURNING outside a transaction, rollback journal, better-sqlite3', { tags: ['q41'] }, () => {
  describe('when somebody is reading', () => {
    let run: Outcome, get: Outcome, all: Outcome, first: Outcome, rest: Outcome, left: Outcome, broken: Outcome
    let seen: Outcome, total: Outcome, story: Story, results: Results

    beforeAll(async () => {
      const cast = {
        reader: { timeout: 0 },
        writer: { timeout: 0, program: 'iterator.ts', driver: 'better-sqlite3' as const },
      }
      story = await contend('delete', cast, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        run = await writer`.run INSERT INTO counter VALUES (1) RETURNING n`
        get = await writer`.get INSERT INTO counter VALUES (2) RETURNING n`
        seen = await writer`SELECT n FROM counter`
        all = await writer`.all INSERT INTO counter VALUES (3) RETURNING n`
        first = await writer`.first INSERT INTO counter VALUES (4) RETURNING n`
        rest = await writer`.rest`
        left = await writer`.first INSERT INTO counter VALUES (5) RETURNING n`
        broken = await writer`.break`
        await reader`COMMIT`
        total = await reader`SELECT n FROM counter`
      })
      const rows = [
        row('run()', run, 1, total),
        row('get()', get, 2, total),
        row('all()', all, 3, total),
        row('iterate(), to the end', { ...rest, rows: first.rows }, 4, total),
        row('iterate(), left after the first row', { ...broken, rows: left.rows }, 5, total),
      ]
      results = { head, rows }
    })
    beforeEach(async (context) => {
      await show(context, story)
      await showResults(context, results)
    })

    test.fails('myth: a row that RETURNING gives back is in the table', () => {
      expect(total.rows).toContainEqual({ n: 2 })
    })
    test('the writer gets SQLITE_OK and its row from get(), and the row is not in the table: the reader has had the commit refused', () => {
      expect(get).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 2 }] })
      expect(total.rows).not.toContainEqual({ n: 2 })
    })
    test('the writer could know: it does not see its own row a statement later, and is in no transaction that it could commit', () => {
      expect(seen.rows).toEqual([{ n: 0 }])
      expect(get.inTransaction).toBe(false)
    })
    test('the writer gets SQLITE_BUSY, and no row, from run() and all()', () => {
      expect([run, all]).toMatchObject([
        { code: 'SQLITE_BUSY', rows: [] },
        { code: 'SQLITE_BUSY', rows: [] },
      ])
    })
    test('the loop over iterate() gets its row, and SQLITE_BUSY when it asks for another', () => {
      expect(first).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 4 }] })
      expect(rest.code).toBe('SQLITE_BUSY')
    })
    test('the loop that is left after its first row gets SQLITE_OK twice, and its row is not in the table', () => {
      expect(left).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 5 }] })
      expect(broken.code).toBe('SQLITE_OK')
      expect(total.rows).not.toContainEqual({ n: 5 })
    })
    test('the reader finds that of five writes, two of them confirmed, none is there', () => {
      expect(total).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
      expect(results.rows.map(([, code, given, there]) => [code, given, there])).toEqual([
        ['SQLITE_BUSY', 'no', 'no'],
        ['SQLITE_OK', 'yes', 'no'],
        ['SQLITE_BUSY', 'no', 'no'],
        ['SQLITE_BUSY', 'yes', 'no'],
        ['SQLITE_OK', 'yes', 'no'],
      ])
    })
  })

  describe('when the reader stays for longer than the timeout of the writer', () => {
    let get: Outcome, seen: Outcome, story: Story

    beforeAll(async () => {
      const cast = {
        reader: { timeout: 0 },
        writer: { timeout: 100, program: 'iterator.ts', driver: 'better-sqlite3' as const },
      }
      story = await contend('delete', cast, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        get = await writer`.get INSERT INTO counter VALUES (1) RETURNING n`
        seen = await writer`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: with a timeout, get() gives a row back only when the write is committed', () => {
      expect(seen.rows).toContainEqual({ n: 1 })
    })
    test('the writer waits its whole timeout of 100 ms, and then gets SQLITE_OK and the row of a write that has been undone', () => {
      expect(get).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
      expect(get.waited).toBeGreaterThanOrEqual(100)
      expect(seen.rows).toEqual([{ n: 0 }])
    })
  })

  describe('when the reader leaves while the writer waits', () => {
    let get: Outcome, seen: Outcome, story: Story

    beforeAll(async () => {
      const cast = {
        reader: { timeout: 0 },
        writer: { timeout: 5_000, program: 'iterator.ts', driver: 'better-sqlite3' as const },
      }
      story = await contend('delete', cast, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        const turn = writer`.get INSERT INTO counter VALUES (1) RETURNING n`
        await turn.blocks()
        await reader`COMMIT`
        get = await turn
        seen = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer gets the same answer, SQLITE_OK and its row, and now the row is in the table', () => {
      expect(get).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
      expect(seen.rows).toEqual([{ n: 0 }, { n: 1 }])
    })
  })

  describe('when the id of the row is passed on', () => {
    let ofFirst: Outcome, ofOther: Outcome, orders: Outcome, story: Story

    beforeAll(async () => {
      const writing = { timeout: 0, program: 'iterator.ts', driver: 'better-sqlite3' as const }
      const cast = { reader: { timeout: 0 }, first: writing, other: writing }
      story = await contend('delete', cast, async ({ reader, first, other }) => {
        await reader`CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, customer TEXT)`
        await reader`BEGIN`
        await reader`SELECT count(*) FROM orders`
        ofFirst = await first`.get INSERT INTO orders (customer) VALUES ('Ada') RETURNING id`
        await reader`COMMIT`
        ofOther = await other`.get INSERT INTO orders (customer) VALUES ('Bob') RETURNING id`
        orders = await reader`SELECT id, customer FROM orders`
      })
    })
    beforeEach((context) => show(context, story, 'a-row-returned.svg'))

    test.fails('myth: an id of an AUTOINCREMENT column is given out once', () => {
      expect(ofOther.rows).not.toEqual(ofFirst.rows)
    })
    test('the first and the other get SQLITE_OK and the same id, and the order under it is that of the other', () => {
      expect([ofFirst, ofOther]).toMatchObject([
        { code: 'SQLITE_OK', rows: [{ id: 1 }] },
        { code: 'SQLITE_OK', rows: [{ id: 1 }] },
      ])
      expect(orders.rows).toEqual([{ id: 1, customer: 'Bob' }])
    })
  })

  describe('when it is an UPDATE or a DELETE', () => {
    let update: Outcome, remove: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      const cast = {
        reader: { timeout: 0 },
        writer: { timeout: 0, program: 'iterator.ts', driver: 'better-sqlite3' as const },
      }
      story = await contend('delete', cast, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        update = await writer`.get UPDATE counter SET n = n + 1 RETURNING n`
        remove = await writer`.get DELETE FROM counter RETURNING n`
        await reader`COMMIT`
        total = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer gets SQLITE_OK and n = 1 from its UPDATE, and n is still 0', () => {
      expect(update).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 1 }] })
      expect(total.rows).toEqual([{ n: 0 }])
    })
    test('the writer gets SQLITE_OK and the row from its DELETE, and the row is still there', () => {
      expect(remove).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 0 }] })
      expect(total.rows).toHaveLength(1)
    })
  })
})

describe('INSERT … RETURNING outside a transaction, rollback journal, node:sqlite', { tags: ['q41'] }, () => {
  describe('when somebody is reading', () => {
    let run: Outcome, get: Outcome, all: Outcome, first: Outcome, rest: Outcome, left: Outcome, broken: Outcome
    let total: Outcome, story: Story, results: Results

    beforeAll(async () => {
      const cast = {
        reader: { timeout: 0 },
        writer: { timeout: 0, program: 'iterator.ts', driver: 'node:sqlite' as const },
      }
      story = await contend('delete', cast, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        run = await writer`.run INSERT INTO counter VALUES (1) RETURNING n`
        get = await writer`.get INSERT INTO counter VALUES (2) RETURNING n`
        all = await writer`.all INSERT INTO counter VALUES (3) RETURNING n`
        first = await writer`.first INSERT INTO counter VALUES (4) RETURNING n`
        rest = await writer`.rest`
        left = await writer`.first INSERT INTO counter VALUES (5) RETURNING n`
        broken = await writer`.break`
        await reader`COMMIT`
        total = await reader`SELECT n FROM counter`
      })
      const rows = [
        row('run()', run, 1, total),
        row('get()', get, 2, total),
        row('all()', all, 3, total),
        row('iterate(), to the end', { ...rest, rows: first.rows }, 4, total),
        row('iterate(), left after the first row', { ...broken, rows: left.rows }, 5, total),
      ]
      results = { head, rows }
    })
    beforeEach(async (context) => {
      await show(context, story)
      await showResults(context, results)
    })

    test.skipIf(beforeNode26)(
      'the writer gets SQLITE_BUSY, and no row, from get() as from run() and all() (since Node 26)',
      () => {
        expect([run, get, all]).toMatchObject([
          { code: 'SQLITE_BUSY', rows: [] },
          { code: 'SQLITE_BUSY', rows: [] },
          { code: 'SQLITE_BUSY', rows: [] },
        ])
      },
    )
    test('the loop that is left after its first row gets SQLITE_OK twice, and its row is not in the table', () => {
      expect(left).toMatchObject({ code: 'SQLITE_OK', rows: [{ n: 5 }] })
      expect(broken.code).toBe('SQLITE_OK')
      expect(total.rows).toEqual([{ n: 0 }])
    })
    test.skipIf(beforeNode26)(
      'the reader finds that of five writes, one of them confirmed, none is there (since Node 26)',
      () => {
        expect(results.rows.map(([, code, given, there]) => [code, given, there])).toEqual([
          ['SQLITE_BUSY', 'no', 'no'],
          ['SQLITE_BUSY', 'no', 'no'],
          ['SQLITE_BUSY', 'no', 'no'],
          ['SQLITE_BUSY', 'yes', 'no'],
          ['SQLITE_OK', 'yes', 'no'],
        ])
      },
    )
  })
})

describe('INSERT … RETURNING in a transaction, rollback journal, better-sqlite3', { tags: ['q41'] }, () => {
  describe('when somebody is reading', () => {
    let answers: Outcome[], commit: Outcome, repeated: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      const cast = {
        reader: { timeout: 0 },
        writer: { timeout: 0, program: 'iterator.ts', driver: 'better-sqlite3' as const },
      }
      story = await contend('delete', cast, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN IMMEDIATE`
        answers = [
          await writer`.run INSERT INTO counter VALUES (1) RETURNING n`,
          await writer`.get INSERT INTO counter VALUES (2) RETURNING n`,
          await writer`.all INSERT INTO counter VALUES (3) RETURNING n`,
          await writer`.first INSERT INTO counter VALUES (4) RETURNING n`,
          await writer`.rest`,
          await writer`.first INSERT INTO counter VALUES (5) RETURNING n`,
          await writer`.break`,
        ]
        commit = await writer`COMMIT`
        await reader`COMMIT`
        repeated = await writer`COMMIT`
        total = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer gets SQLITE_OK from run(), get(), all() and iterate(), and then SQLITE_BUSY from COMMIT: the refusal reaches it', () => {
      expect(answers.map(({ code }) => code)).toEqual(answers.map(() => 'SQLITE_OK'))
      expect(commit.code).toBe('SQLITE_BUSY')
    })
    test('the writer loses nothing: it repeats its COMMIT, and all five rows are in the table, the loop left early or not', () => {
      expect(repeated.code).toBe('SQLITE_OK')
      expect(total.rows).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }, { n: 5 }])
    })
  })

  describe('when somebody is reading, and the library begins and commits', () => {
    let transaction: Outcome, seen: Outcome, story: Story

    beforeAll(async () => {
      const cast = {
        reader: { timeout: 0 },
        writer: { timeout: 0, program: 'iterator.ts', driver: 'better-sqlite3' as const },
      }
      story = await contend('delete', cast, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        transaction = await writer`.transaction INSERT INTO counter VALUES (1) RETURNING n`
        seen = await writer`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer gets SQLITE_BUSY, and no row, from transaction() around get()', () => {
      expect(transaction).toMatchObject({ code: 'SQLITE_BUSY', rows: [], inTransaction: false })
      expect(seen.rows).toEqual([{ n: 0 }])
    })
  })
})

describe('INSERT … RETURNING in a transaction, rollback journal, node:sqlite', { tags: ['q41'] }, () => {
  describe('when somebody is reading', () => {
    let answers: Outcome[], commit: Outcome, repeated: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      const cast = {
        reader: { timeout: 0 },
        writer: { timeout: 0, program: 'iterator.ts', driver: 'node:sqlite' as const },
      }
      story = await contend('delete', cast, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        await writer`BEGIN IMMEDIATE`
        answers = [
          await writer`.run INSERT INTO counter VALUES (1) RETURNING n`,
          await writer`.get INSERT INTO counter VALUES (2) RETURNING n`,
          await writer`.all INSERT INTO counter VALUES (3) RETURNING n`,
          await writer`.first INSERT INTO counter VALUES (4) RETURNING n`,
          await writer`.rest`,
          await writer`.first INSERT INTO counter VALUES (5) RETURNING n`,
          await writer`.break`,
        ]
        commit = await writer`COMMIT`
        await reader`COMMIT`
        repeated = await writer`COMMIT`
        total = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer gets SQLITE_OK from run(), get(), all() and iterate(), and then SQLITE_BUSY from COMMIT: the refusal reaches it', () => {
      expect(answers.map(({ code }) => code)).toEqual(answers.map(() => 'SQLITE_OK'))
      expect(commit.code).toBe('SQLITE_BUSY')
    })
    test('the writer loses nothing: it repeats its COMMIT, and all five rows are in the table, the loop left early or not', () => {
      expect(repeated.code).toBe('SQLITE_OK')
      expect(total.rows).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }, { n: 5 }])
    })
  })
})

describe('INSERT … RETURNING outside a transaction, write-ahead log, better-sqlite3', { tags: ['q41'] }, () => {
  describe('when somebody is reading, and then somebody is writing', () => {
    let get: Outcome, left: Outcome, refused: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      const cast = {
        reader: { timeout: 0 },
        writer: { timeout: 0, program: 'iterator.ts', driver: 'better-sqlite3' as const },
      }
      story = await contend('wal', cast, async ({ reader, writer }) => {
        await reader`BEGIN`
        await reader`SELECT n FROM counter`
        get = await writer`.get INSERT INTO counter VALUES (1) RETURNING n`
        left = await writer`.first INSERT INTO counter VALUES (2) RETURNING n`
        await writer`.break`
        await reader`COMMIT`
        await reader`BEGIN IMMEDIATE`
        refused = await writer`.get INSERT INTO counter VALUES (3) RETURNING n`
        await reader`COMMIT`
        total = await reader`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the writer gets SQLITE_OK and its row from get(), or from a loop that it leaves, and the row is in the table', () => {
      expect([get, left]).toMatchObject([
        { code: 'SQLITE_OK', rows: [{ n: 1 }] },
        { code: 'SQLITE_OK', rows: [{ n: 2 }] },
      ])
      expect(total.rows).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }])
    })
    test('the writer is turned away by another writer with SQLITE_BUSY before there is a row', () => {
      expect(refused).toMatchObject({ code: 'SQLITE_BUSY', rows: [] })
    })
  })

  describe('when a loop has its first row, and has not asked for another', () => {
    let first: Outcome, own: Outcome, seen: Outcome, story: Story

    beforeAll(async () => {
      const cast = {
        loop: { timeout: 0, program: 'iterator.ts', driver: 'better-sqlite3' as const },
        other: { timeout: 0 },
      }
      story = await contend('wal', cast, async ({ loop, other }) => {
        first = await loop`.first INSERT INTO counter VALUES (1) RETURNING n`
        own = await loop`SELECT n FROM counter`
        seen = await other`SELECT n FROM counter`
      })
    })
    beforeEach((context) => show(context, story))

    test('the loop sees its row in the table, SQLITE_OK, and nobody else does: its statement has not ended yet', () => {
      expect(first).toMatchObject({ code: 'SQLITE_OK', inTransaction: false })
      expect([own.rows, seen.rows]).toEqual([[{ n: 0 }, { n: 1 }], [{ n: 0 }]])
    })
  })
})

describe('A constraint that is checked at the end, write-ahead log', { tags: ['q41'] }, () => {
  describe('when nobody else is there, and a deferred foreign key has no parent, better-sqlite3', () => {
    let run: Outcome, get: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      const cast = { alone: { timeout: 0, program: 'iterator.ts', driver: 'better-sqlite3' as const } }
      story = await contend('wal', cast, async ({ alone }) => {
        await alone`PRAGMA foreign_keys = ON`
        await alone`CREATE TABLE parent (id INTEGER PRIMARY KEY)`
        await alone`CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)`
        run = await alone`.run INSERT INTO child VALUES (7) RETURNING id`.mayAnswer('SQLITE_CONSTRAINT_FOREIGNKEY')
        get = await alone`.get INSERT INTO child VALUES (7) RETURNING id`
        total = await alone`SELECT id FROM child`
      })
    })
    beforeEach((context) => show(context, story))

    test.fails('myth: it takes another process for get() to report what is not there', () => {
      expect(total.rows).toEqual([{ id: 7 }])
    })
    test('it gets SQLITE_OK and its row from get(), and the row is not in the table', () => {
      expect(get).toMatchObject({ code: 'SQLITE_OK', rows: [{ id: 7 }] })
      expect(total.rows).toEqual([])
    })
    test('it gets SQLITE_CONSTRAINT_FOREIGNKEY from run()', () => {
      expect(run.code).toBe('SQLITE_CONSTRAINT_FOREIGNKEY')
    })
  })

  describe('when nobody else is there, and a deferred foreign key has no parent, node:sqlite', () => {
    let get: Outcome, left: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      const cast = { alone: { timeout: 0, program: 'iterator.ts', driver: 'node:sqlite' as const } }
      story = await contend('wal', cast, async ({ alone }) => {
        await alone`PRAGMA foreign_keys = ON`
        await alone`CREATE TABLE parent (id INTEGER PRIMARY KEY)`
        await alone`CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)`
        get = await alone`.get INSERT INTO child VALUES (7) RETURNING id`.mayAnswer('SQLITE_CONSTRAINT_FOREIGNKEY')
        left = await alone`.first INSERT INTO child VALUES (7) RETURNING id`
        await alone`.break`
        total = await alone`SELECT id FROM child`
      })
    })
    beforeEach((context) => show(context, story))

    test.skipIf(beforeNode26)('it gets SQLITE_CONSTRAINT_FOREIGNKEY from get() (since Node 26)', () => {
      expect(get.code).toBe('SQLITE_CONSTRAINT_FOREIGNKEY')
    })
    test('it gets SQLITE_OK and its row from a loop that it leaves, and the row is not in the table', () => {
      expect(left).toMatchObject({ code: 'SQLITE_OK', rows: [{ id: 7 }] })
      expect(total.rows).toEqual([])
    })
  })
})

describe('A constraint that is checked at the end, rollback journal', { tags: ['q41'] }, () => {
  describe('when nobody else is there, and a deferred foreign key has no parent, better-sqlite3', () => {
    let get: Outcome, total: Outcome, story: Story

    beforeAll(async () => {
      const cast = { alone: { timeout: 0, program: 'iterator.ts', driver: 'better-sqlite3' as const } }
      story = await contend('delete', cast, async ({ alone }) => {
        await alone`PRAGMA foreign_keys = ON`
        await alone`CREATE TABLE parent (id INTEGER PRIMARY KEY)`
        await alone`CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)`
        get = await alone`.get INSERT INTO child VALUES (7) RETURNING id`
        total = await alone`SELECT id FROM child`
      })
    })
    beforeEach((context) => show(context, story))

    test('it gets SQLITE_OK and its row from get(), and the row is not in the table', () => {
      expect(get).toMatchObject({ code: 'SQLITE_OK', rows: [{ id: 7 }] })
      expect(total.rows).toEqual([])
    })
  })
})
