// Sign-in by an identity provider, from the settings. Nothing is asked of the provider here: one that is away keeps nobody from starting.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { oidcProvider } from '../../adapters/oidc/provider.ts'
import type { Metrics } from '../../adapters/telemetry/metrics.ts'
import type { Config } from '../../contract/config.ts'
import type { ProviderSettings } from '../../control/requests/provider-sign-in.ts'
import { providerSignIn } from '../../control/requests/provider-sign-in.ts'
import type { ProjectName } from '../../domain/ids.ts'
import { durationMs } from '../../domain/units.ts'
import type { IdentityProvider, ProviderSignIn } from '../../ports/identity.ts'
import { Exit } from './say.ts'
import type { Service } from './service.ts'

export type OidcSettings = Pick<ProviderSettings, 'provider' | 'rules' | 'sessionMs'>

/** `file` is that of the settings: what it names lies beside it. Null: no provider is configured. */
export function oidcSettings(config: Config, file: string): OidcSettings | null {
  const { oidc } = config.signIn
  const { user, groups, contact } = oidc
  const provider = providerOf(config, file)
  if (provider === null) return null
  const grants = oidc.grants.map((each) => ({ ...each, project: each.project as ProjectName | null }))
  return { provider, rules: { user, groups, grants, contact }, sessionMs: durationMs(oidc.session) }
}

function providerOf({ signIn: { oidc } }: Config, file: string): IdentityProvider | null {
  const { issuer, clientId, name, scopes, user, groups } = oidc
  if (issuer === null || clientId === null) return null
  const wanted = [user, ...(user === 'email' ? ['email_verified'] : []), groups]
  const clientSecret = secretOf(oidc.clientSecretFile, file)
  return oidcProvider({ name: name ?? new URL(issuer).host, issuer, clientId, clientSecret, scopes, wanted })
}

/** Never in the settings themselves: those are shown, compared and kept in repositories. */
function secretOf(name: string | null, file: string): string | null {
  const fromEnvironment = process.env.PLIMSOLL_OIDC_CLIENT_SECRET
  if (fromEnvironment !== undefined && fromEnvironment !== '') return fromEnvironment
  if (name === null) return null
  const path = resolve(dirname(file), name)
  if (!existsSync(path)) throw new Exit(2, `${file}: there is no file ${path} (at /signIn/oidc/clientSecretFile)`)
  const secret = readFileSync(path, 'utf8').split(/\r?\n/)[0] ?? ''
  if (secret === '') throw new Exit(2, `${path} has no secret in its first line (at /signIn/oidc/clientSecretFile)`)
  return secret
}

/** Needs what seals, and the address of the pages: a service that tells nobody of anything has neither. */
export function oidcSignIn(
  { context, control, metrics }: Service,
  settings: OidcSettings | null,
): ProviderSignIn | null {
  if (settings === null || control.alerting === null) return null
  const { seal, pages } = control.alerting
  return counted(providerSignIn(context, { ...settings, seal, pages }), metrics)
}

/** Each sign-in is counted, and each refusal on the way. */
const counted = (provider: ProviderSignIn, metrics: Metrics): ProviderSignIn => ({
  ...provider,
  async begin(to, refused) {
    const begun = await provider.begin(to, refused)
    if (!begun.ok) metrics.signedIn(begun.code)
    return begun
  },
  async finish(query, kept) {
    const done = await provider.finish(query, kept)
    metrics.signedIn(done.ok ? 'signed-in' : done.code)
    return done
  },
})
