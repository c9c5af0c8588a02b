// The accounts in words and in the order in which legends read.
import type { Account, AttemptAccount } from '../../domain/reasons.ts'

export const MEANING: Readonly<Record<Account, string>> = {
  productive: 'trains; the step was kept',
  evaluate: 'evaluates',
  checkpoint: 'waits for a checkpoint to be written',
  restore: 'loads a checkpoint',
  startup: 'process start to first step',
  provision: 'placed, workers not all started',
  recovery: 'failure known, worker not yet gone',
  teardown: 'worker ended, slots still held',
  idle: 'alive, nothing trained',
  stalled: 'progress expected, none seen',
  lost: 'trained, but not kept after a restart',
  unknown: 'nobody reported',
  free: 'held by nobody, could be placed on',
  reserved: 'kept for a run that comes',
  maintenance: 'cordoned, or its environment is being prepared',
  unhealthy: 'the machine does not work, or is lost',
  foreign: 'used by others than Plimsoll',
}

/** What trains first, then what gets ready, what is wasted, what is not known: as the legend reads. */
export const SHOWN: readonly AttemptAccount[] = [
  'productive',
  'evaluate',
  'checkpoint',
  'restore',
  'startup',
  'provision',
  'recovery',
  'teardown',
  'idle',
  'stalled',
  'lost',
  'unknown',
]

/** What else holds a slot, after what runs hold. `unknown` is one account for both. */
export const SHOWN_POOLS: readonly Account[] = ['free', 'reserved', 'maintenance', 'unhealthy', 'foreign']
export const SHOWN_ALL: readonly Account[] = [...SHOWN, ...SHOWN_POOLS]
