// Which projects are there, what may they hold, what did they spend, and which walls stand before them?
import { useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useState } from 'react'
import { scopeText } from '../../domain/budget.ts'
import { now as serverNow } from '../api/clock.ts'
import { mayDo } from '../api/may.ts'
import {
  type Budget,
  budgetsQuery,
  holdingQuery,
  ledgerQuery,
  policyQuery,
  type PolicyShown,
  queueQuery,
} from '../api/operate.ts'
import { live, sessionQuery } from '../api/queries.ts'
import { paidText, windowOf } from '../cost/books.ts'
import { csv } from '../format/csv.ts'
import { budgetText, countOf, gpuHours, int, percent } from '../format/numbers.ts'
import { AsOf } from '../parts/as-of.tsx'
import { Empty, Panel, Reading, Refusal } from '../parts/bits.tsx'
import { BudgetKey, BudgetLine, forecastText, fullestFirst } from '../parts/budget.tsx'
import { Go } from '../parts/go.tsx'
import { saveAs } from '../parts/save.ts'
import { Extensions } from './extensions.tsx'
import { type Project, projectsOf } from './projects.ts'

/** More than that is looked for by name. */
const SHOWN_MAX = 200

export function ProjectsPage() {
  const session = useQuery(sessionQuery)
  const may = mayDo(session.data, 'policy.read')
  const policy = useQuery(policyQuery(may))
  const budgets = useQuery(budgetsQuery)
  const holding = useQuery(holdingQuery)
  const queue = useQuery(queueQuery)
  const month = windowOf('month', serverNow())
  const ledger = useQuery(ledgerQuery('project,account,payer', month))
  const [q, setQ] = useState('')
  useEffect(() => live.follow(null), [])
  useEffect(() => {
    document.title = 'Projects · Plimsoll'
  }, [])
  const projects = useMemo(
    () =>
      projectsOf({
        policy: policy.data ?? null,
        holding: holding.data?.rows ?? [],
        waiting: queue.data?.waiting ?? [],
        budgets: budgets.data ?? [],
        rows: ledger.data?.rows ?? [],
      }),
    [policy.data, holding.data, queue.data, budgets.data, ledger.data],
  )
  const reading = [holding, ledger].some(({ data, error }) => data === undefined && error === null)
  const has = (text: string): boolean => text.toLowerCase().includes(q.trim().toLowerCase())
  const shown = projects.filter(({ name }) => has(name))
  const walls = fullestFirst((budgets.data ?? []).filter(({ id, project }) => has(`${id} ${project}`)))
  return (
    <>
      <div className="head">
        <h1>Projects</h1>
        {reading ? null : (
          <p className="dim">
            {countOf(projects.length, 'project')}, {countOf(budgets.data?.length ?? 0, 'budget')}
          </p>
        )}
        <AsOf at={budgets.dataUpdatedAt} everyMs={30_000} />
        <div className="act">
          <input
            type="search"
            className="field low-field"
            placeholder="Name of a project or budget"
            aria-label="Find projects and budgets"
            value={q}
            onChange={(event) => setQ(event.target.value)}
          />
          <button type="button" className="btn" onClick={() => saveAs('budgets.csv', budgetsCsv(walls), 'text/csv')}>
            CSV
          </button>
        </div>
      </div>
      <div className="grid">
        <Panel
          id="h-projects"
          title="Projects"
          sub="GPUs now, GPU-hours and money since the first of this month (UTC)"
          to={<Go to="/cost">Cost</Go>}
          footer={<PolicyWords may={may} policy={policy.data ?? null} error={policy.error} />}
        >
          {reading ? (
            <Reading what="the projects" />
          ) : ledger.error !== null && ledger.data === undefined ? (
            <Refusal error={ledger.error} />
          ) : shown.length === 0 ? (
            <Empty title={projects.length === 0 ? 'There are no projects yet' : 'No project matches'}>
              {projects.length === 0 ? (
                <>
                  A project is a name in the policy with a quota and budgets; a run is of exactly one.{' '}
                  <code className="mono">plimsoll policy apply FILE</code> brings them.
                </>
              ) : (
                'Look for another part of its name.'
              )}
            </Empty>
          ) : (
            <Table projects={shown} policy={policy.data ?? null} />
          )}
        </Panel>
        <Panel
          id="h-budgets"
          title="Budgets"
          sub="the fullest first"
          footer={walls.length === 0 ? undefined : <BudgetKey />}
        >
          {budgets.data === undefined ? (
            budgets.error === null ? (
              <Reading what="the budgets" />
            ) : (
              <Refusal error={budgets.error} />
            )
          ) : walls.length === 0 ? (
            <Empty title={budgets.data.length === 0 ? 'No budget is set' : 'No budget matches'}>
              A budget is a wall in GPU-hours or money for a project and what is below it. A hard one keeps runs from
              starting and stops them at a checkpoint; a soft one tells. It stands in the policy.
            </Empty>
          ) : (
            <Walls budgets={walls} />
          )}
        </Panel>
        <Extensions budgets={budgets.data ?? []} />
        {policy.data === undefined || policy.data.prices.length === 0 ? null : <Prices policy={policy.data} />}
      </div>
    </>
  )
}

