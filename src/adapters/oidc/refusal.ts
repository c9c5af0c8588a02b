// What openid-client throws, as a "no" of the closed list. People get words of ours; the log gets what the library says, which has never a
// code, a token or a secret in it: its messages are fixed, and of what was compared the name alone is told.
import {
  AuthorizationResponseError,
  ClientError,
  ResponseBodyError,
  WWWAuthenticateChallengeError,
} from 'openid-client'
import type { SignInRefusal } from '../../domain/sign-in.ts'
import { signInRefused } from '../../domain/sign-in.ts'
import { ProviderAway } from './fetch.ts'

/** It says to be another one than it was configured as. */
export class OtherIssuer extends Error {
  constructor(told: string) {
    super(`the provider calls itself ${told.slice(0, 200)}`)
  }
}

const AGAIN = 'sign in again from the sign-in page'
const ADMIN = 'tell an admin: the log of the server says what it was'

export function refusalOf(error: unknown, name: string): SignInRefusal {
  for (const each of chainOf(error)) if (each instanceof ProviderAway) return away(each, name)
  if (error instanceof OtherIssuer)
    return signInRefused(
      'sign-in-provider-wrong',
      `${name} is not the provider that was configured.`,
      'tell an admin: signIn.oidc.issuer must be exactly what the provider calls itself',
      error.message,
    )
  if (error instanceof AuthorizationResponseError) return answered(error.error, name)
  if (error instanceof ResponseBodyError) return refusedCode(error.error, name)
  if (error instanceof WWWAuthenticateChallengeError) return refusedCode('invalid_client', name)
  // Whatever else a lying provider makes the library throw is not a reason to fall; a bug of ours is.
  if (error instanceof Error && !error.message.startsWith('bug:')) return wrong(error, name)
  throw error
}

const away = (error: ProviderAway, name: string): SignInRefusal =>
  signInRefused(
    'sign-in-provider-away',
    `${name} does not answer.`,
    'try again in a minute; until then a link or a token signs in as well',
    error.message,
  )

/** The provider sent the browser back with an error in the place of a code. */
function answered(error: string, name: string): SignInRefusal {
  if (error === 'access_denied')
    return signInRefused('sign-in-cancelled', `${name} says that the sign-in was refused or given up.`, AGAIN)
  const busy = error === 'temporarily_unavailable' || error === 'server_error'
  return signInRefused(
    busy ? 'sign-in-provider-away' : 'sign-in-provider-refused',
    busy ? `${name} cannot sign anybody in at the moment.` : `${name} refuses to sign anybody in here.`,
    busy ? 'try again in a minute' : ADMIN,
    `error=${wordOf(error)}`,
  )
}

/** The provider does not take our request for tokens. */
function refusedCode(error: string, name: string): SignInRefusal {
  const cause = `error=${wordOf(error)}`
  return error === 'invalid_grant'
    ? signInRefused(
        'sign-in-used',
        `${name} does not take its own answer: it was used before, or is too old.`,
        AGAIN,
        cause,
      )
    : signInRefused(
        'sign-in-provider-refused',
        `${name} does not take this Plimsoll for one of its clients.`,
        ADMIN,
        cause,
      )
}

const LATE = 'OAUTH_JWT_TIMESTAMP_CHECK_FAILED'

function wrong(error: Error, name: string): SignInRefusal {
  const words = chainOf(error).map((each) => each.message)
  const code = error instanceof ClientError ? (error.code ?? '') : error.name
  const cause = [code, ...new Set(words)].join(': ').slice(0, 500)
  return code === LATE
    ? signInRefused(
        'sign-in-provider-wrong',
        `What ${name} says is over already: it is old, or the clocks differ by more than a minute.`,
        `${AGAIN}; if it stays, tell an admin`,
        cause,
      )
    : signInRefused('sign-in-provider-wrong', `What ${name} says cannot be trusted, so it was not taken.`, ADMIN, cause)
}

/** A word of OAuth, as it may stand in a log: it came through the browser. */
const wordOf = (text: string): string => text.replaceAll(/[^\w.-]/g, '?').slice(0, 60)

const CAUSES_MAX = 5

function chainOf(error: unknown): Error[] {
  const chain: Error[] = []
  for (let each = error; each instanceof Error && chain.length < CAUSES_MAX; each = each.cause) chain.push(each)
  return chain
}
