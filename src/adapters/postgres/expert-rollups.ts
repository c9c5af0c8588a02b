// Roll-ups of expert load: what waits to be built, what was built, and one expert out of many blocks without reading the others.
import type { LoadPart, PendingBlock, RolledBlock } from '../../domain/expert-blocks.ts'
import {
  BEHIND_STEPS,
  BUILT_LEVEL,
  EXPERT_MEASURES,
  firstStepOf,
  hasLoads,
  lastStepOf,
  levelAbove,
  loadRatio,
  QUIET_MS,
} from '../../domain/expert-blocks.ts'
import type { AttemptId } from '../../domain/ids.ts'
import type { ExpertBlockStore } from '../../ports/expert-store.ts'
import {
  loadBytes,
  packedLoads,
  packedMeasures,
  unpackedCounts,
  unpackedLoads,
  unpackedMeasures,
  unpackLayer,
} from './expert-codec.ts'
import { framesBetween } from './expert-frames.ts'
import type { Database, Queryable } from './pool.ts'

type SetRow = { readonly layers: number; readonly experts: number }

export function expertBlockStore(database: Database): ExpertBlockStore {
  return {
    async expertPending(attempt, layers) {
      return database.query({
        text: 'select level, block from expert_pending where attempt = $1 and layers = $2 order by level, block',
        values: [attempt, layers],
      })
    },
    async expertBlocksDue(now, limit) {
      return database.query<PendingBlock>({
        text: `select p.attempt, p.layers, p.level, p.block, p.touched from expert_pending p
               join expert_layers l on l.attempt = p.attempt and l.layers = p.layers
               where (l.last_step >= (p.block + 1) * (2 ^ p.level)::bigint + $3 or p.at <= $1)
                 and (p.level = $4 or l.first_step / (2 ^ (p.level - 2))::bigint <> l.last_step / (2 ^ (p.level - 2))::bigint)
               order by p.level, p.at limit $2`,
        values: [now - QUIET_MS, limit, BEHIND_STEPS, BUILT_LEVEL],
      })
    },
    async expertFrames(attempt, layers, from, to) {
      return database.transaction('read', (tx) => framesBetween(tx, attempt, layers, from, to))
    },
    async expertRollups(attempt, layers, { level, first, last, loads }) {
      const set = await setOf(database, attempt, layers)
      const rows = await database.query<{ block: number; frames: number; measures: Buffer; loads: Buffer | null }>({
        text: `select block, frames, measures, ${loads ? 'loads' : 'null::bytea as loads'} from expert_rollup
               where attempt = $1 and layers = $2 and level = $3 and block between $4 and $5 order by block`,
        values: [attempt, layers, level, first, last],
      })
      return rows.map((row): RolledBlock => {
        const { seen, measures } = unpackedMeasures(row.measures, level, set.layers, EXPERT_MEASURES.length)
        const spread = row.loads === null ? null : unpackedLoads(row.loads, level, set.layers, set.experts)
        return { level, block: row.block, frames: row.frames, seen, measures, loads: spread }
      })
    },
    async expertLoads(attempt, layers, { layer, expert, level, first, last }) {
      const set = await setOf(database, attempt, layers)
      return level === null
        ? fromFrames(database, attempt, layers, { ...set, layer, expert, first, last })
        : fromBlocks(database, attempt, layers, { ...set, layer, expert, level, first, last })
    },
    async saveExpertBlock(built, rows) {
      await database.transaction('write', async (tx) => {
        const { attempt, layers, level, block, touched } = built
        const [taken] = await tx.query<{ at: number }>({
          text: `delete from expert_pending where attempt = $1 and layers = $2 and level = $3 and block = $4 and touched = $5
                 returning at`,
          values: [attempt, layers, level, block, touched],
        })
        if (taken === undefined) return
        for (const row of rows) await saveRow(tx, attempt, layers, row)
        const above = levelAbove(level)
        if (above === null) return
        await tx.query({
          text: `insert into expert_pending as p (attempt, layers, level, block, touched, at)
                 values ($1, $2, $3, $4, pg_current_xact_id()::text::bigint, $5)
                 on conflict (attempt, layers, level, block) do update set touched = excluded.touched, at = greatest(p.at, excluded.at)`,
          values: [attempt, layers, above, Math.floor(block / 4), taken.at],
        })
      })
    },
    async expertSteps(attempt, layers, from, to) {
      const rows = await database.query<{ step: number }>({
        text: `select step from expert_measure where attempt = $1 and layers = $2 and step between $3 and $4 order by step`,
        values: [attempt, layers, from, to],
      })
      return rows.map(({ step }) => step)
    },
  }
}

