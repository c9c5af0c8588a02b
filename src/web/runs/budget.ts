// How many lines are drawn whole in one frame. Whoever scrolls by pages a second cannot read twelve columns: new lines show their name
// at once, and the rest when fewer come, so that no frame takes longer than others because more came into view.
import { useEffect, useReducer, useRef } from 'react'

const WHOLE_A_FRAME = 3
const SETTLED_MS = 100

/** Tells of a line whether it is light in this drawing. What was drawn whole stays so while it is in view. */
export function useBudget(items: readonly number[]): (index: number) => boolean {
  const [, again] = useReducer((count: number) => count + 1, 0)
  const whole = useRef<ReadonlySet<number>>(new Set())
  const started = useRef(false)
  const fast = useRef(false)
  const shown = useRef<ReadonlySet<number>>(new Set())
  const came = items.filter((index) => !shown.current.has(index)).length
  // What is seen first is drawn at once.
  if (started.current && came > WHOLE_A_FRAME) fast.current = true
  const budget = !started.current ? Number.POSITIVE_INFINITY : fast.current ? 0 : WHOLE_A_FRAME
  const { next, waits } = chosen(items, whole.current, budget)
  useEffect(() => {
    whole.current = next
    if (items.length > 1) started.current = true
    shown.current = new Set(items)
    if (!waits) return undefined
    // While more come, whoever scrolls draws anyway.
    if (fast.current) {
      const timer = setTimeout(() => {
        fast.current = false
        again()
      }, SETTLED_MS)
      return () => clearTimeout(timer)
    }
    const frame = requestAnimationFrame(again)
    return () => cancelAnimationFrame(frame)
  })
  return (index) => !next.has(index)
}

/** The lines that are whole now: those that were, and as many more as the frame affords. */
export function chosen(
  items: readonly number[],
  before: ReadonlySet<number>,
  budget: number,
): { readonly next: ReadonlySet<number>; readonly waits: boolean } {
  const next = new Set<number>()
  let left = budget
  for (const index of items) {
    if (before.has(index)) next.add(index)
    else if (left > 0) {
      next.add(index)
      left -= 1
    }
  }
  return { next, waits: next.size < items.length }
}
