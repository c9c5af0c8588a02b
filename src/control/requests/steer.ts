// stop, suspend, resume: a wish is written with its audit row, and the loops act on it. What waits has nothing to end and changes at
// once.
import { restartHolder } from '../../domain/claim.ts'
import type { RunDocument } from '../../domain/documents.ts'
import type { Item, Write } from '../../domain/item.ts'
import type { Principal, Verb } from '../../domain/principal.ts'
import { actorOf } from '../../domain/principal.ts'
import type { Answer } from '../../domain/refusal.ts'
import { accepted, refused } from '../../domain/refusal.ts'
import type { Run } from '../../domain/run.ts'
import { isEnded, livingAttempt, NOT_LOOKED_AT } from '../../domain/run.ts'
import type { EpochMs } from '../../domain/units.ts'
import { epochMs } from '../../domain/units.ts'
import { documentOf } from '../views/run-document.ts'
import type { RequestContext } from './context.ts'
import { findVisible, isRefusal } from './context.ts'

export type Steering = 'stop' | 'stop-now' | 'suspend' | 'resume'

const VERB: Readonly<Record<Steering, Verb>> = {
  stop: 'run.stop',
  'stop-now': 'run.stop',
  suspend: 'run.suspend',
  resume: 'run.resume',
}
const TRIES = 5

export async function steer(
  context: RequestContext,
  who: Principal,
  reference: string,
  how: Steering,
): Promise<Answer<RunDocument>> {
  const { control } = context
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const run = await findVisible(context, who, reference, VERB[how])
    if (isRefusal(run)) return run
    const now = control.clock.now()
    const next = steered(run, how, now)
    if ('ok' in next) return next
    if (next === run) return accepted(documentOf(run))
    const committed = await control.store.commit(null, [await itemOf(context, who, run, next, how, now)])
    const result = committed.kind === 'committed' ? committed.results[0] : undefined
    if (result?.kind === 'applied') {
      control.doorbell.ring('launch')
      control.doorbell.ring('place')
      return accepted(documentOf(next))
    }
    // The loops moved the run between our look and our write: look again.
  }
  return refused('stale', `run ${reference} changed all the time`, 'try again')
}

function steered(run: Run, how: Steering, now: EpochMs): Run | ReturnType<typeof refused> {
  const { state } = run
  if (how === 'resume') {
    if (state.kind === 'suspended') {
      return {
        ...run,
        wish: 'run',
        state: { kind: 'queued', reason: 'capacity', message: NOT_LOOKED_AT, notBefore: null },
      }
    }
    return refused('wrong-state', `run ${run.id} is ${state.kind}, not suspended`, null)
  }
  if (isEnded(state)) return refused('wrong-state', `run ${run.id} has ended: ${state.kind}`, null)
  const waits = livingAttempt(state) === null
  if (how === 'suspend') {
    if (state.kind === 'suspended' || run.wish === 'suspend') return run
    if (run.wish !== 'run') return refused('wrong-state', `run ${run.id} is being stopped`, null)
    return waits
      ? { ...run, state: { kind: 'suspended', by: 'person', message: 'suspended by request' } }
      : { ...run, wish: 'suspend' }
  }
  if (waits) return { ...run, wish: how, state: { kind: 'cancelled' }, endedAt: now }
  return run.wish === how || run.wish === 'stop-now' ? run : { ...run, wish: how }
}

async function itemOf(
  context: RequestContext,
  who: Principal,
  run: Run,
  next: Run,
  how: Steering,
  now: EpochMs,
): Promise<Item> {
  const writes: Write[] = [
    { kind: 'run', run: next },
    { kind: 'audit', entry: { at: now, actor: actorOf(who), verb: VERB[how], target: run.id, detail: { how } } },
    {
      kind: 'event',
      event: { run: run.id, at: now, kind: how, message: `asked by ${who.kind === 'user' ? who.name : 'a token'}` },
    },
  ]
  if (livingAttempt(run.state) === null && how !== 'resume') {
    // Slots that were kept for its restart are kept no longer.
    const world = await context.control.store.world(context.control.health)
    for (const claim of world.claims) {
      if (claim.holder !== restartHolder(run.id)) continue
      writes.push({
        kind: 'release',
        node: claim.node,
        holder: claim.holder,
        paidUntil: epochMs(Number.MAX_SAFE_INTEGER),
      })
    }
    writes.push({ kind: 'give-back', run: run.id, budgets: run.budgets })
  }
  return { about: `${how} ${run.id}`, expects: [{ kind: 'run', id: run.id, version: run.version }], writes }
}
