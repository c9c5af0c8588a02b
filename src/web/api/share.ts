// One connection for all windows of a browser, which gives a server six at most over HTTP/1.1. Whoever holds a lock leads: it has the
// stream, and tells the others by a channel what comes. Which runs the windows show stands in locks, too, so that a window that was killed
// takes its wish with it. Without locks (a browser gives them to https and to localhost only) each window has a stream of its own.
import { Stream, type Told } from './stream.ts'

type Said = Told | { readonly kind: 'hello' } | { readonly kind: 'topics' }

/** The number is that of the messages: windows of two versions do not understand each other, and need not. */
const NAME = 'plimsoll-live-1'
const RUN_LOCK = `${NAME}-run:`
/** The server takes eight topics, and one is that of all runs. */
const RUNS_MAX = 7
const RETOPIC_MS = 20

export class Share {
  readonly #tell: (told: Told) => void
  readonly #locks = (navigator as { readonly locks?: LockManager }).locks
  readonly #channel = this.#locks === undefined ? null : new BroadcastChannel(NAME)
  #stream: Stream | null = null
  #run: string | null = null
  #leaveRun: (() => void) | null = null
  #leaveLead: (() => void) | null = null
  #retopicking: ReturnType<typeof setTimeout> | undefined

  constructor(tell: (told: Told) => void) {
    this.#tell = tell
    this.#channel?.addEventListener('message', (event: MessageEvent<Said>) => this.#onSaid(event.data))
  }

  /** Takes part, with the document of one run where it is shown. */
  join(run: string | null): void {
    if (this.#locks === undefined) {
      this.#stream ??= new Stream(this.#tell)
      this.#stream.want(topicsOf(run === null ? [] : [run]))
      return
    }
    if (run !== this.#run) {
      this.#run = run
      this.#leaveRun?.()
      this.#leaveRun = run === null ? null : this.#hold(`${RUN_LOCK}${run}`, 'shared', () => this.#topicsChanged())
    }
    if (this.#leaveLead !== null) return
    this.#leaveLead = this.#hold(NAME, 'exclusive', () => this.#lead())
    this.#say({ kind: 'hello' })
  }

  /** Another window leads from now on, if there is one. */
  leave(): void {
    this.#stream?.close()
    this.#stream = null
    this.#leaveRun?.()
    this.#leaveLead?.()
    this.#leaveRun = this.#leaveLead = this.#run = null
  }

  #lead(): void {
    this.#stream = new Stream((told) => {
      this.#tell(told)
      this.#say(told)
      // A window that was closed says nothing.
      if (told.kind === 'beat') this.#retopicSoon()
    })
    this.#retopicSoon()
  }

  #onSaid(said: Said): void {
    if (said.kind === 'topics') this.#retopicSoon()
    else if (said.kind === 'hello') {
      if (this.#stream !== null) this.#say({ kind: 'status', status: this.#stream.status })
    } else if (this.#leaveLead !== null) this.#tell(said)
  }

  #topicsChanged(): void {
    this.#say({ kind: 'topics' })
    this.#retopicSoon()
  }

  /** Going from one run to another frees one lock and takes one. */
  #retopicSoon(): void {
    clearTimeout(this.#retopicking)
    this.#retopicking = setTimeout(() => void this.#retopic(), RETOPIC_MS)
  }

  async #retopic(): Promise<void> {
    if (this.#stream === null || this.#locks === undefined) return
    const { held = [] } = await this.#locks.query()
    const runs = held.flatMap(({ name }) => (name?.startsWith(RUN_LOCK) === true ? [name.slice(RUN_LOCK.length)] : []))
    this.#stream?.want(topicsOf([...new Set(runs)].slice(0, RUNS_MAX)))
  }

  /** Holds a lock from when it is free until the returned function is called. */
  #hold(name: string, mode: LockMode, onHeld: () => void): () => void {
    const ended = Promise.withResolvers<void>()
    const waiting = new AbortController()
    const holding = this.#locks?.request(name, { mode, signal: waiting.signal }, () => {
      onHeld()
      return ended.promise
    })
    holding
      ?.then(() => this.#topicsChanged())
      .catch(() => {
        // We went before it was ours.
      })
    return () => {
      waiting.abort()
      ended.resolve()
    }
  }

  #say(said: Said): void {
    this.#channel?.postMessage(said)
  }
}

const topicsOf = (runs: readonly string[]): string[] => ['runs', ...runs.toSorted().map((run) => `run:${run}`)]
