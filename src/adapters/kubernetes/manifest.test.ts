import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterName, ProjectName } from '../../domain/ids.ts'
import { attemptIdOf, nodeIdOf, runIdFrom, workerIdOf } from '../../domain/ids.ts'
import type { AttemptPlan } from '../../domain/plan.ts'
import { NO_POD_OPTIONS, NO_SECURITY } from '../../domain/pod-options.ts'
import { durationMs, epochMs } from '../../domain/units.ts'
import type { ManifestOptions } from './manifest.ts'
import { expandable, jobOf, planHash, samplePod, secretOf, serviceOf } from './manifest.ts'

const CLUSTER = 'c' as ClusterName
const run = runIdFrom(epochMs(1_800_000_000_000), 1)
const attempt = attemptIdOf(run, 2)
const PLAN: AttemptPlan = {
  attempt,
  run,
  project: 'team' as ProjectName,
  name: 'moe',
  cluster: CLUSTER,
  image: 'registry.test/torch:1',
  kubernetes: null,
  command: ['torchrun', '--node-rank=$PLIMSOLL_NODE_RANK', '$HOME', '$$5', '$(id)'],
  env: { ADDRESS: '$MASTER_ADDR:$MASTER_PORT', PRICE: '$$1' },
  secrets: ['hf-token'],
  workdir: null,
  folder: '/home/somebody',
  checkpointDir: '/ckpt/$5',
  masterAddress: `${attempt}-0.${attempt}`,
  masterPort: 29_500,
  gpusPerNode: 8,
  workers: ['a', 'b'].map((nodeName, index) => {
    return { id: workerIdOf(attempt, index), index, node: nodeIdOf(CLUSTER, nodeName, 1), nodeName, slots: [0, 1] }
  }),
  graceMs: durationMs(1_500),
}
const OPTIONS: ManifestOptions = {
  controlPlane: 'one',
  namespace: 'runs',
  gpuResource: 'nvidia.com/gpu',
  priorityClass: null,
  pods: NO_POD_OPTIONS,
  image: null,
  ingestUrl: 'http://ingest:7421',
}

// oxlint-disable-next-line typescript/no-explicit-any -- a manifest is looked into as the API server does
const any = (value: object): any => JSON.parse(JSON.stringify(value))
const NOW = epochMs(1_800_000_000_000)

test('a Job neither replaces a worker nor ends the others, and all of its pods are held', () => {
  const job = any(jobOf(PLAN, OPTIONS, null, NOW))
  assert.equal(job.metadata.name, attempt)
  assert.deepEqual(job.metadata.finalizers, ['plimsoll.dev/books'])
  const { template, ...spec } = job.spec
  assert.deepEqual(spec, {
    completionMode: 'Indexed',
    completions: 2,
    parallelism: 2,
    backoffLimitPerIndex: 0,
    podReplacementPolicy: 'Failed',
  })
  assert.deepEqual(template.spec.schedulingGates, [{ name: 'plimsoll.dev/gang' }])
  assert.equal(template.spec.restartPolicy, 'Never')
  assert.equal(template.spec.automountServiceAccountToken, false)
  assert.equal(template.spec.terminationGracePeriodSeconds, 2)
  assert.equal(template.spec.subdomain, attempt)
  const [container] = template.spec.containers
  assert.deepEqual(container.resources, { limits: { 'nvidia.com/gpu': '8' }, requests: { 'nvidia.com/gpu': '8' } })
  assert.equal(container.workingDir, undefined, 'the folder of whoever submitted it is not one of the image')
  assert.equal(any(jobOf(PLAN, OPTIONS, epochMs(NOW + 1_001), NOW)).spec.activeDeadlineSeconds, 2)
  assert.equal(any(jobOf(PLAN, OPTIONS, epochMs(NOW - 5), NOW)).spec.activeDeadlineSeconds, 1)
})

const EXPANDED: readonly (readonly [text: string, is: string])[] = [
  ['$PLIMSOLL_NODE_RANK', '$(PLIMSOLL_NODE_RANK)'],
  ['$MASTER_ADDR:$MASTER_PORT', '$(MASTER_ADDR):$(MASTER_PORT)'],
  ['$$', '$$'],
  ['$HOME', '$$HOME'],
  ['$(id)', '$$(id)'],
  ['$$PLIMSOLL_RUN', '$$PLIMSOLL_RUN'],
  ['100 $', '100 $$'],
  ['nothing', 'nothing'],
]
for (const [text, is] of EXPANDED)
  test(`${text} is ${is} where Kubernetes expands it`, () => assert.equal(expandable(text), is))

