// What the page of experts shows now: the step that is wished for, the frame that is there, the cell that is looked at. Small parts of the
// page listen to it, so that a scrub draws them and nothing else.
import { useSyncExternalStore } from 'react'
import type { Cell, Frame } from './frame.ts'

export type Shown = {
  readonly step: number
  readonly frame: Frame | null
  readonly error: unknown
  readonly cell: Cell
  readonly hover: Cell | null
}

/** Numbers in a list cannot be read as fast as a scrub changes them: they follow this often. */
const CALM_MS = 120

export class View {
  #shown: Shown
  readonly #listeners = new Set<() => void>()
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
    if (part.cell !== undefined || (first && part.frame !== undefined)) this.#tellCalm()
    else if (part.frame !== undefined) this.#calmTimer ??= setTimeout(() => this.#tellCalm(), CALM_MS)
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
