// The example of the repository on a real node: two pods, torchrun between them, a checkpoint; one worker is killed, the run comes back
// from its checkpoint by itself and ends well, and its statement adds up. The same spec as on this machine alone.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { Home, root, until } from '../parts/plimsoll.ts'
import { torchBin } from '../parts/python.ts'
import { freePorts } from '../parts/ports.ts'
import type { Missing } from './binaries.ts'
import type { ControlPlane } from './control-plane.ts'
import { makeNamespace, startControlPlane } from './control-plane.ts'
import { hostMounts } from './images.ts'
import type { RealNode } from './real-node.ts'
import { startRealNode } from './real-node.ts'

const plane = await startControlPlane()
const node: RealNode | Missing = plane.kind === 'missing' ? plane : await startRealNode(plane)
const python = await torchBin().catch((error: Error) => ({ why: error.message }))
const why = node.kind === 'missing' ? node.why : typeof python === 'string' ? false : python.why
after(async () => {
  if (node.kind === 'running') await node.stop()
  if (plane.kind === 'running') await plane.stop()
})

type Show = {
  state: string
  message: string | null
  attempts: { id: string; outcome: string | null; resumedFromStep: number | null; message: string | null }[]
  progress: { step: number | null }
}
type Statement = {
  state: string
  heldGpuMs: number
  provisionalGpuMs: number
  byAccount: Record<string, number>
  tokens: number | null
  experts: { layers: number; experts: number } | null
}
type Pods = { items: { metadata: { name: string; labels: Record<string, string> } }[] }

const STEPS = 240

/** kill -9 of every process of a worker, seen from the machine below the pod. */
function kill(worker: string): void {
  const mark = `PLIMSOLL_WORKER=${worker}\0`
  const pids = readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/environ`, 'utf8').includes(mark)
    } catch {
      return false
    }
  })
  assert.ok(pids.length > 0, `${worker} has processes`)
  for (const pid of pids) process.kill(Number(pid), 'SIGKILL')
}

describe('the example on real pods', { skip: why, timeout: 600_000 }, () => {
  const { api, kubeconfig } = plane as ControlPlane
  const real = node as RealNode

  test('it trains on two pods, loses one, comes back from its checkpoint, and the books add up', async () => {
    await makeNamespace(api, 'plimsoll-runs')
    const [port = 0, ingestPort = 0] = await freePorts(2)
    const home = new Home(`listen: { host: ${real.hostAddress}, port: ${port}, ingestPort: ${ingestPort} }\n`)
    const checkpoints = join(home.folder, 'checkpoints')
    mkdirSync(checkpoints)
    const mounts = hostMounts(python as string).volumeMounts as { name: string; mountPath: string }[]
    const volumes = [
      ...mounts.map(({ name, mountPath }) => ({ name, mountPath, hostPath: mountPath, readOnly: true })),
      { name: 'example', mountPath: root.replace(/\/$/, ''), hostPath: root.replace(/\/$/, ''), readOnly: true },
      { name: 'checkpoints', mountPath: '/checkpoints', hostPath: checkpoints },
    ]
    const env = {
      PATH: `${python as string}:/usr/bin:/bin`,
      PYTHONPATH: join(root, 'src', 'reporter'),
      PYTHONDONTWRITEBYTECODE: '1',
      OMP_NUM_THREADS: '1',
    }
    const cluster = home.file(
      'cluster.yaml',
      JSON.stringify({
        kind: 'kubernetes',
        name: 'real',
        kubeconfig,
        image: real.image,
        ingestUrl: `http://${real.hostAddress}:${ingestPort}`,
        pods: { imagePullPolicy: 'Never', env, volumes },
      }),
    )
    try {
      await home.up('--cluster', cluster)
      // The example's own spec, with fewer steps.
      const whole = readFileSync(join(root, 'examples', 'moe', 'run.yaml'), 'utf8')
      const spec = home.file('run.yaml', whole.replace('--iterations=600', `--iterations=${STEPS}`))
      const where = ['--set', 'cluster=real', '--set', `workdir=${join(root, 'examples', 'moe')}`]
      const said = home.say('submit', spec, ...where, '--yes')
      assert.equal(said.code, 0, said.stderr)
      const show = (): Show => home.document<Show>('show', 'demo/moe-demo')
      await until('a checkpoint', () => (show().progress.step ?? 0) > 75, 240_000).catch((error: unknown) => {
        throw new Error(`${home.say('show', 'demo/moe-demo').stdout}\n${home.say('logs', 'demo/moe-demo').stdout}`, {
          cause: error,
        })
      })
      const pods = async (): Promise<Pods['items']> =>
        (await api.get<Pods>('/api/v1/namespaces/plimsoll-runs/pods')).items
      const [victim] = await pods()
      assert.ok(victim !== undefined)
      kill(`${victim.metadata.labels['plimsoll.dev/attempt']}-0`)
      await until('a second attempt', () => show().attempts.length === 2, 60_000)
      await until('its end', () => show().state === 'succeeded' || show().state === 'failed', 240_000)
      await until('its books', () => home.document<Statement>('statement', 'demo/moe-demo').provisionalGpuMs === 0)

      const { state, attempts } = show()
      assert.equal(state, 'succeeded', home.say('show', 'demo/moe-demo').stdout)
      assert.match(attempts[0]?.message ?? '', /-1-0: signal SIGKILL/)
      assert.ok((attempts[1]?.resumedFromStep ?? 0) >= 50, 'it went on from a checkpoint')
      const statement = home.document<Statement>('statement', 'demo/moe-demo')
      const sum = Object.values(statement.byAccount).reduce((total, each) => total + each, 0)
      assert.equal(sum, statement.heldGpuMs)
      assert.ok((statement.byAccount['lost'] ?? 0) > 0, 'what the killed worker undid is lost')
      assert.equal(statement.tokens, STEPS * 8 * 128)
      assert.ok(statement.experts !== null && statement.experts.layers > 0, 'the reporter reached ingest from a pod')
      // The log outlives the pods.
      await until('nothing is left on the cluster', async () => (await pods()).length === 0)
      assert.match(home.say('logs', 'demo/moe-demo').stdout, new RegExp(`saved checkpoint from iteration +${STEPS}`))
    } finally {
      await home.remove()
    }
  })
})
