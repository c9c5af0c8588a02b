// Roll-ups of expert load. A frame marks its block; whoever finds marked blocks builds them from what is stored and takes the mark away,
// unless another frame has come meanwhile. Two who build the same block write the same, and an old build never undoes a newer one.
import type { LoadPart, PendingBlock, RolledBlock } from '../domain/expert-blocks.ts'
import type { AttemptId } from '../domain/ids.ts'
import type { EpochMs } from '../domain/units.ts'
import type { StoredFrame } from './store.ts'

export interface ExpertBlockStore {
  /** Blocks that wait to be built: their roll-ups, and those of the blocks that they lie in, are not to be read. */
  expertPending(
    attempt: AttemptId,
    layers: string,
  ): Promise<readonly { readonly level: number; readonly block: number }[]>
  /**
   * Those of any attempt that can be built now, since their steps are behind or nothing came for a while; the lowest first. A block above
   * `BUILT_LEVEL` waits while all steps lie in one block below it: to a short attempt it would only add bytes.
   */
  expertBlocksDue(now: EpochMs, limit: number): Promise<readonly PendingBlock[]>
  /** All frames of some steps, each summed over ranks, by step. */
  expertFrames(attempt: AttemptId, layers: string, from: number, to: number): Promise<readonly StoredFrame[]>
  /** Blocks of a level, by block; `loads` are null where they are not asked for. */
  expertRollups(
    attempt: AttemptId,
    layers: string,
    wanted: { readonly level: number; readonly first: number; readonly last: number; readonly loads: boolean },
  ): Promise<readonly RolledBlock[]>
  /** One expert in blocks of a level; `level` null: in each step that was reported, `first` and `last` being steps. By step. */
  expertLoads(
    attempt: AttemptId,
    layers: string,
    wanted: {
      readonly layer: number
      readonly expert: number
      readonly level: number | null
      readonly first: number
      readonly last: number
    },
  ): Promise<readonly LoadPart[]>
  /** Writes what was built and marks the block above, unless `built` was touched since it was read. */
  saveExpertBlock(built: PendingBlock, rows: readonly RolledBlock[]): Promise<void>
  /** Steps that were reported, ascending. */
  expertSteps(attempt: AttemptId, layers: string, from: number, to: number): Promise<readonly number[]>
}
