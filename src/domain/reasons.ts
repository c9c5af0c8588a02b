// The closed lists: every "no", every end and every GPU-millisecond has one of these words, and that word is what the user, the
// log, the metric and the table see. To add one, follow docs/checklists.md.

/** Why a run waits. A waiting run shows exactly one. */
export const WAIT_REASONS = [
  'quota',
  'budget',
  'capacity',
  'topology',
  'gpu-model-absent',
  'nodes-not-ready',
  'preparing-environment',
  'victims',
  'restarting',
  'backoff',
  'fence',
  'avoiding-node',
  'cluster-unreachable',
  'clock-behind-books',
  'paused',
] as const
export type WaitReason = (typeof WAIT_REASONS)[number]

/** How an attempt ended. */
export const OUTCOMES = [
  'succeeded',
  'failed',
  'preempted',
  'stopped',
  'suspended',
  'deadline',
  'node-lost',
  'never-started',
  'unknown',
] as const
export type Outcome = (typeof OUTCOMES)[number]

/** Why we end an attempt that could go on. */
export const END_CAUSES = ['stop', 'suspend', 'budget', 'limit', 'failure', 'node-lost', 'never-started'] as const
export type EndCause = (typeof END_CAUSES)[number]

/** Whose fault a failure is; each class has a retry budget of its own. */
export const FAILURE_CLASSES = ['infrastructure', 'unknown', 'user'] as const
export type FailureClass = (typeof FAILURE_CLASSES)[number]

/** Where a GPU-millisecond held by a worker went (layer 2, design: books, Accounts). */
export const ATTEMPT_ACCOUNTS = [
  'provision',
  'startup',
  'restore',
  'productive',
  'checkpoint',
  'evaluate',
  'idle',
  'stalled',
  'recovery',
  'teardown',
  'lost',
  'unknown',
] as const
export type AttemptAccount = (typeof ATTEMPT_ACCOUNTS)[number]

/** Who else holds a slot (layer 1). `unknown` and `unhealthy` are never merged into anything else. */
export const POOLS = ['free', 'reserved', 'unhealthy', 'maintenance', 'foreign', 'unknown'] as const
export type Pool = (typeof POOLS)[number]

export type Account = AttemptAccount | Pool

export const PRIORITIES = ['low', 'normal', 'high', 'critical'] as const
export type Priority = (typeof PRIORITIES)[number]

export function assertNever(value: never): never {
  throw new Error(`bug: no case for ${JSON.stringify(value)}`)
}
