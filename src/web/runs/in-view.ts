// Which lines of a list are in view, where all are of one height: two divisions for each scroll event, where a virtualizer for lines of any height
// keeps a record of each. It draws nothing again before other lines are in view.
import { type RefObject, useLayoutEffect, useState } from 'react'

export type InView = readonly [from: number, to: number]

/** The lines that a box of `room` px shows when it is scrolled by `top` px; `to` is the first one that is not. */
export const inView = (top: number, room: number, height: number): InView => [
  Math.max(0, Math.floor(top / height)),
  Math.max(0, Math.ceil((top + room) / height)),
]

/** With `beyond` more at both ends, as far as there are any. Nothing before the box is there. */
export function useInView(box: RefObject<HTMLElement | null>, height: number, lines: number, beyond: number): InView {
  const [view, setView] = useState<InView>([0, 0])
  useLayoutEffect(() => {
    const element = box.current
    if (element === null) return undefined
    let room = element.clientHeight
    let told: InView = [-1, -1]
    const look = (): void => {
      const now = inView(element.scrollTop, room, height)
      if (now[0] === told[0] && now[1] === told[1]) return
      told = now
      setView(now)
    }
    look()
    const observer = new ResizeObserver(() => {
      room = element.clientHeight
      look()
    })
    observer.observe(element)
    element.addEventListener('scroll', look, { passive: true })
    return () => {
      observer.disconnect()
      element.removeEventListener('scroll', look)
    }
  }, [box, height])
  const [from, to] = view
  return [Math.max(0, Math.min(lines, from) - beyond), Math.min(lines, to + (to === 0 ? 0 : beyond))]
}

/** How far a box must be scrolled so that a line is in it; null: it is. The head stays over the first lines. */
export function scrolledTo(
  index: number,
  { top, room, height, head }: Readonly<Record<'top' | 'room' | 'height' | 'head', number>>,
): number | null {
  const [begin, end] = [index * height, (index + 1) * height + head - room]
  return top > begin ? begin : top < end ? end : null
}
