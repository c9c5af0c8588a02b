// The few numbers that stand beside the names of the pages: what holds GPUs, what waits, what is away, what needs a person.
import { candidatesOf } from '../../core/admit/admit.ts'
import { visibleProjects } from '../../core/authorise/authorise.ts'
import type { CountsDocument } from '../../domain/counts.ts'
import { nodeState } from '../../domain/node.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Run } from '../../domain/run.ts'
import type { Control } from '../control.ts'
import { mayNot } from '../requests/context.ts'
import { heldSlots } from './nodes.ts'

const HOLDING = new Set<Run['state']['kind']>(['admitted', 'starting', 'running', 'stopping'])

export async function countsOf(control: Control, who: Principal): Promise<CountsDocument> {
  const world = await control.store.world(control.health)
  const [runs, queue] = [visibleProjects(who, 'run.read'), visibleProjects(who, 'queue.read')]
  const isIn = (visible: 'all' | ReadonlySet<string>, project: string | null | undefined): boolean =>
    visible === 'all' || (project != null && visible.has(project))
  const held = heldSlots(world)
  const { blindAfterMs } = control.settings.durations
  const away = [...world.nodes.values()].filter(
    (node) =>
      node.deletedAt === null && nodeState(node, (held.get(node.id) ?? 0) > 0, world.now, blindAfterMs) !== 'ready',
  )
  const open = await control.store.openFindings()
  return {
    holding: [...world.runs.values()].filter((run) => HOLDING.has(run.state.kind) && isIn(runs, run.project)).length,
    waiting: candidatesOf(world).filter(({ run }) => isIn(queue, world.runs.get(run)?.project)).length,
    nodesAway: mayNot(who, 'node.read', null) === null ? away.length : null,
    findings: open.filter(({ subject }) => isIn(runs, subject.project)).length,
  }
}
