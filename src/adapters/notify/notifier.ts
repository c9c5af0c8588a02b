// The channels behind the port: what is wrong with an address is said before anything is sent, and each try has its limit of time.
import { DELIVERY_MS_MAX } from '../../domain/limits.ts'
import type { Address, Notice, NoticeText } from '../../domain/notice.ts'
import type { Log } from '../../ports/log.ts'
import type { Notifier } from '../../ports/notifier.ts'
import { problemOfAlertmanager, sendAlertmanager } from './alertmanager.ts'
import type { Outcome } from './answer.ts'
import { failure } from './answer.ts'
import type { Smtp } from './email.ts'
import { createEmail, problemOfEmail } from './email.ts'
import type { Lookup } from './guard.ts'
import { resolver } from './guard.ts'
import { rulingOf } from './networks.ts'
import type { World } from './post.ts'
import { createSlack, problemOfSlack } from './slack.ts'
import { problemOfWebhook, sendWebhook } from './webhook.ts'

export type NotifierOptions = {
  /** Where people find the pages: the source of events, and the host of a Message-ID. */
  readonly publicUrl: () => string
  /** Networks or addresses that channels may be at although they are not public; a word that is none throws. */
  readonly allowNetworks: readonly string[]
  /** This machine too: what listens here is ours. */
  readonly allowLoopback?: boolean
  readonly smtp: Smtp | null
  readonly log: Log
  /** The words of a notice (core/alert/render.ts): an adapter does not know core. */
  readonly render: (notice: Notice) => NoticeText
  readonly nowMs?: () => number
  readonly lookup?: Lookup
  readonly limitMs?: number
}

const LOOPBACK = ['127.0.0.0/8', '::1/128']

export function createNotifier(options: NotifierOptions): Notifier {
  const { publicUrl, smtp, log, render, limitMs = DELIVERY_MS_MAX } = options
  const world: World = {
    ruling: rulingOf([...options.allowNetworks, ...(options.allowLoopback === true ? LOOPBACK : [])]),
    lookup: options.lookup ?? resolver,
    nowMs: options.nowMs ?? Date.now,
  }
  const slack = createSlack(world)
  const email = smtp === null ? null : createEmail(smtp, publicUrl)
  const closing = new AbortController()
  const open = new Set<Promise<Outcome>>()

  function check(address: Address): string | null {
    switch (address.kind) {
      case 'webhook':
        return problemOfWebhook(address, world)
      case 'slack':
        return problemOfSlack(address, world)
      case 'email':
        return problemOfEmail(address, smtp)
      case 'alertmanager':
        return problemOfAlertmanager(address, world)
    }
  }

  async function send(address: Address, notice: Notice, signal: AbortSignal): Promise<Outcome> {
    const problem = check(address)
    // What the operator has not set up yet may be there at the next try; what an address lacks is not.
    if (problem !== null) return failure(problem, address.kind === 'email' && email === null)
    switch (address.kind) {
      case 'webhook':
        return await sendWebhook(world, publicUrl(), address, notice, signal)
      case 'slack':
        return await slack(address, render(notice), signal)
      case 'email':
        return email === null
          ? failure('no SMTP server', true)
          : await email.send(address, notice, render(notice), signal)
      case 'alertmanager':
        return await sendAlertmanager(world, address, notice, render(notice), signal)
    }
  }

  return {
    check,
    async deliver(address, notice, signal) {
      const began = performance.now()
      const limit = new AbortController()
      const timer = setTimeout(
        () => limit.abort(new DOMException('the time for one try is over', 'TimeoutError')),
        limitMs,
      )
      const sending = send(address, notice, AbortSignal.any([signal, closing.signal, limit.signal]))
      open.add(sending)
      try {
        const outcome = await sending
        const tookMs = Math.round(performance.now() - began)
        if (outcome.kind === 'failed')
          log.warn(
            { channel: address.kind, notice: notice.id, retryable: outcome.retryable, why: outcome.message },
            'a notice did not arrive',
          )
        return { ...outcome, tookMs }
      } finally {
        clearTimeout(timer)
        open.delete(sending)
      }
    },
    async close() {
      closing.abort()
      await Promise.allSettled(open)
      email?.close()
    },
  }
}
