// A replay as one page that needs nothing else: no script, no request, light and dark as the reader's system is.
import { gpusOf } from '../../../domain/spec.ts'
import type { TraceCluster, TraceJob } from '../../../domain/trace.ts'
import { gpusOfCluster, nodesOf } from '../../../domain/trace.ts'
import { counted } from '../../../domain/words.ts'
import type { Figures, Finished, Spread } from '../measure.ts'
import { span } from '../span.ts'
import { chart, distribution, ticksTo } from './chart.ts'
import type { Tick } from './chart.ts'
import { Html, html } from './html.ts'
import { heldOver, stepsOf, waitedOver } from './series.ts'

export type Report = {
  readonly name: string
  readonly cluster: TraceCluster
  readonly figures: Figures
  readonly finished: readonly Finished[]
  readonly jobOf: ReadonlyMap<string, TraceJob>
  readonly refused: readonly { readonly job: TraceJob; readonly reason: string; readonly message: string }[]
  readonly queue: readonly { readonly at: number; readonly runs: number }[]
  readonly violations: readonly string[]
  readonly decideMs: Spread
  readonly wallMs: number
  readonly seed: number
  readonly policy: string
  readonly skippedLines: number
  /** Tokens and rules of the page. */
  readonly style: string
}

const WORST_SHOWN = 20
const REFUSED_SHOWN = 100
const whole = new Intl.NumberFormat('en-US')
const jobs = (count: number): string => `${whole.format(count)} job${count === 1 ? '' : 's'}`