test('what differs between workers comes from the pod, and each value is expanded after what it names', () => {
  const { env, command } = any(samplePod(PLAN, OPTIONS)).spec.containers[0]
  assert.deepEqual(command, ['torchrun', '--node-rank=$(PLIMSOLL_NODE_RANK)', '$$HOME', '$$5', '$$(id)'])
  const names: string[] = env.map(({ name }: { name: string }) => name)
  assert.equal(new Set(names).size, names.length)
  const valueOf = (name: string) => env.find((each: { name: string }) => each.name === name)
  assert.equal(
    valueOf('PLIMSOLL_NODE_RANK').valueFrom.fieldRef.fieldPath,
    "metadata.annotations['batch.kubernetes.io/job-completion-index']",
  )
  assert.equal(valueOf('PLIMSOLL_CHECKPOINT_DIR').value, '/ckpt/$$5')
  assert.equal(valueOf('ADDRESS').value, '$(MASTER_ADDR):$(MASTER_PORT)')
  assert.deepEqual(valueOf('PLIMSOLL_INGEST_TOKEN').valueFrom, { secretKeyRef: { name: attempt, key: 'token' } })
  assert.deepEqual(valueOf('HF_TOKEN').valueFrom, { secretKeyRef: { name: 'hf-token', key: 'value' } })
  for (const [first, then] of [
    ['PLIMSOLL_ATTEMPT', 'PLIMSOLL_WORKER'],
    ['PLIMSOLL_NODE_RANK', 'PLIMSOLL_WORKER'],
    ['MASTER_PORT', 'ADDRESS'],
  ] as const)
    assert.ok(names.indexOf(first) < names.indexOf(then), `${first} before ${then}`)
})

test('one worker finds itself without a Service', () => {
  const masterOf = (plan: AttemptPlan): string =>
    any(samplePod(plan, OPTIONS)).spec.containers[0].env.find(({ name }: { name: string }) => name === 'MASTER_ADDR')
      .value
  assert.equal(masterOf(PLAN), PLAN.masterAddress)
  assert.equal(masterOf({ ...PLAN, workers: PLAN.workers.slice(0, 1) }), '127.0.0.1')
})

test('the section of a spec goes over the defaults of its cluster', () => {
  const volume = (name: string, mountPath: string) => {
    return { name, mountPath, readOnly: true, subPath: null, from: { kind: 'claim', claim: name } as const }
  }
  const pods = {
    ...NO_POD_OPTIONS,
    volumes: [volume('data', '/data'), volume('ckpt', '/ckpt')],
    tolerations: [{ key: 'gpu', operator: 'Exists', value: null, effect: 'NoSchedule' } as const],
    resources: { cpu: '4', 'rdma/hca': '1' },
    security: { ...NO_SECURITY, runAsUser: 1000 },
  }
  const kubernetes = {
    ...NO_POD_OPTIONS,
    volumes: [volume('data', '/other')],
    sharedMemory: '64Gi',
    resources: { cpu: '96' },
    imagePullSecrets: ['pull'],
    security: { ...NO_SECURITY, addCapabilities: ['IPC_LOCK'] },
  }
  const { spec } = any(samplePod({ ...PLAN, kubernetes }, { ...OPTIONS, pods, priorityClass: 'plimsoll' }))
  const [container] = spec.containers
  assert.deepEqual(
    container.volumeMounts.map(({ name, mountPath }: { name: string; mountPath: string }) => [name, mountPath]),
    [
      ['ckpt', '/ckpt'],
      ['data', '/other'],
      ['shared-memory', '/dev/shm'],
    ],
  )
  assert.deepEqual(container.resources.limits, { cpu: '96', 'rdma/hca': '1', 'nvidia.com/gpu': '8' })
  assert.deepEqual(container.securityContext.capabilities, { add: ['IPC_LOCK'] })
  assert.equal(spec.securityContext.runAsUser, 1000)
  assert.equal(spec.priorityClassName, 'plimsoll')
  assert.deepEqual(spec.imagePullSecrets, [{ name: 'pull' }])
  assert.deepEqual(spec.tolerations, [{ key: 'gpu', operator: 'Exists', effect: 'NoSchedule' }])
})

test('the token stands in the Secret alone, and what belongs to the Job goes with it', () => {
  const secret = any(secretOf(PLAN, OPTIONS, 'uid-1', 's3cret'))
  assert.deepEqual(secret.stringData, { token: 's3cret' })
  assert.ok(!JSON.stringify(jobOf(PLAN, OPTIONS, null, NOW)).includes('s3cret'))
  const service = any(serviceOf(PLAN, OPTIONS, 'uid-1'))
  assert.deepEqual([service.spec.clusterIP, service.spec.publishNotReadyAddresses], ['None', true])
  for (const each of [secret, service]) assert.equal(each.metadata.ownerReferences[0].uid, 'uid-1')
})

test('the hash of a plan is of what never changes, not of the settings of whoever renders it', () => {
  assert.equal(planHash(PLAN), planHash({ ...PLAN, graceMs: durationMs(9), checkpointDir: '/elsewhere' }))
  assert.notEqual(planHash(PLAN), planHash({ ...PLAN, masterPort: 1 }))
  assert.notEqual(planHash(PLAN), planHash({ ...PLAN, workers: PLAN.workers.toReversed() }))
})
