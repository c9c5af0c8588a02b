// What only a pod can see: whether names are resolved in it, and whether it reaches ingest.
import { setTimeout as pause } from 'node:timers/promises'
import type { PodOptions } from '../../domain/pod-options.ts'
import type { Api } from './api.ts'
import { ApiError } from './api-error.ts'
import type { Check } from './check.ts'
import { check } from './check.ts'
import { linesOf } from './lines.ts'
import { CONTAINER, MANAGED_BY, PLIMSOLL } from './names.ts'
import type { Pod } from './objects.ts'

export type ProbeOptions = {
  readonly api: Api
  readonly namespaces: readonly string[]
  readonly pods: PodOptions
  readonly image: string | null
  readonly ingestUrl: string | null
  readonly now: () => number
}

const PROBE_MS_MAX = 60_000

/** A pod that resolves a name and calls ingest: Python is in every image that trains. */
export async function probe(options: ProbeOptions): Promise<Check> {
  const { api, image, ingestUrl, pods, namespaces } = options
  const namespace = namespaces[0] ?? 'default'
  if (image === null)
    return check('from a pod', 'note', 'names and ingest were not tried from a pod: the cluster file names no image')
  const name = `plimsoll-doctor-${Math.floor(options.now()).toString(36)}`
  const path = `/api/v1/namespaces/${namespace}/pods`
  try {
    await api.create(path, probePod(name, image, ingestUrl, pods))
    const said = await outcomeOf(api, `${path}/${name}`)
    return said
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    return check('from a pod', 'note', `no pod could be made to try it: ${error.detail}`)
  } finally {
    await api.remove(`${path}/${name}`, { gracePeriodSeconds: 1 }).catch(() => null)
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

function probePod(name: string, image: string, ingestUrl: string | null, pods: PodOptions): object {
  const mounts = pods.volumes.filter(({ from }) => from.kind === 'hostPath')
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { [MANAGED_BY]: PLIMSOLL, 'app.kubernetes.io/name': 'plimsoll-doctor' } },
    spec: {
      restartPolicy: 'Never',
      activeDeadlineSeconds: 60,
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

async function outcomeOf(api: Api, path: string): Promise<Check> {
  const until = performance.now() + PROBE_MS_MAX
  for (;;) {
    const pod = await api.get<Pod>(path)
    const { phase } = pod.status ?? {}
    const state = pod.status?.containerStatuses?.[0]?.state
    if (phase === 'Succeeded' || phase === 'Failed') {
      const said = await firstLine(api, path)
      if (phase === 'Succeeded') return check('from a pod', 'good', said ?? 'names are resolved')
      return check(
        'from a pod',
        'wrong',
        said ?? `the pod failed with code ${state?.terminated?.exitCode ?? 'unknown'}`,
        'see the DNS and the network policies of the cluster, and ingestUrl in the cluster file',
      )
    }
    if (performance.now() > until) {
      const why =
        state?.waiting?.message ??
        state?.waiting?.reason ??
        pod.status?.conditions?.find(({ status }) => status === 'False')?.message
      return check('from a pod', 'wrong', `a pod did not start within a minute${why === undefined ? '' : `: ${why}`}`)
    }
    await pause(500)
  }
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
