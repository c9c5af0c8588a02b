// How many lines are drawn whole in one frame. Whoever scrolls by pages a second cannot read twelve columns: new lines show their name
// at once, and the rest when fewer come, so that no frame takes longer than others because more came into view.
import { useEffect, useReducer, useRef } from 'react'

const WHOLE_A_FRAME = 1
/** More new lines than this in a frame are a fast scroll: until it is over none is drawn whole. */
const SLOW_LINES_MAX = 2
const SETTLED_MS = 100

/** Tells of a line whether it is light in this drawing. What was drawn whole stays so while it is in view. */
export function useBudget(items: readonly number[]): (index: number) => boolean {
  const [, again] = useReducer((count: number) => count + 1, 0)
  const whole = useRef<ReadonlySet<number>>(new Set())
  const started = useRef(false)
  const fast = useRef(false)
  const shown = useRef<ReadonlySet<number>>(new Set())
  const lastAt = useRef(0)
  const settled = useRef<ReturnType<typeof setTimeout> | null>(null)
  // One timer for a whole scroll: it is not set anew in each frame, but looks when the last one was.
  const settle = (): void => {
    const left = lastAt.current + SETTLED_MS - performance.now()
    settled.current = left > 1 ? setTimeout(settle, left) : null
    if (settled.current !== null) return
    fast.current = false
    again()
  }
  const came = items.filter((index) => !shown.current.has(index)).length
  // What is seen first is drawn at once.
  if (started.current && came > SLOW_LINES_MAX) fast.current = true
  const budget = !started.current ? Number.POSITIVE_INFINITY : fast.current ? 0 : WHOLE_A_FRAME
  const { next, waits } = chosen(items, whole.current, budget)
  useEffect(() => {
    whole.current = next
    if (items.length > 1) started.current = true
    shown.current = new Set(items)
    if (!waits) return undefined
    // While more come, whoever scrolls draws anyway.
    if (fast.current) {
      lastAt.current = performance.now()
      settled.current ??= setTimeout(settle, SETTLED_MS)
      return undefined
    }
    const frame = requestAnimationFrame(again)
    return () => cancelAnimationFrame(frame)
  })
  useEffect(
    () => () => {
      if (settled.current !== null) clearTimeout(settled.current)
    },
    [],
  )
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
