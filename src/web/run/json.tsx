// The documents of a run as the API gives them, for who writes a script.
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { address } from '../api/ask.ts'
import { statementQuery } from '../api/queries.ts'
import { Panel } from '../parts/bits.tsx'
import { saveAs } from '../parts/save.ts'
import { isAlive, useShow } from './use-run.ts'

export function JsonTab() {
  const show = useShow()
  const statement = useQuery(statementQuery(show.id, isAlive(show)))
  const path = `/runs/${encodeURIComponent(show.id)}`
  return (
    <div className="grid">
      <Document id="h-show" name="show" path={path} value={show} />
      {statement.data === undefined ? null : (
        <Document id="h-statement-json" name="statement" path={`${path}/statement`} value={statement.data} />
      )}
    </div>
  )
}

function Document(props: {
  readonly id: string
  readonly name: string
  readonly path: string
  readonly value: unknown
}) {
  const text = JSON.stringify(props.value, null, 2)
  const [copied, setCopied] = useState(false)
  return (
    <Panel
      id={props.id}
      title={`plimsoll ${props.name} -o json`}
      sub={<a href={address(props.path, {})}>GET {address(props.path, {})}</a>}
      to={
        <>
          <button
            type="button"
            className="as-link"
            onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}
          >
            {copied ? 'Copied' : 'Copy'}
          </button>
          <button
            type="button"
            className="as-link"
            onClick={() => saveAs(`${props.name}.json`, text, 'application/json')}
          >
            Download
          </button>
        </>
      }
    >
      <pre className="mono json" tabIndex={0} role="region" aria-label={`${props.name} as JSON`}>
        {text}
      </pre>
    </Panel>
  )
}
