// Looks for what is wrong: series since the last look, and the world, become findings. A look writes only what changed.
import { decideFindings } from '../core/detect/decide.ts'
import { detect } from '../core/detect/detectors.ts'
import type { BudgetLook, ExpertSeries, Failed, Look, Recovering, Running, Series } from '../core/detect/look.ts'
import { unheard } from '../core/detect/look.ts'
import { seriesFrom } from '../core/detect/series.ts'
import { budgetRates } from '../core/detect/rates.ts'
import type { Attempt } from '../domain/attempt.ts'
import type { Fact } from '../domain/fact.ts'
import type { Finding } from '../domain/finding.ts'
import { keyOf } from '../domain/finding.ts'
import { FAILED_MS } from '../core/detect/detectors/failure.ts'
import type { AttemptId } from '../domain/ids.ts'
import type { Item } from '../domain/item.ts'
import { SERIES_FACTS_MAX } from '../domain/limits.ts'
import { gpusOf } from '../domain/spec.ts'
import type { EpochMs } from '../domain/units.ts'
import { epochMs, gpuMs } from '../domain/units.ts'
import type { World } from '../domain/world.ts'
import { claimsOf } from '../domain/world.ts'
import type { Hearing } from '../ports/detect-store.ts'
import { commitAll } from './commit.ts'
import type { Control } from './control.ts'
import { epochNow } from './control.ts'

type Known = { readonly source: string; readonly facts: readonly Fact[] }
/** What was read of each attempt that runs: the next look reads on from there. Thrown away with the process. */
const read = new WeakMap<Control, Map<AttemptId, Known>>()

export async function detectTurn(control: Control): Promise<void> {
  const epoch = epochNow(control)
  if (epoch === null) return
  const world = await control.store.world(control.health)
  const look = await lookAt(control, world)
  const open = new Map((await control.store.openFindings()).map((finding) => [keyOf(finding), finding]))
  const findings = decideFindings(open, detect(look), unheard(look), world.now)
  await commitAll(
    control,
    epoch,
    findings.map((finding) => itemOf(finding, open)),
  )
}

async function lookAt(control: Control, world: World): Promise<Look> {
  const attempts = [...world.attempts.values()].filter(({ state }) => state.kind === 'running')
  const ids = attempts.map(({ id }) => id)
  const specs = await control.store.specs(attempts.map(({ run }) => run))
  const hearing = ids.length === 0 ? new Map<AttemptId, Hearing>() : await control.store.hearing(ids)
  const facts = await factsOf(control, ids, hearing)
  const phases = await control.store.phasesAfter(
    ids.map((attempt) => ({ attempt, after: lastStepAt(facts.get(attempt)) })),
    PHASES_MAX,
  )
  const experts = Map.groupBy(
    await control.store.newestMeasures(ids, control.settings.thresholds.experts.deadSteps),
    ({ attempt }) => attempt,
  )
  const running = attempts.flatMap((attempt): Running[] => {
    const run = world.runs.get(attempt.run)
    const spec = specs.get(attempt.run)
    const startedAt = startOf(world, attempt)
    if (run === undefined || spec === undefined || startedAt === null) return []
    const sets = (experts.get(attempt.id) ?? []).map(({ names, experts: count, topK, steps }): ExpertSeries => ({
      layers: names,
      experts: count,
      topK,
      steps,
    }))
    const series: Series = {
      ...seriesFrom(facts.get(attempt.id) ?? [], phases.get(attempt.id) ?? []),
      heardTo: hearing.get(attempt.id)?.heardTo ?? null,
      experts: sets,
    }
    const price = claimsOf(world, attempt.id)[0]?.price ?? null
    return [{ run, attempt, spec, gpus: gpusOf(run.resources), price, startedAt, series }]
  })
  const budgets: readonly BudgetLook[] = budgetRates(world)
  return {
    now: world.now,
    running,
    budgets,
    recovering: await recoveringOf(control, world),
    failed: await failedOf(control, world),
    nodes: [...world.nodes.values()],
    prices: world.prices,
    thresholds: control.settings.thresholds,
  }
}

