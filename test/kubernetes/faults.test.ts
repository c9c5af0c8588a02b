// Two controllers of one database against a real API server behind an unkind proxy: each killed at random moments, or standing still for
// longer than its lease, with PostgreSQL, the API server and etcd killed under them. Each worker of each attempt has one pod, by the audit log of the API server; no run is lost; the books are exact.
import assert from 'node:assert/strict'
import { createReadStream, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { pause, until } from '../parts/plimsoll.ts'
import { findBinaries } from './binaries.ts'
import type { ControlPlane } from './control-plane.ts'
import { makeNamespace, PLANE_BINARIES, startControlPlane } from './control-plane.ts'
import type { Process } from './deployment.ts'
import { Deployment } from './deployment.ts'
import { makeNodes } from './nodes.ts'
import type { Proxy } from './proxy.ts'
import { KIND, startProxy, UNKIND } from './proxy.ts'

const KILLS = Number(process.env.PLIMSOLL_TEST_KILLS ?? 30)
const SEED = Number(process.env.PLIMSOLL_TEST_SEED ?? Date.now() % 100_000)
const RUNS = 16
const found = await findBinaries(PLANE_BINARIES)

type Runs = { runs: { id: string; name: string; state: string }[] }
type Statement = {
  state: string
  heldGpuMs: number
  provisionalGpuMs: number
  byAccount: Record<string, number>
  attempts: { id: string }[]
}
type Ledger = { capacityGpuMs: number; rows: { account: string; gpuMs: number }[] }
type Audit = {
  readonly verb: string
  readonly objectRef: { readonly resource: string; readonly subresource?: string }
  readonly responseStatus?: { readonly code: number }
  readonly requestURI: string
  readonly responseObject?: {
    readonly metadata?: {
      readonly uid?: string
      readonly labels?: Readonly<Record<string, string>>
      readonly annotations?: Readonly<Record<string, string>>
    }
  }
}

const ENDED = new Set(['succeeded', 'failed'])
const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0)

const LEASE_MS = 6_500
const SETTINGS = `
deployment: { id: of-the-faults, keyFile: deployment.key }
clusters: [cluster.yaml]
durations: { lease: ${LEASE_MS}ms, leaseRenew: 1s, fenceAfter: 5m, nodeLostAfter: 2m, grace: 5s }
`