type WordsProps = { readonly may: boolean; readonly policy: PolicyShown | null; readonly error: Error | null }

function PolicyWords({ may, policy, error }: WordsProps) {
  if (!may) return <>Quotas and prices stand in the policy, which leads, operators, payers and admins may read.</>
  if (policy === null) return <>{error === null ? 'Reading the policy…' : error.message}</>
  return (
    <>
      By policy {int(policy.version)}. It is changed as a whole, with its history in the audit log:{' '}
      <code className="mono">plimsoll policy apply FILE</code>
    </>
  )
}

const zero = <span className="faint">0</span>

function Table({ projects, policy }: { readonly projects: readonly Project[]; readonly policy: PolicyShown | null }) {
  const shown = projects.slice(0, SHOWN_MAX)
  const total = (of: (project: Project) => number): number => projects.reduce((sum, project) => sum + of(project), 0)
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Projects in numbers">
      <table>
        <thead>
          <tr>
            <th>Project</th>
            <th className="r">
              Held now<span className="u">GPUs</span>
            </th>
            <th className="r">
              Quota<span className="u">GPUs</span>
            </th>
            <th className="r">
              Waits<span className="u">GPUs</span>
            </th>
            <th>Highest priority</th>
            <th className="r">
              Held<span className="u">GPU-h</span>
            </th>
            <th className="r">Paid</th>
            <th className="r">Waste</th>
            <th className="r">Goodput</th>
            <th className="r">Budgets</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((project) => (
            <tr key={project.name}>
              <td
                className="name"
                {...(project.depth === 0
                  ? {}
                  : { style: { paddingLeft: `calc(var(--s4) + ${project.depth * 14}px)` } })}
              >
                <Go to={`/runs?project=${encodeURIComponent(project.name)}`} title={`runs of ${project.name}`}>
                  {project.name}
                </Go>
              </td>
              <td className="r">{project.held === 0 ? zero : int(project.held)}</td>
              <td className="r">
                {project.quotaGpus === null ? (
                  <span className="faint">{policy === null ? 'unknown' : 'none'}</span>
                ) : (
                  int(project.quotaGpus)
                )}
              </td>
              <td className="r">{project.waits === 0 ? zero : int(project.waits)}</td>
              <td className="dim">
                {project.maxPriority ?? <span className="faint">{policy === null ? 'unknown' : 'normal'}</span>}
              </td>
              <Spending project={project} />
              <td className="r">
                {project.budgets === 0 ? <span className="faint">none</span> : int(project.budgets)}
              </td>
            </tr>
          ))}
          {projects.length > shown.length ? (
            <tr className="grp">
              <td colSpan={10}>{int(projects.length - shown.length)} more: look for a part of their name.</td>
            </tr>
          ) : null}
          <tr className="sum">
            <td>{int(projects.length)}</td>
            <td className="r">{int(total(({ held }) => held))}</td>
            <td />
            <td className="r">{int(total(({ waits }) => waits))}</td>
            <td />
            <td className="r">{gpuHours(total(({ spent }) => spent?.heldGpuMs ?? 0))}</td>
            <td />
            <td />
            <td />
            <td className="r">{int(total(({ budgets }) => budgets))}</td>
          </tr>
        </tbody>
      </table>
    </div>
  )
}

