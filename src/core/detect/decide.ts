// What becomes of findings after a look: opened, told anew, or over.
import type { Finding, Sighting } from '../../domain/finding.ts'
import { findingIdOf, keyOf } from '../../domain/finding.ts'
import type { AttemptId } from '../../domain/ids.ts'
import type { EpochMs, GpuMs, Money, Price } from '../../domain/units.ts'
import { gpuMs, micros, MS_PER_HOUR } from '../../domain/units.ts'

/** What an open finding costs, and when it was seen last, is written so often. */
export const REFRESH_MS = 60_000

/**
 * The findings to write. `open`: all that are open, by `keyOf`. Of attempts in `unheard` nobody knows anything: what is open of them stays as
 * it is, and is not over.
 */
export function decideFindings(
  open: ReadonlyMap<string, Finding>,
  sightings: readonly Sighting[],
  unheard: ReadonlySet<AttemptId>,
  now: EpochMs,
): Finding[] {
  const seen = new Map(sightings.map((sighting) => [keyOf(sighting), sighting]))
  const writes: Finding[] = []
  for (const [key, sighting] of seen) {
    const known = open.get(key)
    if (known === undefined) writes.push(at({ ...sighting, id: findingIdOf(sighting) }, now, null))
    else if (known.severity !== sighting.severity || now >= known.seenAt + REFRESH_MS)
      // When it began, and under which name, is what was said first.
      writes.push(at({ ...sighting, since: known.since, id: known.id }, now, null))
  }
  for (const [key, known] of open) {
    const { attempt } = known.subject
    if (seen.has(key) || (attempt !== null && unheard.has(attempt))) continue
    writes.push({ ...at(known, now, now), seenAt: known.seenAt })
  }
  return writes
}

/** A finding as it stands at a moment, with what it has cost until then. */
function at(sighting: Sighting & { readonly id: string }, now: EpochMs, resolvedAt: EpochMs | null): Finding {
  const { gpus, since, price, spent = null } = sighting
  const cost = gpus === null ? spent : gpuMs(gpus * Math.max(0, now - since))
  return {
    ...sighting,
    gpuMs: cost,
    money: cost === null || price === null ? null : moneyOf(cost, price),
    seenAt: now,
    resolvedAt,
  }
}

function moneyOf(amount: GpuMs, { microsPerGpuHour, currency }: Price): Money {
  return { micros: micros(Number((BigInt(amount) * BigInt(microsPerGpuHour)) / BigInt(MS_PER_HOUR))), currency }
}
