// Rings for loops that run in another process. A lost ring costs as long as the loop's timer takes.
import type { Doorbell, LoopName } from '../../ports/doorbell.ts'
import type { Connection } from './line.ts'
import { openSender } from './line.ts'
import { codeOf, recordOfLoops, seldom } from './turns.ts'

export type Bell = Doorbell & { close(): Promise<void> }

export async function openBell(
  connection: Connection,
  redisUrl: string | null,
  log: (level: 'warn' | 'error', fields: object, message: string) => void,
): Promise<Bell> {
  const complain = seldom(log)
  const lost = (error: unknown): void => {
    const fields = { code: codeOf(error), err: error }
    complain(`ring ${codeOf(error)}`, 'warn', fields, 'a wake-up could not be sent; the loop looks at its timer')
  }
  const sender = await openSender(connection, redisUrl, lost)
  const own = crypto.randomUUID()
  const states = recordOfLoops(() => ({ sent: 0, again: false, sending: null as Promise<void> | null }))

  // The queue drops a message whose id it has, also one that is just taken by a look that began before this ring. Two ids in turn: at
  // most two messages wait, and a ring is never dropped for the sake of a look that is under way.
  const send = async (loop: LoopName): Promise<void> => {
    const state = states[loop]
    do {
      state.again = false
      state.sent += 1
      await sender.add(loop, `${loop}-${own}-${state.sent % 2}`).catch(lost)
    } while (state.again)
    state.sending = null
  }
  return {
    ring(loop) {
      const state = states[loop]
      if (state.sending === null) state.sending = send(loop)
      else state.again = true
    },
    async close() {
      for (const { sending } of Object.values(states)) await sending
      await sender.close()
    },
  }
}
