// Whose fault a failure is, as far as the ends of the workers and the last lines of their logs tell. A later step knows many more
// classes; here a lost node, a taken port and an eviction by the cluster are the infrastructure's, a command that cannot be run is the user's, and all else is
// unknown.
import type { Claim } from '../../domain/claim.ts'
import type { WorkerId } from '../../domain/ids.ts'
import type { FailureClass, Outcome } from '../../domain/reasons.ts'

/** torch's store and sockets name the error; so does errno 98 in Python. */
const ADDRESS_IN_USE = /EADDRINUSE|Address already in use/
/** A shell's codes for "cannot execute" and "not found". */
const CANNOT_EXECUTE = 126
const NOT_FOUND = 127

export function classOfFailure(
  outcome: Outcome,
  claims: readonly Claim[],
  tails: ReadonlyMap<WorkerId, string>,
): FailureClass {
  if (outcome === 'node-lost' || outcome === 'never-started') return 'infrastructure'
  if (claims.some((claim) => claim.exit?.cause === 'evicted')) return 'infrastructure'
  for (const claim of claims)
    if (ADDRESS_IN_USE.test(tails.get(claim.holder as WorkerId) ?? '')) return 'infrastructure'
  const cannotRun = claims.some(
    ({ exit }) =>
      exit?.cause === 'could-not-start' ||
      (exit?.kind === 'code' && (exit.code === CANNOT_EXECUTE || exit.code === NOT_FOUND)),
  )
  return cannotRun ? 'user' : 'unknown'
}
