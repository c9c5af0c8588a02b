// The port for reporters. It listens before the loops run, so that no job is launched without its address.
import type { IngestOptions } from '../../adapters/http/ingest.ts'
import { createIngestServer } from '../../adapters/http/ingest.ts'
import { attemptTokens } from '../../adapters/system/attempt-token.ts'
import type { Control } from '../../control/control.ts'
import type { Requests } from '../../ports/requests.ts'
import { Exit } from './say.ts'

export type Ingest = {
  readonly address: NonNullable<Control['ingest']>
  readonly port: number
  /** From here on reports are taken; before, reporters are asked to send again. */
  open(requests: Requests): void
  close(): Promise<void>
}

export async function startIngest(options: {
  /** The deployment keys, the newest first. */
  readonly keys: readonly Uint8Array[]
  readonly host: string
  readonly port: number
  readonly log: IngestOptions['log']
}): Promise<Ingest> {
  const { keys, host, port, log } = options
  const tokens = attemptTokens(keys)
  let requests: Requests | null = null
  const app = await createIngestServer({
    requests: () => requests,
    isTokenOf: (attempt, token) => tokens.matches(attempt, token),
    log,
  })
  try {
    await app.listen({ host, port })
  } catch (error) {
    await app.close()
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
      throw new Exit(
        1,
        `port ${port} of ${host}, for reporters, is in use. End what listens there, or write "listen: {ingestPort: 0}" into config.yaml for a free one.`,
      )
    throw error
  }
  const address = app.server.address()
  const bound = address !== null && typeof address === 'object' ? address.port : port
  // Workers of this cluster run on this machine.
  const url = `http://${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${bound}`
  return {
    address: (attempt) => ({ url, token: tokens.tokenOf(attempt) }),
    port: bound,
    open(taken) {
      requests = taken
    },
    close: () => app.close(),
  }
}

/** The next port after the API's, or a free one where that is free too. */
export const ingestPortOf = (listen: { readonly port: number; readonly ingestPort: number | null }): number =>
  listen.ingestPort ?? (listen.port === 0 ? 0 : listen.port + 1)