describe('faults', { skip: found.kind === 'missing' && found.why, timeout: Math.max(900_000, KILLS * 30_000) }, () => {
  let plane: ControlPlane
  let proxy: Proxy
  let deployment: Deployment
  let api: Process
  let controllers: readonly Process[]
  const random = generator(SEED)

  before(async () => {
    const started = await startControlPlane()
    assert.ok(started.kind === 'running')
    plane = started
    await makeNodes(plane.api, 24)
    await makeNamespace(plane.api, 'plimsoll-runs')
    proxy = await startProxy(plane, random)
    const kubeconfig = plane.kubeconfigFor('proxied', plane.tokens['admin'] ?? '', proxy.url)
    deployment = await Deployment.open(
      `kind: kubernetes\nname: kwok\nkubeconfig: ${kubeconfig}\ngrants: [annotations]\nrelist: 15s\nrequests: { timeout: 2s, perSecond: 300, burst: 300 }\n`,
      SETTINGS,
    )
    assert.equal(deployment.say('migrate').code, 0)
  })
  after(async () => {
    await deployment?.close()
    await proxy?.close()
    await plane?.stop()
  })

  // The caller says what document the command promises, as in parts/plimsoll.ts.
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters
  function document<Document>(...args: string[]): Document {
    const said = deployment.cli(api, ...args, '-o', 'json')
    if (said.status !== 0) throw new Error(`${args.join(' ')}: exit ${said.status}, ${said.stderr}`)
    return JSON.parse(said.stdout) as Document
  }

  test(`${KILLS} kills of two controllers and an unkind API server (PLIMSOLL_TEST_SEED=${SEED} repeats what was drawn)`, async () => {
    api = await deployment.start('api', 'api')
    controllers = [await deployment.start('controller', 'one'), await deployment.start('controller', 'two')]
    proxy.be(UNKIND)
    for (let index = 0; index < RUNS; index += 1)
      document('submit', specOf(index), '--yes', '--idempotency-key', `k${index}`)
    await Promise.all(controllers.map(kills))
    await standStill()
    // It goes on being unkind to a control plane that lives.
    await pause(5_000)
    proxy.be(KIND)
    const runs = (): Runs['runs'] => document<Runs>('runs').runs
    await until('all runs end', () => runs().every((run) => ENDED.has(run.state)), 300_000).catch((error: unknown) => {
      for (const run of runs())
        if (!ENDED.has(run.state))
          process.stdout.write(
            deployment.cli(api, 'show', run.id).stdout + deployment.cli(api, 'events', run.id).stdout,
          )
      for (const { logFile } of controllers)
        process.stdout.write(readFileSync(logFile, 'utf8').split('\n').slice(-60).join('\n'))
      throw error
    })
    for (const [what, times] of proxy.done) process.stdout.write(`the proxy did ${times} x ${what}\n`)

    assert.equal(runs().length, RUNS)
    const attempts = new Set<string>()
    for (const run of runs()) {
      await until(`the books of ${run.name}`, () => document<Statement>('statement', run.id).provisionalGpuMs === 0)
      const statement = document<Statement>('statement', run.id)
      const fails = Number(run.name.split('-')[1]) % 4 === 3
      assert.equal(statement.state, fails ? 'failed' : 'succeeded', run.name)
      assert.equal(sum(Object.values(statement.byAccount)), statement.heldGpuMs, `the accounts of ${run.name}`)
      for (const attempt of statement.attempts) attempts.add(attempt.id)
    }
    const ledger = document<Ledger>('ledger', '--by', 'account')
    assert.equal(sum(ledger.rows.map((row) => row.gpuMs)), ledger.capacityGpuMs)
    await witnessed(attempts)
    ledInTurn()
    await until('nothing is left on the cluster', async () => {
      const { items } = await plane.api.get<{ items: unknown[] }>('/apis/batch/v1/namespaces/plimsoll-runs/jobs')
      return items.length === 0
    })
  })

  let killed = 0

  /** Its share of the kills, each at a random moment, whatever the other does; a third of the way the API server goes, later etcd. */
  async function kills(controller: Process): Promise<void> {
    while (killed < KILLS) {
      const kill = killed++
      await pause(100 + random() * 900)
      if (kill % 5 === 2) await sleepOverLease(controller)
      await controller.stop('SIGKILL')
      if (kill % 5 === 4) await deployment.killDatabase()
      if (kill === Math.floor(KILLS / 3)) await plane.restartApiServer(500)
      if (kill === Math.floor((2 * KILLS) / 3)) await plane.restartEtcd(300)
      await until(`${controller.name} is up`, async () => {
        // As the kubelet would, should it have ended by itself.
        if (controller.ended() !== null) controller.start()
        return (await controller.checks()) !== null
      })
    }
  }

  /** When it wakes up it believes to lead, if it did before, and the other may. */
  async function sleepOverLease(controller: Process): Promise<void> {
    controller.signal('SIGSTOP')
    await pause(LEASE_MS + 500)
    controller.signal('SIGCONT')
    await pause(random() * 500)
  }

  /** The leader stands still until the other leads. */
  async function standStill(): Promise<void> {
    const leads = async (each: Process | undefined): Promise<boolean> => (await each?.checks())?.['lead'] === 'leading'
    await until('one leads', async () => (await Promise.all(controllers.map(leads))).includes(true))
    const still = (await leads(controllers[0])) ? 0 : 1
    controllers[still]?.signal('SIGSTOP')
    try {
      await until('the other leads', () => leads(controllers[1 - still]))
    } finally {
      controllers[still]?.signal('SIGCONT')
    }
  }

  /** By their own words: both led, one after the other. */
  function ledInTurn(): void {
    const epochs = controllers.map(({ logFile }) =>
      [...readFileSync(logFile, 'utf8').matchAll(/"epoch":(\d+),[^\n]*"msg":"leading"/g)].map(([, epoch]) => epoch),
    )
    process.stdout.write(`the controllers led ${epochs.map(({ length }) => length).join(' and ')} times\n`)
    assert.ok(epochs.every(({ length }) => length > 0))
    assert.equal(new Set(epochs.flat()).size, epochs.flat().length, 'each epoch has one leader')
  }

  /** Every fourth fails, and is started once more. */
  function specOf(index: number): string {
    const workers = 1 + (index % 4)
    const code = index % 4 === 3 ? ', kwok.plimsoll.dev/exit-code: "7"' : ''
    const file = join(deployment.folder, `run-${index}.yaml`)
    writeFileSync(
      file,
      `name: run-${index}
cluster: kwok
image: registry.test/none:1
command: [train]
resources: { nodes: ${workers}, gpusPerNode: 8 }
kubernetes: { annotations: { kwok.plimsoll.dev/run-ms: "${2_000 + Math.floor(random() * 15_000)}"${code} } }
restart: { infrastructure: 20, unknown: 1 }
`,
    )
    return file
  }

  /** By the API server's own record: one Job for an attempt, and one pod for an index of it. */
  async function witnessed(attempts: ReadonlySet<string>): Promise<void> {
    const pods = new Map<string, Set<string>>()
    const jobs = new Map<string, number>()
    for await (const line of createInterface({ input: createReadStream(plane.auditLog) })) {
      const { verb, objectRef, responseStatus, responseObject, requestURI } = JSON.parse(line) as Audit
      if (verb !== 'create' || objectRef.subresource !== undefined || responseStatus?.code !== 201) continue
      if (requestURI.includes('dryRun')) continue
      const { uid = '', labels = {}, annotations = {} } = responseObject?.metadata ?? {}
      const attempt = labels['plimsoll.dev/attempt']
      if (attempt === undefined) continue
      if (objectRef.resource === 'jobs') jobs.set(attempt, (jobs.get(attempt) ?? 0) + 1)
      if (objectRef.resource !== 'pods') continue
      const worker = `${attempt}-${annotations['batch.kubernetes.io/job-completion-index']}`
      pods.set(worker, (pods.get(worker) ?? new Set()).add(uid))
    }
    assert.ok(jobs.size >= RUNS && pods.size >= RUNS)
    for (const [attempt, times] of jobs) {
      assert.equal(times, 1, `attempt ${attempt} had ${times} Jobs`)
      assert.ok(attempts.has(attempt), `attempt ${attempt} is in the books`)
    }
    for (const [worker, uids] of pods) assert.equal(uids.size, 1, `worker ${worker} had ${uids.size} pods`)
  }
})

/** mulberry32: small, and the same on every machine. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
