// What to do about what Kubernetes says of a pod that does not start, for whoever reads it at 3 a.m. Its own words come first.

const HINTS: readonly (readonly [RegExp, string])[] = [
  [/^InvalidImageName/, 'mend image in the spec'],
  [/^ErrImageNeverPull/, 'the image is not on the node, and imagePullPolicy Never forbids to pull it'],
  [
    /^(?:ErrImagePull|ImagePullBackOff|RegistryUnavailable)/,
    'see that the image exists, that the node reaches its registry, and that imagePullSecrets may pull it',
  ],
  [
    /^CreateContainerConfigError|^FailedMount.*(?:secret|configmap)/is,
    'see that the secrets and config maps that the spec names exist in its namespace',
  ],
  [/^Failed(?:Mount|AttachVolume)/, 'see that the claims of its volumes are bound and can be mounted on this node'],
  [
    /^FailedScheduling.*persistentvolumeclaim "[^"]*" not found/s,
    'make that claim in the namespace of the run, or mend its name under kubernetes.volumes of the spec',
  ],
  [
    /^FailedScheduling.*didn't match Pod's node affinity\/selector/s,
    'its node lacks the labels of nodeSelector, by which Plimsoll does not choose nodes: leave it out, or keep other nodes out of the cluster with nodes.selector',
  ],
  [/^FailedScheduling/, 'see what its node lacks: kubectl describe pod shows all of it'],
  [/exceeded quota/, 'wait until others have ended, or ask for more quota in its namespace'],
  [/violates PodSecurity/, 'the namespace forbids what the spec or the pods section of the cluster asks for'],
  [/no PriorityClass with name/, 'make the PriorityClass that the cluster file names'],
  [
    /^FailedCreatePodSandBox/,
    'the container runtime or the network plugin of its node fails: see the log of its kubelet',
  ],
]

/** Null: none is known. */
export const hintOf = (text: string): string | null => HINTS.find(([pattern]) => pattern.test(text))?.[1] ?? null

/** `text` and, where one is known, what to do. */
export function hinted(text: string): string {
  const hint = hintOf(text)
  return hint === null ? text : `${text} (${hint})`
}
