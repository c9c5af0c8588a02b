// Does anything need me, and does the rest train?
import { useQuery } from '@tanstack/react-query'
import { useEffect, useMemo } from 'react'
import { MS_PER_HOUR } from '../../domain/units.ts'
import { useNow } from '../api/clock.ts'
import { mayIn } from '../api/may.ts'
import {
  budgetsQuery,
  clustersQuery,
  endedQuery,
  extensionsQuery,
  findingsQuery,
  holdingQuery,
  type Ledger,
  nodesQuery,
  type Queue,
  queueQuery,
  recentLedgerQuery,
} from '../api/operate.ts'
import { live, sessionQuery } from '../api/queries.ts'
import { countOf, durationShort, gpuHoursShort, int, money, percent } from '../format/numbers.ts'
import { ms } from '../format/times.ts'
import { type Sums, sumsOf } from '../nodes/nodes.ts'
import { AsOf } from '../parts/as-of.tsx'
import { Empty, Estimate, Figure, Panel, Reading, Refusal, Unit } from '../parts/bits.tsx'
import { BudgetKey, BudgetPanelLine, fullestFirst } from '../parts/budget.tsx'
import { Go } from '../parts/go.tsx'
import { EveryGpu } from './every-gpu.tsx'
import { NeedsPanel } from './needs-panel.tsx'
import { needsOf } from './needs.ts'
import { NewestEnds, WhoHolds } from './runs-panels.tsx'
import { costsOf, goodputOf, slotsByAccount } from './slots.ts'

/** Books are written each five minutes, and what is not written is computed as it stands. */
const NOW_MS = 60_000
const MONTH_MS = 30 * 86_400_000
const BUDGETS_MAX = 6
const ENDED = 'succeeded,failed,cancelled'

export function NowPage() {
  const now = useNow(5_000)
  const findings = useQuery(findingsQuery)
  const holding = useQuery(holdingQuery)
  const failed = useQuery(endedQuery('failed', 20))
  const ended = useQuery(endedQuery(ENDED, 8))
  const nodes = useQuery(nodesQuery)
  const clusters = useQuery(clustersQuery).data
  const queue = useQuery(queueQuery)
  const budgets = useQuery(budgetsQuery)
  const session = useQuery(sessionQuery).data
  const extensions = useQuery(extensionsQuery)
  const minutes = useQuery(recentLedgerQuery('project,account', NOW_MS, 30_000))
  const month = useQuery(recentLedgerQuery('project,account,payer', MONTH_MS, 300_000))
  useEffect(() => live.follow(null), [])
  useEffect(() => {
    document.title = 'Now · Plimsoll'
  }, [])
  const needs = useMemo(
    () =>
      needsOf({
        findings: findings.data?.findings ?? [],
        failed: failed.data?.rows ?? [],
        holding: holding.data?.rows ?? [],
        clusters: clusters ?? [],
        nodes: nodes.data ?? [],
        budgets: budgets.data ?? [],
        extensions: (extensions.data ?? []).filter(({ project }) => mayIn(session, 'budget.extend', project)),
        queue: queue.data ?? null,
        now,
      }),
    [
      findings.data,
      failed.data,
      holding.data,
      clusters,
      nodes.data,
      budgets.data,
      extensions.data,
      session,
      queue.data,
      now,
    ],
  )
  const sums = useMemo(() => (nodes.data === undefined ? null : sumsOf(nodes.data)), [nodes.data])
  const asked = [findings, failed, holding]
  // What a person may not read (nodes, budgets) is left out of the page, not the page.
  const refused = asked.find(({ error, data }) => error !== null && data === undefined)
  if (refused !== undefined) {
    return (
      <>
        <div className="head">
          <h1>Now</h1>
        </div>
        <Refusal error={refused.error} />
      </>
    )
  }
  const reading = asked.some(({ data }) => data === undefined)
  return (
    <>
      <div className="head">
        <h1>Now</h1>
        {reading ? null : (
          <p className="dim">
            <b className="strong">
              {needs.length === 0
                ? 'Nothing needs a person.'
                : `${countOf(needs.length, 'thing')} ${needs.length === 1 ? 'needs' : 'need'} a person.`}
            </b>
          </p>
        )}
        <AsOf at={oldestOf([findings, nodes].map(({ dataUpdatedAt }) => dataUpdatedAt))} />
      </div>
      <Figures
        sums={sums}
        minutes={minutes.data ?? null}
        month={month.data ?? null}
        queue={queue.data ?? null}
        now={now}
      />
      <div className="grid">
        {reading ? (
          <section className="panel c8" aria-label="Needs a person">
            <Reading what="what needs a person" />
          </section>
        ) : (
          <NeedsPanel needs={needs} more={findings.data?.next !== null} now={now} />
        )}
        <Budgets budgets={budgets.data ?? null} error={budgets.error} />
        {minutes.data === undefined ? null : <EveryGpu ledger={minutes.data} gpus={sums?.gpus ?? null} />}
        {holding.data === undefined ? null : <WhoHolds rows={holding.data.rows} total={holding.data.total} now={now} />}
        {ended.data === undefined ? null : <NewestEnds rows={ended.data.rows} now={now} />}
      </div>
    </>
  )
}

