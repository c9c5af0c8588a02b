// Who holds the GPUs, and what ended last. Both are lists of runs that the stream keeps fresh.
import type { TableRow } from '../api/documents.ts'
import { countOf, durationShort, gpuHours, int, money, percent, si } from '../format/numbers.ts'
import { day, hm, ms, utc } from '../format/times.ts'
import { Empty, Estimate, Moment, Panel, Progress, UnknownSince } from '../parts/bits.tsx'
import { StateWord } from '../parts/glyphs.tsx'
import { Go, RunLink } from '../parts/go.tsx'
import { Says } from '../runs/columns.tsx'
import { blindSince, endOf } from '../runs/freshness.ts'

const LARGEST = 10

type HoldersProps = { readonly rows: readonly TableRow[]; readonly total: number; readonly now: number }

export function WhoHolds({ rows, total, now }: HoldersProps) {
  const largest = rows.slice(0, LARGEST)
  const sum = rows.reduce((all, { gpus }) => all + gpus, 0)
  return (
    <Panel
      id="h-who"
      title="Who holds them"
      sub={
        total === 0
          ? undefined
          : `${countOf(total, 'run')}${rows.length < total ? '' : `, ${countOf(sum, 'GPU')}`}${total > LARGEST ? '; the ten largest are shown' : ''}`
      }
      to={<Go to="/runs">All runs</Go>}
    >
      {largest.length === 0 ? (
        <Empty title="No run holds a GPU">
          A run is a command with the GPUs that it needs: <code className="mono">plimsoll submit hello.yaml</code> says
          what it will cost before it asks.
        </Empty>
      ) : (
        <div className="scroll" tabIndex={0} role="region" aria-label="The largest runs">
          <table>
            <thead>
              <tr>
                <th>State</th>
                <th>Run</th>
                <th className="r">GPUs</th>
                <th>Progress</th>
                <th className="r">
                  Rate<span className="u">tokens/s</span>
                </th>
                <th className="r">
                  Held<span className="u">GPU-h</span>
                </th>
                <th className="r">Cost</th>
                <th>Ends</th>
                <th>Says</th>
              </tr>
            </thead>
            <tbody>
              {largest.map((row) => (
                <Holder key={row.id} row={row} now={now} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  )
}

function Holder({ row, now }: { readonly row: TableRow; readonly now: number }) {
  const blind = blindSince(row, now)
  const end = row.state === 'running' && blind === null ? endOf(row) : null
  return (
    <tr>
      <td>
        <StateWord state={row.state} />
      </td>
      <td className="name">
        <RunLink id={row.id} project={row.project} name={row.name} />
      </td>
      <td className="r">{int(row.gpus)}</td>
      <td>
        {row.step === null ? (
          <span className="faint">no steps</span>
        ) : blind !== null ? (
          <span className="stale">step {int(row.step)}</span>
        ) : row.totalSteps === null ? (
          <span className="dim num">step {int(row.step)}</span>
        ) : (
          <>
            <Progress share={row.step / row.totalSteps} />{' '}
            <span className="dim num">{percent(row.step / row.totalSteps)}</span>
          </>
        )}
      </td>
      <td className="r">
        {row.tokensPerSecond === null || blind !== null ? (
          <span className="faint">unknown</span>
        ) : (
          si(row.tokensPerSecond)
        )}
      </td>
      <td className="r">{gpuHours(row.heldGpuMs)}</td>
      <td className="r">{row.money === null ? <span className="faint">no price</span> : money(row.money)}</td>
      <td>
        {blind !== null ? (
          <UnknownSince at={blind} now={now} />
        ) : end === null ? (
          <span className="faint">unknown</span>
        ) : (
          <Estimate>
            <time dateTime={utc(end)} title={utc(end)}>
              {end - now > 86_400_000 ? day(end) : hm(end)}
            </time>
          </Estimate>
        )}
      </td>
      <td className="name">
        <Says row={row} />
      </td>
    </tr>
  )
}

export function NewestEnds({ rows, now }: { readonly rows: readonly TableRow[]; readonly now: number }) {
  return (
    <Panel id="h-ends" title="Ended last" sub="the newest first">
      {rows.length === 0 ? (
        <Empty title="No run has ended yet">What ends stands here, with what it cost and what it said last.</Empty>
      ) : (
        <div className="scroll" tabIndex={0} role="region" aria-label="Runs that ended last">
          <table>
            <thead>
              <tr>
                <th>State</th>
                <th>Run</th>
                <th>Ended</th>
                <th className="r">Lasted</th>
                <th className="r">
                  Held<span className="u">GPU-h</span>
                </th>
                <th className="r">Cost</th>
                <th>User</th>
                <th>Says</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.id}>
                  <td>
                    <StateWord state={row.state} />
                  </td>
                  <td className="name">
                    <RunLink id={row.id} project={row.project} name={row.name} />
                  </td>
                  <td>{row.endedAt === null ? 'now' : <Moment at={ms(row.endedAt)} now={now} />}</td>
                  <td className="r">
                    {row.startedAt === null || row.endedAt === null ? (
                      <span className="faint">never started</span>
                    ) : (
                      durationShort(ms(row.endedAt) - ms(row.startedAt))
                    )}
                  </td>
                  <td className="r">
                    {row.heldGpuMs === 0 ? <span className="faint">0</span> : gpuHours(row.heldGpuMs)}
                  </td>
                  <td className="r">
                    {row.money === null ? <span className="faint">no price</span> : money(row.money)}
                  </td>
                  <td className="dim">{row.user}</td>
                  <td className="name">
                    <Says row={row} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  )
}
