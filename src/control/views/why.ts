// Why a run waits, and what would let it start: computed from a world by the same functions that decide.
import { candidatesOf } from '../../core/admit/admit.ts'
import { counterfactual } from '../../core/place/counterfactual.ts'
import { expectedStart } from '../../core/place/expected-start.ts'
import { planPlacements } from '../../core/place/place.ts'
import { waitsOf } from '../../domain/attempt.ts'
import type { WhyDocument } from '../../domain/documents.ts'
import type { Run } from '../../domain/run.ts'
import { livingAttempt } from '../../domain/run.ts'
import type { Control } from '../control.ts'
import { placeSettings } from '../place.ts'

export async function whyOf(control: Control, run: Run): Promise<WhyDocument> {
  const { state } = run
  const base = { run: run.id, state: state.kind, position: null, counterfactual: null, expectedStart: null }
  if (state.kind !== 'queued') {
    const { attempts } = await control.store.attemptsOf(run.id)
    const message =
      waitsOf(attempts.at(-1)) ??
      ('message' in state
        ? state.message
        : state.kind === 'stopping'
          ? `it is being ended: ${state.cause}`
          : livingAttempt(state) === null
            ? 'it waits for nothing'
            : `it does not wait: it is ${state.kind}`)
    return { ...base, reason: null, message }
  }
  const world = await control.store.world(control.health)
  const candidates = candidatesOf(world)
  const settings = { ...placeSettings(control), draw: () => 0 }
  const report = planPlacements(world, candidates, settings).report
  const waiting = report.waiting.find((each) => each.run === run.id)
  if (waiting === undefined) return { ...base, reason: null, message: 'it starts in the next turn', position: 1 }
  const node = [...world.nodes.values()].find((each) => each.condition.kind === 'not-ready')
  const progress =
    waiting.reason === 'preparing-environment' && node !== undefined ? await liveCondition(control, run) : null
  return {
    ...base,
    reason: waiting.reason,
    message: progress ?? waiting.message,
    position: candidates.findIndex((candidate) => candidate.run === run.id) + 1,
    counterfactual: counterfactual(world, run.id, candidatesOf, settings)?.text ?? null,
    expectedStart: expectedStart(world, run.id, candidatesOf, settings),
  }
}

/** The progress of a preparation is not stored: the cluster is asked. */
export async function liveCondition(control: Control, run: Run): Promise<string | null> {
  const seen = await control.clusters
    .get(run.cluster)
    ?.observe()
    .catch(() => null)
  const node = seen?.nodes.find((each) => each.condition.kind === 'not-ready')
  return node?.condition.kind === 'not-ready' ? `node ${node.name}: ${node.condition.message}` : null
}
