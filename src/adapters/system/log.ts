// pino, with what must never be printed taken out by name. Log what is known, not whole objects of strangers.
import pino from 'pino'
import type { Log } from '../../ports/log.ts'

const SECRET = ['token', 'secret', 'password', 'authorization', 'cookie', 'env', 'connectionString']

/** JSON lines to a file, which the operator reads with any tool; `path` null: stdout, for containers. */
export function createLog(
  path: string | null,
  level: string,
): { readonly log: Log; readonly pino: pino.Logger; flush(): void } {
  const destination = pino.destination({
    ...(path === null ? { dest: 1 } : { dest: path, mkdir: true, mode: 0o600 }),
    sync: false,
  })
  // A full disk must not end the control plane: words are lost, work is not.
  destination.on('error', () => {})
  const logger = pino(
    { level, base: null, redact: { paths: SECRET.flatMap((key) => [key, `*.${key}`]), censor: '[redacted]' } },
    destination,
  )
  return {
    log: {
      info: (fields, message) => logger.info(fields, message),
      warn: (fields, message) => logger.warn(fields, message),
      error: (fields, message) => logger.error(fields, message),
    },
    pino: logger,
    flush: () => {
      try {
        destination.flushSync()
      } catch {
        // Nothing was written yet, or the disk is full: there is nobody left to tell.
      }
    },
  }
}
