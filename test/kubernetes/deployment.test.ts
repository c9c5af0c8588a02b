// Two controllers and one api as processes of their own, on a real control plane and a real PostgreSQL.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { root } from '../parts/plimsoll.ts'
import { findBinaries } from './binaries.ts'
import type { ControlPlane } from './control-plane.ts'
import { makeNamespace, PLANE_BINARIES, startControlPlane } from './control-plane.ts'
import type { Process } from './deployment.ts'
import { Deployment } from './deployment.ts'
import { PREFIX } from './kwok-stages.ts'
import { makeNodes } from './nodes.ts'
import { until } from './processes.ts'

const found = await findBinaries(PLANE_BINARIES)
const LEASE_MS = 7_000

// Their own timers are so slow that only a wake-up from another process can be in time.
const SETTINGS = `
deployment: { id: of-the-test, keyFile: deployment.key }
clusters: [cluster.yaml]
durations: { lease: ${LEASE_MS}ms, leaseRenew: 1s, persist: 2s, blindAfter: 8s }
loops: { place: 2m, launch: 2m, observe: 1s, account: 5s }
`

const BATCH = {
  version: 1,
  source: '0123456789abcdef',
  rank: 0,
  localRank: 0,
  worldSize: 16,
  worker: 0,
  restart: 0,
  reporter: 'of-a-test',
  obeys: [],
  facts: [],
}

type Pod = {
  readonly metadata: { readonly uid: string; readonly labels: Readonly<Record<string, string>> }
  readonly status: { readonly phase: string }
}

