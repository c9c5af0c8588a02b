// A look at the store while PostgreSQL is away is repeated: the runs need neither, and nor does whoever watches them.
import { Fault } from '../../ports/fault.ts'
import { say } from '../parts/say.ts'

const PAUSE_MS = 500

/** Repeats `look` while it meets a fault that may pass by itself, for at most `forMs`; says so once. */
export async function patient<Value>(look: () => Promise<Value>, forMs = 300_000): Promise<Value> {
  const since = performance.now()
  for (let said = false; ; said = true) {
    try {
      return await look()
    } catch (error) {
      const passes = error instanceof Fault && error.retryable && performance.now() - since < forMs
      if (!passes) throw error
      if (!said) say(`${error.message}; runs go on without it, and it is asked again`)
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  }
}
