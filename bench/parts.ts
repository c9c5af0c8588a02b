// What several benchmarks need: the API without a process for each request, a spec, quantiles, and memory of the control plane.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Home } from '../test/parts/plimsoll.ts'

/** Talks to the API as the command line does, without the start of a process for each request. */
export function api(home: Home) {
  const { url, token } = JSON.parse(readFileSync(join(home.path, 'client.json'), 'utf8')) as {
    url: string
    token: string
  }
  return async <Document>(method: string, path: string, body?: unknown): Promise<Document> => {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as Document
  }
}

export const specOf = (name: string, command: readonly string[]) => ({
  name,
  project: 'default',
  command,
  resources: { nodes: 1, gpusPerNode: 1 },
  workdir: '/',
})

export const quantile = (samples: readonly number[], share: number): number => {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

/** The Node that carries the control plane: the launcher is its parent. */
export function nodePid(home: Home): number {
  return (
    home.processes('apps/cli/main.ts').find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0up')) ?? 0
  )
}

export function rss(home: Home): number | null {
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${nodePid(home)}/status`, 'utf8'))?.[1]
  return kib === undefined ? null : Number(kib) / 1_024
}
