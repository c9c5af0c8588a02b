// The views, put together: each checks who asks, takes one look, and computes with core.
import { visibleProjects } from '../../core/authorise/authorise.ts'
import { candidatesOf } from '../../core/admit/admit.ts'
import { linesOf } from '../../core/observe/log.ts'
import { withoutSpool } from '../../core/observe/spool.ts'
import type { ProjectName } from '../../domain/ids.ts'
import { attemptIdOf, workerIdOf } from '../../domain/ids.ts'
import { subtree } from '../../domain/project.ts'
import { LOG_CHUNK_BYTES_MAX, PAGE_ROWS_MAX, TABLE_ROWS_MAX } from '../../domain/limits.ts'
import { isRowOfSeries } from '../../domain/period.ts'
import type { Answer, Refusal } from '../../domain/refusal.ts'
import { accepted, refused } from '../../domain/refusal.ts'
import type { Run } from '../../domain/run.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { Views } from '../../ports/views.ts'
import { epochNow } from '../control.ts'
import type { RequestContext } from '../requests/context.ts'
import { findVisible, isRefusal, mayNot } from '../requests/context.ts'
import { tokenDocument } from '../requests/session.ts'
import type { Principal, Verb } from '../../domain/principal.ts'
import { extensionDocument, forecastDocuments } from './budgets.ts'
import { expertFrameOf, expertHistoryOf, expertsOf, expertTileOf } from './experts.ts'
import { cursorFrom, cursorOf, rowOf } from './findings.ts'
import { gaugesOf } from './gauges.ts'
import { comparisonOf } from './comparison.ts'
import { countsOf } from './counts.ts'
import { ledgerOf } from './ledger.ts'
import { clustersOf, heldSlots, nodesOf } from './nodes.ts'
import { documentOf } from './run-document.ts'
import { searchLogs, seriesOf } from './series.ts'
import { showOf } from './show.ts'
import { statementOf } from './statement.ts'
import { rowsOf, tableOf } from './table.ts'
import { whyOf } from './why.ts'
import { readerOf, seenBy } from './without-lines.ts'

