// What many ask for at the same time is read once for all of them.

type Turns<Value> = { readonly running: Promise<Value>; next: Promise<Value> | null }

/** No answer is older than its question: while one read of a key is under way, all who ask for it wait for the next one together. */
export class Together<Value> {
  readonly #turns = new Map<string, Turns<Value>>()

  ask(key: string, read: () => Promise<Value>): Promise<Value> {
    const turns = this.#turns.get(key)
    if (turns === undefined) return this.#run(key, read)
    const again = (): Promise<Value> => this.#run(key, read)
    turns.next ??= turns.running.then(again, again)
    return turns.next
  }

  #run(key: string, read: () => Promise<Value>): Promise<Value> {
    const turns: Turns<Value> = { running: read(), next: null }
    this.#turns.set(key, turns)
    const end = (): void => {
      // The next one, if there is one, takes its place.
      if (turns.next === null && this.#turns.get(key) === turns) this.#turns.delete(key)
    }
    turns.running.then(end, end)
    return turns.running
  }
}
