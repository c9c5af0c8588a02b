// The embedded server is a process of its own and may be killed: then it is started again, and the loops go on where they were.
import type { EmbeddedPostgres } from '../../adapters/postgres/embedded.ts'
import { startEmbeddedPostgres } from '../../adapters/postgres/embedded.ts'
import type { Service } from '../parts/service.ts'
import { say } from './say.ts'

const LOOK_MS = 2_000

type ToLog = (level: 'info' | 'warn' | 'error', fields: object, message: string) => void

export function keepPostgres(
  service: Service,
  home: string,
  first: EmbeddedPostgres,
  log: ToLog,
): { stop(): Promise<EmbeddedPostgres> } {
  let server = first
  let ended = false
  let looking: Promise<void> = Promise.resolve()
  const look = async (): Promise<void> => {
    const answers = await service.store.now().then(
      () => true,
      () => false,
    )
    if (answers || ended) return
    try {
      server = await startEmbeddedPostgres({ home, log })
      say('PostgreSQL had gone and was started again; nothing that was written is lost')
    } catch (error) {
      log('error', { error: String(error) }, 'PostgreSQL could not be started again; it is tried again')
    }
  }
  const timer = setInterval(() => {
    looking = looking.then(look)
  }, LOOK_MS)
  return {
    async stop() {
      ended = true
      clearInterval(timer)
      await looking
      return server
    },
  }
}
