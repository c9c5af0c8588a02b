// AES-256-GCM under a key that is derived from the deployment key. The first key seals; all of them open, so that a key can be changed.
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import type { Seal } from '../../ports/seal.ts'

const NONCE_BYTES = 12
const TAG_BYTES = 16

export function sealWith(keys: readonly Uint8Array[]): Seal {
  const derived = keys.map((key) => Buffer.from(hkdfSync('sha256', key, '', 'plimsoll/seal/v1', 32)))
  const [newest] = derived
  if (newest === undefined) throw new Error('bug: there is no deployment key')
  return {
    seal(text) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', newest, nonce)
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64')
    },
    open(sealed) {
      const bytes = Buffer.from(sealed, 'base64')
      for (const key of derived) {
        try {
          const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), {
            authTagLength: TAG_BYTES,
          })
          decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
          const body = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES))
          return Buffer.concat([body, decipher.final()]).toString('utf8')
        } catch {
          // Another key, or not sealed by us.
        }
      }
      return null
    },
  }
}
