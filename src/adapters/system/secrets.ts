// Random secrets and their hashes. A secret has 256 bits of chance, so one round of SHA-256 is enough to keep it unreadable at rest.
import { createHash, randomBytes, randomInt } from 'node:crypto'
import type { Chance } from '../../ports/chance.ts'

export const secrets = {
  create(): { id: string; secret: string; hash: Uint8Array } {
    const secret = `plimsoll_${randomBytes(32).toString('base64url')}`
    return { id: `t${randomBytes(8).toString('hex')}`, secret, hash: secrets.hash(secret) }
  },
  hash(secret: string): Uint8Array {
    return createHash('sha256').update(secret).digest()
  },
  signing(): string {
    return `whsec_${randomBytes(32).toString('base64')}`
  },
}

const BITS_30 = 2 ** 30
const FRACTION_STEPS = 2 ** 40

export const chance: Chance = {
  fraction: () => randomInt(FRACTION_STEPS) / FRACTION_STEPS,
  bits30: () => randomInt(BITS_30),
}
