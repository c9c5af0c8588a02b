// What is known of one loop's wake-up message, so that at most one of it is under way. The queue alone cannot tell: it drops a message
// whose id it already has, also while the first is being completed, and an add is slower than a look (100 adds ran 13 to 25 times).
//
// quiet  nothing is under way.                      A ring sends a message.
// sent   it was sent and not seen again.            A ring needs nothing: the look is still to come.
// taken  our worker has it and the look has begun.  A ring is remembered: that look may not see what it was about, and the queue
//        would drop another message until this one is completed. On completion it is sent.
//
// A message can get lost: sent while the queue was going down, or taken by a worker that dies. Each timer of the loop therefore makes
// it quiet again, since the look that the timer brings covers every ring before it.

export class Flank {
  readonly #send: () => void
  #state: 'quiet' | 'sent' | 'taken' = 'quiet'
  #rung = false

  constructor(send: () => void) {
    this.#send = send
  }

  ring(): void {
    if (this.#state === 'quiet') this.#sendOne()
    else if (this.#state === 'taken') this.#rung = true
  }

  taken(): void {
    this.#state = 'taken'
    this.#rung = false
  }

  /** The queue has forgotten the message, so that it would accept another. */
  completed(): void {
    // `sent` here means that a timer came between and a ring after it: its message may have been dropped for this one's sake.
    const owed = this.#rung || this.#state === 'sent'
    this.#state = 'quiet'
    this.#rung = false
    if (owed) this.#sendOne()
  }

  timer(): void {
    this.#state = 'quiet'
    this.#rung = false
  }

  #sendOne(): void {
    this.#state = 'sent'
    this.#send()
  }

  /** The message could not be sent. The ring is lost, and the timer stands in for it. */
  failed(): void {
    if (this.#state === 'sent') this.#state = 'quiet'
  }
}
