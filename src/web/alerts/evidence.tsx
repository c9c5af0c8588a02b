// The numbers and lines that speak for an alert. They may be what a program printed: text, and cut where it is long.
import type { Finding } from '../api/operate.ts'
import { hms, ms, utc } from '../format/times.ts'
import { visible } from '../format/visible.ts'

const SHOWN = 3

type Props = { readonly evidence: Finding['evidence']; readonly now: number; readonly whatToTry?: string }

/** In one line, and all of it where there is more; what to do of what does not fire. */
export function Evidence({ evidence, whatToTry }: Props) {
  const line = evidence
    .slice(0, SHOWN)
    .map(({ what, value }) => `${visible(what)} ${visible(value)}`)
    .join(' · ')
  const more = evidence.length > SHOWN || evidence.some(({ at, worker }) => at !== null || worker !== null)
  if (evidence.length === 0 && whatToTry === undefined) return null
  return (
    <>
      {line === '' ? null : <p className="e clamp">{line}</p>}
      {more || whatToTry !== undefined ? (
        <details className="e">
          <summary>{whatToTry === undefined ? 'Evidence' : 'Evidence, and what to do'}</summary>
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
      ) : null}
    </>
  )
}
