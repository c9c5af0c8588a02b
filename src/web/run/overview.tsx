// Is this run all right; if it failed, what was first, what did it cost, what is left to do?
import { useQuery } from '@tanstack/react-query'
import { useNow } from '../api/clock.ts'
import type { Show, Statement } from '../api/documents.ts'
import { seriesQuery, statementQuery } from '../api/queries.ts'
import { dec, duration, durationShort, gpuHours, int, money, percent, si } from '../format/numbers.ts'
import { day, hm, ms, utc } from '../format/times.ts'
import { Estimate, Figure, Moment, Progress, Reading, Refusal, Unit, UnknownSince } from '../parts/bits.tsx'
import { blindSince, endOf } from '../runs/freshness.ts'
import { Attempts } from './attempts.tsx'
import { NeedsALook } from './needs.tsx'
import { LossPlot, StepTimePlot } from './plots.tsx'
import { StateAndWhy } from './state.tsx'
import { isAlive, useShow } from './use-run.ts'
import { WhereItWent } from './where.tsx'

export function Overview() {
  const show = useShow()
  const alive = isAlive(show)
  const now = useNow(5_000)
  const statement = useQuery(statementQuery(show.id, alive))
  const series = useQuery(seriesQuery(show.id, alive))
  return (
    <>
      <Figures show={show} statement={statement.data ?? null} now={now} />
      <div className="grid">
        <NeedsALook show={show} now={now} />
        <StateAndWhy show={show} statement={statement.data ?? null} now={now} />
        <WhereItWent show={show} statement={statement.data ?? null} error={statement.error} />
        <Attempts show={show} series={series.data ?? null} statement={statement.data ?? null} now={now} />
        {series.data === undefined ? (
          <section className="panel" aria-label="Loss and step time">
            {series.error === null ? <Reading what="loss and step time" /> : <Refusal error={series.error} />}
          </section>
        ) : (
          <>
            <LossPlot series={series.data} alive={alive} />
            <StepTimePlot series={series.data} alive={alive} />
          </>
        )}
      </div>
    </>
  )
}

type FiguresProps = { readonly show: Show; readonly statement: Statement | null; readonly now: number }

function Figures({ show, statement, now }: FiguresProps) {
  const { progress } = show
  const seen = { ...progress, state: show.state }
  const blind = blindSince(seen, now, progress.stepMs)
  const cost = progress.money
  return (
    <dl className="figs">
      <Figure
        name="Step"
        under={
          progress.step !== null && progress.totalSteps !== null ? (
            <>
              <Progress share={progress.step / progress.totalSteps} wide={32} />{' '}
              {percent(progress.step / progress.totalSteps)} of {int(progress.totalSteps)}
            </>
          ) : progress.recognised ? (
            'how many there will be is not known'
          ) : (
            'no steps were recognised'
          )
        }
      >
        {progress.step === null ? <span className="faint">none yet</span> : int(progress.step)}
      </Figure>
      <Figure
        name="Held"
        under={`${cost === null ? 'no price is set' : money(cost)}${progress.paidGpuMs === progress.heldGpuMs ? '' : ` for ${gpuHours(progress.paidGpuMs)} GPU-h paid`}`}
      >
        {gpuHours(progress.heldGpuMs)}
        <Unit>GPU-h</Unit>
      </Figure>
      <Figure
        name="Goodput"
        under={statement?.ettr === null || statement === null ? 'ETTR not known' : `ETTR ${percent(statement.ettr)}`}
      >
        {statement === null || statement.goodput === null ? (
          <span className="faint">unknown</span>
        ) : (
          percent(statement.goodput)
        )}
      </Figure>
      <Figure
        name="Tokens per GPU-hour"
        under={
          statement === null || statement.heldGpuMs === 0
            ? 'nothing was held yet'
            : statement.tokens === null
              ? 'no sequenceLength in the spec'
              : `${si(statement.tokens, 3)} tokens kept`
        }
      >
        {statement === null || statement.tokensPerGpuHour === null ? (
          <span className="faint">unknown</span>
        ) : (
          si(statement.tokensPerGpuHour)
        )}
      </Figure>
      <Figure name="Now" under={nowUnder(show)}>
        {blind !== null ? (
          <UnknownSince at={blind} now={now} />
        ) : show.state !== 'running' ? (
          <span className="faint">does not train</span>
        ) : progress.tokensPerSecond !== null ? (
          <>
            {si(progress.tokensPerSecond)}
            <Unit>tokens/s</Unit>
          </>
        ) : progress.stepMs !== null ? (
          <>
            {dec(progress.stepMs / 1000, 2)}
            <Unit>s a step</Unit>
          </>
        ) : (
          <span className="faint">unknown</span>
        )}
      </Figure>
      <Ends show={show} now={now} blind={blind} />
    </dl>
  )
}

function nowUnder({ progress }: Show): string {
  return [
    ...(progress.stepMs === null ? [] : [`step ${duration(progress.stepMs)}`]),
    ...(progress.loss === null ? [] : [`loss ${dec(progress.loss, 3)}`]),
  ].join(', ')
}

function Ends({ show, now, blind }: { readonly show: Show; readonly now: number; readonly blind: number | null }) {
  if (show.endedAt !== null) {
    const ended = ms(show.endedAt)
    const lasted = show.startedAt === null ? 'never started' : `after ${durationShort(ended - ms(show.startedAt))}`
    return (
      <Figure name="Ended" under={lasted}>
        <Moment at={ended} now={now} />
      </Figure>
    )
  }
  const end = show.state === 'running' && blind === null ? endOf(show.progress) : null
  if (end === null) {
    return (
      <Figure name="Ends" under={show.state === 'suspended' ? 'a person decides' : 'needs a rate of steps'}>
        <span className="faint">unknown</span>
      </Figure>
    )
  }
  return (
    <Figure name="Ends" under={`in ${durationShort(end - now)} at its last rate`}>
      <Estimate>
        <time dateTime={utc(end)} title={utc(end)}>
          {end - now > 86_400_000 ? day(end) : hm(end)}
        </time>
      </Estimate>
    </Figure>
  )
}
