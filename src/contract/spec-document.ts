import type { RunSpec } from '../domain/spec.ts'

/**
 * A resolved spec as a document that parses to itself: what the command line sends. Limits stay in milliseconds: as hours the largest
 * ones would be refused or rounded.
 */
export function specToDocument(spec: RunSpec): Record<string, unknown> {
  return structuredClone(spec)
}
