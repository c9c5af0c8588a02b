// What the page of experts shows now: the step that is wished for, the frame that is there, the cell that is looked at. Small parts of the
// page listen to it, so that a scrub draws them and nothing else: what changes with each frame is written past React, which would take
// longer than the drawing.
import { type RefObject, useLayoutEffect, useRef, useSyncExternalStore } from 'react'
import type { Cell, Frame } from './frame.ts'

export type Shown = {
  readonly step: number
  readonly frame: Frame | null
  readonly error: unknown
  readonly cell: Cell
  readonly hover: Cell | null
}

/** Numbers in a list cannot be read as fast as a scrub changes them: they follow this often. Their drawing costs as much as two frames. */
const CALM_MS = 400

export class View {
  #shown: Shown
  readonly #listeners = new Set<() => void>()
  readonly #screen = new Set<(shown: Shown) => void>()
  #asked = false
  readonly #calm = new Set<() => void>()
  #calmTimer: ReturnType<typeof setTimeout> | null = null

  constructor(shown: Shown) {
    this.#shown = shown
  }

  readonly shown = (): Shown => this.#shown
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  change(part: Partial<Shown>): void {
    const first = this.#shown.frame === null
    this.#shown = { ...this.#shown, ...part }
    for (const listener of this.#listeners) listener()
    if (!this.#asked && this.#screen.size > 0) {
      this.#asked = true
      requestAnimationFrame(this.#draw)
    }
    if (part.cell !== undefined || (first && part.frame !== undefined)) this.#tellCalm()
    else if (part.frame !== undefined) this.#calmTimer ??= setTimeout(() => this.#tellCalm(), CALM_MS)
  }

  /** Told once for each frame of the screen, however often the view changes. */
  readonly subscribeScreen = (draw: (shown: Shown) => void): (() => void) => {
    this.#screen.add(draw)
    return () => this.#screen.delete(draw)
  }

  readonly #draw = (): void => {
    this.#asked = false
    for (const draw of this.#screen) draw(this.#shown)
  }

  /** As `subscribe`, but a new frame is told a moment later, and of those that come meanwhile only the last. */
  readonly subscribeCalmly = (listener: () => void): (() => void) => {
    this.#calm.add(listener)
    return () => this.#calm.delete(listener)
  }

  #tellCalm(): void {
    if (this.#calmTimer !== null) clearTimeout(this.#calmTimer)
    this.#calmTimer = null
    for (const listener of this.#calm) listener()
  }
}

export const useShown = <Part>(view: View, part: (shown: Shown) => Part): Part =>
  useSyncExternalStore(view.subscribe, () => part(view.shown()))

/** For what stands in lists. */
export const useShownCalmly = <Part>(view: View, part: (shown: Shown) => Part): Part =>
  useSyncExternalStore(view.subscribeCalmly, () => part(view.shown()))

/** The text of an element that has no children: what the view says, once for each frame of the screen. */
export function useWritten(view: View, text: (shown: Shown) => string): RefObject<HTMLElement | null> {
  const place = useRef<HTMLElement>(null)
  const write = (shown: Shown): void => {
    const element = place.current
    const now = text(shown)
    // The same text node all the time: a new one is laid out anew.
    if (element?.firstChild instanceof Text) {
      if (element.firstChild.data !== now) element.firstChild.data = now
    } else if (element !== null) element.textContent = now
  }
  const latest = useRef(write)
  useLayoutEffect(() => {
    latest.current = write
    write(view.shown())
  })
  useLayoutEffect(() => view.subscribeScreen((shown) => latest.current(shown)), [view])
  return place
}
