import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attemptOf, CLUSTER, nodeOf, runId, runOf, t, worldOf } from '../domain/fixture.ts'
import { attemptIdOf, workerIdOf } from '../domain/ids.ts'
import type { Item } from '../domain/item.ts'
import { WORKERS_FOLLOWED_MAX } from '../domain/limits.ts'
import { DEFAULT_DURATIONS } from '../domain/settings.ts'
import type { Cluster } from '../ports/cluster.ts'
import type { Store } from '../ports/store.ts'
import type { Control } from './control.ts'
import { observeTurn } from './observe.ts'

/** What a turn asks of it. */
function controlOf(world: Partial<Parameters<typeof worldOf>[0]>, over: Partial<Cluster>, more: Partial<Store> = {}) {
  const now = t(0)
  const items: Item[] = []
  const warned: string[] = []
  const store = {
    world: () => Promise.resolve(worldOf(world)),
    commit: (_: number, bite: Item[]) => {
      items.push(...bite)
      return Promise.resolve({ kind: 'committed', results: [] })
    },
    ...more,
  }
  const cluster = {
    name: CLUSTER,
    observe: () => Promise.resolve({ observedAt: now, nodes: [], workers: [] }),
    end: () => Promise.resolve(),
    ...over,
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a turn asks of it
  const control = {
    store: store as unknown as Store,
    clusters: new Map([[CLUSTER, cluster as unknown as Cluster]]),
    clock: { now: () => now },
    doorbell: { ring: () => {} },
    log: { warn: (_: object, text: string) => warned.push(text) },
    settings: { durations: DEFAULT_DURATIONS },
    health: new Map(),
    lead: { epoch: 1, until: t(60_000) },
  } as unknown as Control
  return { control, items, warned }
}

const WORKER = workerIdOf(attemptIdOf(runId(1), 1), 0)
const FENCED = runOf(1, { fence: { until: t(600_000), workers: [{ worker: WORKER, nodeName: 'a' }] } })

test('a cluster is asked whether lost nodes are gone while a run waits for it, and ends the wait by its answer', async () => {
  const asked: string[] = []
  const goneNodes = (nodes: ReadonlySet<string>) => {
    asked.push(...nodes)
    return Promise.resolve(new Map([['a', 'was deleted']]))
  }
  const end: Cluster['end'] = async ({ attempt }) => void asked.push(`end ${attempt}`)
  const waiting = controlOf({ runs: [FENCED] }, { goneNodes, end })
  await observeTurn(waiting.control)
  assert.deepEqual(
    waiting.items.map(({ about }) => about),
    [`fence ${FENCED.id}`],
  )
  await observeTurn(controlOf({ runs: [runOf(1)] }, { goneNodes }).control)
  // What never started there would start when the node comes back.
  assert.deepEqual(asked, [`end ${attemptIdOf(runId(1), 1)}`, 'a'])
})

test('an attempt that could not be asked to end is waited for, though its node is gone', async () => {
  const goneNodes = () => Promise.resolve(new Map([['a', 'was deleted']]))
  const end = () => Promise.reject(new Error('no answer'))
  const { control, items } = controlOf({ runs: [FENCED] }, { goneNodes, end })
  await observeTurn(control)
  assert.deepEqual(items, [])
})

test('what an old look shows as not started is not removed while its log is not read', async () => {
  const state = { kind: 'ended', outcome: 'succeeded', failure: null, message: null } as const
  const { attempt } = attemptOf(runOf(1), 1, [{ node: 'a', slots: [0] }], { state })
  const waiting = { worker: WORKER, phase: 'waiting', message: null } as const
  for (const unread of [true, false]) {
    const done: string[] = []
    const cluster: Partial<Cluster> = {
      observe: () => Promise.resolve({ observedAt: t(0), nodes: [], workers: [waiting] }),
      end: async ({ attempt: id }) => void done.push(`end ${id}`),
      forget: async (id) => void done.push(`forget ${id}`),
    }
    const cursors = unread ? [{ attempt: attempt.id }] : []
    const { control } = controlOf({}, cluster, {
      attemptsOf: async () => ({ attempts: [attempt], total: 1 }) as never,
      logCursors: async () => cursors as never,
    })
    await observeTurn(control)
    assert.deepEqual(done, [`${unread ? 'end' : 'forget'} ${attempt.id}`])
  }
})

test('a worker that was seen to end is not waited for, whatever its cluster knows of nodes', async () => {
  const worker = { worker: WORKER, startedAt: null, endedAt: t(0), cause: 'itself', message: null } as const
  const exited = { ...worker, phase: 'exited', exit: { kind: 'code', code: 1 } } as const
  const observe = () => Promise.resolve({ observedAt: t(0), nodes: [], workers: [exited] })
  const { control, items } = controlOf({ runs: [FENCED] }, { observe })
  await observeTurn(control)
  assert.equal(items.length, 1)
})

test('a cluster that cannot be asked about its nodes proves nothing, and the rest of the look counts', async () => {
  const { control, items, warned } = controlOf(
    { runs: [FENCED] },
    { goneNodes: () => Promise.reject(new Error('no answer')) },
  )
  await observeTurn(control)
  assert.deepEqual(items, [])
  assert.deepEqual(warned, ['whether lost nodes are gone could not be asked'])
  assert.equal(control.health.get(CLUSTER)?.kind, 'reachable')
})

test('a cluster of which a third is silent does not look healthy to anybody between two looks', async () => {
  const now = t(DEFAULT_DURATIONS.nodeLostAfterMs * 2)
  const nodes = ['a', 'b', 'c'].map((name) => nodeOf(name, { lastObserved: name === 'c' ? now : t(0) }))
  const rung: string[] = []
  const told: unknown[] = []
  const store = {
    world: (health: Control['health']) => {
      told.push(health.get(CLUSTER)?.kind)
      return Promise.resolve(worldOf({ nodes }))
    },
    commit: () => Promise.resolve({ kind: 'committed', results: [] }),
  }
  const cluster = { name: CLUSTER, observe: () => Promise.resolve({ observedAt: now, nodes: [], workers: [] }) }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a turn asks of it
  const control = {
    store: store as unknown as Store,
    clusters: new Map([[CLUSTER, cluster as unknown as Cluster]]),
    clock: { now: () => now },
    doorbell: { ring: (loop: string) => rung.push(loop) },
    settings: { durations: DEFAULT_DURATIONS },
    health: new Map(),
    lead: { epoch: 1, until: t(now + 60_000) },
  } as unknown as Control
  for (let turn = 0; turn < 3; turn += 1) await observeTurn(control)
  assert.deepEqual(told, [undefined, 'unknown', 'unknown'])
  assert.deepEqual(rung, [])
})

test('of a gang that failed the ends of the logs that nobody follows are stored, before it has ended', async () => {
  const now = t(60_000)
  const workers = WORKERS_FOLLOWED_MAX + 2
  const names = Array.from({ length: workers }, (_, index) => `n${index}`)
  const seats = names.map((node) => ({ node, slots: [0] }))
  const { attempt: placed, claims } = attemptOf(runOf(1), 1, seats, { state: { kind: 'running' } })
  const run = runOf(1, { state: { kind: 'running', attempt: placed.id } })
  const world = worldOf({
    nodes: names.map((name) => nodeOf(name)),
    runs: [run],
    attempts: [placed],
    claims: claims.map((claim) => ({ ...claim, boundAt: t(1), startedAt: t(1) })),
  })
  const exitOf = (code: number) => ({ kind: 'code' as const, code })
  const seen = placed.placement.workers.map(({ id }, index) => ({
    worker: id,
    phase: 'exited' as const,
    startedAt: t(1),
    endedAt: now,
    exit: exitOf(index === 3 ? 1 : 0),
    cause: 'itself' as const,
    message: null,
  }))
  const done: string[] = []
  const store = {
    world: () => Promise.resolve(world),
    newestSteps: () => Promise.resolve(new Map()),
    keepTail: (_: unknown, worker: string, bytes: Uint8Array) => {
      done.push(`${worker} ${new TextDecoder().decode(bytes)}`)
      return Promise.resolve()
    },
    commit: (_: unknown, items: unknown[]) => {
      done.push('committed')
      return Promise.resolve({ kind: 'committed', results: items.map(() => ({ kind: 'applied' })) })
    },
  }
  const read: string[] = []
  const cluster = {
    name: CLUSTER,
    observe: () => Promise.resolve({ observedAt: now, nodes: [], workers: seen }),
    readLog: (worker: string, offset: number) => {
      assert.ok(offset < 0)
      read.push(worker)
      return Promise.resolve({ bytes: new TextEncoder().encode('the end') })
    },
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a turn asks of it
  const control = {
    store: store as unknown as Store,
    clusters: new Map([[CLUSTER, cluster as unknown as Cluster]]),
    clock: { now: () => now },
    doorbell: { ring: () => undefined },
    settings: { durations: DEFAULT_DURATIONS },
    health: new Map(),
    lead: { epoch: 1, until: t(now + 60_000) },
    log: { warn: () => undefined, info: () => undefined },
  } as unknown as Control
  await observeTurn(control)
  const [failed, ...others] = [3, WORKERS_FOLLOWED_MAX, WORKERS_FOLLOWED_MAX + 1].map((index) =>
    workerIdOf(placed.id, index),
  )
  assert.deepEqual(read, [failed, ...others])
  assert.deepEqual(done.slice(0, 2).toSorted(), others.map((worker) => `${worker} the end`).toSorted())
  assert.deepEqual(done.slice(2), ['committed'])
})
