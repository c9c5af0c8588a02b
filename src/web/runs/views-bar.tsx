// Saved views as tabs: those that everyone has, then one's own.
import { Link } from '@tanstack/react-router'
import { memo, useRef, useState } from 'react'
import { int } from '../format/numbers.ts'
import { builtIn, keepViews, keptViews, sameView, type View, withView } from './views.ts'

const NAME_MAX = 40

export const Views = memo(function Views(props: {
  readonly search: Readonly<Record<string, string>>
  readonly user: string
  readonly counts: Readonly<Record<string, number>> | null
}) {
  const [own, setOwn] = useState(keptViews)
  const keep = (views: readonly View[]): void => {
    keepViews(views)
    setOwn(views)
  }
  const all = builtIn(props.user)
  const known = [...all, ...own].some((view) => sameView(view.search, props.search))
  const mine = own.find((view) => sameView(view.search, props.search))
  return (
    <nav className="tabs" aria-label="Saved views">
      {[...all, ...own].map((view) => {
        const count = countOf(view, props.counts)
        return (
          <Link
            key={view.name}
            to="/runs"
            search={{ ...view.search }}
            activeOptions={{ exact: true, includeSearch: true }}
          >
            {view.name}
            {count === null ? null : <span className="n">{int(count)}</span>}
          </Link>
        )
      })}
      {known ? null : <SaveView onSave={(name) => keep(withView(own, { name, search: props.search }))} />}
      {mine === undefined ? null : (
        <button type="button" className="as-link faint" onClick={() => keep(own.filter((view) => view !== mine))}>
          Forget this view
        </button>
      )}
    </nav>
  )
})

/** A view that names only states has a count; what else it asks for only the server could count. */
function countOf({ search }: View, counts: Readonly<Record<string, number>> | null): number | null {
  const { state, sort: _sort, order: _order, group: _group, columns: _columns, ...rest } = search
  if (counts === null || Object.keys(rest).length > 0) return null
  const states = state === undefined ? Object.keys(counts) : state.split(',')
  return states.reduce((sum, each) => sum + (counts[each] ?? 0), 0)
}

function SaveView({ onSave }: { readonly onSave: (name: string) => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [name, setName] = useState('')
  return (
    <>
      <button type="button" className="as-link faint" onClick={() => dialog.current?.showModal()}>
        + Save this view
      </button>
      <dialog ref={dialog} aria-labelledby="h-save">
        <form
          method="dialog"
          onSubmit={(event) => {
            event.preventDefault()
            if (name.trim() !== '') onSave(name.trim())
            dialog.current?.close()
          }}
        >
          <h2 id="h-save">Save this view</h2>
          <label>
            Name
            <input
              className="field"
              value={name}
              maxLength={NAME_MAX}
              onChange={(event) => setName(event.target.value)}
            />
          </label>
          <p className="dim small">Kept in this browser. To share a view, share its address.</p>
          <div className="act">
            <button type="button" className="btn" onClick={() => dialog.current?.close()}>
              Cancel
            </button>
            <button type="submit" className="btn first">
              Save
            </button>
          </div>
        </form>
      </dialog>
    </>
  )
}
