// What our nodes without machines do, and what the pods on them do, as stages of kwok. A pod runs until somebody deletes it, unless its
// settings say otherwise. A setting is an annotation of the pod, so it may come from a pod template; where one index of a Job shall differ,
// the annotation with the index behind it wins (`exit-code.3`). Pods of a program that writes no annotations can be told by the environment
// of their first container (`KWOK_EXIT_CODE`, `KWOK_EXIT_CODE_3`).

/** What a pod can be told. Everything is read when it matters, so a setting may be changed while the pod runs. */
export const SETTINGS = {
  /** It ends after so many milliseconds: well, unless `exit-code` says otherwise. */
  'run-ms': 'KWOK_RUN_MS',
  /** It ends with this code: after `run-ms`, without that at once. */
  'exit-code': 'KWOK_EXIT_CODE',
  /** The reason of the terminated container: OOMKilled. */
  reason: 'KWOK_REASON',
  /** The termination message of the container. */
  message: 'KWOK_MESSAGE',
  /** How long it takes to end after its deletion; by default it obeys at once, with exit code 143. */
  'terminate-ms': 'KWOK_TERMINATE_MS',
  /** It stays Terminating until the setting is removed. */
  'hang-deletion': 'KWOK_HANG_DELETION',
  /** Its image cannot be pulled until the setting is removed. */
  'image-pull': 'KWOK_IMAGE_PULL',
  /** The file behind `kubectl logs`, in the format of a container runtime; {index} and {pod} are replaced. */
  'log-file': 'KWOK_LOG_FILE',
} as const

export type Setting = keyof typeof SETTINGS

export const PREFIX = 'kwok.plimsoll.dev'
/** The nodes with this label and value are kwok's. Another value is a machine that has gone silent. */
export const KUBELET_LABEL = `${PREFIX}/kubelet`
export const NOT_READY = `${PREFIX}/not-ready`

/** All documents that kwok is configured with. */
export function stages(): object[] {
  return [
    nodeStage('node-ready', [is(`(${READY} | not) or .status.addresses == null`), isNot(SAYS_NOT_READY)], NODE_READY),
    nodeStage('node-not-ready', [is(READY), is(SAYS_NOT_READY)], NODE_NOT_READY),
    podStage('pod-pull-fails', [...starts, has('image-pull'), is('.status.containerStatuses == null')], {
      steps: [status(pullStatus('ErrImagePull', 'failed to pull and unpack image: not found'))],
    }),
    podStage('pod-pull-backs-off', [...starts, has('image-pull'), is(waiting('ErrImagePull'))], {
      delay: { durationMilliseconds: 300 },
      steps: [status(pullStatus('ImagePullBackOff', 'Back-off pulling image'))],
    }),
    podStage('pod-run', [...starts, hasNot('image-pull'), hasNot('log-file')], { steps: [status(RUNNING)] }),
    podStage('pod-run-with-log', [...starts, hasNot('image-pull'), has('log-file')], {
      steps: [{ apply: { template: LOGS } }, status(RUNNING)],
    }),
    podStage('pod-end', [...runs, is(`(${value('run-ms')} // ${value('exit-code')}) != null`)], {
      delay: { durationMilliseconds: 0, durationFrom: { jq: { expression: REST_OF_RUN } } },
      steps: [status(ENDED)],
    }),
    podStage('pod-terminate', [is(DELETED), is('.status.phase == "Running"'), hasNot('hang-deletion')], {
      delay: {
        durationMilliseconds: 0,
        durationFrom: { jq: { expression: `${value('terminate-ms')} | if . == null then "0ms" else . + "ms" end` } },
      },
      steps: [status(TERMINATED)],
    }),
    podStage('pod-delete', [is(DELETED), is('.status.phase != "Running"'), is(NOT_GONE), hasNot('hang-deletion')], {
      steps: [{ delete: true }],
    }),
    // Without it the end of a pod that was planned before the deletion would still come.
    podStage('pod-hang', [is(DELETED), has('hang-deletion')], { delay: { durationMilliseconds: 1e9 }, steps: [] }),
  ]
}

type Match = { readonly jq: { readonly key: string; readonly operator: 'In'; readonly values: readonly string[] } }

const is = (condition: string): Match => ({ jq: { key: condition, operator: 'In', values: ['true'] } })
const isNot = (condition: string): Match => is(`(${condition}) | not`)
const has = (setting: Setting): Match => is(`${value(setting)} != null`)
const hasNot = (setting: Setting): Match => is(`${value(setting)} == null`)

