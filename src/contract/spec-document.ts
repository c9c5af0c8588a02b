import type { RunSpec } from '../domain/spec.ts'

/** A resolved spec as a document that parses to itself: what the command line sends. */
export function specToDocument(spec: RunSpec): Record<string, unknown> {
  const { limits, training, ...rest } = spec
  return {
    ...rest,
    training: { ...training, model: training.model === null ? null : { ...training.model } },
    limits: {
      time: limits.timeMs === null ? null : `${limits.timeMs}ms`,
      gpuHours: limits.gpuMs === null ? null : limits.gpuMs / 3_600_000,
    },
  }
}
