import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Taint } from '../../domain/taint.ts'
import { taintText } from '../../domain/taint.ts'
import type { Api } from './api.ts'
import { ApiError } from './api-error.ts'
import { cordonsOf, keepOff, patchesOf } from './keep-off.ts'
import type { NodeRecord } from './nodes.ts'
import { nodeRecord } from './nodes.ts'
import type { NodeTaint } from './objects.ts'

const OPTIONS = {
  gpuResource: 'gpu',
  gpuLabel: 'model',
  rackLabel: null,
  blockLabel: null,
  declaredSlots: 8,
  badConditions: [],
  tolerations: [],
}
const OURS: Taint = { key: 'example.com/out', value: 'yes', effect: 'NoSchedule' }
const THEIRS = { key: 'theirs', effect: 'NoExecute', timeAdded: '2026-11-26T10:00:00Z' }
const NOTE = 'example.com/out=yes:NoSchedule'

type Given = {
  readonly cordon?: 'ours' | 'others'
  readonly taints?: readonly NodeTaint[]
  readonly noted?: string
  readonly by?: string
}

function recordOf(name: string, { cordon, taints = [], noted, by = 'one' }: Given = {}): NodeRecord {
  const annotations = {
    ...(cordon === 'ours' ? { 'plimsoll.dev/cordoned': 'true' } : {}),
    ...(noted === undefined ? {} : { 'plimsoll.dev/taint': `${noted} ${by}` }),
  }
  const spec = { taints, ...(cordon === undefined ? {} : { unschedulable: true }) }
  const record = nodeRecord({ metadata: { name, uid: name, resourceVersion: '7', annotations }, spec }, OPTIONS, 'one')
  assert.ok(record !== null)
  return record
}

const patches = (
  nodes: readonly NodeRecord[],
  cordoned: readonly string[] | null,
  tainted: Readonly<Record<string, Taint>> = {},
) =>
  patchesOf('one', nodes, {
    cordoned: cordoned === null ? null : new Set(cordoned),
    tainted: new Map(Object.entries(tainted)),
  }).map(({ name, patch }) => `${name} ${JSON.stringify(patch)}`)

test('only what is not yet so is patched, and the cordon of somebody else is left to him', () => {
  const nodes = [recordOf('free'), recordOf('ours', { cordon: 'ours' }), recordOf('others', { cordon: 'others' })]
  assert.deepEqual(patches(nodes, ['ours', 'others']), [])
  assert.deepEqual(patches(nodes, ['free', 'ours']), [
    'free {"metadata":{"annotations":{"plimsoll.dev/cordoned":"true"}},"spec":{"unschedulable":true}}',
  ])
  assert.deepEqual(patches(nodes, []), [
    'ours {"metadata":{"annotations":{"plimsoll.dev/cordoned":null}},"spec":{"unschedulable":null}}',
  ])
  assert.deepEqual(patches(nodes, null), [], 'where cordons are not ours to make, none is undone either')
})

/** What a node has after the patch for it; null: it is as it should be. */
function after(given: Given, wanted: Taint | null): { taints: unknown; noted: unknown; version: unknown } | null {
  const node = recordOf('a', given)
  const [made] = patchesOf('one', [node], { cordoned: null, tainted: new Map(wanted === null ? [] : [['a', wanted]]) })
  if (made === undefined) return null
  const { metadata, spec } = made.patch as {
    metadata: { annotations: Record<string, string | null>; resourceVersion?: string }
    spec: { taints?: NodeTaint[] }
  }
  const taints = spec.taints?.map((taint) => taintText(taint)) ?? 'as they are'
  return { taints, noted: metadata.annotations['plimsoll.dev/taint'], version: metadata.resourceVersion }
}