async function setOf(database: Queryable, attempt: AttemptId, layers: string): Promise<SetRow> {
  const [row] = await database.query<SetRow>({
    text: 'select cardinality(names) as layers, experts from expert_layers where attempt = $1 and layers = $2',
    values: [attempt, layers],
  })
  return row ?? { layers: 0, experts: 0 }
}

async function saveRow(tx: Queryable, attempt: AttemptId, layers: string, row: RolledBlock): Promise<void> {
  await tx.query({
    text: `insert into expert_rollup (attempt, layers, level, block, frames, measures, loads) values ($1, $2, $3, $4, $5, $6, $7)
           on conflict (attempt, layers, level, block) do update set frames = excluded.frames, measures = excluded.measures,
             loads = excluded.loads`,
    values: [
      attempt,
      layers,
      row.level,
      row.block,
      row.frames,
      packedMeasures(row),
      row.loads === null ? null : packedLoads(row.loads, row.level, row.seen.length),
    ],
  })
}

type Wanted = SetRow & {
  readonly layer: number
  readonly expert: number
  readonly first: number
  readonly last: number
}

/** Only the bytes of the layer are read: PostgreSQL fetches the pieces of a long value that hold them. */
async function fromBlocks(
  database: Queryable,
  attempt: AttemptId,
  layers: string,
  { layer, expert, experts, level, first, last }: Wanted & { readonly level: number },
): Promise<LoadPart[]> {
  if (!hasLoads(level)) throw new Error(`bug: there are no loads on level ${level}`)
  const size = loadBytes(level, experts)
  const rows = await database.query<{ block: number; seen: Buffer; loads: Buffer }>({
    text: `select block, substring(measures from $6::int for 4) as seen, substring(loads from $7::int for $8::int) as loads from expert_rollup
           where attempt = $1 and layers = $2 and level = $3 and block between $4 and $5 order by block`,
    values: [attempt, layers, level, first, last, layer * 4 + 1, layer * size + 1, size],
  })
  return rows.flatMap(({ block, seen, loads }) => {
    const frames = seen.readUInt32LE(0)
    if (frames === 0) return []
    const { min, max, mean, p99 } = unpackedLoads(loads, level, 1, experts)
    const of = (values: Float32Array): number => values[expert] ?? Number.NaN
    return [
      {
        from: firstStepOf(block, level),
        to: lastStepOf(block, level),
        frames,
        min: of(min),
        max: of(max),
        mean: of(mean),
        p99: of(p99),
      },
    ]
  })
}

async function fromFrames(
  database: Queryable,
  attempt: AttemptId,
  layers: string,
  { layers: all, layer, expert, experts, first, last }: Wanted,
): Promise<LoadPart[]> {
  // `ends[0]` is outside of the array and so null: the first layer begins at 0.
  const rows = await database.query<{ step: number; counts: Buffer; old: boolean }>({
    text: `select step, ends is null as old, case when ends is null then counts else
             substring(counts from coalesce(ends[$5::int], 0) + 1 for ends[$5::int + 1] - coalesce(ends[$5::int], 0)) end as counts
           from expert_frame where attempt = $1 and layers = $2 and step between $3 and $4 order by step`,
    values: [attempt, layers, first, last, layer],
  })
  const parts: LoadPart[] = []
  const counts = new Uint32Array(experts)
  for (const some of Map.groupBy(rows, ({ step }) => step).values()) {
    let [count, total] = [0, 0]
    for (const row of some) {
      if (row.old)
        counts.set(unpackedCounts(row.counts, null, all, experts).subarray(layer * experts, (layer + 1) * experts))
      else unpackLayer(row.counts, 0, counts, 0, experts)
      count += counts[expert] ?? 0
      for (let index = 0; index < experts; index += 1) total += counts[index] ?? 0
    }
    const ratio = loadRatio(count, experts, total)
    const step = some[0]?.step ?? 0
    if (!Number.isNaN(ratio))
      parts.push({ from: step, to: step, frames: 1, min: ratio, max: ratio, mean: ratio, p99: ratio })
  }
  return parts
}
