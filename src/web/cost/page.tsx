// What did the window cost, how much of it was wasted on what, and do the budgets last?
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { now as serverNow } from '../api/clock.ts'
import {
  budgetsQuery,
  findingsQuery,
  holdingQuery,
  type Ledger,
  ledgerFile,
  ledgerQuery,
  type LedgerLine,
} from '../api/operate.ts'
import { live } from '../api/queries.ts'
import { gpuHours, gpuHoursShort, int, percent } from '../format/numbers.ts'
import { visible } from '../format/visible.ts'
import { AsOf } from '../parts/as-of.tsx'
import { Empty, Figure, Panel, Reading, Refusal, Unit } from '../parts/bits.tsx'
import { BudgetKey, BudgetPanelLine, fullestFirst } from '../parts/budget.tsx'
import { Go } from '../parts/go.tsx'
import { useWords } from '../parts/search.ts'
import {
  daysOf,
  isPeriod,
  overheadOf,
  paidText,
  type Period,
  poolsOf,
  type Spent,
  spentBy,
  together,
  windowOf,
} from './books.ts'
import { Causes } from './causes.tsx'
import { Compare } from './compare.tsx'
import { Days } from './days.tsx'
import { BooksOf } from './statement.tsx'
import { WhoTable } from './who.tsx'

const DAYS_MAX = 31
const PERIOD_NAMES: Readonly<Record<Period, string>> = {
  month: 'This month',
  'last-month': 'Last month',
  '7d': '7 days',
  '30d': '30 days',
  '90d': '90 days',
}

const KEYS = [
  ['project', 'Project'],
  ['user', 'User'],
  ['run', 'Run'],
  ['gpu', 'GPU model'],
  ['label', 'Label'],
] as const
type Key = (typeof KEYS)[number][0]

/** What is asked for: a person who may see some projects only is told of each row whose it is. */
const askedBy = (key: Key, label: string): string =>
  key === 'run'
    ? 'project,user,run,account'
    : key === 'label'
      ? `project,label:${label},account`
      : key === 'project'
        ? 'project,account'
        : `project,${key},account`

const keyOf: Readonly<Record<Key, (row: LedgerLine) => string | null>> = {
  project: (row) => row.project ?? null,
  user: (row) => row.user ?? null,
  run: (row) => row.run ?? null,
  gpu: (row) => row.gpu ?? null,
  label: (row) => row.label ?? null,
}

type Search = { readonly period?: string; readonly by?: string; readonly label?: string }

export function CostPage() {
  const words: Search = useWords()
  const period: Period = isPeriod(words.period) ? words.period : 'month'
  const by = KEYS.find(([key]) => key === words.by)?.[0] ?? 'project'
  const label = words.label ?? ''
  // The same until another period is chosen, or a day has begun: each moment of it would be another question.
  const day = Math.floor(serverNow() / 86_400_000)
  const window = windowOf(period, (day + 1) * 86_400_000 - 1)
  const ledger = useQuery(ledgerQuery('project,account,payer', window))
  const navigate = useNavigate()
  useEffect(() => live.follow(null), [])
  useEffect(() => {
    document.title = 'Cost · Plimsoll'
  }, [])
  const go = (next: Search): void => {
    const search = Object.entries({ period, by, label, ...next }).filter(
      ([key, value]) =>
        value !== '' && !(key === 'period' && value === 'month') && !(key === 'by' && value === 'project'),
    )
    void navigate({ to: '/cost', search: Object.fromEntries(search), replace: true })
  }
  const whole = ledger.data === undefined ? null : together(spentBy(ledger.data.rows, keyOf.project))
  return (
    <>
      <div className="head">
        <h1>Cost</h1>
        {whole === null ? null : <p className="dim">{sentence(whole, period)}</p>}
        <AsOf at={ledger.dataUpdatedAt} everyMs={60_000} />
        <div className="act">
          <fieldset className="seg" aria-label="Period, in UTC">
            {Object.entries(PERIOD_NAMES).map(([key, name]) => (
              <button key={key} type="button" aria-pressed={key === period} onClick={() => go({ period: key })}>
                {name}
              </button>
            ))}
          </fieldset>
        </div>
      </div>
      {ledger.data === undefined || whole === null ? (
        ledger.error === null ? (
          <Reading what="the books" />
        ) : (
          <Refusal error={ledger.error} />
        )
      ) : (
        <>
          <Figures ledger={ledger.data} whole={whole} />
          <div className="grid">
            <Days
              days={daysOf(window, serverNow(), DAYS_MAX)}
              cut={daysOf(window, serverNow(), 1_000).length > DAYS_MAX}
            />
            <BooksOf ledger={ledger.data} whole={whole} />
            <Who window={window} by={by} label={label} whole={whole} onGo={go} />
            <Budgets />
            <WasteOf window={window} whole={whole} />
            <Compare window={window} />
          </div>
        </>
      )}
    </>
  )
}

