// Tokens and sessions: only their hashes are here. Each change has its audit row in the same transaction.
import type { Grant } from '../../domain/principal.ts'
import type { EpochMs } from '../../domain/units.ts'
import { SESSION_KEPT_MS } from '../../domain/limits.ts'
import type { StoredToken, TokenStore } from '../../ports/token-store.ts'
import { writeAudit } from './policy.ts'
import type { Database } from './pool.ts'

type TokenRow = {
  id: string
  name: string
  subject: string
  role: StoredToken['role']
  project: StoredToken['project']
  created_at: EpochMs
  expires_at: EpochMs | null
  last_used_at: EpochMs | null
  revoked_at: EpochMs | null
  grants: readonly Grant[] | null
  identity: string | null
}

const tokenOf = (row: TokenRow): StoredToken => ({
  id: row.id,
  name: row.name,
  subject: row.subject,
  role: row.role,
  project: row.project,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  lastUsedAt: row.last_used_at,
  revokedAt: row.revoked_at,
  session: row.identity === null ? null : { identity: row.identity, grants: row.grants ?? [] },
})

const TOKEN = 'id, name, subject, role, project, created_at, expires_at, last_used_at, revoked_at, grants, identity'

export function tokenStore(database: Database): TokenStore {
  return {
    addToken: (token, hash, audit) =>
      database.transaction('write', async (tx) => {
        await tx.query({
          text: 'insert into token (id, hash, name, subject, role, project, created_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8)',
          values: [
            token.id,
            Buffer.from(hash),
            token.name,
            token.subject,
            token.role,
            token.project,
            token.createdAt,
            token.expiresAt,
          ],
        })
        await writeAudit(tx, audit)
      }),
    addSession: (token, hash, signIn, audit) =>
      database.transaction('write', async (tx) => {
        const { identity, grants } = token.session
        const added = await tx.query({
          text: `insert into token (id, hash, name, subject, role, project, created_at, expires_at, grants, identity, sign_in)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (sign_in) do nothing returning id`,
          values: [
            token.id,
            Buffer.from(hash),
            token.name,
            token.subject,
            token.role,
            token.project,
            token.createdAt,
            token.expiresAt,
            JSON.stringify(grants),
            identity,
            Buffer.from(signIn),
          ],
        })
        if (added.length === 0) return false
        await tx.query({
          text: `update token set grants = $2, role = $3, project = $4, subject = $5 where identity = $1 and revoked_at is null and id <> $6`,
          values: [identity, JSON.stringify(grants), token.role, token.project, token.subject, token.id],
        })
        await tx.query({
          text: 'delete from token where identity is not null and expires_at < $1',
          values: [token.createdAt - SESSION_KEPT_MS],
        })
        await writeAudit(tx, audit)
        return true
      }),
    endSessions: (identity, at, audit) =>
      database.transaction('write', async (tx) => {
        await tx.query({
          text: 'update token set revoked_at = $2 where identity = $1 and revoked_at is null',
          values: [identity, at],
        })
        await writeAudit(tx, audit)
      }),
    async findToken(hash) {
      // Last use is a hint for people: written at most once a minute, so that reading does not become writing.
      const rows = await database.query<TokenRow>({
        text: `with used as (
                 update token set last_used_at = floor(extract(epoch from clock_timestamp()) * 1000)::bigint
                 where hash = $1 and coalesce(last_used_at, 0) < floor(extract(epoch from clock_timestamp()) * 1000)::bigint - 60000
               )
               select ${TOKEN} from token where hash = $1`,
        values: [Buffer.from(hash)],
      })
      return rows[0] === undefined ? null : tokenOf(rows[0])
    },
    async tokens() {
      return (
        await database.query<TokenRow>({ text: `select ${TOKEN} from token order by created_at`, values: [] })
      ).map(tokenOf)
    },
    revokeToken: (id, at, audit) =>
      database.transaction('write', async (tx) => {
        const rows = await tx.query<TokenRow>({
          text: `update token set revoked_at = coalesce(revoked_at, $2) where id = $1 returning ${TOKEN}`,
          values: [id, at],
        })
        if (rows[0] === undefined) return null
        await writeAudit(tx, audit)
        return tokenOf(rows[0])
      }),
  }
}
