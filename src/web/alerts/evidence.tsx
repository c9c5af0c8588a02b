// The numbers and lines that speak for an alert. They may be what a program printed: text, and cut where it is long.
import type { Finding } from '../api/operate.ts'
import { hms, ms, utc } from '../format/times.ts'
import { visible } from '../format/visible.ts'

const SHOWN = 3

type Props = { readonly evidence: Finding['evidence']; readonly whatToTry?: string }

/** In one line, which opens to all of it; with what to do, where that does not stand beside it. */
export function Evidence({ evidence, whatToTry }: Props) {
  if (evidence.length === 0 && whatToTry === undefined) return null
  const line = evidence
    .slice(0, SHOWN)
    .map(({ what, value }) => visible(value === '' ? what : `${what}: ${value}`))
    .join(' · ')
  return (
    <details className="e">
      <summary>
        <span className="clamp">{line === '' ? 'What to do' : line}</span>
      </summary>
      <table className="proof">
        <tbody>
          {evidence.map(({ what, value, at, worker }, index) => (
            <tr key={index}>
              <th scope="row">{visible(what)}</th>
              <td>{visible(value)}</td>
              <td className="faint">
                {at === null ? (
                  ''
                ) : (
                  <time dateTime={at} title={utc(ms(at))}>
                    {hms(ms(at))}
                  </time>
                )}
                {worker === null ? '' : ` worker ${visible(String(worker).replace(/^.*-/, ''))}`}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {whatToTry === undefined ? null : <p className="do2">{visible(whatToTry)}</p>}
    </details>
  )
}
