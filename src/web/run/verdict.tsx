// What made an attempt fail: the kind, who is the culprit, the lines that say so, and what to try. Only of the culprit: of victims there
// would be hundreds of lines.
import type { Attempt } from '../api/documents.ts'
import { hmsMs, ms } from '../format/times.ts'
import { visible } from '../format/visible.ts'

type Known = NonNullable<Attempt['verdict']>

const DECISIONS: Readonly<Record<Known['decision'], string>> = {
  restart: 'restarted where it may',
  'restart-elsewhere': 'restarted without that node',
  'no-restart': 'not restarted: it would come back',
}

export function Verdict({ verdict }: { readonly verdict: Known }) {
  const { kind, meaning, decision, worker, node, evidence, whatToTry } = verdict
  return (
    <>
      <p>
        <span className="chip reason">{kind}</span> {meaning}
        {worker === null ? '' : `; worker ${indexOf(worker)} on ${visible(node ?? '')}`}
        <span className="dim"> ({DECISIONS[decision]})</span>
      </p>
      {evidence.length === 0 ? null : (
        <div className="log framed">
          {evidence.map((line, index) => (
            <div className={index === 0 ? 'first' : undefined} key={index}>
              <span className="t">{line.printedAt === null ? 'at its end' : hmsMs(ms(line.printedAt))}</span>
              <span className="w">worker {indexOf(line.worker)}</span>
              <span>{index === 0 ? <mark>{visible(line.text)}</mark> : visible(line.text)}</span>
            </div>
          ))}
        </div>
      )}
      <p>
        <b className="med">What to try:</b> {whatToTry}
      </p>
    </>
  )
}

const indexOf = (worker: string): string => visible(worker.slice(worker.lastIndexOf('-') + 1))
