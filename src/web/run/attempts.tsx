// Attempts on an axis of time, with ticks for durable checkpoints, and the same in numbers below.
import type { Attempt, Series, Show, Statement } from '../api/documents.ts'
import { duration, durationShort, gpuHours, int, percent } from '../format/numbers.ts'
import { day, hm, hms, ms, msOrNull, utc } from '../format/times.ts'
import { fillOf, Swatch, titleOf } from '../parts/accounts.tsx'
import { Empty, Moment, Panel } from '../parts/bits.tsx'
import { StateWord } from '../parts/glyphs.tsx'
import { useWidth } from '../parts/width.ts'
import { type AttemptLine, attemptLines } from './timeline.ts'

const LINES_MAX = 12
const ROW = 27
const TOP = 20

type Props = {
  readonly show: Show
  readonly series: Series | null
  readonly statement: Statement | null
  readonly now: number
}

export function Attempts({ show, series, statement, now }: Props) {
  const [box, width] = useWidth<HTMLDivElement>()
  const lines = attemptLines(show.attempts, series, now, statement).slice(-LINES_MAX)
  if (lines.length === 0) {
    return (
      <Panel id="h-attempts" title="Attempts">
        <Empty title="No attempt yet">
          An attempt begins when the whole gang has GPUs. A restart is another attempt.
        </Empty>
      </Panel>
    )
  }
  const kinds = [...new Set(lines.flatMap((line) => line.spans.map((span) => span.account)))]
  return (
    <Panel id="h-attempts" title="Attempts" sub="when; ticks below each bar are durable checkpoints">
      <div className="body" ref={box}>
        {width > 0 ? <Drawing lines={lines} width={width} /> : null}
        <div className="legend">
          {kinds.map((account) => (
            <span key={account}>
              <Swatch account={account} />
              {account}
            </span>
          ))}
        </div>
      </div>
      <div className="scroll" tabIndex={0} role="region" aria-label="Attempts in numbers">
        <Numbers attempts={show.attempts} statement={statement} now={now} />
      </div>
    </Panel>
  )
}

function Drawing({ lines, width }: { readonly lines: readonly AttemptLine[]; readonly width: number }) {
  const narrow = width < 600
  const left = narrow ? 22 : 76
  const from = Math.min(...lines.map((line) => line.from))
  const to = Math.max(from + 1000, ...lines.map((line) => line.to))
  const x = (at: number): number => left + ((at - from) / (to - from)) * (width - left - 8)
  const height = TOP + lines.length * ROW + 4
  return (
    <svg
      className="chart"
      viewBox={`0 0 ${width} ${height}`}
      height={height}
      role="img"
      aria-label={`${lines.length} attempts over ${durationShort(to - from)}`}
    >
      {timeMarks(from, to, width - left).map(({ at, text }) => (
        <g key={at}>
          <line x1={x(at)} x2={x(at)} y1="14" y2={height - 4} stroke="var(--grid)" />
          {x(at) < width - (text.length > 5 ? 62 : 44) ? (
            <text x={x(at) + 3} y="10">
              {text}
            </text>
          ) : null}
        </g>
      ))}
      {lines.map((line, index) => {
        const y = TOP + index * ROW
        return (
          <g key={line.number}>
            <text className="lab" x="0" y={y + 11}>
              {narrow ? '' : 'attempt '}
              {line.number}
            </text>
            {line.spans.map((span) => (
              <rect
                key={`${span.account}${span.from}`}
                x={x(span.from)}
                y={y}
                width={Math.max(1.4, x(span.to) - x(span.from))}
                height="14"
                fill={fillOf(span.account)}
              >
                <title>
                  {titleOf(span.account, span.to - span.from)}, {utc(span.from)}
                </title>
              </rect>
            ))}
            {thinned(line.saves, x).map((at) => (
              <path key={at} d={`M${x(at).toFixed(1)} ${y + 15.5}v4`} stroke="var(--mark)" strokeWidth="1">
                <title>checkpoint, {utc(at)}</title>
              </path>
            ))}
          </g>
        )
      })}
    </svg>
  )
}

/** Ticks nearer than two pixels are one. */
function thinned(saves: readonly number[], x: (at: number) => number): readonly number[] {
  let last = Number.NEGATIVE_INFINITY
  return saves.filter((at) => {
    if (x(at) - last < 2) return false
    last = x(at)
    return true
  })
}

