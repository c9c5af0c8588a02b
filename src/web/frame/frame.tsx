// What stands around every page: the rail (the bar below on a narrow screen), the search field, the mark of life, the clock with its
// zone.
import { useQuery } from '@tanstack/react-query'
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router'
import { lazy, Suspense, useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { Refused } from '../api/ask.ts'
import { useNow } from '../api/clock.ts'
import { type Counts, countsQuery } from '../api/operate.ts'
import { live, sessionQuery } from '../api/queries.ts'
import { durationShort, int } from '../format/numbers.ts'
import { hms, utc, when, zoneName } from '../format/times.ts'
import { TexturePatterns } from '../parts/accounts.tsx'
import { Reading, Refusal } from '../parts/bits.tsx'
import { Logo } from '../parts/glyphs.tsx'
import { SignIn } from '../signin/sign-in.tsx'
import { BELOW, PAGES } from './pages.ts'
import { signOut } from './sign-out.ts'
import { switchTheme, useTheme } from './theme.ts'

const readPalette = () => import('../palette/palette.tsx')
/** Not of the first view: it is read when there is nothing else to do. */
const Palette = lazy(async () => ({ default: (await readPalette()).Palette }))

export function Frame() {
  const session = useQuery(sessionQuery)
  if (session.isPending) return <Reading what="who you are" />
  if (session.error instanceof Refused && session.error.status === 401) return <SignIn />
  if (session.data === undefined) {
    return (
      <main className="alone">
        <Refusal error={session.error} />
      </main>
    )
  }
  const { user, cluster, version } = session.data
  return (
    <>
      <TexturePatterns />
      <a className="skip" href="#main">
        Skip to content
      </a>
      <div className="app">
        <Rail version={version} />
        <div className="column">
          <Bar user={user} cluster={cluster} />
          <main id="main" tabIndex={-1}>
            <Outlet />
          </main>
        </div>
        <Below />
        <AnyWhere />
      </div>
    </>
  )
}

function Below() {
  const path = useRouterState({ select: (state) => state.location.pathname })
  const rest = PAGES.filter(({ to }) => !BELOW.has(to))
  const here = rest.find(({ to }) => path.startsWith(to))
  return (
    <nav className="tabbar" aria-label="Pages, below">
      {PAGES.filter(({ to }) => BELOW.has(to)).map((page) => (
        <Link key={page.to} to={page.to} activeOptions={{ includeSearch: false }}>
          {page.name}
        </Link>
      ))}
      {/* Another page closes it. */}
      <details className="more" key={path}>
        <summary aria-current={here === undefined ? undefined : 'page'}>{here?.name ?? 'More'}</summary>
        <div>
          {rest.map((page) => (
            <Link key={page.to} to={page.to} activeOptions={{ includeSearch: false }}>
              {page.name}
            </Link>
          ))}
        </div>
      </details>
    </nav>
  )
}

/** Quiet when well: what is none says nothing. */
const COUNTS: Readonly<Record<string, { readonly of: keyof Counts; readonly what: string; readonly hot?: true }>> = {
  '/runs': { of: 'holding', what: 'hold GPUs' },
  '/queue': { of: 'waiting', what: 'wait' },
  '/nodes': { of: 'nodesAway', what: 'are not ready' },
  '/alerts': { of: 'findings', what: 'need a person', hot: true },
}

function Rail({ version }: { readonly version: string }) {
  const counts = useQuery(countsQuery)
  const countAt = (to: string) => {
    const count = COUNTS[to]
    const value = count === undefined ? 0 : (counts.data?.[count.of] ?? 0)
    if (count === undefined || value === 0) return null
    return (
      <span className={`n num ${count.hot === true ? 'hot' : ''}`} title={`${int(value)} ${count.what}`}>
        {int(value)}
      </span>
    )
  }
  return (
    <aside className="rail">
      <Link className="brand" to="/now">
        <Logo />
        Plimsoll
      </Link>
      <nav aria-label="Pages">
        {PAGES.map((page) => (
          <Link key={page.to} to={page.to} activeOptions={{ includeSearch: false }}>
            <span>{page.name}</span>
            {countAt(page.to)}
          </Link>
        ))}
      </nav>
      <div className="foot micro">
        Plimsoll {version}
        <br />
        <kbd>Ctrl K</kbd> go to anything
        <br />
        <kbd>/</kbd> search <kbd>t</kbd> theme
      </div>
    </aside>
  )
}

/** Ctrl K or Cmd K opens the palette. What is typed until it is there is its first word, and no key of the page. */
function AnyWhere() {
  const [open, setOpen] = useState(false)
  const early = useRef<string | null>(null)
  useEffect(() => {
    const idle = requestIdleCallback(() => void readPalette())
    const onKey = (event: KeyboardEvent): void => {
      const asks =
        event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey
      // A question that is open is answered first.
      if (document.querySelector('dialog[open]') !== null) {
        early.current = null
        return
      }
      if (asks) {
        early.current = ''
        setOpen(true)
      } else if (early.current !== null && event.key.length === 1 && !event.ctrlKey && !event.metaKey) {
        early.current += event.key
        event.stopImmediatePropagation()
      } else return
      event.preventDefault()
    }
    addEventListener('keydown', onKey, { capture: true })
    return () => {
      cancelIdleCallback(idle)
      removeEventListener('keydown', onKey, { capture: true })
    }
  }, [])
  if (!open) return null
  return (
    <Suspense fallback={null}>
      <PaletteNow
        take={() => early.current ?? ''}
        onClose={() => {
          early.current = null
          setOpen(false)
        }}
      />
    </Suspense>
  )
}

/** Asks for what was typed when it is drawn first, not when it was asked for. */
function PaletteNow({ take, onClose }: { readonly take: () => string; readonly onClose: () => void }) {
  return <Palette first={take()} onClose={onClose} />
}

function Bar({ user, cluster }: { readonly user: string; readonly cluster: string }) {
  const other = useTheme() === 'dark' ? 'light' : 'dark'
  useKeys()
  return (
    <header className="bar">
      <Link className="brand only-frame-narrow" to="/now" aria-label="Plimsoll">
        <Logo />
      </Link>
      <span className="med cluster" title={cluster}>
        {cluster}
      </span>
      <Find />
      <span className="sp" />
      <LiveMark />
      <Clock />
      <button type="button" className="btn quiet" onClick={switchTheme} title={`${other} theme (t)`}>
        {other === 'dark' ? 'Dark' : 'Light'}
      </button>
      <details className="menu wide">
        <summary className="dim small">{user}</summary>
        <div>
          <button type="button" className="btn quiet" onClick={() => void signOut()}>
            Sign out
          </button>
        </div>
      </details>
    </header>
  )
}

/** `/` goes to the search field, `t` changes the theme; neither while something is being typed. */
function useKeys(): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const typing = event.target instanceof Element && event.target.closest('input, textarea, select, dialog') !== null
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return
      if (event.key === 't') switchTheme()
      if (event.key === '/') {
        document.querySelector<HTMLInputElement>('input[type=search]')?.focus()
        event.preventDefault()
      }
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
}

