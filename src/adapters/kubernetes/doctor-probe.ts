// What only a pod can see: whether names are resolved in it, and whether it reaches ingest.
import { setTimeout as pause } from 'node:timers/promises'
import type { PodOptions } from '../../domain/pod-options.ts'
import type { Api } from './api.ts'
import { ApiError, isGone, isStatus } from './api-error.ts'
import type { Check } from './check.ts'
import { check } from './check.ts'
import { hintOf } from './hints.ts'
import { linesOf } from './lines.ts'
import { CONTAINER, MANAGED_BY, PLIMSOLL } from './names.ts'
import type { Pod } from './objects.ts'

export type ProbeOptions = {
  readonly api: Api
  readonly namespaces: readonly string[]
  readonly pods: PodOptions
  readonly image: string | null
  readonly ingestUrl: string | null
  /** Nodes that take pods of runs: what is seen from others says nothing of them. None: any. */
  readonly on: readonly string[]
  readonly now: () => number
  /** Whoever asked does not wait any more: what was made is removed, and that is all. */
  readonly interrupted: AbortSignal
}

const PROBE_MS_MAX = 60_000
const POD_SECONDS_MAX = 60

/** A pod that resolves a name and calls ingest: Python is in every image that trains. It is removed whatever became of it. */
export async function probe(options: ProbeOptions): Promise<Check[]> {
  const { api, image, namespaces, interrupted } = options
  const namespace = namespaces[0] ?? 'default'
  if (image === null)
    return [check('from a pod', 'note', 'names and ingest were not tried from a pod: the cluster file names no image')]
  if (interrupted.aborted) return [INTERRUPTED]
  const name = `plimsoll-doctor-${Math.floor(options.now()).toString(36)}`
  const path = `/api/v1/namespaces/${namespace}/pods`
  try {
    await api.create(path, probePod(name, image, options))
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    const checks = [check('from a pod', 'note', `no pod could be made to try it: ${error.detail}`)]
    // Without an answer it may be there all the same.
    return error.status === 0 ? [...checks, ...(await removed(api, namespace, name))] : checks
  }
  let checks: Check[]
  try {
    checks = [await outcomeOf(options, `${path}/${name}`)]
  } catch (error) {
    checks = [
      check(
        'from a pod',
        'note',
        `a pod was made to try it, and what became of it could not be seen: ${error instanceof ApiError ? error.detail : String(error)}`,
        isStatus(error, 403) ? `grant get on pods in ${namespace}` : null,
      ),
    ]
  }
  return [...checks, ...(await removed(api, namespace, name))]
}

const INTERRUPTED = check('from a pod', 'note', 'names and ingest were not tried from a pod: doctor was interrupted')

/** Nothing to say where it is gone. Who may not delete one pod may delete those that a selector names: runs need that right anyway. */
async function removed(api: Api, namespace: string, name: string): Promise<Check[]> {
  const path = `/api/v1/namespaces/${namespace}/pods`
  const grace = { gracePeriodSeconds: 1 }
  try {
    await api
      .remove(`${path}/${name}`, grace)
      .catch((error: unknown) =>
        isStatus(error, 403)
          ? api.remove(path, grace, { fieldSelector: `metadata.name=${name}` })
          : Promise.reject(error instanceof Error ? error : new Error(String(error))),
      )
    return []
  } catch (error) {
    if (isGone(error)) return []
    return [
      check(
        'from a pod',
        'wrong',
        `its pod ${name} is left in ${namespace}, and ends a minute after it started: ${error instanceof ApiError ? error.detail : String(error)}`,
        `kubectl -n ${namespace} delete pod ${name}, and grant delete on pods there`,
      ),
    ]
  }
}

const SCRIPT = `
import socket, sys, urllib.request
try:
    socket.getaddrinfo("kubernetes.default.svc", 443)
except OSError as error:
    print("names are not resolved: %s" % error); sys.exit(2)
if len(sys.argv) > 1:
    try:
        urllib.request.urlopen(sys.argv[1] + "/healthz", timeout=10)
    except Exception as error:
        print("%s is not reached: %s" % (sys.argv[1], error)); sys.exit(3)
print("names are resolved" + (", and ingest is reached" if len(sys.argv) > 1 else ""))
`

/** A term for each node, since one may name a single node only; a few are enough to find one that is free. */
const NODES_MAX = 50

