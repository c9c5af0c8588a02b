// From a process that fails to the message about it at a receiver of webhooks: observed, found, told and delivered by what runs in production.
import { readFileSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Home, pause, until } from '../test/parts/plimsoll.ts'
import { api, quantile, rss, specOf } from './parts.ts'
import type { Result } from './run.ts'

const RUNS = 1_000
/** No period of ours is met at the same place all the time. */
const PAUSES_MS = [130, 190, 100, 160, 70, 215, 110]

type Item = { state: string; rule: string; who: { run: { id: string } | null } }
type Event = { id: string; data: { items: Item[] } }

export async function alertLatency(): Promise<Result> {
  const home = new Home('listen: { port: 0 }\nlocal: { slots: 64 }\nalerts: { allowNetworks: [127.0.0.1] }\n')
  const arrived = new Map<string, number>()
  const seen = new Map<string, number>()
  const receiver = createServer((request, response) => {
    void take(request).then(() => response.writeHead(204).end())
  })
  const take = async (request: IncomingMessage): Promise<void> => {
    const event = JSON.parse(await bodyOf(request)) as Event
    const at = Date.now()
    if (!seen.has(event.id))
      for (const { state, rule, who } of event.data.items)
        if (state === 'firing' && rule === 'run-failed' && who.run !== null && !arrived.has(who.run.id))
          arrived.set(who.run.id, at)
    seen.set(event.id, (seen.get(event.id) ?? 0) + 1)
  }
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  const { port } = receiver.address() as AddressInfo
  try {
    await home.up()
    const ask = api(home)
    await ask('POST', '/alerts/channels', {
      name: 'bench',
      address: { kind: 'webhook', url: `http://127.0.0.1:${port}/` },
    })
    const told = join(home.folder, 'told')
    const file = join(home.folder, 'fail.py')
    writeFileSync(
      file,
      `import os, sys, time\ntime.sleep(0.3)\nopen(${JSON.stringify(told)}, 'a').write(os.environ['PLIMSOLL_RUN'] + ' ' + str(int(time.time() * 1000)) + '\\n')\nsys.exit(7)\n`,
    )
    const ids: string[] = []
    for (let index = 0; index < RUNS; index += 1) {
      const spec = {
        ...specOf(`fails-${index}`, ['python3', '-B', file]),
        restart: { user: 0, unknown: 0, infrastructure: 0 },
      }
      ids.push((await ask<{ id: string }>('POST', '/runs', spec)).id)
      await pause(PAUSES_MS[index % PAUSES_MS.length] ?? 1_000)
    }
    await until('all have arrived', () => ids.every((id) => arrived.has(id)), 60_000).catch(() => null)
    const failedAt = new Map(
      readFileSync(told, 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(' '))
        .map(([id = '', at]) => [id, Number(at)]),
    )
    const samples = ids.flatMap((id) => {
      const [at, from] = [arrived.get(id), failedAt.get(id)]
      return at === undefined || from === undefined ? [] : [at - from]
    })
    const posts = await posted(port)
    return {
      work: `${RUNS} runs of which each fails after a moment; each until the message that it failed was at the receiver`,
      unit: 'ms',
      samples,
      ours: quantile(samples, 0.5),
      baseline: quantile(posts, 0.5),
      baselineIs: 'a message of the same size posted to the same receiver',
      rssMiB: rss(home),
      figures: [
        { name: 'failure to receiver, p99', ours: quantile(samples, 0.99), unit: 'ms', limit: 5_000 },
        { name: 'lost', ours: RUNS - samples.length, unit: 'alerts', limit: 0 },
        {
          name: 'messages that came twice',
          ours: [...seen.values()].filter((count) => count > 1).length,
          unit: '',
          limit: 0,
        },
      ],
    }
  } finally {
    await home.remove()
    receiver.closeAllConnections()
    receiver.close()
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

async function posted(port: number): Promise<number[]> {
  const samples: number[] = []
  for (let index = 0; index < 20; index += 1) {
    const begin = performance.now()
    const body = JSON.stringify({ id: `baseline-${index}`, data: { items: [] }, filler: 'x'.repeat(1_500) })
    await (await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body })).text()
    samples.push(performance.now() - begin)
  }
  return samples
}
