import type { RunDocument } from '../../domain/documents.ts'
import type { Run } from '../../domain/run.ts'
import { livingAttempt } from '../../domain/run.ts'
import { gpusOf } from '../../domain/spec.ts'

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
        ? state.reason
        : state.kind === 'stopping'
          ? state.cause
          : state.kind === 'suspended'
            ? state.by
            : null,
    message: 'message' in state ? state.message : null,
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