export function pageOf(report: Report): string {
  const { name, cluster, finished, refused, policy, seed, style, wallMs } = report
  const where = `${whole.format(gpusOfCluster(cluster))} GPUs in ${counted(nodesOf(cluster), 'node')} and ${counted(cluster.racks.length, 'rack')}`
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"
        />
        <link rel="icon" href="data:," />
        <title>${name}: trace replay</title>
        <style>
          ${new Html(style)}
        </style>
      </head>
      <body>
        <main>
          <div class="head">
            <h1>${name}</h1>
            <span class="chip sim">simulated</span>
          </div>
          <p class="lead">
            ${jobs(finished.length + refused.length)} of a trace, replayed on ${where} with the decisions of production:
            ${policy}.
          </p>
          ${headline(report)} ${problems(report)}
          <div class="grid">${charts(report)} ${details(report)} ${worst(report)} ${refusals(report)}</div>
          <p class="foot">
            Times count from the first submit of the trace. Seed ${seed}; replayed in ${span(wallMs / 1_000)} of real
            time.
          </p>
        </main>
      </body>
    </html> `
  return page.text
}

function headline({ figures, finished, refused, cluster }: Report): Html {
  const { jctMs, waitMs, racks } = figures
  const figs: readonly (readonly [string, string, string])[] = [
    ['Makespan', span(figures.makespanMs / 1_000), 'first submit to last end'],
    ['Completion time', span(jctMs.mean / 1_000), `mean; half within ${span(jctMs.p50 / 1_000)}`],
    ['Wait', span(waitMs.mean / 1_000), `mean; at most ${span(waitMs.max / 1_000)}`],
    ['Allocated', `${(figures.allocatedRatio * 100).toFixed(1)} %`, `of ${whole.format(gpusOfCluster(cluster))} GPUs`],
    ['Racks of a wide job', racks.used.toFixed(2), `${racks.minimum.toFixed(2)} would do`],
    ['Refused', whole.format(refused.length), `of ${jobs(finished.length + refused.length)}`],
  ]
  return html`<dl class="figs">
    ${figs.map(
      ([title, value, more]) =>
        html`<div class="fig">
          <dt>${title}</dt>
          <dd>${value}</dd>
          <dd class="more">${more}</dd>
        </div>`,
    )}
  </dl>`
}

function problems({ violations, skippedLines }: Report): Html {
  const bad = violations
    .slice(0, WORST_SHOWN)
    .map((each) => html`<p class="bad">✕ A checker saw a broken promise: ${each}</p>`)
  if (violations.length > WORST_SHOWN) bad.push(html`<p class="bad">and ${violations.length - WORST_SHOWN} more</p>`)
  if (skippedLines > 0)
    bad.push(
      html`<p class="warn">
        ! ${counted(skippedLines, 'broken line')} of the trace left out: another trace than the file.
      </p>`,
    )
  return bad.length === 0 ? html`` : html`<div class="said">${bad}</div>`
}

function charts({ figures, finished, queue, cluster }: Report): Html[] {
  const { makespanMs, jctMs, waitMs } = figures
  const gpus = gpusOfCluster(cluster)
  const held = heldOver(finished, makespanMs)
  const waited = waitedOver(queue, makespanMs)
  const ofRuns = ticksTo(Math.max(...waited, 1), (value) => whole.format(value))
  const time = timeTicks(makespanMs)
  return [
    chart({
      title: 'GPUs held',
      unit: 'GPUs over time',
      says: `GPUs held over time: ${(figures.allocatedRatio * 100).toFixed(1)} % of ${gpus} on average, at most ${Math.round(Math.max(0, ...held))}`,
      points: stepsOf(held, gpus),
      x: time,
      y: QUARTERS.map((at) => ({ at, label: whole.format(Math.round(at * gpus)) })),
      limit: { at: 1, label: `${whole.format(gpus)} GPUs there are` },
    }),
    chart({
      title: 'Queue',
      unit: 'jobs that wait over time',
      says: `Jobs that wait over time: at most ${Math.max(0, ...waited)}`,
      points: stepsOf(waited, ofRuns.top),
      x: time,
      y: ofRuns.ticks,
      limit: null,
    }),
    chart({
      title: 'Wait',
      unit: 'share of jobs that waited at most so long',
      says: `Half of the jobs waited at most ${span(waitMs.p50 / 1_000)}, 90 % at most ${span(waitMs.p90 / 1_000)}, all at most ${span(waitMs.max / 1_000)}`,
      ...distribution(finished.map(({ submitMs, startMs }) => (startMs - submitMs) / 1_000)),
      limit: null,
    }),
    chart({
      title: 'Completion time',
      unit: 'share of jobs that were done so long after their submit',
      says: `Half of the jobs were done within ${span(jctMs.p50 / 1_000)}, 90 % within ${span(jctMs.p90 / 1_000)}, all within ${span(jctMs.max / 1_000)}`,
      ...distribution(finished.map(({ submitMs, endMs }) => (endMs - submitMs) / 1_000)),
      limit: null,
    }),
  ]
}

const QUARTERS = [0, 0.25, 0.5, 0.75, 1]

/** At most five words fit below a chart on a phone. */
function timeTicks(makespanMs: number): Tick[] {
  const [unit, ms] =
    makespanMs >= 2 * 86_400_000 ? ['d', 86_400_000] : makespanMs >= 2 * 3_600_000 ? ['h', 3_600_000] : ['min', 60_000]
  const { top, ticks } = ticksTo(makespanMs / ms, String, 5)
  return ticks
    .map(({ at, label }) => ({ at: (at * top * ms) / Math.max(1, makespanMs), label: `${label} ${unit}` }))
    .filter(({ at }) => at <= 1)
}

function details({ figures, decideMs, violations }: Report): Html {
  const { jctMs, waitMs } = figures
  const ms = (value: number): string => value.toFixed(2)
  const rows = [
    ['Completion time', ...SPREAD.map((key) => span(jctMs[key] / 1_000))],
    ['Wait until the last worker started', ...SPREAD.map((key) => span(waitMs[key] / 1_000))],
    ['One decision, ms of real time', ...SPREAD.map((key) => ms(decideMs[key]))],
  ]
  return panel(
    'Figures',
    'each percentile is a value that occurred',
    ['figure', 'mean', 'p50', 'p90', 'p99', 'at most'],
    rows,
    1,
    `${counted(figures.preemptions, 'preemption')}, ${whole.format(figures.lostGpuMs / 3_600_000)} GPU-h computed twice, ${counted(violations.length, 'broken promise')} seen by the checkers.`,
  )
}

const SPREAD = ['mean', 'p50', 'p90', 'p99', 'max'] as const

function worst({ finished, jobOf }: Report): Html {
  const longest = finished.toSorted((a, b) => b.startMs - b.submitMs - (a.startMs - a.submitMs)).slice(0, WORST_SHOWN)
  const who = (job: TraceJob | undefined): string =>
    [job?.user, job?.project, job?.model].filter((each) => each != null).join(', ')
  // A column that says nothing of anybody is left out.
  const isTold = longest.some(({ run }) => who(jobOf.get(run.id)) !== '')
  const rows = longest.map(({ run, submitMs, startMs, endMs }) => [
    run.name,
    ...(isTold ? [who(jobOf.get(run.id)) || 'not told'] : []),
    whole.format(gpusOf(run.resources)),
    span(submitMs / 1_000),
    span((startMs - submitMs) / 1_000),
    span((endMs - startMs) / 1_000),
  ])
  const head = ['job', ...(isTold ? ['user, project, model'] : []), 'GPUs', 'submitted after', 'waited', 'ran']
  return panel('Longest waits', `${rows.length} of ${jobs(finished.length)}`, head, rows, isTold ? 2 : 1, null)
}

function refusals({ refused }: Report): Html {
  if (refused.length === 0)
    return html`<section class="panel wide">
      <header>
        <h2>Refused</h2>
        <span class="sub">none: every job fits the empty cluster</span>
      </header>
    </section>`
  const rows = refused
    .slice(0, REFUSED_SHOWN)
    .map(({ job, reason, message }) => [job.id, whole.format(job.gpus), reason, message])
  const more = refused.length - rows.length
  return panel(
    'Refused',
    'no empty cluster of this shape could start them',
    ['job', 'GPUs', 'reason', 'why'],
    rows,
    1,
    more > 0 ? `${more} more are not shown.` : null,
    2,
  )
}

/** Columns from `numbers` on stand right, up to `until`. */
function panel(
  title: string,
  sub: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
  numbers: number,
  foot: string | null,
  until = Infinity,
): Html {
  const side = (index: number): string => (index >= numbers && index < until ? 'r' : 'l')
  const cells = (row: readonly string[]): Html[] =>
    row.map((cell, index) => html`<td class="${side(index)}">${cell}</td>`)
  return html`<section class="panel wide">
    <header>
      <h2>${title}</h2>
      <span class="sub">${sub}</span>
    </header>
    <div class="scroll" tabindex="0" role="region" aria-label="${title}">
      <table>
        <thead>
          <tr>
            ${head.map((each, index) => html`<th scope="col" class="${side(index)}">${each}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (row) =>
              html`<tr>
                ${cells(row)}
              </tr> `,
          )}
        </tbody>
      </table>
    </div>
    ${foot === null ? html`` : html`<footer>${foot}</footer>`}
  </section> `
}
