// Which steps count in the end (design: books, Lost). A unit is a segment of an attempt: steps that went up without a break.
import type { Carry, MarkShare } from '../../domain/books.ts'

export type AttemptProgress = {
  readonly carry: Carry
  readonly endedWithoutSuccess: boolean
}

/**
 * For each attempt, in their order, the bounds of its segments: a step is kept when it is at most the bound; null keeps all. The
 * bound is the least resume step of the later units that are known to have resumed; where there is none and the attempt ended
 * without success, its newest durable step, or its own resume step when it saved nothing.
 */
export function keepBounds(attempts: readonly AttemptProgress[]): (number | null)[][] {
  let later: number | null = null
  const bounds: (number | null)[][] = []
  for (const { carry, endedWithoutSuccess } of attempts.toReversed()) {
    const own: (number | null)[] = []
    const alone = endedWithoutSuccess ? (carry.durable ?? carry.segments.at(-1)?.resume ?? carry.resumed) : null
    // A load marker that no step followed yet: the attempt is known to have resumed.
    if (carry.segments.length === 0 && carry.resumed !== null) later = least(later, carry.resumed)
    for (const segment of carry.segments.toReversed()) {
      own.unshift(later ?? alone)
      later = least(later, segment.resume)
    }
    bounds.unshift(own)
  }
  return bounds
}

const least = (a: number | null, b: number): number => (a === null ? b : Math.min(a, b))

/**
 * How much of a mark's amount belongs to steps above `keep`. The amount is divided evenly over its steps, the first ones taking the
 * remainder, so that both parts are integers and sum to it.
 */
export function lostOf(mark: Pick<MarkShare, 'step' | 'steps'>, amount: number, keep: number | null): number {
  if (keep === null || mark.step <= keep || amount === 0) return 0
  const steps = Math.max(1, mark.steps)
  const kept = Math.min(steps, Math.max(0, keep - (mark.step - steps)))
  const each = Math.floor(amount / steps)
  const keptAmount = kept * each + Math.min(kept, amount - each * steps)
  return amount - keptAmount
}