const READY = 'any(.status.conditions[]?; .type == "Ready" and .status == "True")'
const SAYS_NOT_READY = `.metadata.annotations["${NOT_READY}"] != null`
const DELETED = '.metadata.deletionTimestamp != null'
// A finalizer of somebody else keeps it after our deletion: that one need not be repeated.
const NOT_GONE = '.metadata.deletionGracePeriodSeconds != 0 or (.metadata.finalizers | length) == 0'
const waiting = (reason: string): string => `any(.status.containerStatuses[]?; .state.waiting.reason == "${reason}")`
const starts = [isNot(DELETED), is('.status.phase == "Pending"')]
const runs = [isNot(DELETED), is('.status.phase == "Running"')]

/** The setting of this pod in jq, or null. */
function value(setting: Setting): string {
  const [key, fromEnv] = [`${PREFIX}/${setting}`, SETTINGS[setting]]
  return (
    '((.metadata.annotations // {}) as $a | ($a["batch.kubernetes.io/job-completion-index"] // "") as $i' +
    ' | ([.spec.containers[0].env[]? | select(.value != null) | {key: .name, value: .value}] | from_entries) as $e' +
    ` | $a["${key}." + $i] // $e["${fromEnv}_" + $i] // $a["${key}"] // $e["${fromEnv}"])`
  )
}

/** The same in a template, as the variable of that name. Empty where there is none. */
function variable(name: string, setting: Setting): string {
  const [key, fromEnv] = [`${PREFIX}/${setting}`, SETTINGS[setting]]
  return [
    `{{ $${name} := "" }}`,
    `{{ range $env }}{{ if eq .name "${fromEnv}" }}{{ $${name} = .value }}{{ end }}{{ end }}`,
    `{{ with get $annotations "${key}" }}{{ $${name} = . }}{{ end }}`,
    `{{ range $env }}{{ if eq .name (printf "${fromEnv}_%s" $index) }}{{ $${name} = .value }}{{ end }}{{ end }}`,
    `{{ with get $annotations (printf "${key}.%s" $index) }}{{ $${name} = . }}{{ end }}`,
  ].join('')
}
const VARIABLES =
  '{{ $now := Now }}{{ $root := . }}{{ $annotations := or .metadata.annotations dict }}' +
  '{{ $index := get $annotations "batch.kubernetes.io/job-completion-index" }}{{ $env := (index .spec.containers 0).env }}'

// The times of Kubernetes are whole seconds; the end of a run of 300 ms needs the start in milliseconds.
const STARTED = `${PREFIX}/Started`
const REST_OF_RUN =
  `(first(.status.conditions[] | select(.type == "${STARTED}") | .message | tonumber) // 0) as $started` +
  ` | "\\($started + (${value('run-ms')} // "0" | tonumber) - now * 1000 | floor)ms"`

const RUNNING = `${VARIABLES}
conditions:
{{ range list "PodReadyToStartContainers" "Initialized" "Ready" "ContainersReady" }}
- { type: {{ . }}, status: "True", lastTransitionTime: {{ $now | Quote }} }
{{ end }}
- { type: ${STARTED}, status: "True", lastTransitionTime: {{ $now | Quote }}, message: "{{ now.UnixMilli }}" }
{{ range .spec.readinessGates }}
- { type: {{ .conditionType | Quote }}, status: "True", lastTransitionTime: {{ $now | Quote }} }
{{ end }}
initContainerStatuses:
{{ range .spec.initContainers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  restartCount: 0
  state: { terminated: { exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }} } }
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  containerID: kwok://{{ $root.metadata.uid }}/{{ .name }}
  ready: true
  started: true
  restartCount: 0
  state: { running: { startedAt: {{ $now | Quote }} } }
{{ end }}
{{ with NodeIPsWith .spec.nodeName }}
hostIP: {{ index . 0 | Quote }}
hostIPs:
{{ range . }}
- ip: {{ . | Quote }}
{{ end }}
{{ end }}
{{ with PodIPsWith .spec.nodeName (or .spec.hostNetwork false) .metadata.uid .metadata.name .metadata.namespace }}
podIP: {{ index . 0 | Quote }}
podIPs:
{{ range . }}
- ip: {{ . | Quote }}
{{ end }}
{{ end }}
phase: Running
startTime: {{ $now | Quote }}
`

