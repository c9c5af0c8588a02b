// What a reporter says that cannot be trusted: steps that go back, numbers that are none, counts that do not add up, moments of other
// days, another attempt's name, and bytes that were changed on their way.
import type { SeededChance } from './chance.ts'
import type { Mail, Post } from './mail.ts'
import type { SaidFact } from './reporter.ts'

const FACT = 0.2
const POST = 0.15
const HUGE = [10 ** 12, Number.MAX_SAFE_INTEGER, 10 ** 300, -1, 0.5]
const DAY_MS = 86_400_000

export class Liar {
  readonly #chance: SeededChance
  readonly #mail: Mail

  constructor(chance: SeededChance, mail: Mail) {
    this.#chance = chance
    this.#mail = mail
  }

  changed(fact: SaidFact): SaidFact {
    const chance = this.#chance
    if (!chance.happens(FACT)) return fact
    const step = Number(fact.step ?? 0)
    const lies: (() => Record<string, unknown>)[] = [
      () => ({ step: Math.max(0, step - chance.between(1, 50)) }),
      () => ({ step: chance.pick(HUGE) }),
      () => ({ loss: chance.pick(['NaN', 'Infinity', null, 'none', 10 ** 308]) }),
      () => ({ tokens: chance.pick(HUGE), samples: chance.pick(HUGE) }),
      () => ({ durationMs: chance.pick([null, 0, 10 ** 12, 10 ** 13, -1]), steps: chance.pick([null, 1, 10 ** 6, 0]) }),
      () => ({ at: Math.max(0, fact.at + chance.pick([-1, 1]) * chance.pick([1_000, 600_000, DAY_MS, fact.at])) }),
      () => ({ kind: 'resumed', step: chance.between(0, step + 100) }),
      () => ({ kind: 'checkpoint', step: chance.between(0, step + 1_000), state: 'durable', path: null }),
      () => ({
        kind: 'phase',
        phase: chance.pick(['restore', 'checkpoint', 'evaluate']),
        edge: chance.pick(['begin', 'end']),
      }),
      () => ({ kind: 'done' }),
      () => ({ kind: 'gap', of: 'step', from: 1, to: Number.MAX_SAFE_INTEGER, facts: 10 ** 12, why: 'overflow' }),
      // The name of a fact that was said before, with another content.
      () => ({ seq: Math.max(1, fact.seq - 1) }),
    ]
    if (fact.kind === 'directive')
      lies.push(
        () => ({ outcome: chance.pick(['done', 'expired', 'unsupported', 'withdrawn', '?']) }),
        () => ({ outcome: 'done', step: chance.between(0, 1_000) }),
        () => ({ id: 'checkpoint-1' }),
      )
    if (fact.kind === 'experts')
      lies.push(
        () => ({ tokens: 7 }),
        () => ({ topK: 3 }),
        () => ({ experts: chance.pick([1, 2, 3, 4_096]) }),
        () => ({ counts: `${String(fact.counts).slice(4)}////` }),
        () => ({ counts: String(fact.counts).slice(1) }),
      )
    return { ...fact, ...chance.pick(lies)() }
  }

  posted(post: Post, document: object): Post {
    const chance = this.#chance
    if (!chance.happens(POST)) return post
    const other = this.#mail.another(post.attempt as never)
    const lies: (() => Post)[] = [
      () => ({ ...post, token: chance.pick(['', 'none', `${post.token}A`, post.token.slice(1)]) }),
      () => ({ ...post, attempt: other?.attempt ?? 'r0000000000000000-1' }),
      () => ({ ...post, token: other?.token ?? 'none' }),
      () => ({ ...post, text: JSON.stringify({ ...document, sentAt: chance.pick([0, 1, Number.MAX_SAFE_INTEGER]) }) }),
      () => ({ ...post, text: JSON.stringify({ ...document, startedAt: chance.pick([0, Number.MAX_SAFE_INTEGER]) }) }),
      () => ({ ...post, text: JSON.stringify({ ...document, rank: chance.pick([-1, 3, 1_048_575]) }) }),
      () => ({ ...post, text: this.#broken(post.text) }),
      () => ({ ...post, text: this.#broken(post.text) }),
    ]
    return chance.pick(lies)()
  }

  /** A few bytes are others, gone or more than there were. */
  #broken(text: string): string {
    const chance = this.#chance
    let broken = text
    for (let times = chance.between(1, 3); times > 0; times -= 1) {
      const at = chance.below(broken.length)
      const by = chance.pick(['', '0', '9', 'f', '"', '}', '\u0000', ',', '-', 'e9'])
      broken = broken.slice(0, at) + by + broken.slice(at + chance.between(0, 2))
    }
    return broken
  }
}
