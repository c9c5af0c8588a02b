// What happens to machines: kwok's nodes go silent, come back and say that they are not ready, and Kubernetes sees it.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { findBinaries } from './binaries.ts'
import type { ControlPlane } from './control-plane.ts'
import { makeNamespace, PLANE_BINARIES, startControlPlane } from './control-plane.ts'
import { loseNode, makeNodes, returnNode, setNotReady, untilNodes } from './nodes.ts'
import { until } from './processes.ts'

const found = await findBinaries(PLANE_BINARIES)
const GRACE_SECONDS = 6

describe('nodes', { skip: found.kind === 'missing' && found.why }, () => {
  let plane: ControlPlane
  before(async () => {
    const started = await startControlPlane({ nodeGraceSeconds: GRACE_SECONDS, nodeLeaseSeconds: 4 })
    assert.ok(started.kind === 'running')
    plane = started
    await makeNodes(plane.api, 3)
    await makeNamespace(plane.api, 'work')
  })
  after(() => plane?.stop())

  const renewed = async (name: string): Promise<string> =>
    (
      await plane.api.get<{ spec: { renewTime: string } }>(
        `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${name}`,
      )
    ).spec.renewTime

  test('a lost node renews no lease, becomes Unknown, keeps its pods whatever is asked, and comes back with them', async () => {
    const pods = '/api/v1/namespaces/work/pods'
    await plane.api.post(pods, {
      metadata: { name: 'kept' },
      spec: { nodeName: 'node-0', containers: [{ name: 'worker', image: 'none' }] },
    })
    const pod = (): Promise<PodObject> => plane.api.get<PodObject>(`${pods}/kept`)
    await until('a running pod', 60_000, async () => ((await pod()).status.phase === 'Running' ? true : null))

    await loseNode(plane.api, 'node-0')
    await untilNodes(plane.api, ['node-0'], ({ ready, taints }) => ready === 'Unknown' && taints.includes(UNREACHABLE))
    await untilNodes(plane.api, ['node-1', 'node-2'], ({ ready }) => ready === 'True', 1_000)
    const last = await renewed('node-0')
    const others = await renewed('node-1')
    await plane.api.delete(`${pods}/kept`, { gracePeriodSeconds: 1 })
    // As long as the others renew twice, nothing has changed here.
    for (let seen = others, times = 0; times < 2; times += 1) {
      seen = await until('a renewed lease', 60_000, async () => {
        const now = await renewed('node-1')
        return now === seen ? null : now
      })
    }
    assert.equal(await renewed('node-0'), last)
    const stuck = await pod()
    assert.notEqual(stuck.metadata.deletionTimestamp, undefined)
    assert.equal(stuck.status.phase, 'Running')

    await returnNode(plane.api, 'node-0')
    await untilNodes(plane.api, ['node-0'], ({ ready, taints }) => ready === 'True' && !taints.includes(UNREACHABLE))
    await until('the end of the pod', 60_000, () =>
      pod().then(
        () => null,
        (error: { status: number }) => error.status === 404,
      ),
    )
    assert.notEqual(await renewed('node-0'), last)
  })

  test('a node that says it is not ready goes on renewing its lease, and can be ready again', async () => {
    await setNotReady(plane.api, 'node-1', 'container runtime is down')
    await untilNodes(plane.api, ['node-1'], ({ ready, taints }) => ready === 'False' && taints.includes(NOT_READY))
    const node = await plane.api.get<NodeObject>('/api/v1/nodes/node-1')
    assert.equal(node.status.conditions.find(({ type }) => type === 'Ready')?.message, 'container runtime is down')
    const earlier = await renewed('node-1')
    await until('a renewed lease', 60_000, async () => ((await renewed('node-1')) === earlier ? null : true))
    await setNotReady(plane.api, 'node-1', null)
    await untilNodes(plane.api, ['node-1'], ({ ready, taints }) => ready === 'True' && !taints.includes(NOT_READY))
  })
})

const UNREACHABLE = 'node.kubernetes.io/unreachable'
const NOT_READY = 'node.kubernetes.io/not-ready'

type PodObject = { metadata: { deletionTimestamp?: string }; status: { phase: string } }
type NodeObject = { status: { conditions: { type: string; message: string }[] } }
