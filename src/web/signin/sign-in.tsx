// Who has no session is told how to get one. A code can also be typed in, where a link cannot be opened.
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { change, Refused } from '../api/ask.ts'
import { queries, signInQuery } from '../api/queries.ts'
import { Logo, Mark } from '../parts/glyphs.tsx'
import { codeIn } from './code.ts'

let refused: Refused | null = null

/** Before the first page: a code in the address becomes a session. What is wrong with it is said on the sign-in page. */
export async function signInByAddress(): Promise<void> {
  const code = codeIn(location.hash)
  if (code === null) return
  history.replaceState(null, '', `${location.pathname}${location.search}`)
  refused = await signIn(code)
}

async function signIn(code: string): Promise<Refused | null> {
  try {
    await change('POST', '/session', { code })
    return null
  } catch (error) {
    if (error instanceof Refused) return error
    throw error
  }
}

export function SignIn() {
  const [code, setCode] = useState('')
  const [problem, setProblem] = useState<Refused | null>(refused)
  const [busy, setBusy] = useState(false)
  const { provider = null, refusal = null, takes = 'link' } = useQuery(signInQuery).data ?? {}
  const no = problem ?? refusal
  const onSubmit = async (): Promise<void> => {
    setBusy(true)
    // A whole link may be pasted, too.
    const answer = await signIn(codeIn(code.slice(code.indexOf('#'))) ?? code.trim())
    setProblem(answer)
    setBusy(false)
    if (answer === null) await queries.resetQueries()
  }
  return (
    <main className="alone">
      <section className="panel signin" aria-labelledby="h-signin">
        <div className="brand">
          <Logo />
          Plimsoll
        </div>
        <h1 id="h-signin">Sign in</h1>
        {no === null ? null : (
          <p role="alert" className="callout bad-edge">
            <Mark severity="crit" /> {no.message} <br />
            <span className="dim">{no.whatToDo}</span>
          </p>
        )}
        {provider === null ? null : (
          <>
            <a
              className="btn first"
              href={`${provider.url}?to=${encodeURIComponent(location.pathname + location.search)}`}
            >
              Sign in with {provider.name}
            </a>
            <hr />
          </>
        )}
        {takes === 'token' ? (
          <p>
            Paste a token that <code className="mono">plimsoll token create</code> printed. It stays out of the browser.
          </p>
        ) : (
          <>
            <p>
              Open the link that <code className="mono">plimsoll up</code> printed. It works once, for ten minutes.
            </p>
            <p className="dim">For another one end plimsoll up with Ctrl-C and start it again: runs go on meanwhile.</p>
          </>
        )}
        <form
          onSubmit={(event) => {
            event.preventDefault()
            if (code.trim() !== '') void onSubmit()
          }}
        >
          <label htmlFor="code">{takes === 'token' ? 'Token' : 'Code, or the whole link'}</label>
          <div className="row">
            <input
              id="code"
              className="field mono"
              autoComplete="one-time-code"
              spellCheck={false}
              value={code}
              onChange={(event) => setCode(event.target.value)}
            />
            <button type="submit" className={provider === null ? 'btn first' : 'btn'} disabled={busy}>
              {busy ? 'Signing in…' : 'Sign in'}
            </button>
          </div>
        </form>
      </section>
    </main>
  )
}
