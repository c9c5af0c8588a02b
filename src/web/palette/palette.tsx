// Everything by its name: pages, runs, actions. Ctrl K or Cmd K opens it; it is done by keys alone, and by a pointer too.
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useRouter } from '@tanstack/react-router'
import { type KeyboardEvent, useEffect, useRef, useState } from 'react'
import { flushSync } from 'react-dom'
import { ask } from '../api/ask.ts'
import type { Table } from '../api/documents.ts'
import { mayDo } from '../api/may.ts'
import { sessionQuery } from '../api/queries.ts'
import { PAGES } from '../frame/pages.ts'
import { signOut } from '../frame/sign-out.ts'
import { switchTheme, useTheme } from '../frame/theme.ts'
import { type Entry, matching, moved } from './entries.ts'

const RUNS_MAX = 8
/** A person who types is not asked about after each letter. */
const TYPING_MS = 150

const NOTES: Readonly<Record<string, string>> = {
  '/now': 'what needs a person, and whether the rest trains',
  '/runs': 'all runs',
  '/queue': 'why a run waits',
  '/cost': 'what was spent, by whom, and wasted on what',
  '/nodes': 'which machines cannot be used, and why',
  '/alerts': 'what fires, who knows of it, and whether it arrived',
  '/projects': 'quotas and budgets',
  '/audit': 'who did what',
  '/settings': 'theme and tokens',
}

type Doable = Entry & { readonly act: () => void }

/** `first`: what was typed while it was still being read. */
export function Palette({ first, onClose }: { readonly first: string; readonly onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const list = useRef<HTMLUListElement>(null)
  const [typed, setTyped] = useState(first)
  const [at, setAt] = useState(0)
  const runs = useFoundRuns(typed)
  const entries = useEntries(typed, runs)
  useEffect(() => dialog.current?.showModal(), [])
  const chosen = Math.min(at, entries.length - 1)
  useEffect(() => {
    // Newer browsers answer it with a promise, which is nothing to clean up with.
    list.current?.children[chosen]?.scrollIntoView({ block: 'nearest' })
  }, [chosen])
  const run = (entry: Doable | undefined): void => {
    if (entry === undefined) return
    // At once, so that the next press of its keys finds it gone; the event of the dialog comes later.
    flushSync(onClose)
    entry.act()
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    const next = moved(chosen, entries.length, event.key)
    if (next !== null) setAt(next)
    else if (event.key === 'Enter') run(entries[chosen])
    else return
    event.preventDefault()
  }
  return (
    <dialog
      ref={dialog}
      className="palette"
      aria-label="Go to a page, a run, an action"
      onClose={onClose}
      onClick={(event) => {
        // Beside it: on the dialog itself, not on anything in it.
        if (event.target === dialog.current) onClose()
      }}
    >
      <input
        type="text"
        className="field"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={entries.length === 0 ? undefined : `palette-${chosen}`}
        aria-autocomplete="list"
        aria-label="Page, run or action"
        placeholder="A page, a run, an action"
        autoComplete="off"
        spellCheck={false}
        value={typed}
        onChange={(event) => {
          setTyped(event.target.value)
          setAt(0)
        }}
        onKeyDown={onKeyDown}
      />
      <ul ref={list} id="palette-list" role="listbox" aria-label="What matches">
        {entries.map((entry, index) => (
          <li
            key={entry.key}
            id={`palette-${index}`}
            role="option"
            aria-selected={index === chosen}
            onMouseMove={() => setAt(index)}
            onClick={() => run(entry)}
          >
            <span className="kind micro">{entry.kind}</span>
            <span className="name">{entry.name}</span>
            <span className="note small">{entry.note}</span>
          </li>
        ))}
      </ul>
      {entries.length === 0 ? (
        <p className="small dim none" role="status">
          Nothing has these words in its name.
        </p>
      ) : null}
      <p className="micro foot">
        <kbd>↑</kbd> <kbd>↓</kbd> choose, <kbd>Enter</kbd> open, <kbd>Esc</kbd> close
      </p>
    </dialog>
  )
}

/** Runs that have the words in project, name, user or id; those of earlier words while newer ones are read. */
function useFoundRuns(typed: string): Table['rows'] {
  const [words, setWords] = useState('')
  useEffect(() => {
    const timer = setTimeout(() => setWords(typed.trim()), TYPING_MS)
    return () => clearTimeout(timer)
  }, [typed])
  const found = useQuery({
    queryKey: ['table', 'palette', words],
    queryFn: ({ signal }) =>
      ask<Table>('/table', { q: words, sort: 'created', order: 'desc', limit: RUNS_MAX }, signal),
    enabled: words !== '',
    placeholderData: keepPreviousData,
  })
  return words === '' ? [] : (found.data?.rows ?? [])
}

function useEntries(typed: string, runs: Table['rows']): readonly Doable[] {
  const router = useRouter()
  const session = useQuery(sessionQuery)
  const other = useTheme() === 'dark' ? 'light' : 'dark'
  const go = (path: string) => () => router.history.push(path)
  const fixed: readonly Doable[] = [
    ...PAGES.map(({ to, name }): Doable => ({ key: to, kind: 'page', name, note: NOTES[to] ?? '', act: go(to) })),
    {
      key: 'failed',
      kind: 'action',
      name: 'Show failed runs',
      note: 'the newest first',
      act: go('/runs?state=failed'),
    },
    {
      key: 'out',
      kind: 'action',
      name: 'Show nodes out of service',
      note: 'worst first',
      act: go('/nodes?state=out'),
    },
    ...(mayDo(session.data, 'queue.pause')
      ? [
          {
            key: 'pause',
            kind: 'action' as const,
            name: 'Pause or resume placing',
            note: 'on Queue',
            act: go('/queue'),
          },
        ]
      : []),
    ...(mayDo(session.data, 'token.create')
      ? [{ key: 'token', kind: 'action' as const, name: 'Make a token', note: 'on Settings', act: go('/settings') }]
      : []),
    {
      key: 'theme',
      kind: 'action',
      name: `${other === 'dark' ? 'Dark' : 'Light'} theme`,
      note: 'kept by this browser',
      act: switchTheme,
    },
    { key: 'sign-out', kind: 'action', name: 'Sign out', note: session.data?.user ?? '', act: () => void signOut() },
  ]
  const byKey = new Map(fixed.map((entry) => [entry.key, entry]))
  const found = matching(fixed, typed).flatMap(({ key }) => byKey.get(key) ?? [])
  const ofRuns = runs.map(({ id, project, name, state, user }): Doable => ({
    key: id,
    kind: 'run',
    name: `${project}/${name}`,
    note: `${state}, ${user}`,
    act: go(`/runs/${encodeURIComponent(id)}`),
  }))
  return [...found, ...ofRuns]
}
