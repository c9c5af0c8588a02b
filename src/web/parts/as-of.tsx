// Of when the numbers of a page are that no stream keeps fresh. Three readings that failed are not chance: then they are stale and say so.
import { useNow } from '../api/clock.ts'
import { OPERATE_MS } from '../api/operate.ts'
import { durationShort } from '../format/numbers.ts'
import { hms, utc } from '../format/times.ts'

const STALE_MS = 3 * OPERATE_MS

/** By the clock of this machine, which also read them. */
export function AsOf({ at, everyMs = OPERATE_MS }: { readonly at: number; readonly everyMs?: number }) {
  // Drawn again while nothing comes: that is when it has something to say.
  useNow(5_000)
  if (at === 0) return null
  const old = Date.now() - at
  if (old > Math.max(STALE_MS, 3 * everyMs))
    return (
      <span className="stale small" role="status" title={utc(at)}>
        stale since {hms(at)}, {durationShort(old)}
      </span>
    )
  return (
    <span className="faint small" title={utc(at)}>
      as of {hms(at)}
    </span>
  )
}
