// Requests to an identity provider: a limit of time for all of one and of bytes for its answer, and one word for whatever goes wrong on the
// way there.
import type { CustomFetch } from 'openid-client'
import { PROVIDER_BYTES_MAX } from '../../domain/limits.ts'

/** The provider did not answer, or not as one that is well. */
export class ProviderAway extends Error {}

export const boundedFetch = (timeoutMs: number): CustomFetch => {
  return async (url, options) => {
    const { host } = new URL(url)
    const late = AbortSignal.timeout(timeoutMs)
    try {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the library's own type of the same options
      const response = await fetch(url, { ...(options as RequestInit), signal: late })
      if (response.status >= 500) {
        await response.body?.cancel()
        throw new ProviderAway(`${host} answered ${response.status}`)
      }
      const body = await bytesOf(response, host)
      const { status, statusText, headers } = response
      return new Response(status === 204 || status === 304 ? null : body, { status, statusText, headers })
    } catch (error) {
      if (error instanceof ProviderAway) throw error
      if (late.aborted) throw new ProviderAway(`${host} did not answer within ${timeoutMs} ms`)
      throw new ProviderAway(`${host}: ${wordsOf(error)}`)
    }
  }
}

async function bytesOf(response: Response, host: string): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    length += part.length
    if (length > PROVIDER_BYTES_MAX) throw new ProviderAway(`${host} answered more than ${PROVIDER_BYTES_MAX} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** What is wrong with a connection stands in the cause: ECONNREFUSED, ENOTFOUND, a certificate. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  if (!(cause instanceof Error)) return error.message
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message
}