function Spending({ project: { spent } }: { readonly project: Project }) {
  if (spent === null || spent.heldGpuMs === 0)
    return (
      <>
        <td className="r">{zero}</td>
        <td className="r">{zero}</td>
        <td className="r na">–</td>
        <td className="r na">–</td>
      </>
    )
  return (
    <>
      <td className="r">{gpuHours(spent.heldGpuMs)}</td>
      <td className="r">{paidText(spent) ?? <span className="faint">no price</span>}</td>
      <td className="r">{percent(spent.wasteGpuMs / spent.heldGpuMs)}</td>
      <td className="r">{percent((spent.by.productive ?? 0) / spent.heldGpuMs)}</td>
    </>
  )
}

function Walls({ budgets }: { readonly budgets: readonly Budget[] }) {
  const shown = budgets.slice(0, SHOWN_MAX)
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Budgets in numbers">
      <table>
        <thead>
          <tr>
            <th>Budget</th>
            <th>Covers</th>
            <th>Kind</th>
            <th className="wide-only">Used and reserved</th>
            <th className="r">Limit</th>
            <th className="r">Used</th>
            <th className="r">Reserved</th>
            <th className="r">Left</th>
            <th className="r">At its end</th>
            <th className="r">Used up</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((budget) => (
            <tr key={budget.id}>
              <td className="name med" title={budget.id}>
                {budget.id}
              </td>
              <td className="name" title={scopeText(budget)}>
                {scopeText(budget)}
              </td>
              <td className="dim">{budget.hard ? 'hard' : 'soft'}</td>
              <td className="wide-only wall">
                <BudgetLine budget={budget} />
              </td>
              <td className="r">{budgetText(budget, budget.limit)}</td>
              <td
                className="r"
                title={budget.over === 0 ? undefined : `${budgetText(budget, budget.over)} beyond reserves`}
              >
                {budgetText(budget, budget.used)}
              </td>
              <td className="r">{budget.reserved === 0 ? zero : budgetText(budget, budget.reserved)}</td>
              <td
                className={`r ${budget.left < 0 ? 'bad strong' : budget.left < budget.limit / 10 ? 'warn strong' : ''}`}
              >
                {budgetText(budget, budget.left)}
              </td>
              <ForecastCells budget={budget} />
            </tr>
          ))}
          {budgets.length > shown.length ? (
            <tr className="grp">
              <td colSpan={10}>{int(budgets.length - shown.length)} more: look for a part of their name.</td>
            </tr>
          ) : null}
        </tbody>
      </table>
    </div>
  )
}

function ForecastCells({ budget }: { readonly budget: Budget }) {
  const words = forecastText(budget, serverNow())
  return (
    <>
      <td className="r" title={words.title}>
        {words.end === null ? <span className="faint">–</span> : <span className="est">{words.end}</span>}
      </td>
      <td className={`r ${words.usedUp === null ? '' : 'warn strong'}`}>
        {words.usedUp === null ? <span className="faint">–</span> : words.usedUp}
      </td>
    </>
  )
}

function Prices({ policy }: { readonly policy: PolicyShown }) {
  return (
    <Panel
      id="h-prices"
      title="Prices"
      sub={`an hour of one GPU, in ${policy.currency ?? 'the currency of the policy'}`}
      wide="c5"
    >
      <div className="scroll" tabIndex={0} role="region" aria-label="Prices in numbers">
        <table>
          <thead>
            <tr>
              <th>GPU model</th>
              <th>From (UTC)</th>
              <th className="r">Price</th>
            </tr>
          </thead>
          <tbody>
            {policy.prices.map(({ gpu, since, price }) => (
              <tr key={`${gpu} ${since}`}>
                <td>{gpu}</td>
                <td className="dim">{since ?? 'always'}</td>
                <td className="r">{price}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  )
}

const budgetsCsv = (budgets: readonly Budget[]): string =>
  csv([
    ['budget', 'project', 'hard', 'unit', 'currency', 'limit', 'used', 'reserved', 'left', 'over'],
    ...budgets.map((each) => [
      each.id,
      each.project,
      each.hard ? 'hard' : 'soft',
      each.unit,
      each.currency,
      each.limit,
      each.used,
      each.reserved,
      each.left,
      each.over,
    ]),
  ])
