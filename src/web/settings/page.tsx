// Who am I here, who else may ask by a token, and where do messages go?
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useNow } from '../api/clock.ts'
import type { Session } from '../api/documents.ts'
import { mayDo } from '../api/may.ts'
import { policyQuery, type Token, tokensQuery } from '../api/operate.ts'
import { live, queries, sessionQuery } from '../api/queries.ts'
import { durationShort, int } from '../format/numbers.ts'
import { ms, msOrNull, zoneName } from '../format/times.ts'
import { signOut } from '../frame/sign-out.ts'
import { switchTheme, useTheme } from '../frame/theme.ts'
import { Empty, Moment, Panel, Reading, Refusal } from '../parts/bits.tsx'
import { type Deed, ReasonDialog } from '../parts/reason-dialog.tsx'
import { Channels } from './channels.tsx'
import { NewToken } from './new-token.tsx'

export function SettingsPage() {
  const session = useQuery(sessionQuery)
  useEffect(() => live.follow(null), [])
  useEffect(() => {
    document.title = 'Settings · Plimsoll'
  }, [])
  return (
    <>
      <div className="head">
        <h1>Settings</h1>
      </div>
      <div className="grid">
        {session.data === undefined ? <Reading what="who you are" /> : <You session={session.data} />}
        <Tokens session={session.data} />
        <Channels session={session.data} />
      </div>
    </>
  )
}

function You({ session }: { readonly session: Session }) {
  const now = useNow(60_000)
  const theme = useTheme()
  const { user, grants, expiresAt, version, cluster } = session
  return (
    <Panel id="h-you" title="You" wide="c4 own-height">
      <div className="body">
        <dl className="kv">
          <dt>Name</dt>
          <dd>{user}</dd>
          <dt>May</dt>
          <dd>
            {grants.length === 0
              ? 'nothing: no role was granted'
              : grants
                  .map(({ role, project }) => `${role} ${project === null ? 'everywhere' : `of ${project}`}`)
                  .join(', ')}
          </dd>
          <dt>Signed in</dt>
          <dd>
            {expiresAt === null ? (
              'until you sign out'
            ) : (
              <>
                until <Moment at={ms(expiresAt)} now={now} />
              </>
            )}
          </dd>
          <dt>Times</dt>
          <dd>in your zone, {zoneName(now)}; days of the books are UTC</dd>
          <dt>Server</dt>
          <dd>
            Plimsoll {version}, {cluster}
          </dd>
        </dl>
        <div className="deeds">
          <button type="button" className="btn" onClick={switchTheme}>
            {theme === 'dark' ? 'Light theme' : 'Dark theme'}
          </button>
          <button type="button" className="btn" onClick={() => void signOut()}>
            Sign out
          </button>
        </div>
      </div>
    </Panel>
  )
}

