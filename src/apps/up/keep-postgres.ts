// The embedded server is a process of its own and may be killed: then it is started again, and the loops go on where they were.
import { statfs } from 'node:fs/promises'
import type { EmbeddedPostgres } from '../../adapters/postgres/embedded.ts'
import { startEmbeddedPostgres } from '../../adapters/postgres/embedded.ts'
import type { Service } from '../parts/service.ts'
import { say } from '../parts/say.ts'

const LOOK_MS = 2_000
/** PostgreSQL stops to write long before the last byte; twice as much must be free again before it is said anew. */
const DISK_BYTES_MIN = 64 * 2 ** 20

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
  let diskSaid = false
  const lookAtDisk = async (): Promise<void> => {
    const disk = await statfs(home).catch(() => null)
    if (disk === null) return
    const free = disk.bavail * disk.bsize
    if (free < DISK_BYTES_MIN && !diskSaid)
      say(
        `the disk of ${home} is full: nothing new starts or is booked until some is freed. Runs go on, nothing is lost`,
      )
    if (free < DISK_BYTES_MIN) diskSaid = true
    else if (diskSaid && free > 2 * DISK_BYTES_MIN) {
      say(`the disk of ${home} has room again`)
      diskSaid = false
    }
  }
  const look = async (): Promise<void> => {
    await lookAtDisk()
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
