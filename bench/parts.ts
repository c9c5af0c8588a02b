// What the benchmarks share: the API, quantiles, memory, a program that prints steps.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Home, until } from '../test/parts/plimsoll.ts'

export type Client = { readonly url: string; readonly token: string }

export const clientOf = (home: Home): Client =>
  JSON.parse(readFileSync(join(home.path, 'client.json'), 'utf8')) as Client

/** Talks to the API as the command line does, without the start of a process for each request. */
export function api(home: Home) {
  const { url, token } = clientOf(home)
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

export async function inParallel(
  width: number,
  count: number,
  one: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (next < count) await one(next++)
    }),
  )
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

/** CPU time of a process in hundredths of a second. */
export function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return Number(fields[11]) + Number(fields[12])
}

/** How long each takes, one after the other. */
export async function timesOf(count: number, one: (index: number) => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  for (let index = 0; index < count; index += 1) {
    const begin = performance.now()
    await one(index)
    times.push(performance.now() - begin)
  }
  return times
}

/** A real process that prints the lines of Megatron, each after one of the pauses in seconds. */
const STEPS = `import datetime, sys, time
pauses = [float(each) for each in sys.argv[1].split(",")]
for step in range(1, 100001):
    time.sleep(pauses[step % len(pauses)])
    now = datetime.datetime.now()
    print(f" [{now:%Y-%m-%d %H:%M:%S.%f}] iteration {step:8d}/  100000 | consumed samples: {step * 8:12d} | "
          f"elapsed time per iteration (ms): 500.0 | learning rate: 1.200000E-05 | global batch size:     8 | "
          f"lm loss: {2 + 1 / step:.6E} | loss scale: 1.0 | grad norm: 0.912 | number of skipped iterations:   0 | "
          f"number of nan iterations:   0 |", flush=True)
    if len(sys.argv) > 2:
        with open(sys.argv[2], "a") as told:
            told.write(f"{step} {time.time() * 1000:.1f}\\n")
`

export const stepsFile = (home: Home): string => home.file('steps.py', STEPS)

/** Runs that train, as far as anybody can tell; waits until the last of them has said a step. */
export async function startTraining(
  home: Home,
  count: number,
  pauses: readonly number[],
  told: string | null = null,
): Promise<string[]> {
  const ask = api(home)
  const file = stepsFile(home)
  const ids: string[] = []
  for (let index = 0; index < count; index += 1) {
    const command = ['python3', '-B', file, pauses.join(), ...(told === null ? [] : [told])]
    const spec = { ...specOf(`training-${index}`, command), training: { framework: 'megatron' } }
    ids.push((await ask<{ id: string }>('POST', '/runs', spec)).id)
  }
  for (const id of ids) {
    await until(`${id} says a step`, async () => {
      const { progress } = await ask<{ progress: { step: number | null } | null }>('GET', `/runs/${id}`)
      return progress !== null && progress.step !== null
    })
  }
  return ids
}