const terms = (nodes: readonly string[]): object => ({
  nodeSelectorTerms: nodes.slice(0, NODES_MAX).map((node) => ({
    matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }],
  })),
})

function probePod(name: string, image: string, { ingestUrl, pods, on }: ProbeOptions): object {
  const mounts = pods.volumes.filter(({ from }) => from.kind === 'hostPath')
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { [MANAGED_BY]: PLIMSOLL, 'app.kubernetes.io/name': 'plimsoll-doctor' } },
    spec: {
      restartPolicy: 'Never',
      // Where it cannot be removed it ends all the same.
      activeDeadlineSeconds: POD_SECONDS_MAX,
      automountServiceAccountToken: false,
      tolerations: pods.tolerations.map(({ key, operator, value, effect }) => {
        return {
          operator,
          ...(key === null ? {} : { key }),
          ...(value === null ? {} : { value }),
          ...(effect === null ? {} : { effect }),
        }
      }),
      nodeSelector: pods.nodeSelector,
      ...(on.length === 0
        ? {}
        : { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms(on) } } }),
      imagePullSecrets: pods.imagePullSecrets.map((secret) => ({ name: secret })),
      volumes: mounts.map((volume) => ({
        name: volume.name,
        hostPath: { path: volume.from.kind === 'hostPath' ? volume.from.hostPath : '/' },
      })),
      containers: [
        {
          name: CONTAINER,
          image,
          ...(pods.imagePullPolicy === null ? {} : { imagePullPolicy: pods.imagePullPolicy }),
          env: Object.entries(pods.env).map(([key, value]) => ({ name: key, value })),
          command: ['python3', '-c', SCRIPT, ...(ingestUrl === null ? [] : [ingestUrl])],
          volumeMounts: mounts.map((volume) => ({ name: volume.name, mountPath: volume.mountPath, readOnly: true })),
        },
      ],
    },
  }
}

async function outcomeOf({ api, now, interrupted }: ProbeOptions, path: string): Promise<Check> {
  const until = now() + PROBE_MS_MAX
  for (;;) {
    const pod = await api.get<Pod>(path)
    const { phase, reason } = pod.status ?? {}
    if (phase === 'Succeeded') return check('from a pod', 'good', (await firstLine(api, path)) ?? 'names are resolved')
    if (phase === 'Failed') {
      const exit = pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode
      const said = reason === 'DeadlineExceeded' ? NO_END : `the pod failed with code ${exit ?? 'unknown'}`
      return check('from a pod', 'wrong', (await firstLine(api, path)) ?? said, NETWORK)
    }
    if (interrupted.aborted) return INTERRUPTED
    if (now() > until) return phase === 'Running' ? check('from a pod', 'wrong', NO_END, NETWORK) : notStarted(pod)
    await pause(500, undefined, { signal: interrupted }).catch(() => null)
  }
}

const NO_END = 'a pod ran for a minute and had not resolved names or reached ingest by then'
const NETWORK = 'see the DNS and the network policies of the cluster, and ingestUrl in the cluster file'

/** The pod is removed when this is read; what was said of it stays for an hour. */
function notStarted({ metadata, status }: Pod): Check {
  const waiting = status?.containerStatuses?.[0]?.state?.waiting
  const refused = status?.conditions?.find((condition) => condition.status === 'False')
  const words = [waiting?.reason ?? refused?.reason, waiting === undefined ? refused?.message : waiting.message]
  const why = words.filter((word) => word !== undefined && word !== '').join(': ')
  const events = `kubectl -n ${metadata.namespace} get events --field-selector involvedObject.name=${metadata.name}`
  const hint = why.startsWith('Unschedulable')
    ? 'see that a node has room, and that pods.nodeSelector and pods.tolerations in the cluster file let pods go there'
    : hintOf(why)
  return check(
    'from a pod',
    'wrong',
    `a pod did not start within a minute${why === '' ? '' : `: ${why}`}`,
    hint ?? `see what kept it: ${events}`,
  )
}

async function firstLine(api: Api, path: string): Promise<string | null> {
  const ends = new AbortController()
  try {
    const chunks = await api.stream(
      `${path}/log`,
      { container: CONTAINER, limitBytes: 4_096 },
      { signal: ends.signal, idleMs: 5_000 },
    )
    for await (const line of linesOf(chunks, 8_192)) if (line !== '') return line
    return null
  } catch {
    return null
  } finally {
    ends.abort()
  }
}
