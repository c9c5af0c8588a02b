// One mark for each try of a message: full where it was taken, ruled where it was not.
import type { Delivery } from './api.ts'

const SHOWN_MAX = 8

export function Tries({ tries }: { readonly tries: readonly Delivery['tries'][number][] }) {
  if (tries.length === 0) return <span className="faint">none</span>
  const taken = tries.at(-1)?.ok === true
  const label = `${tries.length} ${tries.length === 1 ? 'try' : 'tries'}, ${taken ? 'the last was taken' : 'none was taken'}`
  const left = Math.max(0, tries.length - SHOWN_MAX)
  return (
    <span className="nowrap">
      <span className="try" role="img" aria-label={label}>
        {tries.slice(left).map((each) => (
          <i key={each.try} className={each.ok ? 'ok' : 'no'} />
        ))}
      </span>
      {left > 0 ? <span className="micro"> of {tries.length}</span> : null}
    </span>
  )
}
