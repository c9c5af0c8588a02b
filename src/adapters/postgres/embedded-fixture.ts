// What the tests of the embedded PostgreSQL share: homes in a temporary folder, and servers and processes that do not outlive a file.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import type { Account } from './embedded-account.ts'
import { startEmbeddedPostgres } from './embedded.ts'
import type { EmbeddedPostgres } from './embedded.ts'

export const rootDirectory = await mkdtemp(join(tmpdir(), 'plimsoll-postgres-'))
export const isRoot = process.getuid?.() === 0
const running = new Set<EmbeddedPostgres>()
const children = new Set<number>()

after(async () => {
  for (const server of running) await server.stop()
  for (const pid of children) end(pid)
  await rm(rootDirectory, { recursive: true, force: true })
})

let homes = 0
export const freshHome = (): string => join(rootDirectory, `home-${++homes}`)
export const dataOf = (home: string): string => join(home, 'postgres', 'data')

export async function start(home: string, as?: Account): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ home, log: () => undefined, ...(as === undefined ? {} : { as }) })
  running.add(server)
  return server
}

export async function query(server: EmbeddedPostgres, text: string): Promise<unknown[]> {
  const client = new Client(server.connection)
  await client.connect()
  try {
    return (await client.query<unknown[]>({ text, rowMode: 'array' })).rows[0] ?? []
  } finally {
    await client.end()
  }
}

export function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Already over.
  }
}

export async function until(what: string, holds: () => boolean, boundMs = 10_000): Promise<void> {
  const limit = performance.now() + boundMs
  while (!holds()) {
    assert.ok(performance.now() < limit, `waited ${boundMs} ms in vain for: ${what}`)
    await pause(5)
  }
}

/** A process that starts the server of `home`, prints its pid and then stays. */
export const STARTER = `
  import { startEmbeddedPostgres } from ${JSON.stringify(new URL('./embedded.ts', import.meta.url).href)}
  const server = await startEmbeddedPostgres({ home: process.argv[1], log: () => undefined })
  console.log(JSON.stringify({ pid: server.pid, adopted: server.adopted, socket: server.connection.host }))
  if (process.argv[2] === 'stop') await server.stop()
  else setInterval(() => undefined, 60_000)
`

type Starter = { readonly pid: number; said(): string; readonly ended: Promise<number | null> }

export function starter(
  home: string,
  mode: 'stay' | 'stop',
  identity: { uid?: number; gid?: number; env?: NodeJS.ProcessEnv },
): Starter {
  const args = ['--input-type=module', '-e', STARTER, home, mode]
  const child = spawn(process.execPath, args, { ...identity, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()))
  child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()))
  const ended = new Promise<number | null>((resolve) => void child.once('close', resolve))
  const pid = child.pid ?? -1
  children.add(pid)
  return { pid, said: () => said, ended }
}

export function toldBy(child: Starter): { pid: number; adopted: boolean } {
  const [, pid, adopted] = /"pid":(\d+),"adopted":(true|false)/.exec(child.said()) ?? []
  return { pid: Number(pid), adopted: adopted === 'true' }
}
