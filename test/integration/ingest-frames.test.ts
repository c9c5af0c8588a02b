// A few thousand of the mutated batches through a real socket: packed, unpacked, cut, and with bytes that are no text. The answer is
// always one that the protocol knows, and says where and why.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { createIngestServer } from '../../src/adapters/http/ingest.ts'
import { Mutations } from '../parts/mutated.ts'
import { reporting } from '../parts/reporting.ts'

const FRAMES = 3_000
const STATUSES = new Set([200, 413, 415, 422])

type Answer = {
  readonly accepted?: number
  readonly refused?: readonly { readonly seq: number; readonly reason: string }[]
  readonly code?: string
  readonly detail?: string
  readonly errors?: readonly { readonly pointer: string; readonly message: string }[]
}

/** The body as it goes over the wire, and what is said of how it is packed. */
function wired(mutations: Mutations): { body: Uint8Array<ArrayBuffer>; encoding: string | null } {
  const text = new Uint8Array(Buffer.from(mutations.next()))
  const packed = mutations.chooses(0.5) ? new Uint8Array(gzipSync(text)) : null
  const body = packed ?? text
  const encoding = mutations.chooses(0.02) ? 'br' : packed === null ? null : 'gzip'
  if (mutations.chooses(0.1) && body.length > 0) body[mutations.below(body.length)] = mutations.below(256)
  const cut = mutations.chooses(0.05) ? mutations.below(body.length + 1) : body.length
  return { body: body.slice(0, cut), encoding }
}

test('3,000 mutated batches over HTTP: never a 5xx, never an answer without a code, a place and words', async () => {
  const { requests, attempt } = await reporting()
  const app = await createIngestServer({ requests: () => requests, isTokenOf: () => true, log: null })
  const url = `${await app.listen({ host: '127.0.0.1', port: 0 })}/ingest/v1/facts`
  const seen = new Map<number, number>()
  try {
    const mutations = new Mutations(1)
    for (let index = 0; index < FRAMES; index += 1) {
      const { body, encoding } = wired(mutations)
      const headers = {
        authorization: 'Bearer good',
        'plimsoll-attempt': attempt,
        'content-type': 'application/json',
        ...(encoding === null ? {} : { 'content-encoding': encoding }),
      }
      const response = await fetch(url, { method: 'POST', headers, body })
      const answer = (await response.json()) as Answer
      seen.set(response.status, (seen.get(response.status) ?? 0) + 1)
      assert.ok(STATUSES.has(response.status), `batch ${index}: ${response.status} ${JSON.stringify(answer)}`)
      if (response.status === 200) {
        assert.ok(Number.isSafeInteger(answer.accepted) && Array.isArray(answer.refused))
        continue
      }
      assert.ok(answer.code !== undefined && answer.detail !== undefined && (answer.errors?.length ?? 0) > 0)
      for (const { pointer, message } of answer.errors ?? []) assert.ok(/^(\/|$)/.test(pointer) && message !== '')
    }
    for (const status of [200, 415, 422]) assert.ok((seen.get(status) ?? 0) > 10, `${status}: ${seen.get(status)}`)
  } finally {
    await app.close()
  }
})
