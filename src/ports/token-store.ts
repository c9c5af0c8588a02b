// Who may ask by a secret. Only its hash is stored.
import type { AuditEntry } from '../domain/event.ts'
import type { ProjectName } from '../domain/ids.ts'
import type { Grant, Role } from '../domain/principal.ts'
import type { EpochMs } from '../domain/units.ts'

export type StoredToken = {
  readonly id: string
  readonly name: string
  readonly subject: string
  readonly role: Role
  readonly project: ProjectName | null
  readonly createdAt: EpochMs
  readonly expiresAt: EpochMs | null
  readonly lastUsedAt: EpochMs | null
  readonly revokedAt: EpochMs | null
  /** Of somebody whom an identity provider vouched for; null: a token that somebody made. */
  readonly session: ProviderSession | null
}

export type ProviderSession = {
  /** The person at his provider, whatever he is called. */
  readonly identity: string
  /** What he may; `role` and `project` of the token are the first of them. */
  readonly grants: readonly Grant[]
}

export interface TokenStore {
  addToken(token: StoredToken, hash: Uint8Array, audit: AuditEntry): Promise<void>
  /**
   * Adds a session, gives what it may to the living others of the same person, and forgets those that were over for a day. `signIn` is of
   * the sign-in that it comes from: false where that has made a session before, and then nothing changes.
   */
  addSession(
    token: StoredToken & { readonly session: ProviderSession },
    hash: Uint8Array,
    signIn: Uint8Array,
    audit: AuditEntry,
  ): Promise<boolean>
  /** Ends all sessions of a person who has no role any more. */
  endSessions(identity: string, at: EpochMs, audit: AuditEntry): Promise<void>
  findToken(hash: Uint8Array): Promise<StoredToken | null>
  tokens(): Promise<readonly StoredToken[]>
  revokeToken(id: string, at: EpochMs, audit: AuditEntry): Promise<StoredToken | null>
}
