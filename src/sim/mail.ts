// The network between the reporters of the other world and the port that takes their batches. What is sent may be lost, come late, come
// twice, or come after something that was sent later; its answer may be lost too. It keeps what was said, so that a checker can compare
// it with what is stored.
import type { AttemptId } from '../domain/ids.ts'
import type { SeededChance } from './chance.ts'
import type { Timeline } from './timeline.ts'

/** One POST as it leaves the process. */
export type Post = { readonly attempt: string; readonly token: string; readonly text: string }

/** As HTTP would say it. */
export type Reply = { readonly status: number; readonly body: unknown }

export type Said = {
  readonly post: Post
  /** Whose token it really carries; null: no attempt's, or that of another one than it names. */
  readonly owner: AttemptId | null
  /** What a careful reporter said, not changed on its way: nothing of it may be refused. */
  readonly honest: boolean
}

export type Answered = {
  readonly said: Said
  readonly reply: Reply
  /** When it was asked and when it was answered, at the port. */
  readonly arrivedAt: number
  readonly at: number
}

/** A process that sent all that it had, or left it in its log: so many numbers it gave. */
export type Flushed = {
  readonly attempt: AttemptId
  readonly rank: number
  readonly process: string
  readonly numbers: number
  /** Of those that its last gaps count: so many were posted, and nobody knows whether they came. */
  readonly unsure: number
}

export type Network = {
  /** As probabilities of one post. */
  readonly lost: number
  readonly lostAnswer: number
  readonly repeated: number
  /** Now and then one takes up to so long. */
  readonly lateMs: number
}

export const networkOf = (chance: SeededChance): Network => ({
  lost: chance.pick([0, 0.02, 0.2]),
  lostAnswer: chance.pick([0, 0.02, 0.1]),
  repeated: chance.pick([0, 0.02, 0.1]),
  lateMs: chance.pick([100, 3_000, 40_000]),
})

const QUICK_MS_MAX = 40
const LATE = 0.1
/** A repeat may come long after the attempt has ended. */
const REPEAT_MS_MAX = 240_000
const PATIENCE_MS = 10_000

export class Mail {
  /** Everything that was sent, in its order. */
  readonly said: Said[] = []
  readonly answered: Answered[] = []
  readonly flushed: Flushed[] = []
  /** Attempts whose script has asked for directives, and whether all that asked are careful. */
  readonly obeying = new Map<AttemptId, boolean>()
  /** Posts and repeats that have not been answered yet. */
  open = 0
  /** Nobody takes a post until then. */
  awayUntil = -Infinity
  /** How a batch is packed that is left in a log; null: nobody leaves any. */
  pack: ((text: string) => string) | null = null
  /** What those draw from. */
  spooling: SeededChance | null = null
  /** Nothing is lost or late once the faults have stopped. */
  faults = true
  /** Wired by whoever takes the batches. */
  deliver: (post: Post) => Promise<Reply> = async () => ({ status: 503, body: null })
  readonly #timeline: Timeline
  readonly #chance: SeededChance
  readonly #network: Network
  readonly #tokens = new Map<string, string>()

  constructor(timeline: Timeline, chance: SeededChance, network: Network) {
    this.#timeline = timeline
    this.#chance = chance
    this.#network = network
  }

  /** The token that an attempt was launched with. */
  knows(attempt: AttemptId, token: string): void {
    this.#tokens.set(attempt, token)
  }

  /** Another attempt, for whoever pretends to be it; null while there is none. */
  another(attempt: AttemptId): { readonly attempt: string; readonly token: string } | null {
    const others = [...this.#tokens].filter(([each]) => each !== attempt)
    if (others.length === 0) return null
    const [other, token] = this.#chance.pick(others)
    return { attempt: other, token }
  }

  /** `heard` is called once: with the answer, or with null when there was none for a while. */
  send(post: Post, honest: boolean, reachable: boolean, heard: (reply: Reply | null) => void): void {
    const owner = this.#tokens.get(post.attempt) === post.token ? (post.attempt as AttemptId) : null
    const said = { post, owner, honest }
    this.said.push(said)
    let waiting = true
    const answer = (reply: Reply | null): void => {
      if (waiting) heard(reply)
      waiting = false
    }
    const { lost, lostAnswer, repeated } = this.#network
    this.#timeline.after(PATIENCE_MS, () => answer(null))
    if (!reachable || (this.faults && this.#timeline.now() < this.awayUntil) || this.#happens(lost)) return
    this.#arrives(this.#way(), said, (reply) => {
      if (!this.#happens(lostAnswer)) this.#timeline.after(this.#way(), () => answer(reply))
    })
    if (this.#happens(repeated)) this.#arrives(this.#chance.between(1, REPEAT_MS_MAX), said, () => {})
  }

  /** What a process left in the log of its attempt is said as well as what it sent. */
  left(attempt: AttemptId, text: string, honest: boolean): void {
    this.said.push({ post: { attempt, token: '', text }, owner: attempt, honest })
  }

  #happens(probability: number): boolean {
    return this.faults && this.#chance.happens(probability)
  }

  #way(): number {
    const most = this.#happens(LATE) ? this.#network.lateMs : QUICK_MS_MAX
    return this.#chance.between(1, most)
  }

  #arrives(afterMs: number, said: Said, then: (reply: Reply) => void): void {
    this.open += 1
    this.#timeline.after(afterMs, () => void this.#taken(said, then))
  }

  async #taken(said: Said, then: (reply: Reply) => void): Promise<void> {
    const arrivedAt = this.#timeline.now()
    const reply = await this.deliver(said.post)
    this.open -= 1
    this.answered.push({ said, reply, arrivedAt, at: this.#timeline.now() })
    then(reply)
  }
}