const ROWS: readonly (readonly [what: string, given: Given, wanted: Taint | null, after: ReturnType<typeof after>])[] =
  [
    [
      'it is put beside those of others',
      { taints: [THEIRS] },
      OURS,
      { taints: ['theirs:NoExecute', NOTE], noted: `${NOTE} one`, version: '7' },
    ],
    ['it is there', { taints: [THEIRS, OURS], noted: NOTE } as Given, OURS, null],
    [
      'it is taken off, and theirs stays',
      { taints: [OURS, THEIRS], noted: NOTE } as Given,
      null,
      { taints: ['theirs:NoExecute'], noted: null, version: '7' },
    ],
    [
      'somebody took it off, and it is put again',
      { noted: NOTE },
      OURS,
      { taints: [NOTE], noted: `${NOTE} one`, version: '7' },
    ],
    [
      'somebody took it off, and it is over',
      { noted: NOTE },
      null,
      { taints: 'as they are', noted: null, version: undefined },
    ],
    ['somebody else had put the same one before: it is his', { taints: [OURS] } as Given, OURS, null],
    ['and stays when it is over', { taints: [OURS] } as Given, null, null],
    ['somebody has the key for something else', { taints: [{ ...OURS, value: 'no' }] }, OURS, null],
    [
      'somebody changed the value of ours: it is his now',
      { taints: [{ ...OURS, value: 'no' }], noted: NOTE },
      null,
      { taints: 'as they are', noted: null, version: undefined },
    ],
    [
      'the policy has another value',
      { taints: [OURS, THEIRS], noted: NOTE } as Given,
      { ...OURS, value: null },
      {
        taints: ['theirs:NoExecute', 'example.com/out:NoSchedule'],
        noted: 'example.com/out:NoSchedule one',
        version: '7',
      },
    ],
    [
      'another control plane has put the same: it is that one’s',
      { taints: [OURS], noted: NOTE, by: 'two' } as Given,
      null,
      null,
    ],
    [
      'and where it has put another, ours is not put too',
      { taints: [THEIRS], noted: 'theirs:NoExecute', by: 'two' },
      OURS,
      null,
    ],
    ['nothing was and nothing is wanted', { taints: [THEIRS] }, null, null],
  ]
for (const [what, given, wanted, then] of ROWS)
  test(`of our taint: ${what}`, () => assert.deepEqual(after(given, wanted), then))

test('what Kubernetes keeps with the taints of others is written back, and a cordon goes in the same patch', () => {
  assert.deepEqual(patches([recordOf('a', { taints: [THEIRS] })], ['a'], { a: { ...OURS, value: null } }), [
    'a {"metadata":{"annotations":{"plimsoll.dev/cordoned":"true","plimsoll.dev/taint":"example.com/out:NoSchedule one"},"resourceVersion":"7"},' +
      '"spec":{"unschedulable":true,"taints":[{"key":"theirs","effect":"NoExecute","timeAdded":"2026-11-26T10:00:00Z"},' +
      '{"key":"example.com/out","value":"","effect":"NoSchedule"}]}}',
  ])
})

test('a node that is gone or that another writer was faster with is left to the next turn, and a right that is missing is said', async () => {
  const asked: string[] = []
  const answer = (status: number) => {
    const api = {
      patch: (path: string) => {
        asked.push(path)
        return Promise.reject(new ApiError(status, 'x', 'refused'))
      },
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is asked of it
    return keepOff(api as unknown as Api, 'one', [recordOf('a')], { cordoned: null, tainted: new Map([['a', OURS]]) })
  }
  await answer(404)
  await answer(409)
  await assert.rejects(answer(403), /refused/)
  assert.deepEqual(
    asked,
    Array.from({ length: 3 }, () => '/api/v1/nodes/a'),
  )
})

test('a node that is cordoned here keeps others off by a cordon or by a taint that is more than a wish', () => {
  const by = (effect: Taint['effect'], nodes: 'cordoned' | 'unhealthy') =>
    cordonsOf({ cordon: false, taint: { taint: { ...OURS, effect }, nodes: [nodes] } })
  assert.deepEqual([cordonsOf({ cordon: true, taint: null }), cordonsOf({ cordon: false, taint: null })], [true, false])
  assert.deepEqual(
    [by('NoSchedule', 'cordoned'), by('PreferNoSchedule', 'cordoned'), by('NoExecute', 'unhealthy')],
    [true, false, false],
  )
})
