// What a run waits for after a node of its was lost. A worker there may run on, cut off from everybody, and write the checkpoints that
// the next attempt reads: nothing new of the run is placed until each such worker is proven gone, or so much time has passed that it
// must be.
import type { WorkerId } from './ids.ts'
import { counted } from './words.ts'
import type { EpochMs } from './units.ts'

export type FencedWorker = { readonly worker: WorkerId; readonly nodeName: string }

export type Fence = {
  /** It is over by then, whatever is known. */
  readonly until: EpochMs
  /** Who is not proven gone yet; never empty. */
  readonly workers: readonly FencedWorker[]
}

/** The fence that holds a run back at this moment. */
export function fenceAt({ fence }: { readonly fence?: Fence }, now: EpochMs): Fence | null {
  return fence !== undefined && now < fence.until ? fence : null
}

const NAMED_MAX = 5

/** For people: what is waited for. */
export function fenceText({ workers }: Fence): string {
  const nodes = [...new Set(workers.map(({ nodeName }) => nodeName))]
  const named = nodes.slice(0, NAMED_MAX).join(', ') + (nodes.length > NAMED_MAX ? ', ...' : '')
  const [first] = workers
  const which =
    workers.length === 1 && first !== undefined ? `worker ${first.worker}` : counted(workers.length, 'worker')
  return nodes.length === 1
    ? `node ${named} is lost, and ${which} may still write checkpoints there: waits until it is known to have ended, or the node to be deleted or tainted out-of-service`
    : `nodes ${named} are lost, and ${which} may still write checkpoints there: waits until each is known to have ended, or its node to be deleted or tainted out-of-service`
}
