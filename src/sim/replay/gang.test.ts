import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { TraceCluster, TraceJob } from '../../domain/trace.ts'
import { durationMs } from '../../domain/units.ts'
import { gangOf, nodeName, nodesFilled, racksAtLeast, racksByNode } from './gang.ts'

const job = (gpus: number, gpusPerNode: number | null = null): TraceJob => ({
  id: 'a',
  line: 2,
  submitMs: durationMs(0),
  gpus,
  durationMs: durationMs(1),
  user: null,
  project: null,
  priority: null,
  gpusPerNode,
  checkpointMs: null,
  model: null,
})

const ROWS: readonly (readonly [gpus: number, nodes: number, gpusPerNode: number])[] = [
  [1, 1, 1],
  [6, 1, 6],
  [8, 1, 8],
  [12, 2, 6],
  [16, 2, 8],
  [20, 5, 4],
  [59, 59, 1],
  [60, 15, 4],
  [256, 32, 8],
]
for (const [gpus, nodes, gpusPerNode] of ROWS)
  test(`${gpus} GPUs on nodes of eight are ${nodes} x ${gpusPerNode}`, () => {
    assert.deepEqual(gangOf(job(gpus), 8), { nodes, gpusPerNode })
  })

test('what a trace says of its gang stands', () => {
  assert.deepEqual(gangOf(job(16, 2), 8), { nodes: 8, gpusPerNode: 2 })
  assert.equal(nodesFilled({ nodes: 8, gpusPerNode: 2 }, 8), 2)
  assert.equal(nodesFilled({ nodes: 1, gpusPerNode: 16 }, 8), Infinity)
})

test('safety: a gang has all of its GPUs, and no even split fills fewer nodes', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: 16 }), (gpus, gpusPerNode) => {
      const gang = gangOf(job(gpus), gpusPerNode)
      assert.equal(gang.nodes * gang.gpusPerNode, gpus)
      for (let each = 1; each <= gpusPerNode; each += 1)
        if (gpus % each === 0)
          assert.ok(
            nodesFilled(gang, gpusPerNode) <= nodesFilled({ nodes: gpus / each, gpusPerNode: each }, gpusPerNode),
          )
    }),
  )
})

const UNEVEN: TraceCluster = { name: 'c', gpuModel: 'm', gpusPerNode: 4, racks: [2, 5, 3] }

test('nodes stand in their racks in the order of their names, and the fewest racks are the largest', () => {
  assert.deepEqual([...racksByNode(UNEVEN).values()], [0, 0, 1, 1, 1, 1, 1, 2, 2, 2])
  assert.equal(nodeName(7, 10), 'node-7')
  assert.equal(nodeName(7, 1_000), 'node-007')
  assert.deepEqual(
    [1, 5, 6, 8, 9, 10].map((nodes) => racksAtLeast({ nodes, gpusPerNode: 4 }, UNEVEN)),
    [1, 1, 2, 2, 3, 3],
  )
})
