// The parts of Kubernetes' objects that we read, as the API's JSON has them: times are text. What the API server may leave out is optional.

export type Meta = {
  readonly name: string
  readonly namespace?: string
  readonly uid: string
  readonly resourceVersion: string
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly deletionGracePeriodSeconds?: number
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly finalizers?: readonly string[]
}

export type Condition = {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string
}

export type ContainerState = {
  readonly waiting?: { readonly reason?: string; readonly message?: string }
  readonly running?: { readonly startedAt?: string }
  readonly terminated?: {
    readonly exitCode: number
    readonly signal?: number
    readonly reason?: string
    readonly message?: string
    readonly startedAt?: string
    readonly finishedAt?: string
  }
}

export type NodeSelectorTerm = {
  readonly matchExpressions?: readonly unknown[]
  readonly matchFields?: readonly unknown[]
}

/** One that is an init container and restarts always runs beside the others: a sidecar. */
export type Container = {
  readonly name: string
  readonly restartPolicy?: string
  readonly resources?: {
    readonly limits?: Readonly<Record<string, string>>
    readonly requests?: Readonly<Record<string, string>>
  }
}

export type Pod = {
  readonly metadata: Meta
  readonly spec: {
    readonly nodeName?: string
    readonly schedulingGates?: readonly { readonly name: string }[]
    readonly affinity?: {
      readonly nodeAffinity?: {
        readonly requiredDuringSchedulingIgnoredDuringExecution?: {
          readonly nodeSelectorTerms: readonly NodeSelectorTerm[]
        }
      }
    }
    readonly containers: readonly Container[]
    readonly initContainers?: readonly Container[]
  }
  readonly status?: {
    readonly phase?: string
    readonly reason?: string
    readonly message?: string
    readonly startTime?: string
    readonly conditions?: readonly Condition[]
    readonly initContainerStatuses?: readonly { readonly name: string; readonly state?: ContainerState }[]
    readonly containerStatuses?: readonly { readonly name: string; readonly state?: ContainerState }[]
  }
}

export type Job = {
  readonly metadata: Meta
  readonly spec: { readonly suspend?: boolean; readonly activeDeadlineSeconds?: number; readonly completions?: number }
  readonly status?: {
    readonly startTime?: string
    readonly completionTime?: string
    readonly completedIndexes?: string
    readonly failedIndexes?: string
    readonly conditions?: readonly Condition[]
  }
}

export type Node = {
  readonly metadata: Meta
  readonly spec?: {
    readonly unschedulable?: boolean
    readonly taints?: readonly NodeTaint[]
  }
  readonly status?: {
    readonly capacity?: Readonly<Record<string, string>>
    readonly allocatable?: Readonly<Record<string, string>>
    readonly conditions?: readonly Condition[]
  }
}

export type NodeTaint = { readonly key: string; readonly value?: string; readonly effect: string }

export type Lease = {
  readonly metadata: Meta
  readonly spec?: { readonly renewTime?: string; readonly leaseDurationSeconds?: number }
}

export type KubernetesEvent = {
  readonly metadata: Meta
  readonly type?: string
  readonly reason?: string
  readonly message?: string
  readonly involvedObject?: { readonly kind?: string; readonly name?: string; readonly uid?: string }
  readonly regarding?: { readonly kind?: string; readonly name?: string; readonly uid?: string }
}

export type List<Item> = {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string }
  readonly items: readonly Item[]
}

/** What the API server says of a request that it refuses. */
export type Status = {
  readonly kind?: string
  readonly status?: string
  readonly reason?: string
  readonly message?: string
  readonly code?: number
  readonly details?: {
    readonly retryAfterSeconds?: number
    readonly causes?: readonly { readonly field?: string; readonly message?: string }[]
  }
}
