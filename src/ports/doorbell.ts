/** One loop for each step that waits for something. */
export const LOOPS = ['place', 'launch', 'observe', 'account'] as const
export type LoopName = (typeof LOOPS)[number]

/** A wake-up says "look", never "what"; a lost one costs seconds, since every loop also has a timer. */
export interface Doorbell {
  /** Returns at once and never throws. At most one wake-up is outstanding for a loop. */
  ring(loop: LoopName): void
}
