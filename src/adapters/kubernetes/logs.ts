// The logs of workers, each followed by one stream while it is read: a call for every look would be a call a second for each of
// thousands of pods. What has come and was not fetched waits in memory, up to a limit beyond which the stream is not read on.
import type { WorkerId } from '../../domain/ids.ts'
import type { LogSlice } from '../../ports/cluster.ts'
import type { Api } from './api.ts'
import { ApiError, isGone } from './api-error.ts'
import type { Mark, TimedPiece } from './log-lines.ts'
import { criLines, markOf, markText, Resume, timedPieces } from './log-lines.ts'
import { CONTAINER } from './names.ts'

export type PodLog = {
  readonly path: string
  /** It has run for some time, or is to end: what it writes is read while it does. */
  readonly settled: boolean
  /** Its container has ended: the log is whole. */
  readonly over: boolean
}

/** Connections that stay open for logs; beyond them a log is read piece by piece, each so often and all together so many a second. */
const FOLLOWED_MAX = 512
const PIECE_MS = 10_000
const PIECES_PER_SECOND = 20
const WAITING_BYTES_MAX = 512 * 1024
/** A longer line, such as a progress bar that never ends its line, is stored in parts. Marks count them: another size reads some twice. */
const PIECE_BYTES_MAX = 128 * 1024
/** A stream without a line for so long is asked for anew, in case its connection is dead. */
const IDLE_MS = 10 * 60_000
const TAIL_LINES = 400
/** A stream that ended while its container lives is taken up again after so long. */
const AGAIN_MS = 2_000
/** So long a look waits for a log that was not followed yet, and for more of it once it comes. */
const FIRST_LOOK_MS = 250
const SETTLE_MS = 20

export class Logs {
  readonly #api: Api
  readonly #follows = new Map<WorkerId, Follow>()
  /** Logs that were read to their end, and where that is: of a gang some end long before the others. */
  readonly #ends = new Map<WorkerId, number>()
  /** Logs that are read piece by piece, and when they were last. */
  readonly #pieces = new Map<WorkerId, number>()

  constructor(api: Api) {
    this.#api = api
  }

