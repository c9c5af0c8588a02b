// What frees GPUs, and who takes them: bars up to when a run should end, and frames from when one that waits may begin.
import { countOf, durationShort, int } from '../format/numbers.ts'
import { day, hm, utc } from '../format/times.ts'
import { Empty, Panel } from '../parts/bits.tsx'
import { useWidth } from '../parts/width.ts'
import type { Lane, lanesOf } from './queue.ts'

const ROW = 21
const NARROW_ROW = 34
const TOP = 22

export function Ends({ plan, now }: { readonly plan: ReturnType<typeof lanesOf>; readonly now: number }) {
  const [box, width] = useWidth<HTMLDivElement>()
  const { lanes, to, left, undated } = plan
  const rest = [
    ...(left > 0 ? [`${countOf(left, 'run')} more with a date`] : []),
    ...(undated > 0 ? [`${int(undated)} of those that hold GPUs without a known end`] : []),
  ]
  return (
    <Panel
      id="h-ends"
      title="What frees GPUs, and who takes them"
      sub={lanes.length === 0 ? undefined : `next ${durationShort(to - now)}; by each run’s own step times`}
      footer={`${rest.length === 0 ? '' : `${rest.join('; ')}. `}An expected end is no promise: the plan is made again at each change.`}
      to={
        <span className="legend">
          <span>
            <i className="sw a a-productive" />
            runs, to its end
          </span>
          <span>
            <i className="sw sw-wait" />
            waits: frame from P50, ruled from P90
          </span>
        </span>
      }
    >
      {lanes.length === 0 ? (
        <Empty title="No end is known">
          A run says when it ends once its steps are seen and it says how many there will be. Nothing that runs now
          does.
        </Empty>
      ) : (
        <div className="body" ref={box}>
          {width > 0 ? <Drawing lanes={lanes} from={now} to={to} width={width} /> : null}
          <ul className="vh">
            {lanes.map((lane) => (
              <li key={`${lane.kind}${lane.id}`}>
                {lane.project}/{lane.name}, {countOf(lane.gpus, 'GPU')}:{' '}
                {lane.kind === 'runs' ? 'ends' : 'expected to start'} {utc(lane.p50)}
              </li>
            ))}
          </ul>
        </div>
      )}
    </Panel>
  )
}

type DrawingProps = {
  readonly lanes: readonly Lane[]
  readonly from: number
  readonly to: number
  readonly width: number
}

function Drawing({ lanes, from, to, width }: DrawingProps) {
  const narrow = width < 600
  const left = narrow ? 2 : 226
  const row = narrow ? NARROW_ROW : ROW
  const right = narrow ? 58 : 64
  const x = (at: number): number => left + ((Math.min(at, to) - from) / (to - from)) * (width - left - right)
  const height = TOP + lanes.length * row + 4
  const text = (at: number): string => (at - from > 86_400_000 ? day(at) : hm(at))
  return (
    <svg className="chart" viewBox={`0 0 ${width} ${height}`} height={height} aria-hidden="true">
      {[0, 0.25, 0.5, 0.75, 1].map((share) => {
        const at = from + share * (to - from)
        return (
          <g key={share}>
            <line x1={x(at)} x2={x(at)} y1="15" y2={height - 2} stroke={share === 0 ? 'var(--ink)' : 'var(--grid)'} />
            <text x={x(at)} y="11" textAnchor={share === 0 && narrow ? 'start' : 'middle'}>
              {share === 0 ? `now` : text(at)}
            </text>
          </g>
        )
      })}
      {lanes.map((lane, index) => {
        const y = TOP + index * row + (narrow ? 15 : 3)
        const name = lane.name.length > 26 ? `${lane.name.slice(0, 25)}…` : lane.name
        return (
          <g key={`${lane.kind}${lane.id}`}>
            <text
              className="lab"
              x={narrow ? 2 : left - 50}
              y={narrow ? y - 4 : y + 11}
              textAnchor={narrow ? 'start' : 'end'}
            >
              {name}
              {narrow ? ` · ${int(lane.gpus)} GPUs` : ''}
            </text>
            {narrow ? null : (
              <text x={left - 10} y={y + 11} textAnchor="end">
                {int(lane.gpus)}
              </text>
            )}
            {lane.kind === 'runs' ? (
              <rect
                x={x(from)}
                y={y}
                width={Math.max(2, x(lane.p50) - x(from))}
                height="14"
                fill="var(--acc-productive)"
              />
            ) : (
              <>
                <rect
                  x={x(lane.p50) + 0.75}
                  y={y + 0.75}
                  width={Math.max(3, width - right - x(lane.p50) - 1.5)}
                  height="12.5"
                  fill="var(--panel)"
                  stroke="var(--ink-2)"
                  strokeWidth="1.5"
                />
                <rect
                  x={x(lane.p90)}
                  y={y + 3}
                  width={Math.max(0, width - right - x(lane.p90) - 3)}
                  height="8"
                  fill="url(#t-reserved)"
                />
              </>
            )}
            <text
              className="strong"
              x={lane.kind === 'runs' ? x(lane.p50) + 5 : x(lane.p50) - 5}
              y={y + 11}
              textAnchor={lane.kind === 'runs' ? 'start' : 'end'}
            >
              {lane.kind === 'waits' && x(lane.p50) < left + 46 ? '' : `≈ ${text(lane.p50)}`}
            </text>
          </g>
        )
      })}
    </svg>
  )
}