export function viewsOf(context: RequestContext): Views {
  const { control } = context
  const { store } = control
  const ofRun = async <Value>(
    who: Principal,
    reference: string,
    verb: Verb,
    view: (run: Run) => Promise<Value>,
  ): Promise<Answer<Value>> => {
    const run = await findVisible(context, who, reference, verb)
    return isRefusal(run) ? run : accepted(await view(run))
  }
  return {
    async runs(who, filter, page) {
      const visible = visibleProjects(who, 'run.read')
      const limit = Math.min(page.limit, PAGE_ROWS_MAX)
      // Filtered before the page is cut: nobody learns from a cursor that others have runs.
      const projects = projectsFor(visible, filter.project)
      const runs = await store.runsPage({ projects, state: filter.state }, limit + 1, page.after)
      const shown = runs.slice(0, limit)
      const next = runs.length > limit ? (shown.at(-1)?.id ?? null) : null
      return accepted({
        runs: shown.map(seenBy(who)).map(documentOf),
        next,
      })
    },
    show: (who, run) => ofRun(who, run, 'run.read', (found) => showOf(control, found, readerOf(who, found))),
    statement: (who, run) => ofRun(who, run, 'run.read', (found) => statementOf(context, found)),
    why: (who, run) => ofRun(who, run, 'run.read', (found) => whyOf(control, seenBy(who)(found))),
    events: (who, run, page) =>
      ofRun(who, run, 'run.read', async (found) => {
        const limit = Math.min(page.limit, PAGE_ROWS_MAX)
        const events = await store.events(found.id, limit + 1, Number(page.after ?? 0))
        const shown = events.slice(0, limit)
        return {
          events: shown.map(readerOf(who, found).event).map(({ at, kind, message }) => ({ at, kind, message })),
          next: events.length > limit ? String(shown.at(-1)?.id ?? '') : null,
        }
      }),
    async logs(who, reference, worker, offset) {
      const run = await findVisible(context, who, reference, 'run.logs')
      if (isRefusal(run)) return run
      const number = worker.attempt ?? run.attempts
      if (number < 1 || number > run.attempts)
        return refused('not-found', `run ${reference} has no attempt ${number}`, `it has ${run.attempts}`)
      if (worker.index < 0 || worker.index >= run.resources.nodes) {
        return refused(
          'not-found',
          `run ${reference} has no worker ${worker.index}`,
          `its workers are 0 to ${run.resources.nodes - 1}`,
        )
      }
      const id = workerIdOf(attemptIdOf(run.id, number), worker.index)
      const log = await store.log(id, offset, LOG_CHUNK_BYTES_MAX)
      const lines = withoutSpool(linesOf(log.bytes, log.offset)).map((line) => ({
        offset: line.offset,
        at: line.at,
        stream: line.stream,
        text: line.text,
        partial: line.partial,
      }))
      return accepted({ worker: id, lines, nextOffset: log.nextOffset, complete: log.complete, cut: log.cut })
    },
    async experts(who, reference, asked) {
      const run = await findVisible(context, who, reference, 'run.read')
      return isRefusal(run) ? run : expertsOf(store, run, asked)
    },
    async expertTile(who, reference, asked) {
      const run = await findVisible(context, who, reference, 'run.read')
      return isRefusal(run) ? run : expertTileOf(store, run, asked)
    },
    async expertFrame(who, reference, asked) {
      const run = await findVisible(context, who, reference, 'run.read')
      return isRefusal(run) ? run : expertFrameOf(store, run, asked)
    },
    async expertHistory(who, reference, asked) {
      const run = await findVisible(context, who, reference, 'run.read')
      return isRefusal(run) ? run : expertHistoryOf(store, run, asked)
    },
    async table(who, { project, ...query }) {
      const projects = projectsFor(visibleProjects(who, 'run.read'), project)
      return accepted(
        await tableOf(control, { ...query, projects, limit: Math.min(query.limit, TABLE_ROWS_MAX) }, seenBy(who)),
      )
    },
    async rows(who, runs) {
      const visible = visibleProjects(who, 'run.read')
      const found = await store.runsOf(runs.slice(0, TABLE_ROWS_MAX))
      return rowsOf(control, found.filter((run) => visible === 'all' || visible.has(run.project)).map(seenBy(who)))
    },
    series: (who, run, points) => ofRun(who, run, 'run.read', (found) => seriesOf(store, found, points)),
    searchLogs: (who, run, asked) => ofRun(who, run, 'run.logs', (found) => searchLogs(store, found, asked)),
    counts: async (who) => accepted(await countsOf(control, who)),
    async queue(who) {
      const visible = visibleProjects(who, 'queue.read')
      const world = await store.world(control.health)
      const waiting = candidatesOf(world).flatMap((candidate, index) => {
        const run = world.runs.get(candidate.run)
        const shown = run !== undefined && (visible === 'all' || visible.has(run.project))
        return shown ? [{ ...documentOf(seenBy(who)(run)), position: index + 1 }] : []
      })
      return accepted({ paused: world.queue.paused, reason: world.queue.paused ? world.queue.reason : null, waiting })
    },
    async nodes(who) {
      const refusal = mayNot(who, 'node.read', null)
      if (refusal !== null) return refusal
      const world = await store.world(control.health)
      return accepted({
        clusters: clustersOf(world),
        nodes: nodesOf(world, visibleProjects(who, 'run.read'), control.settings.durations.blindAfterMs),
      })
    },
    async budgets(who) {
      const visible = visibleProjects(who, 'budget.read')
      const world = await store.world(control.health)
      return accepted({
        budgets: (await forecastDocuments(store, world)).filter(
          ({ project }) => visible === 'all' || (project !== null && visible.has(project)),
        ),
      })
    },
    async extensions(who, limit) {
      const visible = visibleProjects(who, 'budget.read')
      const { budgets } = await store.world(control.health)
      // Asked for by name, so that what others ask for takes none of his page.
      const seen = [...budgets.values()].filter(
        (each) => !isRowOfSeries(each) && (visible === 'all' || (each.project !== null && visible.has(each.project))),
      )
      const found = await store.extensions(
        seen.map(({ id }) => id),
        Math.min(limit, PAGE_ROWS_MAX),
      )
      return accepted({ extensions: found.flatMap((each) => extensionDocument(budgets, each) ?? []) })
    },
    async ledger(who, window, by) {
      const visible = visibleProjects(who, 'ledger.read')
      const refusal = noBooks(control, who, visible, window)
      if (refusal !== null) return refusal
      if (window.project === undefined && visible === 'all') return accepted(await ledgerOf(control, window, by, 'all'))
      const keys = [...new Set([...by, 'project' as const])]
      if (window.project === undefined) return accepted(await ledgerOf(control, window, keys, visible))
      const { project } = window
      const { projects } = await store.shares()
      const within = [...subtree(projects, project)].filter((each) => visible === 'all' || visible.has(each))
      const ledger = await ledgerOf(control, window, keys, new Set(within))
      // One that was taken out of the policy keeps its books.
      const isKnown = within.some((each) => projects.has(each as ProjectName)) || ledger.rows.length > 0
      return isKnown
        ? accepted(ledger)
        : refused(
            'unknown-project',
            `there is no project ${project} whose books you may read`,
            'plimsoll ledger --by project lists those that held something',
            '/project',
          )
    },
    async comparison(who, window) {
      const visible = visibleProjects(who, 'ledger.read')
      return noBooks(control, who, visible, window) ?? accepted(await comparisonOf(context, window, visible))
    },
    async findings(who, { run, open }, page) {
      const found = run === null ? null : await findVisible(context, who, run, 'run.read')
      if (found !== null && isRefusal(found)) return found
      const limit = Math.min(page.limit, PAGE_ROWS_MAX)
      const projects = projectsFor(visibleProjects(who, 'run.read'), null)
      const before = cursorFrom(page.after)
      const findings = await store.findings({ projects, run: found?.id ?? null, open, before, limit: limit + 1 })
      const shown = findings.slice(0, limit)
      const last = shown.at(-1)
      const runs = await store.runsOf([...new Set(shown.flatMap(({ subject }) => subject.run ?? []))])
      const byId = new Map(runs.map((each) => [each.id, each]))
      return accepted({
        findings: shown.map((each) => rowOf(each, byId)),
        next: findings.length > limit && last !== undefined ? cursorOf(last) : null,
      })
    },
    async audit(who, page) {
      const refusal = mayNot(who, 'audit.read', null)
      if (refusal !== null) return refusal
      const limit = Math.min(page.limit, PAGE_ROWS_MAX)
      const entries = await store.audit(limit + 1, page.after === null ? null : Number(page.after))
      const shown = entries.slice(0, limit)
      return accepted({ entries: shown, next: entries.length > limit ? String(shown.at(-1)?.id ?? '') : null })
    },
    async gauges(who) {
      if (visibleProjects(who, 'system.read') !== 'all')
        return refused('not-allowed', 'metrics are about every project', 'use a token that is not for one project')
      const world = await store.world(control.health)
      return accepted(
        gaugesOf({
          world,
          held: heldSlots(world),
          open: await store.openFindings(),
          channels: (await control.alerting?.store.channels()) ?? [],
          oldestPendingAt: (await control.alerting?.store.oldestPendingAt()) ?? null,
          leads: epochNow(control) !== null,
          blindAfterMs: control.settings.durations.blindAfterMs,
        }),
      )
    },
    async policy(who) {
      const refusal = mayNot(who, 'policy.read', null)
      if (refusal !== null) return refusal
      const policy = await store.policy()
      return policy === null
        ? refused('not-found', 'no policy was applied yet', 'plimsoll policy apply FILE')
        : accepted(policy)
    },
    async tokens(who) {
      return mayNot(who, 'token.list', null) ?? accepted({ tokens: (await store.tokens()).map(tokenDocument) })
    },
  }
}

/** What a list may show of what was asked for; null: everything. */
function projectsFor(visible: 'all' | ReadonlySet<string>, asked: string | null): string[] | null {
  if (visible === 'all') return asked === null ? null : [asked]
  return (asked === null ? [...visible] : [asked]).filter((each) => visible.has(each))
}

function noBooks(
  control: RequestContext['control'],
  who: Principal,
  visible: 'all' | ReadonlySet<string>,
  { from }: { readonly from: EpochMs | null },
): Refusal | null {
  if (visible !== 'all' && visible.size === 0)
    return mayNot(who, 'ledger.read', null) ?? refused('not-allowed', 'no project of yours')
  if (from !== null && from >= control.clock.now())
    return refused('invalid', 'from is in the future', 'the books end now', '/from')
  return null
}
