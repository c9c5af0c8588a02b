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

export class View {
  #shown: Shown
  readonly #listeners = new Set<() => void>()

  constructor(shown: Shown) {
    this.#shown = shown
  }

  readonly shown = (): Shown => this.#shown
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  change(part: Partial<Shown>): void {
    this.#shown = { ...this.#shown, ...part }
    for (const listener of this.#listeners) listener()
  }
}

export const useShown = <Part>(view: View, part: (shown: Shown) => Part): Part =>
  useSyncExternalStore(view.subscribe, () => part(view.shown()))
