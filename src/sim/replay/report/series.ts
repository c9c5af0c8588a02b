// What held and what waited over the time of a replay, in as many stretches as a screen shows.
import type { Finished } from '../measure.ts'

export const STRETCHES = 240

/** Mean GPUs that gangs held in each stretch. */
export function heldOver(finished: readonly Finished[], makespanMs: number): number[] {
  const each = Math.max(1, makespanMs) / STRETCHES
  // Changes of the level, and what the first stretch of a job lacks.
  const whole = new Array<number>(STRETCHES + 1).fill(0)
  const part = new Array<number>(STRETCHES + 1).fill(0)
  const change = (at: number, gpus: number): void => {
    const stretch = Math.min(STRETCHES, Math.floor(at / each))
    const left = Math.min(1, stretch + 1 - at / each)
    part[stretch] = (part[stretch] ?? 0) + gpus * left
    if (stretch < STRETCHES) whole[stretch + 1] = (whole[stretch + 1] ?? 0) + gpus
  }
  for (const { gpus, startMs, endMs } of finished) {
    change(startMs, gpus)
    change(endMs, -gpus)
  }
  let level = 0
  return Array.from({ length: STRETCHES }, (_, stretch) => {
    level += whole[stretch] ?? 0
    return Math.max(0, level + (part[stretch] ?? 0))
  })
}

/** The most runs that waited in each stretch. */
export function waitedOver(
  queue: readonly { readonly at: number; readonly runs: number }[],
  makespanMs: number,
): number[] {
  const each = Math.max(1, makespanMs) / STRETCHES
  const most: number[] = []
  let [next, level] = [0, 0]
  for (let stretch = 0; stretch < STRETCHES; stretch += 1) {
    let here = level
    for (; next < queue.length && (queue[next]?.at ?? 0) < (stretch + 1) * each; next += 1) {
      level = queue[next]?.runs ?? 0
      here = Math.max(here, level)
    }
    most.push(here)
  }
  return most
}

/** A level holds until the next one: corners, not slopes. */
export function stepsOf(values: readonly number[], top: number): [number, number][] {
  return values.flatMap((value, index): [number, number][] => [
    [index / values.length, value / top],
    [(index + 1) / values.length, value / top],
  ])
}