function Tokens({ session }: { readonly session: Session | undefined }) {
  const may = mayDo(session, 'token.list')
  const tokens = useQuery(tokensQuery(may))
  const policy = useQuery(policyQuery(mayDo(session, 'policy.read')))
  const [making, setMaking] = useState(false)
  const [deed, setDeed] = useState<Deed | null>(null)
  const now = useNow(30_000)
  const [all, setAll] = useState(false)
  const list = tokens.data ?? []
  const isOver = (token: Token): boolean =>
    token.revokedAt !== null || (token.expiresAt !== null && ms(token.expiresAt) <= now)
  const shown = list.filter((token) => all || !isOver(token)).toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1))
  const over = list.filter(isOver).length
  return (
    <Panel
      id="h-tokens"
      title="Tokens"
      sub="who may ask by a program, and as what"
      wide="c8 own-height"
      to={
        may ? (
          <button type="button" className="btn first" onClick={() => setMaking(true)}>
            New token…
          </button>
        ) : undefined
      }
      footer={
        over > 0 ? (
          <button type="button" className="as-link" onClick={() => setAll(!all)}>
            {all ? 'Hide' : 'Show'} {int(over)} that {over === 1 ? 'is' : 'are'} over
          </button>
        ) : undefined
      }
    >
      {!may ? (
        <Empty title="Tokens are an admin’s">
          An admin of the whole installation makes and revokes them. Yours is kept by{' '}
          <code className="mono">plimsoll login</code> on each of your machines.
        </Empty>
      ) : tokens.data === undefined ? (
        tokens.error === null ? (
          <Reading what="the tokens" />
        ) : (
          <Refusal error={tokens.error} />
        )
      ) : shown.length === 0 ? (
        <Empty title="No token is in use">
          A token lets a program ask in somebody’s name, with one role, in one project or all: CI that submits runs, a
          collector of metrics. Make one that can do as little as it needs, and that ends.
        </Empty>
      ) : (
        <div className="scroll" tabIndex={0} role="region" aria-label="Tokens in a table">
          <table>
            <thead>
              <tr>
                <th>Name</th>
                <th>For</th>
                <th>Role</th>
                <th>Project</th>
                <th>Made</th>
                <th>Used last</th>
                <th>Ends</th>
                <th>
                  <span className="vh">Revoke</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((token) => (
                <tr key={token.id}>
                  <td className="name med" title={`${token.name} ${token.id}`}>
                    {token.name}
                  </td>
                  <td className="name">{token.subject}</td>
                  <td>{token.role}</td>
                  <td
                    className="name"
                    title={token.grants.map(({ role, project }) => `${role} ${project ?? 'everywhere'}`).join(', ')}
                  >
                    {token.project ?? <span className="dim">all</span>}
                    {token.grants.length > 1 ? <span className="dim"> +{token.grants.length - 1}</span> : null}
                  </td>
                  <td>
                    <Moment at={ms(token.createdAt)} now={now} />
                  </td>
                  <td>
                    <Used token={token} now={now} />
                  </td>
                  <td>
                    <Ends token={token} now={now} />
                  </td>
                  <td className="r">
                    {isOver(token) ? null : (
                      <button
                        type="button"
                        className="btn quiet low"
                        aria-label={`Revoke ${token.name}…`}
                        onClick={() => setDeed(revoking(token))}
                      >
                        Revoke…
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {making ? (
        <NewToken
          user={session?.user ?? ''}
          projects={policy.data?.projects.map(({ name }) => name) ?? []}
          onClose={() => setMaking(false)}
        />
      ) : null}
      <ReasonDialog
        deed={deed}
        onClose={() => setDeed(null)}
        onDone={() => queries.invalidateQueries({ queryKey: tokensQuery(true).queryKey })}
      />
    </Panel>
  )
}

const revoking = (token: Token): Deed => ({
  title: `Revoke ${token.name}?`,
  does: `Whoever asks with it is refused from now on, as ${token.subject}, ${token.role}${token.project === null ? '' : ` of ${token.project}`}. It cannot be taken back; another one can be made.`,
  button: 'Revoke',
  method: 'DELETE',
  path: `/tokens/${encodeURIComponent(token.id)}`,
  reason: null,
})

function Used({ token, now }: { readonly token: Token; readonly now: number }) {
  const used = msOrNull(token.lastUsedAt)
  return used === null ? <span className="faint">never</span> : <Moment at={used} now={now} />
}

function Ends({ token, now }: { readonly token: Token; readonly now: number }) {
  const revoked = msOrNull(token.revokedAt)
  const ends = msOrNull(token.expiresAt)
  if (revoked !== null)
    return (
      <span className="dim">
        revoked <Moment at={revoked} now={now} />
      </span>
    )
  if (ends === null) return <span className="warn">never</span>
  return (
    <>
      <Moment at={ends} now={now} />{' '}
      <span className="faint">{ends > now ? `in ${durationShort(ends - now)}` : 'ended'}</span>
    </>
  )
}
