import type { RunDocument } from '../../domain/documents.ts'
import { fenceText } from '../../domain/fence.ts'
import type { Run } from '../../domain/run.ts'
import { livingAttempt, NOT_LOOKED_AT } from '../../domain/run.ts'
import { gpusOf } from '../../domain/spec.ts'

/** A run that no turn has looked at: no reason is claimed for it. */
const unseen = (state: Run['state']): boolean => state.kind === 'queued' && state.message === NOT_LOOKED_AT

/** What a fence waits for changes while the reason stays: it is told from the fence itself. */
const waitsFor = ({ state, fence }: Run): string | null =>
  state.kind === 'queued' && state.reason === 'fence' && fence !== undefined ? fenceText(fence) : null

export function documentOf(run: Run): RunDocument {
  const { state } = run
  return {
    id: run.id,
    project: run.project,
    name: run.name,
    user: run.user,
    cluster: run.cluster,
    priority: run.priority,
    state: state.kind,
    reason:
      state.kind === 'queued'
        ? unseen(state)
          ? null
          : state.reason
        : state.kind === 'stopping'
          ? state.cause
          : state.kind === 'suspended'
            ? state.by
            : null,
    message: unseen(state) ? 'not looked at yet' : 'message' in state ? (waitsFor(run) ?? state.message) : null,
    gpus: gpusOf(run.resources),
    nodes: run.resources.nodes,
    gpusPerNode: run.resources.gpusPerNode,
    labels: run.labels,
    attempt: livingAttempt(state),
    createdAt: run.createdAt,
    startedAt: run.startedAt,
    endedAt: run.endedAt,
  }
}
