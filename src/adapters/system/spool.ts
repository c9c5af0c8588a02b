// Unpacks what a reporter left in a log: gzip in base64, and in it a batch of ingest/v1, as strictly read as one that is posted.
import { gunzipSync } from 'node:zlib'
import { parseReport } from '../../contract/ingest.ts'
import { SPOOL_BYTES_UNPACKED_MAX } from '../../domain/limits.ts'
import type { ReadSpool } from '../../ports/spool.ts'

/** A few lines may unpack to a very large batch. Whatever they are, nothing throws. */
export const readSpool: ReadSpool = (packed) => {
  try {
    const bytes = gunzipSync(Buffer.from(packed, 'base64'), { maxOutputLength: SPOOL_BYTES_UNPACKED_MAX })
    const parsed = parseReport(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
    return parsed.ok ? parsed.batch : null
  } catch {
    return null
  }
}
