// Builds the roll-ups of expert load whose steps are behind. Needs no leader: what two build is the same, and the store takes it only
// if no frame came meanwhile.
import { MEASURES_PER_LAYER } from '../core/experts/measures.ts'
import { BlockBuilder, mergedBlock } from '../core/experts/rollup.ts'
import type { PendingBlock, RolledBlock } from '../domain/expert-blocks.ts'
import { BUILT_LEVEL, firstStepOf, lastStepOf } from '../domain/expert-blocks.ts'
import type { Store } from '../ports/store.ts'
import type { Control } from './control.ts'

/** Blocks of one turn: 2,048 steps are more than any attempt makes between two. */
const BLOCKS_PER_TURN = 8
/** Frames of one read: 256 steps of 64 ranks at once would be a gigabyte. */
const STEPS_PER_READ = 16

/** Returns how many were built: as long as some are, there may be more. */
export async function rollExperts({ store, clock }: Pick<Control, 'store' | 'clock'>): Promise<number> {
  const due = await store.expertBlocksDue(clock.now(), BLOCKS_PER_TURN)
  for (const block of due)
    await store.saveExpertBlock(
      block,
      block.level === BUILT_LEVEL ? await fromFrames(store, block) : await fromBlocks(store, block),
    )
  return due.length
}

async function fromFrames(store: Store, { attempt, layers, level, block }: PendingBlock): Promise<RolledBlock[]> {
  const [first, last] = [firstStepOf(block, level), lastStepOf(block, level)]
  const measures = await store.expertMeasures(attempt, layers, first, last)
  const ofStep = new Map(measures.map(({ step, values }) => [step, values]))
  let builder: BlockBuilder | null = null
  for (let from = first; from <= last; from += STEPS_PER_READ) {
    for (const frame of await store.expertFrames(attempt, layers, from, from + STEPS_PER_READ - 1)) {
      builder ??= new BlockBuilder(frame.layers.length, frame.experts)
      // A frame that came between the two reads marked the block again, and this build will not be taken.
      const none = new Float32Array(frame.layers.length * MEASURES_PER_LAYER).fill(Number.NaN)
      builder.add(frame.step, frame.counts, ofStep.get(frame.step) ?? none)
    }
  }
  return builder?.rolled() ?? []
}

async function fromBlocks(store: Store, { attempt, layers, level, block }: PendingBlock): Promise<RolledBlock[]> {
  const [first, last] = [block * 4, block * 4 + 3]
  const parts = await store.expertRollups(attempt, layers, { level: level - 2, first, last, loads: true })
  const merged = mergedBlock(level, block, parts)
  return merged === null ? [] : [merged]
}
