// The plan before spending: what a spec would cost and when it would start, by the functions that decide, without writing.
import { candidatesOf } from '../../core/admit/admit.ts'
import { estimateRun } from '../../core/estimate/estimate.ts'
import { dialectsFor } from '../../core/observe/dialects/dialect.ts'
import { expectedStart } from '../../core/place/expected-start.ts'
import { planPlacements } from '../../core/place/place.ts'
import { needGpuMs } from '../../core/estimate/need.ts'
import type { PlanDocument } from '../../domain/documents.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Answer } from '../../domain/refusal.ts'
import { accepted } from '../../domain/refusal.ts'
import type { RunSpec } from '../../domain/spec.ts'
import { gpusOf } from '../../domain/spec.ts'
import type { Price } from '../../domain/units.ts'
import { micros } from '../../domain/units.ts'
import { lineage } from '../../domain/project.ts'
import type { Control } from '../control.ts'
import { placeSettings } from '../place.ts'
import { budgetDocuments } from './budgets.ts'
import type { RequestContext } from '../requests/context.ts'
import { mayNot } from '../requests/context.ts'
import { draft } from '../requests/submit.ts'

export async function planOfSpec(
  context: RequestContext,
  who: Principal,
  spec: RunSpec,
): Promise<Answer<PlanDocument>> {
  const refusal = mayNot(who, 'run.submit', spec.project)
  if (refusal !== null) return refusal
  const drafted = await draft(context, who, spec)
  if (!drafted.ok) return drafted
  const run = drafted.value
  const { control } = context
  const before = await control.store.world(control.health)
  const world = { ...before, runs: new Map([...before.runs, [run.id, run] as const]) }
  const settings = { ...placeSettings(control), draw: () => 0 }
  const { report } = planPlacements(world, candidatesOf(world), settings)
  const waiting = report.waiting.find((each) => each.run === run.id)
  const models =
    spec.resources.gpu.length > 0
      ? spec.resources.gpu
      : [...world.nodes.values()].filter((node) => node.cluster === run.cluster).map((node) => node.gpuModel)
  const model = models[0] ?? null
  const peak = model === null ? null : (context.peaks.get(model) ?? null)
  const price = model === null ? null : (world.prices.get(model) ?? null)
  const estimate = estimateRun(spec, peak)
  const notes: string[] = []
  if (estimate === null) notes.push('no estimate: the spec has no training.tokens or no training.model')
  else if (estimate.gpuMs === null)
    notes.push(`no GPU-hours: ${model ?? 'the GPU model'} has no peak FLOP/s in the catalogue`)
  if (price === null) notes.push(`no money: ${model ?? 'the GPU model'} has no price in the policy`)
  notes.push(...(await unknownChannels(control, spec)))
  notes.push(...withoutEffect(spec, control.clusters.get(run.cluster)?.rehearse !== undefined))
  return accepted({
    gpus: gpusOf(spec.resources),
    cluster: run.cluster,
    flops: estimate === null ? null : { total: estimate.flops, method: estimate.method },
    gpuMs: estimate?.gpuMs ?? null,
    money:
      estimate?.gpuMs == null || price === null
        ? null
        : {
            p10: cost(estimate.gpuMs.p10, price),
            p50: cost(estimate.gpuMs.p50, price),
            p90: cost(estimate.gpuMs.p90, price),
          },
    reserveGpuMs: needGpuMs(run, 0, world.now, control.settings.durations),
    budgets: budgetDocuments(
      world.budgets,
      world.now,
      run.budgets.flatMap((id) => world.budgets.get(id) ?? []),
    ),
    wouldStart: waiting === undefined,
    reason: waiting?.reason ?? null,
    message: waiting?.message ?? 'it would start at once',
    expectedStart: expectedStart(world, run.id, candidatesOf, settings),
    notes,
  })
}

/** Channels that the spec names and that are not there, or are of another project. */
async function unknownChannels({ alerting, store }: Control, { notify, project }: RunSpec): Promise<string[]> {
  if (notify.length === 0) return []
  const channels = (await alerting?.store.channels()) ?? []
  const { projects } = await store.shares()
  const line = new Set(lineage(projects, project).map(({ name }) => name))
  const known = new Set(
    channels
      .filter((each) => each.project === null || line.has(each.project))
      .map(({ kind, name }) => `${kind}:${name}`),
  )
  return notify
    .filter((name) => !known.has(name))
    .map((name) => `notify: there is no channel ${name} for project ${project}: plimsoll alerts lists them`)
}

/** What a spec asks for that this version takes and does not act on: said before anything is spent. */
function withoutEffect(spec: RunSpec, containers: boolean): string[] {
  const notes: string[] = []
  const { framework } = spec.training
  if (framework !== 'custom' && dialectsFor(framework).length === 0)
    notes.push(`training.framework ${framework}: its lines are not read yet, progress stays unknown`)
  if (spec.image !== null && !containers) notes.push('image: this machine runs no containers')
  return notes
}

function cost(amount: number, price: Price) {
  return {
    micros: micros(Number((BigInt(amount) * BigInt(price.microsPerGpuHour)) / 3_600_000n)),
    currency: price.currency,
  }
}
