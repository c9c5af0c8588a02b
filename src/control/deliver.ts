// Delivers what waits in the outbox: each channel by itself, its messages in the order in which they were made, one try at a time. A channel
// that does not take them is tried again later and later, and keeps nobody else waiting. Whoever dies in between has sent a message twice at
// most, and under the same id.
import type { Channel, ChannelState } from '../domain/alert.ts'
import type { Address, Notice } from '../domain/notice.ts'
import type { EpochMs } from '../domain/units.ts'
import { plusMs } from '../domain/units.ts'
import type { AfterTry } from '../ports/alert-store.ts'
import type { Delivered } from '../ports/notifier.ts'
import type { Alerting, Control } from './control.ts'
import { epochNow } from './control.ts'
import { retryMs } from '../core/alert/retry.ts'

type Target = Channel & ChannelState

/** Channels that are being delivered to by this process. Thrown away with it. */
export class Deliveries {
  readonly #busy = new Map<string, Promise<void>>()
  readonly #stopping = new AbortController()

  /** Begins with every channel that has something and is not busy; does not wait for any. */
  async look(control: Control): Promise<void> {
    const { alerting } = control
    if (alerting === null || epochNow(control) === null || this.#stopping.signal.aborted) return
    for (const channel of await alerting.store.channelsDue(control.clock.now())) {
      if (this.#busy.has(channel.id)) continue
      const lane = deliverAll(control, alerting, channel, this.#stopping.signal)
        .catch((error: unknown) =>
          control.log.warn(
            { channel: channel.name, error: String(error) },
            'messages could not be delivered; it is tried again',
          ),
        )
        .finally(() => this.#busy.delete(channel.id))
      this.#busy.set(channel.id, lane)
    }
  }

  /** Resolves when every channel that was begun with is through. */
  async idle(): Promise<void> {
    await Promise.all(this.#busy.values())
  }

  /** What is under way is broken off: it stays in the outbox. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.idle()
  }
}

async function deliverAll(control: Control, alerting: Alerting, channel: Target, signal: AbortSignal): Promise<void> {
  let { failures } = channel
  while (!signal.aborted) {
    const epoch = epochNow(control)
    if (epoch === null) return
    const next = await alerting.store.nextNotice(channel.id)
    if (next === null) return
    const delivered = await deliver(control, alerting, channel, next.notice, signal)
    // Broken off by our own end: nothing is known of it, and the next one tries again.
    if (signal.aborted) return
    const at = control.clock.now()
    const then = afterTry(control, next.notice, delivered, failures, at)
    const delivery = {
      notice: next.notice.id,
      try: next.try,
      at,
      tookMs: Math.round(delivered.tookMs),
      ...saidOf(delivered),
    }
    if (!(await alerting.store.tried(epoch, channel.id, delivery, then))) return
    failures = then.failures
    if (then.off !== null || then.retryAt !== null) return
  }
}

async function deliver(
  { log }: Control,
  { notifier, seal }: Alerting,
  channel: Target,
  notice: Notice,
  signal: AbortSignal,
): Promise<Delivered> {
  const opened = seal.open(channel.sealed)
  if (opened === null) {
    log.error(
      { channel: channel.name },
      'the address of a channel cannot be opened: it was sealed with a deployment key that is not here',
    )
    const message = 'its address was sealed with a deployment key that is not here: make the channel anew'
    return { kind: 'failed', tookMs: 0, message, retryable: true, retryAfterMs: null, gone: false }
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- sealed by us, from an address
  return notifier.deliver(JSON.parse(opened) as Address, notice, signal)
}

const saidOf = (delivered: Delivered): { readonly ok: boolean; readonly said: string } =>
  delivered.kind === 'delivered' ? { ok: true, said: delivered.said } : { ok: false, said: delivered.message }

/** A message is tried for so long; a receiver that is away over a long weekend misses nothing. */
const TRIED_MS = 4 * 86_400_000

function afterTry({ chance }: Control, notice: Notice, delivered: Delivered, failures: number, at: EpochMs): AfterTry {
  if (delivered.kind === 'delivered') return { state: 'delivered', failures: 0, retryAt: null, off: null }
  if (delivered.gone) return { state: 'failed', failures: failures + 1, retryAt: null, off: delivered.message }
  // What it refuses for good says nothing about the next message.
  if (!delivered.retryable) return { state: 'failed', failures: failures + 1, retryAt: null, off: null }
  const retryAt = plusMs(at, retryMs(failures + 1, delivered.retryAfterMs, chance.fraction()))
  return { state: at >= notice.at + TRIED_MS ? 'failed' : 'pending', failures: failures + 1, retryAt, off: null }
}