function sentence(whole: Spent, period: Period): string {
  if (whole.heldGpuMs === 0) return `${PERIOD_NAMES[period]}: nothing was held.`
  const paid = paidText(whole) ?? `${gpuHours(whole.heldGpuMs)} GPU-h`
  const unknown = (whole.by.unknown ?? 0) / whole.heldGpuMs
  const wasted = `${percent(whole.wasteGpuMs / whole.heldGpuMs)} of what was held was wasted`
  // What nobody reported may be waste as well.
  return `${PERIOD_NAMES[period]}: ${paid}. ${wasted}${unknown > 0.01 ? `, ${percent(unknown)} is unknown` : ''}.`
}

function paidUnder(whole: Spent): string {
  const paid = paidText(whole)
  if (paid === null) return 'no price is set'
  return whole.unpricedGpuMs === 0
    ? `${paid} paid`
    : `${paid} paid; of ${gpuHours(whole.unpricedGpuMs)} GPU-h some has no price`
}

function Figures({ ledger, whole }: { readonly ledger: Ledger; readonly whole: Spent }) {
  const pools = poolsOf(ledger)
  const nobody = ledger.capacityGpuMs - whole.heldGpuMs - whole.reservedGpuMs
  const { heldGpuMs, wasteGpuMs, by } = whole
  const share = (gpuMs: number): string =>
    heldGpuMs === 0 ? 'nothing was held' : `${percent(gpuMs / heldGpuMs)} of held`
  const hours = (gpuMs: number) => (
    <>
      {gpuHoursShort(gpuMs)}
      <Unit>GPU-h</Unit>
    </>
  )
  return (
    <dl className="figs">
      <Figure name="Held" under={paidUnder(whole)}>
        {hours(heldGpuMs)}
      </Figure>
      <Figure name="Productive" under={`${gpuHours(by.productive ?? 0)} GPU-h kept`}>
        {heldGpuMs === 0 ? <span className="faint">unknown</span> : percent((by.productive ?? 0) / heldGpuMs)}
      </Figure>
      <Figure name="Waste" under={share(wasteGpuMs)}>
        {hours(wasteGpuMs)}
      </Figure>
      <Figure name="Overhead" under={share(overheadOf(whole))}>
        {hours(overheadOf(whole))}
      </Figure>
      <Figure name="Unknown" under={`${share(by.unknown ?? 0)}; nobody reported`}>
        {hours(by.unknown ?? 0)}
      </Figure>
      <Figure
        name={pools.hidden > 0 ? 'Not yours to see' : 'Held by nobody'}
        under={
          pools.hidden > 0
            ? 'other projects, and what is free'
            : ledger.capacityGpuMs === 0
              ? 'no machine was there'
              : `${percent(nobody / ledger.capacityGpuMs)} of capacity`
        }
      >
        {hours(nobody)}
      </Figure>
    </dl>
  )
}

type WhoProps = {
  readonly window: { readonly from: number; readonly to: number | null }
  readonly by: Key
  readonly label: string
  readonly whole: Spent
  readonly onGo: (next: Search) => void
}

function Who({ window, by, label, whole, onGo }: WhoProps) {
  const asks = by !== 'label' || label !== ''
  const ledger = useQuery({ ...ledgerQuery(`${askedBy(by, label)},payer`, window), enabled: asks })
  const list = ledger.data === undefined ? null : spentBy(ledger.data.rows, keyOf[by])
  const name = KEYS.find(([key]) => key === by)?.[1] ?? ''
  const sum = list === null ? 0 : together(list).heldGpuMs
  return (
    <Panel
      id="h-who"
      title="Who spent it"
      sub="GPU-hours; each row adds up to held, each column to its sum"
      to={
        <>
          <fieldset className="seg" aria-label="Group by">
            {KEYS.map(([key, title]) => (
              <button key={key} type="button" aria-pressed={key === by} onClick={() => onGo({ by: key })}>
                {title}
              </button>
            ))}
          </fieldset>
          {by === 'label' ? <LabelField label={label} onLabel={(next) => onGo({ label: next })} /> : null}
          {list === null || list.length === 0 ? null : <Files by={askedBy(by, label)} window={window} />}
        </>
      }
      footer={
        <span className="eq">
          {list !== null && window.to !== null && sum === whole.heldGpuMs ? (
            <>
              <span className="ok">✓</span> The same <b>{gpuHours(sum)} GPU-h</b> in every grouping.{' '}
            </>
          ) : null}
          Overhead: checkpoint, restore, startup, provision, teardown. Waste: lost, stalled, idle, recovery;{' '}
          <span className="warn strong">▲</span> above 10 % of held. Evaluation alone has no goodput.
        </span>
      }
    >
      {!asks ? (
        <Empty title="By which label?">
          Runs carry labels such as <code className="mono">goal: v4</code> in their specs. Name a key above.
        </Empty>
      ) : list === null ? (
        ledger.error === null ? (
          <Reading what="who spent it" />
        ) : (
          <Refusal error={ledger.error} />
        )
      ) : list.length === 0 ? (
        <Empty title="Nothing was held in this time">Choose another period, or wait for the first run.</Empty>
      ) : (
        <WhoTable
          key={by}
          list={list}
          head={by === 'label' ? `Label ${label}` : name}
          ofRuns={by === 'run'}
          none={by === 'label' ? `without ${label}` : 'not known'}
        />
      )}
    </Panel>
  )
}