  /** Whole lines from `offset` on. Null where the pod is not there any more and nothing of it waits. */
  async read(
    worker: WorkerId,
    pod: PodLog | null,
    offset: number,
    bytesMax: number,
    mark: string | null,
  ): Promise<LogSlice> {
    let follow = this.#follows.get(worker)
    if (follow !== undefined && !follow.covers(offset)) {
      follow.close()
      this.#follows.delete(worker)
      follow = undefined
    }
    const nothing: LogSlice = { offset, bytes: new Uint8Array(), nextOffset: offset, mark, open: pod !== null }
    if (this.#ends.get(worker) === offset) return { ...nothing, open: false }
    if (follow === undefined) {
      if (pod === null) return nothing
      // What ends soon is read once, when it has ended.
      if (!pod.over && !pod.settled) return { ...nothing, skipped: true }
      const goesOn = !pod.over && this.#follows.size < FOLLOWED_MAX
      if (!pod.over && !goesOn && !this.#isTurnOf(worker)) return { ...nothing, skipped: true }
      if (goesOn) this.#pieces.delete(worker)
      follow = new Follow(this.#api, pod, offset, markOf(mark), goesOn)
      this.#follows.set(worker, follow)
    }
    const slice = await follow.take(offset, bytesMax, pod === null)
    if (slice.bytes.length > 0) return { ...slice, open: true }
    if (!follow.ended) {
      // Its container has ended, and all that came is read: what the stream has not brought by now a last look will.
      if (pod?.over !== false && follow.goesOn) this.#stop(worker)
      const open = { ...nothing, mark: slice.mark ?? mark, open: true }
      // A stream that goes on may have nothing to bring; a piece has not come yet.
      return follow.goesOn ? open : { ...open, skipped: true }
    }
    // A node ends the stream when the container ends, and says of the pod that it did some moments later.
    if (pod?.over === false && follow.failure === null && performance.now() - follow.endedAt < AGAIN_MS)
      return { ...nothing, mark: slice.mark ?? mark, open: true, skipped: true }
    // The stream is over: either so is the log, or it was cut and is taken up again from here.
    this.#follows.delete(worker)
    if (follow.failure !== null && !isGone(follow.failure) && pod !== null) throw follow.failure
    const whole = pod?.over === true && follow.failure === null && follow.isWhole
    if (whole) this.#ends.set(worker, offset)
    return { ...nothing, mark: slice.mark ?? mark, open: pod !== null && !whole }
  }

  #isTurnOf(worker: WorkerId): boolean {
    const pause = Math.max(PIECE_MS, (this.#pieces.size * 1_000) / PIECES_PER_SECOND)
    if (performance.now() - (this.#pieces.get(worker) ?? Number.NEGATIVE_INFINITY) < pause) return false
    this.#pieces.set(worker, performance.now())
    return true
  }

  /** The last lines, whoever follows. */
  async tail(pod: PodLog, bytesMax: number): Promise<Uint8Array> {
    const query = { container: CONTAINER, timestamps: true, tailLines: TAIL_LINES }
    const ends = new AbortController()
    const parts: Uint8Array[] = []
    let bytes = 0
    try {
      const chunks = await this.#api.stream(pod.path, query, { signal: ends.signal, idleMs: 5_000 })
      for await (const { time, text, ends: end } of timedPieces(chunks, PIECE_BYTES_MAX)) {
        parts.push(criLines(time, text, end === 'line' || (end === 'rest' && pod.over)))
        bytes += parts.at(-1)?.length ?? 0
        while (bytes > bytesMax && parts.length > 1) bytes -= parts.shift()?.length ?? 0
      }
    } finally {
      ends.abort()
    }
    return Buffer.concat(parts)
  }

  /** Its pod is not there any more: what waits may still be read, and that is all. */
  left(worker: WorkerId): void {
    this.#ends.delete(worker)
    this.#pieces.delete(worker)
  }

  /** Nobody reads it any more. */
  drop(worker: WorkerId): void {
    this.#stop(worker)
    this.left(worker)
  }

  #stop(worker: WorkerId): void {
    this.#follows.get(worker)?.close()
    this.#follows.delete(worker)
  }

  close(): void {
    for (const follow of this.#follows.values()) follow.close()
    this.#follows.clear()
  }
}

const LOST = 'plimsoll: lines are missing here: the node had rotated them away'

type Line = { readonly bytes: Uint8Array; readonly mark: Mark }

class Follow {
  /** The stream brings what is written later too. */
  readonly goesOn: boolean
  /** It was begun when the container had ended: its end is that of the log. */
  readonly #final: boolean
  ended = false
  endedAt = Number.POSITIVE_INFINITY
  failure: unknown = null
  readonly #ends = new AbortController()
  /** From here on lines wait; the first of them begins here. */
  #offset: number
  #lines: Line[] = []
  #bytes = 0
  #mark: Mark | null
  /** What came behind the last line end of a stream that was begun while the container lived. */
  #rest: TimedPiece | null = null
  #room: PromiseWithResolvers<void> | null = null
  #begun: Promise<void>

  constructor(api: Api, pod: PodLog, offset: number, mark: Mark | null, follow: boolean) {
    this.goesOn = follow
    this.#final = pod.over
    this.#offset = offset
    this.#mark = mark
    this.#begun = this.#pump(api, pod.path, mark, follow)
  }

  /** Where it ended so does the log of a container that has ended. A line without an end is seen to be the last by a last look only. */
  get isWhole(): boolean {
    return this.#final || (this.goesOn && this.#rest === null)
  }

  covers(offset: number): boolean {
    return offset >= this.#offset && offset <= this.#offset + this.#bytes
  }

  /** What was taken before `offset` is let go; what is given now waits until it is asked beyond it. */
  async take(offset: number, bytesMax: number, podIsGone: boolean): Promise<Omit<LogSlice, 'open'>> {
    // The first answer of a log that is there already: one look is then enough to have it.
    await this.#begun
    // A line without an end goes on in the next stream, unless none can come.
    if (this.#rest !== null && podIsGone) {
      this.#push(this.#rest, null)
      this.#rest = null
    }
    while (this.#offset < offset && this.#lines.length > 0) {
      const line = this.#lines.shift()
      if (line === undefined) break
      this.#offset += line.bytes.length
      this.#bytes -= line.bytes.length
      this.#mark = line.mark
    }
    if (this.#bytes < WAITING_BYTES_MAX) this.#room?.resolve()
    const parts: Uint8Array[] = []
    let size = 0
    let mark = this.#mark
    for (const line of this.#lines) {
      if (size > 0 && size + line.bytes.length > bytesMax) break
      parts.push(line.bytes)
      size += line.bytes.length
      mark = line.mark
    }
    const text = mark === null ? null : markText(mark)
    return { offset, bytes: Buffer.concat(parts), nextOffset: offset + size, mark: text }
  }

  close(): void {
    this.#ends.abort()
    this.#room?.resolve()
  }

  /** Resolves when the log is there to be read, or is known not to be; lines come from then on. */
  #pump(api: Api, path: string, mark: Mark | null, follow: boolean): Promise<void> {
    const begun = Promise.withResolvers<void>()
    const pump = async (): Promise<void> => {
      const since = mark === null ? {} : { sinceTime: `${mark.time.slice(0, 19)}Z` }
      const query = { container: CONTAINER, timestamps: true, follow, ...since }
      // The kubelet answers with the first line, which may be long in coming.
      const chunks = await api.stream(path, query, { signal: this.#ends.signal, idleMs: IDLE_MS, answerMs: IDLE_MS })
      setTimeout(begun.resolve, SETTLE_MS)
      const resume = new Resume(mark)
      for await (const piece of timedPieces(chunks, PIECE_BYTES_MAX)) {
        const verdict = resume.take(piece.time)
        if (verdict === 'skip') continue
        if (piece.ends === 'rest' && !this.#final) {
          this.#rest = piece
          return
        }
        if (verdict === 'lost' && mark !== null) this.#push({ ...piece, text: LOST, ends: 'line' }, mark)
        this.#push(piece, null)
        if (this.#bytes < WAITING_BYTES_MAX) continue
        begun.resolve()
        this.#room = Promise.withResolvers()
        await this.#room.promise
        this.#room = null
        if (this.#ends.signal.aborted) return
      }
    }
    setTimeout(begun.resolve, FIRST_LOOK_MS)
    void pump()
      .catch((error: unknown) => {
        if (this.#ends.signal.aborted) return
        // A container that is about to start has no log yet.
        this.failure = error instanceof ApiError && error.status === 400 ? null : error
      })
      .finally(() => {
        this.ended = true
        this.endedAt = performance.now()
        begun.resolve()
      })
    return begun.promise
  }

  /** `at`: a line of our own, which the API does not count. */
  #push({ time, text, ends }: TimedPiece, at: Mark | null): void {
    const last = this.#lines.at(-1)?.mark ?? this.#mark
    const bytes = criLines(time, text, ends !== 'cut')
    this.#lines.push({ bytes, mark: at ?? { time, count: last?.time === time ? last.count + 1 : 1 } })
    this.#bytes += bytes.length
  }
}