/** What was never read is not yours to read, and no part of the page. */
const oldestOf = (times: readonly number[]): number => {
  const read = times.filter((at) => at > 0)
  return read.length === 0 ? 0 : Math.min(...read)
}

type FiguresProps = {
  readonly sums: Sums | null
  readonly minutes: Ledger | null
  readonly month: Ledger | null
  readonly queue: Queue | null
  readonly now: number
}

const unknown = <span className="faint">unknown</span>

function Figures({ sums, minutes, month, queue, now }: FiguresProps) {
  const slots = minutes === null ? null : slotsByAccount(minutes, sums?.gpus ?? null)
  const of = (account: string): number => slots?.accounts.find((each) => each.account === account)?.gpus ?? 0
  const kept = month === null ? null : goodputOf(month)
  const burn = minutes === null || slots === null ? [] : costsOf(minutes)
  const [first] = burn
  const oldest = queue?.waiting.reduce((min, run) => Math.min(min, ms(run.createdAt)), now) ?? now
  const waiting = queue?.waiting ?? []
  return (
    <dl className="figs">
      <Figure
        name="GPUs held"
        under={
          sums === null
            ? 'machines are not yours to see'
            : `${percent(sums.gpus === 0 ? 0 : sums.by.held / sums.gpus)}, ${int(sums.by.free)} free`
        }
      >
        {sums === null ? (
          unknown
        ) : (
          <>
            {int(sums.by.held)}
            <Unit>{`of ${int(sums.gpus)}`}</Unit>
          </>
        )}
      </Figure>
      <Figure
        name="of these, training"
        under={
          slots === null
            ? undefined
            : `${int(of('stalled') + of('idle'))} stalled or idle, ${int(of('unknown'))} unknown`
        }
      >
        {slots === null ? (
          unknown
        ) : (
          <>
            <Estimate>{int(of('productive'))}</Estimate>
            <Unit>GPUs</Unit>
          </>
        )}
      </Figure>
      <Figure name="Goodput, 30 days" under="productive and kept ÷ held">
        {kept === null || kept.goodput === null ? unknown : percent(kept.goodput)}
      </Figure>
      <Figure
        name="Burn, per hour"
        under={burn.length > 1 ? 'the largest of several currencies' : 'at the prices of now'}
      >
        {first === undefined || slots === null ? (
          <span className="faint">no price</span>
        ) : (
          <Estimate>{money({ ...first, micros: Math.round((first.micros * MS_PER_HOUR) / slots.msEach) })}</Estimate>
        )}
      </Figure>
      <Figure name="Held, 30 days" under={month === null ? undefined : paid(month)}>
        {kept === null ? (
          unknown
        ) : (
          <>
            {gpuHoursShort(kept.heldGpuMs)}
            <Unit>GPU-h</Unit>
          </>
        )}
      </Figure>
      <Figure
        name="Waiting"
        under={
          queue === null
            ? undefined
            : waiting.length === 0
              ? 'nothing waits'
              : `${countOf(
                  waiting.reduce((sum, { gpus }) => sum + gpus, 0),
                  'GPU',
                )}, oldest ${durationShort(now - oldest)}`
        }
      >
        {queue === null ? (
          unknown
        ) : (
          <>
            {int(waiting.length)}
            <Unit>{waiting.length === 1 ? 'run' : 'runs'}</Unit>
          </>
        )}
      </Figure>
    </dl>
  )
}

function paid(month: Ledger): string {
  const costs = costsOf(month)
  // What has no price is missing in the sum.
  const lacks = month.rows.some(
    ({ project, money: cost, payer }) => project != null && cost === null && payer === 'run',
  )
  return costs.length === 0 ? 'no price is set' : `${lacks ? '≥ ' : ''}${costs.map(money).join(' + ')}`
}

type BudgetsProps = { readonly budgets: Parameters<typeof fullestFirst>[0] | null; readonly error: Error | null }

function Budgets({ budgets, error }: BudgetsProps) {
  const shown = fullestFirst(budgets ?? []).slice(0, BUDGETS_MAX)
  return (
    <Panel
      id="h-budgets"
      title="Budgets"
      sub={
        budgets !== null && budgets.length > BUDGETS_MAX ? `the ${BUDGETS_MAX} fullest of ${budgets.length}` : undefined
      }
      wide="c4 own-height"
      to={<Go to="/projects">Projects</Go>}
      footer={shown.length === 0 ? undefined : <BudgetKey />}
    >
      {budgets === null ? (
        error === null ? (
          <Reading what="the budgets" />
        ) : (
          <Refusal error={error} />
        )
      ) : shown.length === 0 ? (
        <Empty title="No budget is set">
          A budget is a wall in GPU-hours or money for a project and what is below it. It stands in the policy:{' '}
          <code className="mono">plimsoll policy apply FILE</code>
        </Empty>
      ) : (
        <ul className="budgets">
          {shown.map((budget) => (
            <BudgetPanelLine key={budget.id} budget={budget} />
          ))}
        </ul>
      )}
    </Panel>
  )
}