/** A pod whose containers have ended: all in the same way. */
const ended = (exitCode: string, reason: string, phase: string): string => `
conditions:
{{ range list "Ready" "ContainersReady" }}
- { type: {{ . }}, status: "False", reason: ${phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed'}, lastTransitionTime: {{ $now | Quote }} }
{{ end }}
containerStatuses:
{{ range $at, $container := .spec.containers }}
{{ $was := index $root.status.containerStatuses $at }}
- name: {{ $container.name | Quote }}
  image: {{ $container.image | Quote }}
  imageID: ""
  containerID: kwok://{{ $root.metadata.uid }}/{{ $container.name }}
  ready: false
  started: false
  restartCount: 0
  state:
    terminated:
      exitCode: ${exitCode}
      reason: ${reason}
      message: {{ $message | Quote }}
      startedAt: {{ $was.state.running.startedAt | Quote }}
      finishedAt: {{ $now | Quote }}
      containerID: kwok://{{ $root.metadata.uid }}/{{ $container.name }}
{{ end }}
phase: ${phase}
`

const END_VARIABLES = `${VARIABLES}${variable('code', 'exit-code')}${variable('reason', 'reason')}${variable('message', 'message')}`
const ENDED = `${END_VARIABLES}
{{ if or (eq $code "") (eq $code "0") }}${ended('0', '{{ or $reason "Completed" | Quote }}', 'Succeeded')}
{{ else }}${ended('{{ $code }}', '{{ or $reason "Error" | Quote }}', 'Failed')}{{ end }}`

// As a kubelet: the containers get SIGTERM, their end is written, and only then the pod goes.
const TERMINATED = `${END_VARIABLES}
{{ if eq $code "0" }}${ended('0', '{{ or $reason "Completed" | Quote }}', 'Succeeded')}
{{ else }}${ended('{{ or $code "143" }}', '{{ or $reason "Error" | Quote }}', 'Failed')}{{ end }}`

const pullStatus = (reason: string, message: string): string => `${VARIABLES}
conditions:
- { type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }} }
{{ range list "Ready" "ContainersReady" }}
- { type: {{ . }}, status: "False", reason: ContainersNotReady, lastTransitionTime: {{ $now | Quote }} }
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: false
  started: false
  restartCount: 0
  state: { waiting: { reason: ${reason}, message: {{ printf "${message}: %s" .image | Quote }} } }
{{ end }}
phase: Pending
startTime: {{ or .status.startTime $now | Quote }}
`

/** Where kwok's own server of logs finds the file of this pod; it goes with the pod. */
const LOGS = `${VARIABLES}${variable('file', 'log-file')}
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Logs
metadata:
  name: {{ .metadata.name | Quote }}
  ownerReferences:
  - { apiVersion: v1, kind: Pod, name: {{ .metadata.name | Quote }}, uid: {{ .metadata.uid | Quote }} }
spec:
  logs:
  - logsFile: {{ $file | replace "{index}" $index | replace "{pod}" .metadata.name | Quote }}
    follow: true
`

const NODE_READY = `{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- type: {{ .type | Quote }}
  status: {{ .status | Quote }}
  reason: {{ .reason | Quote }}
  message: {{ .message | Quote }}
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
addresses:
- { type: InternalIP, address: {{ NodeIP | Quote }} }
- { type: Hostname, address: {{ .metadata.name | Quote }} }
daemonEndpoints: { kubeletEndpoint: { Port: {{ NodePort }} } }
nodeInfo:
  architecture: amd64
  operatingSystem: linux
  bootID: ""
  machineID: ""
  systemUUID: ""
  osImage: none
  kernelVersion: none
  containerRuntimeVersion: kwok://{{ Version }}
  kubeProxyVersion: ""
  kubeletVersion: kwok-{{ Version }}
phase: Running
`

const NODE_NOT_READY = `{{ $now := Now }}
conditions:
- type: Ready
  status: "False"
  reason: KubeletNotReady
  message: {{ index .metadata.annotations "${NOT_READY}" | Quote }}
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $now | Quote }}
`

const status = (template: string): object => ({ patch: { subresource: 'status', root: 'status', template } })

function podStage(name: string, matchExpressions: readonly Match[], rest: object): object {
  return stage(name, 'Pod', matchExpressions, rest)
}

function nodeStage(name: string, matchExpressions: readonly Match[], template: string): object {
  return stage(name, 'Node', matchExpressions, { steps: [status(template)] })
}

function stage(name: string, kind: string, matchExpressions: readonly Match[], rest: object): object {
  return {
    apiVersion: 'kwok.x-k8s.io/v1alpha1',
    kind: 'Stage',
    metadata: { name },
    spec: { resourceRef: { apiGroup: 'v1', kind }, selector: { matchExpressions }, ...rest },
  }
}
