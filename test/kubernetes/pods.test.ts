// What a pod on a node of kwok can be told to do. All is told by the template of a Job, as a launcher would, or changed while it runs.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { findBinaries } from './binaries.ts'
import type { ControlPlane } from './control-plane.ts'
import { makeNamespace, PLANE_BINARIES, startControlPlane } from './control-plane.ts'
import type { Setting } from './kwok-stages.ts'
import { PREFIX } from './kwok-stages.ts'
import { makeNodes } from './nodes.ts'
import { until } from './processes.ts'

const found = await findBinaries(PLANE_BINARIES)
type Settings = Partial<Record<Setting | `${Setting}.${number}`, string | null>>

describe('pods', { skip: found.kind === 'missing' && found.why }, () => {
  let plane: ControlPlane
  before(async () => {
    const started = await startControlPlane()
    assert.ok(started.kind === 'running')
    plane = started
    await makeNodes(plane.api, 4)
    await makeNamespace(plane.api, 'work')
  })
  after(() => plane?.stop())

  const annotations = (settings: Settings): object =>
    Object.fromEntries(Object.entries(settings).map(([name, value]) => [`${PREFIX}/${name}`, value]))

  const startJob = (name: string, settings: Settings, workers = 1, env: object[] = []): Promise<unknown> =>
    plane.api.post('/apis/batch/v1/namespaces/work/jobs', {
      metadata: { name },
      spec: {
        completions: workers,
        parallelism: workers,
        completionMode: 'Indexed',
        backoffLimitPerIndex: 0,
        podReplacementPolicy: 'Failed',
        template: {
          metadata: { annotations: annotations(settings) },
          spec: { restartPolicy: 'Never', containers: [{ name: 'worker', image: 'registry.test/none:1', env }] },
        },
      },
    })

  const podsOf = async (job: string): Promise<Pod[]> => {
    const { items } = await plane.api.get<{ items: Pod[] }>(
      `/api/v1/namespaces/work/pods?labelSelector=batch.kubernetes.io/job-name=${job}`,
    )
    return items.toSorted((a, b) => indexOf(a) - indexOf(b))
  }
  /** The first pod of the Job as soon as it is as asked. */
  const podOf = (job: string, wanted: (pod: Pod) => boolean): Promise<Pod> =>
    until(`the pod of ${job}`, 60_000, async () => (await podsOf(job)).find(wanted) ?? null)
  const tell = (pod: Pod, settings: Settings): Promise<unknown> =>
    plane.api.patch(`/api/v1/namespaces/work/pods/${pod.metadata.name}`, {
      metadata: { annotations: annotations(settings) },
    })
  const remove = (pod: Pod): Promise<unknown> => plane.api.delete(`/api/v1/namespaces/work/pods/${pod.metadata.name}`)
  const gone = (pod: Pod): Promise<unknown> =>
    until('the end of the pod', 60_000, () =>
      plane.api.get(`/api/v1/namespaces/work/pods/${pod.metadata.name}`).then(
        () => null,
        ({ status }: { status: number }) => status === 404 || null,
      ),
    )

  test('without settings it runs until it is told to end, and then ends at once', async () => {
    await startJob('told', {})
    const pod = await podOf('told', runs)
    assert.match(pod.status.podIP ?? '', /^10\./)
    await tell(pod, { 'exit-code': '0' })
    const { status } = await podOf('told', ({ status: { phase } }) => phase === 'Succeeded')
    const end = terminated(status)
    assert.equal(end.exitCode, 0)
    assert.equal(end.reason, 'Completed')
    await until('a complete Job', 60_000, async () => {
      const job = await plane.api.get<{ status: { succeeded?: number } }>('/apis/batch/v1/namespaces/work/jobs/told')
      return job.status.succeeded === 1 || null
    })
  })

  test('it runs for as long as it is told, however often it is changed meanwhile, with the times of both ends', async () => {
    await startJob('timed', { 'run-ms': '3000' }, 2)
    await podOf('timed', (pod) => indexOf(pod) === 0 && runs(pod))
    let changes = 0
    const [told, other] = await until('the ends', 60_000, async () => {
      const [first, second] = await podsOf('timed')
      if (first === undefined || second === undefined) return null
      if (second.status.phase !== 'Succeeded') await tell(first, { message: `change ${(changes += 1)}` })
      return [first, second].every(({ status }) => status.phase === 'Succeeded') ? [first, second] : null
    })
    assert.ok(told !== undefined && other !== undefined && changes > 3)
    const [end, otherEnd] = [terminated(told.status), terminated(other.status)]
    assert.match(end.message ?? '', /^change/)
    const ran = Date.parse(end.finishedAt) - Date.parse(end.startedAt)
    assert.ok(ran >= 2_000, `from ${end.startedAt} to ${end.finishedAt}`)
    // Were each change a new start, it would end three seconds after the other.
    const apart = Date.parse(end.finishedAt) - Date.parse(otherEnd.finishedAt)
    assert.ok(apart < 3_000, `it ended ${apart} ms after the other`)
  })

  test('it fails with its exit code and reason, alone among the indexes of its Job', async () => {
    await startJob('fails', { 'run-ms': '200', 'exit-code.1': '137', 'reason.1': 'OOMKilled' }, 3)
    const pods = await until('three ends', 60_000, async () => {
      const now = await podsOf('fails')
      return now.length === 3 && now.every(({ status }) => /Succeeded|Failed/.test(status.phase)) ? now : null
    })
    assert.deepEqual(
      pods.map(({ status }) => [status.phase, terminated(status).exitCode, terminated(status).reason]),
      [
        ['Succeeded', 0, 'Completed'],
        ['Failed', 137, 'OOMKilled'],
        ['Succeeded', 0, 'Completed'],
      ],
    )
    const job = await until('failed indexes', 60_000, async () => {
      const { status } = await plane.api.get<{ status: { failedIndexes?: string } }>(
        '/apis/batch/v1/namespaces/work/jobs/fails',
      )
      return status.failedIndexes || null
    })
    assert.equal(job, '1')
  })

  test('the environment of its container tells it as well, and the index counts there too', async () => {
    await startJob('environment', {}, 2, [
      { name: 'KWOK_RUN_MS', value: '100' },
      { name: 'KWOK_EXIT_CODE_1', value: '3' },
    ])
    const pods = await until('two ends', 60_000, async () => {
      const now = await podsOf('environment')
      return now.length === 2 && now.every(({ status }) => /Succeeded|Failed/.test(status.phase)) ? now : null
    })
    assert.deepEqual(
      pods.map(({ status }) => terminated(status).exitCode),
      [0, 3],
    )
  })

  test('its deletion is obeyed with exit code 143, after the time that it takes', async () => {
    await startJob('obeys', { 'terminate-ms': '1500' })
    const pod = await podOf('obeys', runs)
    const begin = performance.now()
    await remove(pod)
    const { status } = await podOf('obeys', ({ status: { phase } }) => phase === 'Failed')
    assert.ok(performance.now() - begin > 1_000)
    assert.equal(terminated(status).exitCode, 143)
    await gone(pod)
  })

  test('it hangs in its deletion, even past its planned end, until it is let go', async () => {
    await startJob('hangs', { 'run-ms': '1500', 'hang-deletion': 'yes' })
    const pod = await podOf('hangs', runs)
    await remove(pod)
    // Another pod, told the same, ends meanwhile: so this one had its time.
    await startJob('hangs-not', { 'run-ms': '2000' })
    await podOf('hangs-not', ({ status: { phase } }) => phase === 'Succeeded')
    const stuck = await podOf('hangs', ({ metadata }) => metadata.uid === pod.metadata.uid)
    assert.notEqual(stuck.metadata.deletionTimestamp, undefined)
    assert.equal(stuck.status.phase, 'Running')
    await tell(stuck, { 'hang-deletion': null })
    await gone(stuck)
  })

  test('its image cannot be pulled, with the reasons of a kubelet, until it can', async () => {
    await startJob('pulls', { 'image-pull': 'fails' })
    const pod = await podOf('pulls', ({ status }) => waits(status) === 'ErrImagePull')
    assert.equal(pod.status.phase, 'Pending')
    await podOf('pulls', ({ status }) => waits(status) === 'ImagePullBackOff')
    await tell(pod, { 'image-pull': null })
    await podOf('pulls', runs)
  })

  test('its log is the file that it names, with times and since a time', async () => {
    const lines = [
      '09:00:00.100000000Z stdout F one',
      '09:00:01.200000000Z stderr P tw',
      '09:00:01.200000001Z stderr F o',
    ]
    writeFileSync(
      join(plane.folder, 'logs-1.log'),
      [...lines, '09:00:02.300000000Z stdout F three'].map((line) => `2026-02-03T${line}\n`).join(''),
    )
    writeFileSync(join(plane.folder, 'logs-0.log'), '')
    await startJob('logs', { 'log-file': join(plane.folder, 'logs-{index}.log') }, 2)
    const pod = await podOf('logs', (each) => indexOf(each) === 1 && runs(each))
    const log = (query: string): Promise<string> =>
      until('the log', 60_000, () => plane.api.text(`/api/v1/namespaces/work/pods/${pod.metadata.name}/log?${query}`))
    assert.equal(await log(''), 'one\ntwo\nthree\n')
    assert.equal(await log('sinceTime=2026-02-03T09:00:02Z&timestamps=true'), '2026-02-03T09:00:02.300000000Z three\n')
    assert.equal(await log('tailLines=1'), 'three\n')
    const since = '--since-time=2026-02-03T09:00:01Z'
    assert.equal(await plane.kubectl('--namespace=work', 'logs', pod.metadata.name, since), 'two\nthree\n')
  })

  test('a pod that names no file has a log that says so', async () => {
    await startJob('no-log', {})
    const pod = await podOf('no-log', runs)
    assert.equal(
      await plane.api.text(`/api/v1/namespaces/work/pods/${pod.metadata.name}/log`),
      'this pod runs nothing\n',
    )
  })
})

const runs = ({ status }: Pod): boolean => status.phase === 'Running' && status.containerStatuses?.[0]?.ready === true
const waits = (status: Pod['status']): string | undefined => status.containerStatuses?.[0]?.state.waiting?.reason
const indexOf = ({ metadata }: Pod): number => Number(metadata.annotations['batch.kubernetes.io/job-completion-index'])

function terminated(status: Pod['status']): Terminated {
  const end = status.containerStatuses?.[0]?.state.terminated
  assert.ok(end !== undefined)
  return end
}

type Terminated = { exitCode: number; reason: string; message?: string; startedAt: string; finishedAt: string }
type Pod = {
  metadata: { name: string; uid: string; deletionTimestamp?: string; annotations: Record<string, string> }
  status: {
    phase: string
    podIP?: string
    containerStatuses?: { ready: boolean; state: { waiting?: { reason: string }; terminated?: Terminated } }[]
  }
}
