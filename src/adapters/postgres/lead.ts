// Who leads. The lease is measured by the database's clock alone; taking it bumps the epoch, and the row lock makes the taker wait
// for commits in flight.
import type { EpochMs } from '../../domain/units.ts'
import { epochMs } from '../../domain/units.ts'
import type { ClusterName } from '../../domain/ids.ts'
import type { Epoch, LeaderStore } from '../../ports/store.ts'
import type { Database } from './pool.ts'

export function leaderStore(database: Database): LeaderStore {
  return {
    async takeLead(holder, leaseMs, force) {
      const rows = await database.query<{ epoch: Epoch }>({
        text: `update leader set epoch = epoch + 1, holder = $1, until = clock_timestamp() + $2 * interval '1 millisecond'
               where until < clock_timestamp() or ($3 and holder = $1) returning epoch`,
        values: [holder, leaseMs, force],
      })
      return rows[0]?.epoch ?? null
    },
    async renewLead(epoch, leaseMs) {
      const rows = await database.query({
        text: `update leader set until = clock_timestamp() + $2 * interval '1 millisecond' where epoch = $1 returning epoch`,
        values: [epoch, leaseMs],
      })
      return rows.length === 1
    },
    async giveUpLead(epoch) {
      await database.query({
        text: `update leader set until = '-infinity', holder = '' where epoch = $1`,
        values: [epoch],
      })
    },
    async claimHome(home) {
      const rows = await database.query<{ home: string }>({
        text: 'update store set home = coalesce(home, $1) returning home',
        values: [home],
      })
      return rows[0]?.home ?? ''
    },
    async now(): Promise<EpochMs> {
      const rows = await database.query<{ now: number }>({
        text: `select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now`,
        values: [],
      })
      return epochMs(rows[0]?.now ?? 0)
    },
    async saveHealth(epoch, cluster, { health, observedAt }) {
      await database.query({
        text: `insert into cluster_health (cluster, unknown, observed_at)
               select $2::text, $3::text, $4::bigint from (select from leader where epoch = $1 for share) lead
               on conflict (cluster) do update set unknown = excluded.unknown, observed_at = excluded.observed_at`,
        values: [epoch, cluster, health.kind === 'unknown' ? health.message : null, observedAt],
      })
    },
    async health() {
      const rows = await database.query<{ cluster: ClusterName; unknown: string | null; observed_at: number }>({
        text: 'select cluster, unknown, observed_at from cluster_health',
        values: [],
      })
      return new Map(
        rows.map(({ cluster, unknown, observed_at: at }) => [
          cluster,
          {
            health: unknown === null ? { kind: 'reachable' } : { kind: 'unknown', message: unknown },
            observedAt: epochMs(at),
          },
        ]),
      )
    },
  }
}
