#!/usr/bin/env node
// The only JavaScript here. It runs on any Node from 20 on, brings the packages if they are missing, and runs the program on the
// Node 24 that they carry: as a child in the same process group, so that one kill of the group ends both.
//
//   plimsoll ARGS...               the command line
//   plimsoll --exec FILE ARGS...   another entry of this checkout (tests, benchmarks) on the same Node
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

function fail(message) {
  process.stderr.write(`plimsoll: ${message}\n`)
  process.exit(1)
}

/** A checkout whose node_modules is missing or older than its lock file is installed first; an installed package has no lock file. */
function bringPackages() {
  const lock = join(root, 'package-lock.json')
  if (!existsSync(lock)) return
  const stamp = join(root, 'node_modules', '.package-lock.json')
  if (existsSync(stamp) && lockedVersions(lock) === lockedVersions(stamp)) return
  process.stderr.write('plimsoll: installing packages (npm ci), about 20 s the first time\n')
  const ran = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (ran.error) fail(`npm could not be started (${ran.error.message}). Install Node.js 20 or newer together with npm.`)
  if (ran.status !== 0)
    fail('npm ci failed; its message stands above. Check the network and run the same command again.')
}

/** Name and version of every package that is installed whatever the platform: the two lock files differ in the others. */
function lockedVersions(file) {
  const packages = Object.entries(JSON.parse(readFileSync(file, 'utf8')).packages)
  return packages
    .filter(([path, entry]) => path !== '' && !entry.optional)
    .map(([path, entry]) => `${path}@${entry.version}`)
    .sort()
    .join('\n')
}

function findNode() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath
  try {
    const require = createRequire(join(root, 'package.json'))
    return require.resolve(`node-${process.platform}-${process.arch}/bin/node`)
  } catch {
    return fail(
      `this needs Node 24, and there is no packaged one for ${process.platform}-${process.arch}. Install Node 24 and run the same command with it.`,
    )
  }
}

bringPackages()
const args = process.argv.slice(2)
const exec = args[0] === '--exec'
const entry = exec ? resolve(root, args[1] ?? fail('--exec needs a file')) : join(root, 'src', 'apps', 'cli', 'main.ts')
// What serves for weeks collects its garbage sooner than Node would: after a flood of news from a cluster it was twice as large.
const thrifty = ['up', 'controller', 'api'].includes(args[0])
  ? ['--max-semi-space-size=16', '--heap-growing-percent=50']
  : []
const flags = ['--disable-warning=ExperimentalWarning', ...thrifty]
const child = spawn(findNode(), [...flags, entry, ...args.slice(exec ? 2 : 0)], {
  stdio: 'inherit',
  env: {
    ...process.env,
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, 'node_modules', '.cache', 'compile'),
  },
})
// The terminal sends Ctrl-C to the whole group: the child decides what it means. SIGTERM comes to us alone and is passed on.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill('SIGTERM'))
process.on('SIGHUP', () => child.kill('SIGHUP'))
child.on('error', (error) => fail(`Node 24 could not be started: ${error.message}`))
child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
