import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topologyOf } from './doctor-topology.ts'

const NONE = { rackLabel: null, blockLabel: null }
const nodes = (...racks: (string | null)[]) =>
  racks.map((rack): Record<string, string> => (rack === null ? {} : { 'example/rack': rack }))
const rows = (...given: Parameters<typeof topologyOf>) =>
  topologyOf(...given).map(({ state, detail, whatToDo }) => [state, detail, whatToDo])

void test('nodes that all have the label that the file names are in racks', () => {
  assert.deepEqual(rows(nodes('a', 'a', 'b'), { ...NONE, rackLabel: 'example/rack' }), [
    ['good', '3 of 3 nodes have the rack label example/rack: 2 racks', null],
  ])
})

void test('nodes without it are counted, and what is lost is said', () => {
  const options = { ...NONE, rackLabel: 'example/rack' }
  const whatToDo = 'label the other nodes, or set nodes.rackLabel to the label that they have'
  assert.deepEqual(rows(nodes('a', null, null), options), [
    [
      'wrong',
      '1 of 3 nodes have the rack label example/rack; the others are in no rack: they are taken last, and never where a spec requires one',
      whatToDo,
    ],
  ])
  assert.deepEqual(rows(nodes(null, null), options), [
    [
      'wrong',
      '0 of 2 nodes have the rack label example/rack; gangs of several nodes are not kept together, and a spec that requires one rack waits for ever',
      whatToDo,
    ],
  ])
})

void test('labels of a cloud that the file does not name are found, each level by itself', () => {
  const cloud = { 'cloud.google.com/gce-topology-block': 'b', 'cloud.google.com/gce-topology-subblock': 's' }
  const [rack, block] = rows([cloud, cloud, {}], NONE)
  assert.deepEqual(
    [rack?.[0], rack?.[2], block?.[2]],
    [
      'note',
      'set nodes.rackLabel to cloud.google.com/gce-topology-subblock',
      'set nodes.blockLabel to cloud.google.com/gce-topology-block',
    ],
  )
  assert.match(rack?.[1] ?? '', /^2 of 3 nodes have the label .* and the cluster file names none for the rack: gangs/)
})

void test('nodes of which nothing says where they stand are one line', () => {
  assert.deepEqual(rows([{}, {}], NONE), [
    [
      'note',
      'no label says in which rack or block the 2 nodes stand: gangs of several nodes are not kept together, and a spec that requires one rack or block waits for ever',
      'label the nodes, and set nodes.rackLabel and nodes.blockLabel to the labels',
    ],
  ])
})
