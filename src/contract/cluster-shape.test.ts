import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gpusOfCluster, nodesOf } from '../domain/trace.ts'
import type { ClusterShapeResult } from './cluster-shape.ts'
import { parseClusterShape, parseClusterWords } from './cluster-shape.ts'
import { formatProblems } from './problems.ts'

const said = (result: ClusterShapeResult): string => (result.ok ? 'nothing' : formatProblems('c', result.problems))

test('a cluster in words: racks are filled evenly, the first ones first', () => {
  const result = parseClusterWords('nodes=128,gpusPerNode=8,racks=16')
  assert.ok(result.ok)
  assert.deepEqual(result.cluster, {
    name: 'simulated',
    gpuModel: 'simulated',
    gpusPerNode: 8,
    racks: new Array<number>(16).fill(8),
  })
  const uneven = parseClusterWords(' nodes = 7 , racks = 3 ')
  assert.ok(uneven.ok)
  assert.deepEqual(uneven.cluster.racks, [3, 2, 2])
})

test('every file of config/clusters is a cluster', () => {
  const folder = fileURLToPath(new URL('../../config/clusters/', import.meta.url))
  const files = readdirSync(folder)
  assert.ok(files.length >= 3)
  for (const file of files) {
    const text = readFileSync(folder + file, 'utf8')
    if (/^kind: kubernetes$/m.test(text)) continue
    const result = parseClusterShape(text)
    assert.ok(result.ok, `${file}: ${said(result)}`)
    assert.ok(gpusOfCluster(result.cluster) >= nodesOf(result.cluster))
    assert.equal(`${result.cluster.name}.yaml`, file)
  }
})

const WRONG: readonly (readonly [text: string, said: RegExp])[] = [
  ['nodes: 0', /^c:1:8: must be at least 1 \(at \/nodes\)/],
  ['nodes: 2\nracks: 3', /^c:2:8: must be at most 2, the number of nodes \(at \/racks\)/],
  ['nodes: 5\nracks: [2, 2]', /^c:2:8: must add up to 5 nodes, and have 4/],
  ['nodes: 5\ngpuPerNode: 8', /^c:2:1: there is no key gpuPerNode here .*\n {2}did you mean gpusPerNode/],
  ['nodes: 1e30', /^c:1:8: /],
  ['gpusPerNode: 8', /nodes/],
  ['- 1', /not a mapping/],
]
for (const [text, message] of WRONG)
  test(`a wrong cluster is told with its place: ${JSON.stringify(text)}`, () => {
    assert.match(said(parseClusterShape(text)), message)
  })

for (const words of [
  'nodes=',
  'nodes=8,nodes=9',
  'nodes=many',
  'nodes=8,,',
  'racks=2',
  'nodes=99999999',
  '=',
  'nodes=-1',
])
  test(`wrong words are told: ${words}`, () => {
    assert.match(said(parseClusterWords(words)), /^c: /)
  })

test('words say of a fraction that it is none, not that it is text', () => {
  assert.match(said(parseClusterWords('nodes=4.5')), /must be a whole number, not 4\.5 \(at \/nodes\)/)
})
