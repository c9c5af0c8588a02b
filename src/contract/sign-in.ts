// Settings of sign-in by an identity provider: `signIn.oidc` of config/default.yaml.
import { z } from 'zod'
import { CLAIM_CHARS_MAX, GROUP_GRANTS_MAX } from '../domain/limits.ts'
import { ROLES } from '../domain/principal.ts'
import { USER_CLAIMS } from '../domain/sign-in.ts'
import { duration, name, refuse, strict, text } from './fields.ts'
import { isTree } from './layers.ts'
import type { Fault } from './problems.ts'
import { fault } from './problems.ts'

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

/** In the clear only on this machine: what is said there decides who is let in. */
const issuer = text.superRefine((given, context) => {
  const url = URL.parse(given)
  if (url === null || !/^https?:$/.test(url.protocol))
    refuse(context, 'must be an address such as https://login.lab.org')
  else if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname)) refuse(context, 'must begin with https://')
  else if (url.search !== '' || url.hash !== '' || url.username !== '')
    refuse(context, 'must be the address alone, as the provider calls itself')
})

const word = z.string().min(1).max(CLAIM_CHARS_MAX)

/** From a quarter of an hour, which a sign-in may take, to a month: so long somebody keeps a role that his groups have lost. */
const SESSION_MS_MIN = 15 * 60_000
const SESSION_MS_MAX = 31 * 86_400_000
const session = duration.superRefine((ms, context) => {
  if (ms < SESSION_MS_MIN || ms > SESSION_MS_MAX) refuse(context, 'must be from 15m to 31d')
})

export const oidc = strict({
  issuer: issuer.nullable(),
  name: z.string().min(1).max(60).nullable(),
  clientId: text.nullable(),
  clientSecretFile: text.nullable(),
  scopes: z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/, 'must be a word')).max(32),
  user: z.enum(USER_CLAIMS),
  groups: word,
  grants: z.array(strict({ group: word, role: z.enum(ROLES), project: name.nullable() })).max(GROUP_GRANTS_MAX),
  contact: z.string().min(1).max(200).nullable(),
  session,
})
export type OidcConfig = z.output<typeof oidc>

/** What no key can say alone. */
export function oidcFaults(config: unknown): Fault[] {
  const part = isTree(config) && isTree(config['signIn']) ? config['signIn']['oidc'] : null
  const given = oidc.safeParse(part)
  if (!given.success || given.data.issuer === null) return []
  const at = (key: keyof OidcConfig, message: string): Fault => fault(`/signIn/oidc/${key}`, message)
  const { clientId, scopes } = given.data
  return [
    ...(clientId === null ? [at('issuer', 'needs clientId beside it: as whom the provider knows this Plimsoll')] : []),
    ...(scopes.includes('openid') ? [] : [at('scopes', 'must have openid')]),
  ]
}