async function recoveringOf({ store }: Control, world: World): Promise<Recovering[]> {
  const runs = [...world.runs.values()].filter(
    ({ failuresInRow, state, wish }) => failuresInRow > 0 && wish === 'run' && state.kind !== 'suspended',
  )
  if (runs.length === 0) return []
  const ended = await store.newestEnded(runs.map(({ id }) => id))
  const held = Map.groupBy(world.claims, (claim) => claim.run)
  return runs.flatMap((run): Recovering[] => {
    const attempt = ended.get(run.id)
    if (attempt === undefined) return []
    const claims = held.get(run.id) ?? []
    const gpus = claims.reduce((sum, { slots }) => sum + slots.length, 0)
    return [{ run, attempt, gpus, price: claims[0]?.price ?? null }]
  })
}

/** Failed runs that are looked at: when more fail within a day it is the same for all. */
const FAILED_MAX = 200

async function failedOf({ store }: Control, world: World): Promise<Failed[]> {
  const runs = await store.failedSince(epochMs(world.now - FAILED_MS), FAILED_MAX)
  if (runs.length === 0) return []
  const ids = runs.map(({ id }) => id)
  const ended = await store.newestEnded(ids)
  const claims = Map.groupBy(await store.claimsOf(ids), ({ attempt }) => attempt)
  return runs.map((run): Failed => {
    const attempt = ended.get(run.id) ?? null
    const held = attempt === null ? [] : (claims.get(attempt.id) ?? [])
    const spent = held.reduce(
      (sum, each) => sum + each.slots.length * ((each.releasedAt ?? world.now) - each.placedAt),
      0,
    )
    return {
      run,
      attempt,
      gpuMs: attempt === null ? null : gpuMs(spent),
      price: held[0]?.price ?? null,
    }
  })
}

/** Begins and ends since the last step: of each rank some. */
const PHASES_MAX = 1_000

const lastStepAt = (facts: readonly Fact[] = []): EpochMs =>
  facts.findLast(({ body }) => body.kind === 'step')?.at ?? epochMs(0)

/** Null until all its workers have started. */
function startOf(world: World, attempt: Attempt): Running['startedAt'] | null {
  const starts = claimsOf(world, attempt.id).map(({ startedAt }) => startedAt)
  return starts.length === 0 || starts.includes(null)
    ? attempt.startedAt
    : starts.reduce((last, at) => (last !== null && at !== null && at > last ? at : last))
}

/** The newest facts of each attempt's source, oldest first. */
async function factsOf(
  control: Control,
  ids: readonly AttemptId[],
  hearing: ReadonlyMap<AttemptId, Hearing>,
): Promise<ReadonlyMap<AttemptId, readonly Fact[]>> {
  const before = read.get(control) ?? new Map<AttemptId, Known>()
  const wanted = ids.flatMap((id) => {
    const source = hearing.get(id)?.source ?? null
    if (source === null) return []
    const known = before.get(id)
    // Another process of the rank goes on with the same training; its own sequence begins anew.
    return [
      { id, source, facts: known?.facts ?? [], after: known?.source === source ? lastOf(known.facts, source) : -1 },
    ]
  })
  const added = await control.store.factsAfter(wanted, SERIES_FACTS_MAX)
  const now = new Map(
    wanted.map(({ id, source, facts }): [AttemptId, Known] => [
      id,
      { source, facts: [...facts, ...(added.get(source) ?? [])].slice(-SERIES_FACTS_MAX) },
    ]),
  )
  read.set(control, now)
  return new Map([...now].map(([id, { facts }]) => [id, facts]))
}

const lastOf = (facts: readonly Fact[], source: string): number =>
  facts.findLast((fact) => fact.source === source)?.sequence ?? -1

/** The finding, and where it opens or is over an event of its run that tells it. */
function itemOf(finding: Finding, open: ReadonlyMap<string, Finding>): Item {
  const { run } = finding.subject
  const opens = !open.has(keyOf(finding))
  const tells = run !== null && (opens || finding.resolvedAt !== null)
  return {
    about: `finding ${finding.id}`,
    expects: [],
    writes: [
      { kind: 'finding', finding },
      ...(tells
        ? [
            {
              kind: 'event' as const,
              event: {
                run,
                at: finding.resolvedAt ?? finding.seenAt,
                kind: opens ? finding.rule : 'finding-over',
                message: opens ? finding.message : `${finding.rule} is over: ${finding.message}`,
              },
            },
          ]
        : []),
    ],
  }
}
