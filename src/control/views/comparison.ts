// The runs of a window beside published ones. A run is compared with all that it held since it began, since nobody counts tokens by window.
import { compared, comparedPublished } from '../../core/account/comparison.ts'
import type { ComparedRun, ComparisonDocument } from '../../domain/comparison.ts'
import { COMPARED_RUNS_MAX, COMPARED_RUNS_READ_MAX } from '../../domain/limits.ts'
import type { RunId } from '../../domain/ids.ts'
import { ATTEMPT_ACCOUNTS } from '../../domain/reasons.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { RequestContext } from '../requests/context.ts'
import { ledgerOf } from './ledger.ts'
import { booksOf } from './statement.ts'

type Window = { readonly from: EpochMs | null; readonly to: EpochMs | null }

export async function comparisonOf(
  { control, peaks }: Pick<RequestContext, 'control' | 'peaks'>,
  window: Window,
  projects: 'all' | ReadonlySet<string>,
): Promise<ComparisonDocument> {
  const { from, to, rows } = await ledgerOf(control, window, ['run', 'project', 'account'], projects)
  const held = new Map<RunId, number>()
  for (const { run, account, gpuMs } of rows)
    if (run != null && (ATTEMPT_ACCOUNTS as readonly (string | null)[]).includes(account))
      held.set(run as RunId, (held.get(run as RunId) ?? 0) + gpuMs)
  const most = [...held].toSorted((a, b) => b[1] - a[1]).map(([id]) => id)
  const looked = most.slice(0, COMPARED_RUNS_READ_MAX)
  const specs = await control.store.specs(looked)
  const runs = new Map((await control.store.runsOf(looked)).map((run) => [run.id, run]))
  const list: ComparedRun[] = []
  const leftOut = { withoutModel: 0, withoutTokens: 0, heldLess: most.length - looked.length }
  for (const id of looked) {
    const model = specs.get(id)?.training.model ?? null
    const run = runs.get(id)
    if (model === null || run === undefined) {
      leftOut.withoutModel += 1
      continue
    }
    if (list.length === COMPARED_RUNS_MAX) {
      leftOut.heldLess += 1
      continue
    }
    const { heldGpuMs, tokens } = await booksOf(control, run)
    const { ranOn } = await control.store.efficiencyRead(id)
    // Slots without a device have no model, whatever they are called.
    const gpuModels = [...new Set(ranOn.map((each) => (each.declared ? `${each.gpuModel} (declared)` : each.gpuModel)))]
    const { activeParameters } = model
    const figures = compared({ name: run.name, gpuModels, activeParameters, tokens: tokens ?? 0, heldGpuMs }, peaks)
    if (figures === null) leftOut.withoutTokens += 1
    else list.push({ ...figures, run: id, project: run.project, state: run.state.kind })
  }
  return { from, to, runs: list, published: comparedPublished(peaks), leftOut }
}
