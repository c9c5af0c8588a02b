// What narrows the list: words, states, how it is grouped, which columns. All of it stands in the address.
import { memo, useEffect, useRef, useState } from 'react'
import { RUN_STATES } from '../../domain/run.ts'
import { int } from '../format/numbers.ts'
import { COLUMNS, shownColumns } from './columns.tsx'
import { type Filters, type State, textOf, withText } from './filters.ts'

/** A pause in typing this long is the end of a word. */
const TYPING_MS = 200

type Props = {
  readonly filters: Filters
  readonly counts: Readonly<Record<string, number>> | null
  readonly onShow: (filters: Filters, replace?: boolean) => void
}

export const Toolbar = memo(function Toolbar({ filters, counts, onShow }: Props) {
  return (
    <div className="toolbar">
      <Words filters={filters} onShow={onShow} />
      <details className="menu">
        <summary className="btn">States{filters.states.length > 0 ? ` · ${filters.states.length}` : ''}</summary>
        <fieldset>
          <legend className="vh">States</legend>
          {RUN_STATES.map((state) => (
            <label key={state}>
              <input
                type="checkbox"
                checked={filters.states.includes(state)}
                onChange={() => onShow({ ...filters, states: toggled(filters.states, state) })}
              />
              {state}
              <span className="faint">{counts === null ? '' : int(counts[state] ?? 0)}</span>
            </label>
          ))}
        </fieldset>
      </details>
      <details className="menu wide-only">
        <summary className="btn">Columns</summary>
        <Columns filters={filters} onShow={onShow} />
      </details>
      <fieldset className="seg">
        <legend className="vh">Group</legend>
        {(['state', 'flat'] as const).map((group) => (
          <button
            key={group}
            type="button"
            aria-pressed={filters.group === group}
            onClick={() => onShow({ ...filters, group })}
          >
            {group === 'state' ? 'By state' : 'Flat'}
          </button>
        ))}
      </fieldset>
    </div>
  )
})

const toggled = (states: readonly State[], state: State): readonly State[] =>
  states.includes(state) ? states.filter((each) => each !== state) : [...states, state]

function Words({ filters, onShow }: Pick<Props, 'filters' | 'onShow'>) {
  const shown = textOf(filters)
  const [text, setText] = useState(shown)
  const said = useRef(shown)
  // The address may change by a link or the way back: then the field follows it.
  useEffect(() => {
    if (shown !== said.current) setText(shown)
    said.current = shown
  }, [shown])
  useEffect(() => {
    if (text === said.current) return undefined
    const timer = setTimeout(() => {
      const next = withText(filters, text)
      said.current = textOf(next)
      onShow(next, true)
    }, TYPING_MS)
    return () => clearTimeout(timer)
  }, [text, filters, onShow])
  return (
    <label className="query">
      <span className="vh">Find runs</span>
      <input
        type="search"
        className="mono"
        value={text}
        spellCheck={false}
        placeholder="words, project:, user:, state:"
        onChange={(event) => setText(event.target.value)}
      />
      <kbd aria-hidden="true">/</kbd>
    </label>
  )
}

function Columns({ filters, onShow }: Pick<Props, 'filters' | 'onShow'>) {
  const shown = shownColumns(filters.columns).map((column) => column.key)
  const usual = shownColumns(null).map((column) => column.key)
  const show = (keys: readonly string[]): void =>
    onShow({ ...filters, columns: keys.join() === usual.join() ? null : keys })
  return (
    <fieldset>
      <legend className="vh">Columns</legend>
      {COLUMNS.filter((column) => column.key !== 'run').map(({ key, head, unit }) => (
        <label key={key}>
          <input
            type="checkbox"
            checked={shown.includes(key)}
            onChange={() =>
              show(COLUMNS.map((column) => column.key).filter((each) => shown.includes(each) !== (each === key)))
            }
          />
          {head} <span className="faint">{unit ?? ''}</span>
        </label>
      ))}
      <button type="button" className="btn quiet" onClick={() => onShow({ ...filters, columns: null })}>
        The usual ones
      </button>
    </fieldset>
  )
}
