// Sign-in by an identity provider: what it says of a person, what an operator grants to groups, and each "no" on the way.
import type { Grant } from './principal.ts'

/** Each is a row of docs/errors.md; people see it on the sign-in page, operators in the log. */
export const SIGN_IN_CODES = [
  'sign-in-not-configured',
  'sign-in-provider-away',
  'sign-in-provider-wrong',
  'sign-in-provider-refused',
  'sign-in-cancelled',
  'sign-in-not-begun',
  'sign-in-too-late',
  'sign-in-mismatch',
  'sign-in-used',
  'sign-in-no-name',
  'sign-in-no-group',
  'sign-in-too-many-groups',
] as const
export type SignInCode = (typeof SIGN_IN_CODES)[number]

export type SignInRefusal = {
  readonly ok: false
  readonly code: SignInCode
  /** For the person; never a code, a token or a claim that it does not name. */
  readonly message: string
  readonly whatToDo: string
  /** For the log alone: what the library or the provider said, without anything secret. */
  readonly cause?: string
}

export type SignInAnswer<Value> = { readonly ok: true; readonly value: Value } | SignInRefusal

export const signInRefused = (code: SignInCode, message: string, whatToDo: string, cause?: string): SignInRefusal => ({
  ok: false,
  code,
  message,
  whatToDo,
  ...(cause === undefined ? {} : { cause }),
})

/** What a provider says of somebody, after its signature was checked. */
export type Claims = Readonly<Record<string, unknown>>

export const USER_CLAIMS = ['email', 'preferred_username', 'sub'] as const
export type UserClaim = (typeof USER_CLAIMS)[number]

export type GroupGrant = { readonly group: string } & Grant

/** What an operator decides about whoever the provider vouches for. */
export type SignInRules = {
  /** The claim that becomes the user's name. */
  readonly user: UserClaim
  /** The claim with his groups: its name, or a way into it such as `realm_access.roles`. */
  readonly groups: string
  readonly grants: readonly GroupGrant[]
  /** Whom somebody without a role asks; null: an admin. */
  readonly contact: string | null
}

/** Somebody whom the provider knows, and what he may. */
export type SignedIn = {
  readonly user: string
  /** The same person at the provider, whatever he is called today. */
  readonly subject: string
  readonly groups: readonly string[]
  readonly grants: readonly Grant[]
}