const SECONDS_MS = [1, 2, 5, 10, 15, 30].map((seconds) => seconds * 1000)
const MINUTES_MS = [1, 2, 5, 10, 15, 30, 60, 180, 360, 720, 1440, 2 * 1440, 7 * 1440, 30 * 1440].map(
  (minutes) => minutes * 60_000,
)
const STEPS_MS = [...SECONDS_MS, ...MINUTES_MS]

function timeMarks(from: number, to: number, width: number): { at: number; text: string }[] {
  const most = Math.max(2, Math.floor(width / 90))
  const step = STEPS_MS.find((each) => (to - from) / each <= most) ?? 30 * 86_400_000
  const offset = new Date(from).getTimezoneOffset() * 60_000
  const marks: { at: number; text: string }[] = []
  for (let at = Math.ceil((from - offset) / step) * step + offset; at < to; at += step) {
    marks.push({ at, text: step >= 86_400_000 ? day(at) : step < 60_000 ? hms(at) : hm(at) })
  }
  return marks
}

type NumbersProps = {
  readonly attempts: readonly Attempt[]
  readonly statement: Statement | null
  readonly now: number
}

function Numbers({ attempts, statement, now }: NumbersProps) {
  const booked = new Map((statement?.attempts ?? []).map((each) => [each.id, each]))
  const sum = (statement?.attempts ?? []).reduce((total, each) => total + (each.byAccount.lost ?? 0), 0)
  return (
    <table>
      <thead>
        <tr>
          <th>Attempt</th>
          <th>Outcome</th>
          <th>Began</th>
          <th className="r">Lasted</th>
          <th className="r">Steps</th>
          <th className="r">Held, GPU-h</th>
          <th className="r">Lost, GPU-h</th>
          <th className="r">Productive</th>
          <th>Cause</th>
        </tr>
      </thead>
      <tbody>
        {attempts.map((attempt) => {
          const books = booked.get(attempt.id)
          const began = ms(attempt.plannedAt)
          return (
            <tr key={attempt.id}>
              <td>{attempt.number}</td>
              <td>
                {attempt.outcome === null ? (
                  <StateWord state={attemptState(attempt.state)} />
                ) : (
                  <Outcome outcome={attempt.outcome} />
                )}
              </td>
              <td>
                <Moment at={began} now={now} />
              </td>
              <td className="r">{duration((msOrNull(attempt.endedAt) ?? now) - began)}</td>
              <td className="r">{stepsOf(attempt)}</td>
              <td className="r">
                {books === undefined ? <span className="faint">unknown</span> : gpuHours(books.heldGpuMs)}
              </td>
              <td className="r">
                {books === undefined ? <span className="faint">unknown</span> : gpuHours(books.byAccount.lost ?? 0)}
              </td>
              <td className="r">
                {books === undefined || books.heldGpuMs === 0 ? (
                  <span className="faint">–</span>
                ) : (
                  percent((books.byAccount.productive ?? 0) / books.heldGpuMs)
                )}
              </td>
              <td className="dim cause" title={attempt.message ?? undefined}>
                {attempt.failure === null ? null : <span className="chip reason">{attempt.failure}</span>}{' '}
                {attempt.message}
              </td>
            </tr>
          )
        })}
        {statement === null || attempts.length < 2 ? null : (
          <tr className="sum">
            <td>{attempts.length}</td>
            <td colSpan={4} />
            <td className="r">{gpuHours(statement.heldGpuMs)}</td>
            <td className="r">{gpuHours(sum)}</td>
            <td className="r">
              {statement.heldGpuMs === 0 ? '–' : percent((statement.byAccount.productive ?? 0) / statement.heldGpuMs)}
            </td>
            <td />
          </tr>
        )}
      </tbody>
    </table>
  )
}

const attemptState = (state: string): string =>
  ({ planned: 'admitted', launching: 'starting', running: 'running', stopping: 'stopping' })[state] ?? state

function Outcome({ outcome }: { readonly outcome: string }) {
  if (outcome === 'succeeded') return <StateWord state="succeeded" />
  if (outcome === 'failed') return <StateWord state="failed" />
  return <span>{outcome}</span>
}

function stepsOf({ resumedFromStep, lastStep }: Attempt): string {
  if (lastStep === null) return 'none'
  return `${int(resumedFromStep ?? 0)} → ${int(lastStep)}`
}