const FORMATS = [
  ['csv', 'CSV', 'as it is grouped, in GPU-ms and millionths of the currency'],
  ['parquet', 'Parquet', 'the same columns'],
  ['focus', 'FOCUS', 'FinOps Open Cost and Usage Specification 1.2, as CSV, run by run'],
] as const

/** Made by the server: links, so that a large one never lies in the page. */
function Files({ by, window }: { readonly by: string; readonly window: WhoProps['window'] }) {
  return (
    <span className="files">
      {FORMATS.map(([format, name, what]) => (
        <a key={format} className="as-link" href={ledgerFile(format, by, window)} download title={`Download: ${what}`}>
          {name}
        </a>
      ))}
    </span>
  )
}

function LabelField({ label, onLabel }: { readonly label: string; readonly onLabel: (label: string) => void }) {
  const [text, setText] = useState(label)
  const holding = useQuery(holdingQuery)
  const known = [...new Set((holding.data?.rows ?? []).flatMap(({ labels }) => Object.keys(labels)))].toSorted()
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        onLabel(text.trim())
      }}
    >
      <input
        className="field low-field"
        list="labels"
        aria-label="Key of the label"
        placeholder="goal, then Enter"
        value={text}
        maxLength={63}
        onChange={(event) => setText(event.target.value)}
      />
      <datalist id="labels">
        {known.map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
    </form>
  )
}

function Budgets() {
  const budgets = useQuery(budgetsQuery)
  const findings = useQuery(findingsQuery)
  const list = fullestFirst(budgets.data ?? [])
  const forecasts = (findings.data?.findings ?? []).filter(({ rule }) => rule === 'budget-forecast')
  return (
    <Panel
      id="h-budgets"
      title="Budgets"
      sub={list.length > 9 ? `the 9 fullest of ${int(list.length)}` : 'the fullest first'}
      to={<Go to="/projects">Projects</Go>}
      footer={list.length === 0 ? undefined : <BudgetKey />}
    >
      {budgets.data === undefined ? (
        budgets.error === null ? (
          <Reading what="the budgets" />
        ) : (
          <Refusal error={budgets.error} />
        )
      ) : list.length === 0 ? (
        <Empty title="No budget is set">
          A budget is a wall in GPU-hours or money for a project and what is below it. It stands in the policy:{' '}
          <code className="mono">plimsoll policy apply FILE</code>
        </Empty>
      ) : (
        <>
          <ul className="budgets fans">
            {list.slice(0, 9).map((budget) => (
              <BudgetPanelLine key={budget.id} budget={budget} />
            ))}
          </ul>
          {forecasts.map(({ id, message }) => (
            <p key={id} className="small forecast">
              <span className="warn strong">▲</span> {visible(message)}
            </p>
          ))}
        </>
      )}
    </Panel>
  )
}

type WasteProps = { readonly window: WhoProps['window']; readonly whole: Spent }

function WasteOf({ window, whole }: WasteProps) {
  // Every run of the window: asked for last, since it is the largest answer of the page.
  const ledger = useQuery(ledgerQuery(`${askedBy('run', '')},payer`, window))
  if (ledger.data === undefined)
    return (
      <section className="panel" aria-label="Dearest waste">
        {ledger.error === null ? <Reading what="what was wasted" /> : <Refusal error={ledger.error} />}
      </section>
    )
  return <Causes runs={spentBy(ledger.data.rows, keyOf.run)} whole={whole} />
}
