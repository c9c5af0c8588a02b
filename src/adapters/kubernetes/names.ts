// Our labels, annotations and names on a cluster: in one place, since the chart, the documents and every selector depend on them.

export const MANAGED_BY = 'app.kubernetes.io/managed-by'
export const PLIMSOLL = 'plimsoll'
/** Which control plane an object is of: two of them may share a namespace. */
export const CONTROL_PLANE = 'plimsoll.dev/control-plane'
export const RUN = 'plimsoll.dev/run'
export const RUN_NAME = 'plimsoll.dev/run-name'
export const PROJECT = 'plimsoll.dev/project'
export const ATTEMPT = 'plimsoll.dev/attempt'
/** Of the frozen plan: an object of the same name with another one is not ours. */
export const PLAN = 'plimsoll.dev/plan'
/** On a Job: we asked for its end. It may be suspended by others too. */
export const ENDED = 'plimsoll.dev/ended'
/** Keeps a Job, the evidence of an attempt, until its logs are stored and its slots are released. */
export const FINALIZER = 'plimsoll.dev/books'
/** Holds each pod of a gang until all are there and the attempt, read again, still says run. */
export const GATE = 'plimsoll.dev/gang'
/** On a node: we made it unschedulable, so that we may make it schedulable again. */
export const CORDONED = 'plimsoll.dev/cordoned'
/** On a node: the taint that we put on it and which control plane we are, so that we may take that off and no other. */
export const TAINTED = 'plimsoll.dev/taint'
export const COMPLETION_INDEX = 'batch.kubernetes.io/job-completion-index'
export const CONTAINER = 'worker'
