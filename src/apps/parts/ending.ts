/** Ctrl-C, SIGTERM: the first asks, the second one does not wait. */
export class Ending {
  readonly asked: Promise<void>
  #isAsked = false
  #handlers: [NodeJS.Signals, () => void][] = []

  constructor() {
    const { promise, resolve: fulfil } = Promise.withResolvers<void>()
    this.asked = promise
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      const handler = (): void => {
        if (this.#isAsked && signal === 'SIGINT') process.exit(130)
        this.#isAsked = true
        fulfil()
      }
      process.on(signal, handler)
      this.#handlers.push([signal, handler])
    }
  }

  get isAsked(): boolean {
    return this.#isAsked
  }

  end(): void {
    for (const [signal, handler] of this.#handlers) process.off(signal, handler)
  }
}
