// The resolved spec of a run, and how it differs from another run's.
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useRef } from 'react'
import type { Show } from '../api/documents.ts'
import { showQuery, tableQuery } from '../api/queries.ts'
import { counted } from '../../domain/words.ts'
import { Empty, Panel, Reading, Refusal } from '../parts/bits.tsx'
import { useWords } from '../parts/search.ts'
import { differences, leaves } from './diff.ts'
import { useShow } from './use-run.ts'

export function ConfigTab() {
  const show = useShow()
  const search = useWords()
  const other = search.with ?? ''
  return (
    <div className="grid">
      <Compare show={show} other={other} />
      <Panel id="h-config" title="Config" sub="the resolved spec, frozen at submit">
        {show.spec === null || show.spec === undefined ? (
          <Empty title="No spec is kept">It was submitted before specs were kept.</Empty>
        ) : (
          <div className="scroll" tabIndex={0} role="region" aria-label="Places of the config">
            <table className="wrap config">
              <tbody>
                {leaves(show.spec).map(({ path, text }) => (
                  <tr key={path}>
                    <th scope="row">{path}</th>
                    <td className="mono">{text}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Panel>
    </div>
  )
}

function Compare({ show, other }: { readonly show: Show; readonly other: string }) {
  const field = useRef<HTMLInputElement>(null)
  const navigate = useNavigate()
  // Runs of the same project come first to mind.
  const near = useQuery(tableQuery({ project: show.project, sort: 'created', order: 'desc' }, 0))
  const there = useQuery({ ...showQuery(other), enabled: other !== '' })
  return (
    <Panel id="h-compare" title="Difference from another run">
      <div className="body">
        <form
          className="row"
          onSubmit={(event) => {
            event.preventDefault()
            const id = field.current?.value.trim() ?? ''
            void navigate({ to: '/runs/$run/config', params: { run: show.id }, search: id === '' ? {} : { with: id } })
          }}
        >
          <label className="vh" htmlFor="with">
            The other run, by its id or as project/name
          </label>
          <input
            key={other}
            ref={field}
            id="with"
            className="field mono"
            list="near"
            defaultValue={other}
            spellCheck={false}
            placeholder="id, or project/name"
          />
          <datalist id="near">
            {(near.data?.rows ?? [])
              .filter((row) => row.id !== show.id)
              .map((row) => (
                <option key={row.id} value={row.id}>
                  {row.name}
                </option>
              ))}
          </datalist>
          <button type="submit" className="btn">
            Compare
          </button>
        </form>
      </div>
      {other === '' ? null : there.data === undefined ? (
        there.isPending ? (
          <Reading what="the other run" />
        ) : (
          <Refusal error={there.error} />
        )
      ) : (
        <Differences here={show} there={there.data} />
      )}
    </Panel>
  )
}

function Differences({ here, there }: { readonly here: Show; readonly there: Show }) {
  const found = differences(here.spec, there.spec)
  if (found.length === 0) return <Empty title="Nothing differs">Both runs have the same resolved spec.</Empty>
  return (
    <>
      <p className="body small dim">{counted(found.length, 'place')} of the spec differ.</p>
      <div className="scroll" tabIndex={0} role="region" aria-label="Differences">
        <table className="wrap config">
          <thead>
            <tr>
              <th>Place</th>
              <th>{here.name}, this run</th>
              <th>
                <Link to="/runs/$run/config" params={{ run: there.id }}>
                  {there.name}
                </Link>
              </th>
            </tr>
          </thead>
          <tbody>
            {found.map((each) => (
              <tr key={each.path}>
                <th scope="row">{each.path}</th>
                <td className="mono">{each.here ?? <span className="faint">not there</span>}</td>
                <td className="mono">{each.there ?? <span className="faint">not there</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}