describe('a deployment', { skip: found.kind === 'missing' && found.why }, () => {
  let plane: ControlPlane
  let deployment: Deployment
  let api: Process
  let first: Process
  let second: Process

  before(async () => {
    const started = await startControlPlane()
    assert.ok(started.kind === 'running')
    plane = started
    await makeNodes(plane.api, 4)
    await makeNamespace(plane.api, 'runs')
    deployment = await Deployment.open(clusterFile(true), SETTINGS)
  })
  after(async () => {
    await deployment?.close()
    await plane?.stop()
  })

  const clusterFile = (cordon: boolean): string =>
    `{ kind: kubernetes, name: kwok, kubeconfig: ${plane.kubeconfig}, namespace: runs, grants: [annotations], ingestUrl: 'http://ingest.test:7421', cordon: ${cordon} }\n`
  const cli = (...args: string[]) => deployment.cli(api, ...args)
  const ask = async <T>(path: string): Promise<T> => {
    const headers = { authorization: `Bearer ${deployment.secret}` }
    const answer = await fetch(`http://127.0.0.1:${api.port}/api/v1${path}`, { headers })
    assert.equal(answer.status, 200, path)
    return (await answer.json()) as T
  }
  const submit = (name: string, runMs: number | null, more = ''): string => {
    const file = join(deployment.folder, `${name}.run.yaml`)
    const settings = runMs === null ? '{}' : `{ ${PREFIX}/run-ms: '${runMs}' }`
    writeFileSync(
      file,
      `name: ${name}
command: [train]
image: registry.test/none:1
resources: { nodes: 2, gpusPerNode: 8 }
kubernetes: { annotations: ${settings}${more} }
`,
    )
    const said = cli('submit', file, '--yes', '-o', 'json')
    if (said.status !== 0) throw new Error(`submit: exit ${said.status}: ${said.stderr}`)
    return (JSON.parse(said.stdout) as { id: string }).id
  }
  const podsOf = async (run: string): Promise<readonly Pod[]> => {
    const selector = `labelSelector=${encodeURIComponent(`plimsoll.dev/run=${run}`)}`
    return (await plane.api.get<{ items: readonly Pod[] }>(`/api/v1/namespaces/runs/pods?${selector}`)).items
  }
  const running = (run: string, withinMs: number): Promise<true> =>
    until(`pods of ${run} run`, withinMs, async () => {
      const pods = await podsOf(run)
      return pods.filter(({ status }) => status.phase === 'Running').length === 2 || null
    })
  const leader = (): Promise<Process> =>
    until('one leads', 20_000, async () => {
      const both = [first, second].filter((each) => each.ended() === null)
      const checks = await Promise.all(both.map(async (each) => ({ each, lead: (await each.checks())?.['lead'] })))
      return checks.find(({ lead }) => lead === 'leading')?.each ?? null
    })

  test('what the database lacks is said, and migrate brings it, as often as it is run', async () => {
    const early = deployment.say('controller')
    assert.equal(early.code, 1)
    assert.match(early.stderr, /has not had the migrations 0001-initial.*\n.*plimsoll migrate/)
    const newest = readdirSync(join(root, 'src', 'adapters', 'postgres', 'migrations'))
      .toSorted()
      .at(-1)
      ?.replace('.sql', '')
    for (const said of [new RegExp(`${newest}\\n[^]*that of an admin`), /up to date\n[^]*is known/]) {
      const migrated = deployment.say('migrate')
      assert.deepEqual([migrated.code, said.test(migrated.stderr)], [0, true], migrated.stderr)
    }
  })

  test('a run that is submitted to the api is placed by the controller that leads, and its pods run', async () => {
    api = await deployment.start('api', 'api')
    const early = submit('early', null)
    const why = await ask<{ reason: string; message: string }>(`/runs/${early}/why`)
    assert.deepEqual([why.reason, /no controller has looked/.test(why.message)], ['cluster-unreachable', true])
    first = await deployment.start('controller', 'first')
    second = await deployment.start('controller', 'second')
    await running(early, 20_000)
    const leads = await leader()
    const other = leads === first ? second : first
    assert.equal((await other.checks())?.['lead'], 'standing by')
    const metrics = await (await fetch(`http://127.0.0.1:${leads.port}/metrics`)).text()
    assert.match(metrics, /^plimsoll_runs\{state="running"\} 1$/m)
    assert.match(metrics, /^plimsoll_turn_duration_seconds_count\{step="place"\} [1-9]/m)
    const run = submit('rung', null)
    await running(run, 10_000)
    assert.equal(cli('stop', early, '--now').status, 0)
    await until(
      'it has ended',
      20_000,
      async () => (await ask<{ state: string }>(`/runs/${early}`)).state === 'cancelled' || null,
    )
  })

  test('a report with the token that the controller gave to the pods is taken by the api', async () => {
    const run = (await ask<{ runs: readonly { id: string; name: string }[] }>('/runs')).runs.find(
      ({ name }) => name === 'rung',
    )
    const { data } = await plane.api.get<{ data: { token: string } }>(`/api/v1/namespaces/runs/secrets/${run?.id}-1`)
    const report = (token: string): Promise<Response> =>
      fetch(`http://127.0.0.1:${api.ingestPort}/ingest/v1/facts`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'plimsoll-attempt': `${run?.id}-1`,
          'content-type': 'application/json',
        },
        body: JSON.stringify({ ...BATCH, startedAt: Date.now() - 1_000, sentAt: Date.now() }),
      })
    const taken = await report(Buffer.from(data.token, 'base64').toString())
    assert.equal(taken.status, 200, await taken.text())
    assert.equal((await report('of-somebody-else')).status, 401)
  })

  test('what a cluster grants to nobody is refused by the api', () => {
    assert.throws(() => submit('greedy', null, ', hostNetwork: true'), /does not let specs ask for hostNetwork/)
  })

  test('a node that is cordoned is so in Kubernetes too, or the answer says that it is not', async () => {
    const untilSchedulable = (wanted: boolean): Promise<true> =>
      until(`node-3 is ${wanted ? 'schedulable' : 'cordoned'}`, 20_000, async () => {
        const { spec } = await plane.api.get<{ spec: { unschedulable?: boolean } }>('/api/v1/nodes/node-3')
        return (spec.unschedulable !== true) === wanted || null
      })
    const told = cli('nodes', 'cordon', 'node-3', '--reason', 'fans')
    assert.deepEqual([told.status, told.stdout.trim().split('\n').length], [0, 1], told.stderr)
    await untilSchedulable(false)
    cli('nodes', 'uncordon', 'node-3')
    await untilSchedulable(true)
    deployment.setCluster(clusterFile(false))
    const other = await deployment.start('api', 'without-cordon')
    deployment.setCluster(clusterFile(true))
    const answer = await fetch(`http://127.0.0.1:${other.port}/api/v1/nodes/node-3/uncordon`, {
      method: 'POST',
      headers: { authorization: `Bearer ${deployment.secret}` },
    })
    assert.match(
      ((await answer.json()) as { note: string }).note,
      /^it holds inside Plimsoll only: Kubernetes is not told/,
    )
    await other.stop()
  })

  test('kill -9 of the leader: the other leads within the lease and goes on, and no pod is made twice', async () => {
    const dead = await leader()
    const other = dead === first ? second : first
    const killedAt = performance.now()
    await dead.stop('SIGKILL')
    const run = submit('orphan', 3_000)
    await until('the other leads', LEASE_MS + 5_000, async () => (await other.checks())?.['lead'] === 'leading' || null)
    const tookMs = performance.now() - killedAt
    assert.ok(tookMs < LEASE_MS + 3_000, `it took ${Math.round(tookMs)} ms`)
    await running(run, 10_000)
    await until(
      'it succeeds',
      20_000,
      async () => (await ask<{ state: string }>(`/runs/${run}`)).state === 'succeeded' || null,
    )
    const made = podsMade(plane.auditLog)
    assert.equal(made.length, 6, made.join(' '))
    assert.equal(new Set(made).size, 6, made.join(' '))
  })

  test('a leader that stood still for longer than its lease stands by when it comes back, and stays out of the way', async () => {
    const dead = first.ended() === null ? second : first
    dead.start()
    await until('it stands by', 20_000, async () => (await dead.checks())?.['lead'] === 'standing by' || null)
    const still = await leader()
    still.signal('SIGSTOP')
    try {
      await until(
        'the other leads',
        LEASE_MS + 5_000,
        async () => (await dead.checks())?.['lead'] === 'leading' || null,
      )
    } finally {
      still.signal('SIGCONT')
    }
    await until('it stands by', 20_000, async () => (await still.checks())?.['lead'] === 'standing by' || null)
    const run = submit('after', 1_000)
    await until('it succeeds', 20_000, async () => {
      return (await ask<{ state: string }>(`/runs/${run}`)).state === 'succeeded' || null
    })
    const made = podsMade(plane.auditLog)
    assert.equal(new Set(made).size, made.length, made.join(' '))
    await still.stop()
  })

  test('a graceful end gives the lead back, so that the next leads at once', async () => {
    const ending = await leader()
    const other = ending === first ? second : first
    other.start()
    await until('it stands by', 20_000, async () => (await other.checks())?.['lead'] === 'standing by' || null)
    await ending.stop('SIGTERM')
    assert.equal(ending.ended(), 'exit code 0')
    await until('the other leads', LEASE_MS - 2_000, async () => (await other.checks())?.['lead'] === 'leading' || null)
  })

  test('without any controller the api says so, instead of what was true once', async () => {
    await (await leader()).stop('SIGTERM')
    const run = submit('waits', null)
    const why = () => ask<{ reason: string; message: string }>(`/runs/${run}/why`)
    const told = await until('the api is blind', 20_000, async () => {
      const { reason, message } = await why()
      return reason === 'cluster-unreachable' ? message : null
    })
    assert.match(told, /no controller has looked at it for \d+ s/)
  })

  test('a browser signs in at any replica with a token, and its session is of the same person', async () => {
    const post = (code: string) =>
      fetch(`http://127.0.0.1:${api.port}/api/v1/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-plimsoll': '1' },
        body: JSON.stringify({ code }),
      })
    assert.equal((await post('plimsoll_of-nobody')).status, 401)
    const cookie = (await post(deployment.secret)).headers.get('set-cookie') ?? ''
    assert.match(cookie, /HttpOnly; SameSite=Strict/)
    assert.ok(!cookie.includes(deployment.secret))
    const headers = { cookie: cookie.split(';')[0] ?? '' }
    const session = await fetch(`http://127.0.0.1:${api.port}/api/v1/session`, { headers })
    assert.equal(((await session.json()) as { user: string }).user, 'bootstrap')
  })

  test('no process writes a secret into its log', () => {
    for (const { name, logFile } of deployment.processes) {
      const text = readFileSync(logFile, 'utf8')
      assert.ok(text.length > 0, name)
      assert.ok(!text.includes(deployment.secret) && !text.includes('postgres://'), `${name} has a secret in its log`)
    }
  })
})

/** `attempt/index` of every pod that was ever made. */
function podsMade(auditLog: string): string[] {
  return readFileSync(auditLog, 'utf8')
    .split('\n')
    .filter((line) => line.includes('"verb":"create"') && line.includes('"resource":"pods"'))
    .map((line) => JSON.parse(line) as Made)
    .filter(({ requestURI }) => !requestURI.includes('dryRun'))
    .flatMap(({ responseObject }) => (responseObject?.kind === 'Pod' ? [responseObject] : []))
    .map(({ metadata }) => {
      const index = metadata.annotations?.['batch.kubernetes.io/job-completion-index']
      return `${metadata.labels?.['plimsoll.dev/attempt']}/${index}`
    })
}

type Made = {
  readonly requestURI: string
  /** Of pods themselves; a refusal is a Status, and a binding has none. */
  readonly responseObject?: {
    readonly kind: string
    readonly metadata: {
      readonly annotations?: Readonly<Record<string, string>>
      readonly labels?: Readonly<Record<string, string>>
    }
  }
}
