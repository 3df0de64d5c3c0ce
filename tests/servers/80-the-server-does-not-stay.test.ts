/**
 * The PostgreSQL that the other chapters talk to is started by the project itself, or is the one at DATABASE_URL. Here it is not PostgreSQL that
 * is looked at, but that program, ../../fixtures/servers/postgresql.ts: what it starts ends with it, however it ends, and in a database of
 * somebody else's nothing stays.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { runs } from '../../helpers/kernel.ts'
import { openClerk } from '../../helpers/servers/contend.ts'

const { url = '', isOurs } = inject('postgresql')
const program = fileURLToPath(new URL('../../fixtures/servers/postgresql.ts', import.meta.url))

/** Starts the program; `said` is its first line. */
function start(folder: string, DATABASE_URL = '') {
  const child = execa(process.execPath, [program, folder], {
    stdin: 'pipe',
    buffer: { stdout: false },
    reject: false,
    env: { DATABASE_URL },
  })
  const said = new Promise<Record<string, string>>((resolve) => {
    child.stdout.once('data', (line) => resolve(JSON.parse(`${line}`)))
  })
  return { child, said }
}

/** The number of the server's process, from the file that it keeps. */
const serverIn = (folder: string) => Number(readFileSync(join(folder, 'data/postmaster.pid'), 'utf8').split('\n')[0])

describe.skipIf(!isOurs)('A PostgreSQL of our own', () => {
  let folder: string

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'database-is-locked-'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))

  describe('when the program that has started it is killed', () => {
    let pid: number, user: number, before: boolean

    beforeAll(async () => {
      const { child, said } = start(folder)
      await said
      pid = serverIn(folder)
      before = runs(pid)
      user = existsSync(`/proc/${pid}`) ? statSync(`/proc/${pid}`).uid : -1
      child.kill('SIGKILL')
      await child
    })

    test('the server ends as well, and its folder is gone', async () => {
      expect(before).toBe(true)
      await vi.waitFor(() => expect([runs(pid), existsSync(folder)]).toEqual([false, false]), 10_000)
    })
    test.skipIf(process.getuid?.() !== 0)('the server of root does not run as root, which PostgreSQL refuses', () => {
      expect(user).toBeGreaterThan(0)
    })
  })

  describe('when the program is killed while the data of the server are made', () => {
    let making: string

    beforeAll(async () => {
      making = mkdtempSync(join(tmpdir(), 'database-is-locked-'))
      const { child } = start(making)
      await vi.waitUntil(() => existsSync(join(making, 'data/base')), { timeout: 30_000, interval: 5 })
      child.kill('SIGKILL')
      await child
    })
    afterAll(() => rmSync(making, { recursive: true, force: true, maxRetries: 10 }))

    test('the folder is gone', async () => {
      await vi.waitFor(() => expect(existsSync(making)).toBe(false), 10_000)
    })
  })
})

describe.skipIf(!isOurs)('The PostgreSQL at DATABASE_URL', () => {
  let folder: string, theirs: string

  const schemas = async () => {
    const clerk = await openClerk(url)
    const rows = await clerk.run(`SELECT nspname FROM pg_namespace WHERE nspname LIKE 'database_is_locked_%' ORDER BY nspname`)
    await clerk.child.end()
    return rows.map(({ nspname }) => `${nspname}`)
  }

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'database-is-locked-'))
    const plain = new URL(url)
    plain.searchParams.delete('options')
    theirs = plain.href
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  describe('when the program is told of it, and ends', () => {
    let before: string[], during: string[], after: string[], left: string[]

    beforeAll(async () => {
      before = await schemas()
      const { child, said } = start(folder, theirs)
      const clerk = await openClerk((await said).url)
      await clerk.run('CREATE TABLE counter (n integer)')
      await clerk.child.end()
      during = await schemas()
      child.stdin.end()
      await child
      after = await schemas()
      left = readdirSync(folder)
    })

    test('there is one schema more while it runs, in which whoever connects with its URL finds itself', () => {
      expect(during).toHaveLength(before.length + 1)
    })
    test('the schema is gone afterwards, with what was made in it, and no server was started', () => {
      expect(after).toEqual(before)
      expect(left).toEqual([])
    })
  })

  describe('when the program is sent SIGTERM and SIGHUP, as by those who leave, and then its input ends', () => {
    let before: string[], during: string[], after: string[]

    beforeAll(async () => {
      before = await schemas()
      const { child, said } = start(folder, theirs)
      await said
      child.kill('SIGTERM')
      child.kill('SIGHUP')
      during = await schemas()
      child.stdin.end()
      await child
      after = await schemas()
    })

    test('the schema is gone, and not before the input has ended', () => {
      expect(during).toHaveLength(before.length + 1)
      expect(after).toEqual(before)
    })
  })

  describe('when there is none', () => {
    let said: Record<string, string>

    beforeAll(async () => {
      const started = start(folder, 'postgresql://nobody:secret@127.0.0.1:1/nothing')
      said = await started.said
      await started.child
    })

    test('the program says so in one sentence, without the password, and what takes PostgreSQL is skipped', () => {
      expect(said.cannot).toMatch(/^the PostgreSQL at DATABASE_URL does not answer: .*ECONNREFUSED/)
      expect(said.cannot).not.toContain('secret')
    })
  })
})
