/**
 * Two servers that have SQLite inside, and their own way to it over HTTP. A libSQL server, such as Turso's, has interactive transactions; rqlite has none:
 * each request stands alone. Where LIBSQL_URL or RQLITE_URL names a server, the same contest is held there. Where none is reachable, what is tested is
 * the stack itself, on a stand-in that speaks its protocol, ../../fixtures/servers/stand-in.ts, and that is no evidence of what the real ones do.
 *
 * https://docs.turso.tech/sdk/ts/reference · https://rqlite.io/docs/api/api/
 */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { Child } from '../../helpers/child.ts'
import { freshDatabase } from '../../helpers/fresh-database.ts'
import { addressOf } from '../../helpers/servers/address.ts'
import { type Contest, writeInBetween } from '../../helpers/servers/contests.ts'

const { LIBSQL_URL, LIBSQL_AUTH_TOKEN, RQLITE_URL } = process.env
const urls = inject('urls')

/** The table that the contest makes in somebody else's database. */
const table = `database-is-locked-${process.pid}`

const post = (server: string, page: string, body: unknown, token?: string) => {
  const { url, headers: who } = addressOf(server)
  const headers = { 'Content-Type': 'application/json', ...who, ...(token && { Authorization: `Bearer ${token}` }) }
  return fetch(new URL(page, url), { method: 'POST', headers, body: JSON.stringify(body) })
}

describe('The stacks of libSQL and rqlite, on a stand-in', () => {
  let standIn: Child, remove: () => Promise<void>

  beforeAll(async () => {
    const database = await freshDatabase()
    remove = database.remove
    standIn = new Child('the stand-in', 'servers/stand-in.ts', database.file)
    const { url } = await standIn.ready
    Object.assign(process.env, { LIBSQL_URL: url, RQLITE_URL: url })
  })
  afterAll(async () => {
    for (const [name, url] of Object.entries({ LIBSQL_URL, RQLITE_URL }))
      if (url === undefined) delete process.env[name]
      else process.env[name] = url
    await standIn.end()
    await remove()
  })

  describe('when another process writes between its read and its write', () => {
    let write: Contest, deferred: Contest, rqlite: Contest, guarded: Contest

    beforeAll(async () => {
      write = await writeInBetween('libsql-server.ts', 'write')
      deferred = await writeInBetween('libsql-server.ts#deferred', 'deferred')
      rqlite = await writeInBetween('rqlite.ts', 'rqlite')
      guarded = await writeInBetween('rqlite.ts#guarded', 'guarded')
    })

    test("@libsql/client, with transaction('write'), confirms both, and both are counted", () => {
      expect([write.confirmed, write.counted]).toEqual([2, 2])
    })
    test("@libsql/client, with transaction('deferred'), is refused with SQLITE_BUSY in code, and what is confirmed is counted", () => {
      expect([deferred.confirmed, deferred.counted]).toEqual([1, 1])
      expect(deferred.outcomes[0]).toMatchObject({ verdict: 'refused', code: expect.stringMatching(/^SQLITE_BUSY/) })
    })
    test('rqlite, with a request that reads and a request that writes, confirms both, and loses one', () => {
      expect([rqlite.confirmed, rqlite.counted]).toEqual([2, 1])
    })
    test('rqlite, where the UPDATE says which n it was computed from, confirms both, the first at its second try, and both are counted', () => {
      expect([guarded.confirmed, guarded.counted]).toEqual([2, 2])
      expect(guarded.outcomes[0].tries).toBe(2)
    })
  })
})

describe.skipIf(!urls.LIBSQL_URL)('The libSQL server at LIBSQL_URL', () => {
  describe('when another process writes between its read and its write', () => {
    let contest: Contest

    beforeAll(async () => {
      contest = await writeInBetween('libsql-server.ts', table)
    })
    afterAll(async () => {
      const requests = [{ type: 'execute', stmt: { sql: `DROP TABLE "${table}"` } }, { type: 'close' }]
      await post(urls.LIBSQL_URL, '/v2/pipeline', { requests }, LIBSQL_AUTH_TOKEN)
    })

    test('both are confirmed, and both are counted', () => {
      expect([contest.confirmed, contest.counted]).toEqual([2, 2])
    })
  })
})

describe.skipIf(!urls.RQLITE_URL)('The rqlite at RQLITE_URL', () => {
  describe('when another process writes between its read and its write', () => {
    let contest: Contest

    beforeAll(async () => {
      contest = await writeInBetween('rqlite.ts#guarded', table)
    })
    afterAll(async () => {
      await post(urls.RQLITE_URL, '/db/execute', [[`DROP TABLE "${table}"`]])
    })

    test('what is confirmed is counted, and nothing else, where the UPDATE says which n it was computed from', () => {
      expect([contest.confirmed, contest.counted]).toEqual([2, 2])
    })
  })
})
