// How much is stored of what the workers of a run print: without a limit one that prints without end would fill the database of all. What
// was printed is counted where the cursor moves, so that a repeat counts nothing, and of one worker the same lines are kept however its
// log was cut into slices. One function for both stores.
import type { RunEvent } from './event.ts'
import type { AttemptId, WorkerId } from './ids.ts'
import { runOfAttempt } from './ids.ts'
import type { EpochMs } from './units.ts'
import { bytesText } from './words.ts'

/** When a run had printed as much as is stored of one. */
export type LogCut = { readonly at: EpochMs; readonly worker: WorkerId; readonly bytesMax: number }

/** `isCut`: nothing of this log is stored any more, whatever the limit is now; a hole in it would look like silence. */
type Slice = { readonly bytes: Uint8Array; readonly readAt: EpochMs; readonly isCut: boolean }

/** What is stored of a slice. `cuts`: nothing of its log is stored after it, and its last line says so. */
export type Kept<Of extends Slice> = { readonly slice: Of; readonly bytes: Uint8Array; readonly cuts: boolean }

const NEWLINE = 10

/** Of slices of the logs of one run, in their order. `printed`: how much its workers had printed before, stored or not. */
export function keptOf<Of extends Slice>(slices: readonly Of[], printed: number, bytesMax: number): Kept<Of>[] {
  let before = printed
  return slices.flatMap((slice): Kept<Of>[] => {
    const { bytes } = slice
    const room = bytesMax - before
    before += bytes.length
    if (slice.isCut || bytes.length === 0) return []
    if (bytes.length <= room) return [{ slice, bytes, cuts: false }]
    const whole = bytes.subarray(0, room <= 0 ? 0 : bytes.lastIndexOf(NEWLINE, room - 1) + 1)
    const line = new TextEncoder().encode(lastLine(slice.readAt, bytesMax))
    const both = new Uint8Array(whole.length + line.length)
    both.set(whole)
    both.set(line, whole.length)
    return [{ slice, bytes: both, cuts: true }]
  })
}

/** In the stream `plimsoll`, to which no worker can write. */
const lastLine = (at: EpochMs, bytesMax: number): string =>
  `${new Date(at).toISOString()} plimsoll F plimsoll: from here on nothing of this log is stored: ${reason(bytesMax)}. It goes on, and its steps and reports are still read.\n`

const reason = (bytesMax: number): string =>
  `the run has printed ${bytesText(bytesMax)}, as much as is stored of the logs of one (retention.logsPerRun)`

export const logCutText = ({ bytesMax }: LogCut): string =>
  `${reason(bytesMax)}: what its workers print from now on is not stored; steps and reports are still read from it`

export const LOG_CUT_WHAT_TO_DO =
  'let it print less; what is not stored is on its cluster alone, for as long as that keeps it'

export const logCutEvent = (attempt: AttemptId, cut: LogCut): RunEvent => ({
  run: runOfAttempt(attempt),
  at: cut.at,
  kind: 'log-limit',
  message: logCutText(cut),
})