function Find() {
  const navigate = useNavigate()
  const field = useRef<HTMLInputElement>(null)
  const onRuns = useRouterState({ select: (state) => state.location.pathname === '/runs' })
  // The list of runs has its own field.
  if (onRuns) return null
  return (
    <form
      className="find"
      role="search"
      onSubmit={(event) => {
        event.preventDefault()
        const q = field.current?.value.trim() ?? ''
        void navigate({ to: '/runs', search: q === '' ? {} : { q } })
      }}
    >
      <input ref={field} type="search" placeholder="Find a run, a project, a user" aria-label="Find runs" />
      <kbd aria-hidden="true">/</kbd>
    </form>
  )
}

function LiveMark() {
  const { kind, heardAt } = useSyncExternalStore(live.subscribe, live.state)
  const now = useNow(1_000)
  if (kind === 'live') {
    return (
      <span className="live small" title={heardAt === null ? undefined : utc(heardAt)}>
        <i />
        Live
      </span>
    )
  }
  if (kind === 'opening' || heardAt === null) {
    return (
      <span className="live late small" role="status">
        <i />
        {kind === 'opening' ? 'Connecting' : 'Not connected'}
      </span>
    )
  }
  return (
    <span
      className="live late small"
      role="status"
      title={`${utc(heardAt)}: nothing was heard since. It connects again by itself.`}
    >
      <i />
      <span>
        <span className="stale">stale since {now - heardAt < 86_400_000 ? hms(heardAt) : when(heardAt, now)}</span>
        <span className="faint wide"> {durationShort(now - heardAt)}</span>
      </span>
    </span>
  )
}

function Clock() {
  const now = useNow(1_000)
  const [zone] = useState(() => zoneName(Date.now()))
  return (
    <time className="dim small" dateTime={utc(now)} title={utc(now)}>
      {hms(now)} {zone}
    </time>
  )
}
