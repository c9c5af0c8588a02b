// Reads frames beside the main thread: asking, parsing and decoding 80 kB for each would be a third of what a frame of the screen may cost.
import { ask, Refused } from '../api/ask.ts'
import type { ExpertFrame } from '../api/documents.ts'
import { decodeFrame, type Frame } from './frame.ts'

export type Wish = { readonly path: string; readonly attempt: number; readonly set: number; readonly step: number }
export type Granted =
  | { readonly kind: 'frame'; readonly frame: Frame }
  | {
      readonly kind: 'refused'
      readonly status: number
      readonly code: string
      readonly detail: string
      readonly whatToDo: string
    }

self.addEventListener('message', (event: MessageEvent<Wish>) => void grant(event.data))

async function grant({ path, attempt, set, step }: Wish): Promise<void> {
  try {
    const frame = decodeFrame(await ask<ExpertFrame>(path, { attempt, set, step }))
    say({ kind: 'frame', frame }, [frame.counts.buffer, frame.ratios.buffer])
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    const { status, code, whatToDo } =
      error instanceof Refused ? error : { status: 0, code: 'unreadable', whatToDo: 'Reload the page.' }
    say({ kind: 'refused', status, code, detail, whatToDo }, [])
  }
}

const say = (granted: Granted, transfer: Transferable[]): void => self.postMessage(granted, { transfer })
