// How fast we may ask an API server: a bucket of tokens, and a pause where the server asked for one.

export type Rate = {
  /** Resolves when a request may be made; in the order in which they were asked for. */
  take(): Promise<void>
  /** Nobody asks before this is over. */
  pause(ms: number): void
  /** How much of that is left. */
  pausedMs(): number
}

/** `perSecond` requests for long, `burst` of them at once. `now` is a monotonic clock in ms. */
export function rateOf(perSecond: number, burst: number, now: () => number = () => performance.now()): Rate {
  let tokens = burst
  let filledAt = now()
  let pausedUntil = 0
  const queue: (() => void)[] = []
  let timer: NodeJS.Timeout | null = null

  function fill(): void {
    const at = now()
    tokens = Math.min(burst, tokens + ((at - filledAt) / 1000) * perSecond)
    filledAt = at
  }

  function serve(): void {
    timer = null
    fill()
    while (queue.length > 0 && tokens >= 1 && now() >= pausedUntil) {
      tokens -= 1
      queue.shift()?.()
    }
    if (queue.length === 0) return
    const refill = Math.max(0, ((1 - tokens) / perSecond) * 1000)
    timer ??= setTimeout(serve, Math.max(1, refill, pausedUntil - now()))
  }

  return {
    take() {
      fill()
      if (queue.length === 0 && tokens >= 1 && now() >= pausedUntil) {
        tokens -= 1
        return Promise.resolve()
      }
      return new Promise((resolve) => {
        queue.push(resolve)
        if (timer === null) serve()
      })
    },
    pause(ms) {
      pausedUntil = Math.max(pausedUntil, now() + ms)
    },
    pausedMs: () => Math.max(0, pausedUntil - now()),
  }
}
