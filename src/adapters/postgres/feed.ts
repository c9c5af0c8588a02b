// Reads the change feed. A transaction gets its number when it first writes and may commit after one with a higher number: so only what
// lies below the oldest transaction that is still open is read, and nothing that commits later can come before it.
import type { Feed, FeedChange } from '../../ports/feed.ts'
import type { Database } from './pool.ts'

type Position = { readonly feed: string; readonly xid: string; readonly sequence: string }

export function feedOf(database: Database): Feed {
  return {
    async feedPosition() {
      const [row] = await database.query<{ feed: string; xid: string }>({
        text: 'select feed_id::text as feed, pg_snapshot_xmin(pg_current_snapshot())::text as xid from store',
        values: [],
      })
      if (row === undefined) throw new Error('bug: the table store has no row')
      return textOf({ ...row, sequence: '0' })
    },
    async feedAfter(text, limit, images) {
      const position = parsed(text)
      if (position === null) return null
      return database.transaction('read', async (tx) => {
        const [now] = await tx.query<{ known: boolean; lag: number }>({
          text: `select feed_id::text = $1 and $2::xid8 > feed_floor and $2::xid8 <= pg_snapshot_xmax(pg_current_snapshot()) as known,
                   coalesce(floor(extract(epoch from clock_timestamp()) * 1000)::bigint
                     - (select min(at) from feed where xid >= pg_snapshot_xmin(pg_current_snapshot())), 0) as lag
                 from store`,
          values: [position.feed, position.xid],
        })
        if (now?.known !== true) return null
        const rows = await tx.query<{ xid: string; sequence: number } & Omit<FeedChange, 'version'>>({
          text: `select xid::text as xid, sequence, kind, id, run, case when $4 then image end as image from feed
                 where (xid, sequence) > ($1::xid8, $2::bigint) and xid < pg_snapshot_xmin(pg_current_snapshot())
                 order by xid, sequence limit $3`,
          values: [position.xid, position.sequence, limit, images],
        })
        const last = rows.at(-1)
        return {
          changes: rows.map(({ kind, id, run, sequence, image }) => ({
            kind,
            id,
            run,
            version: sequence,
            image,
          })),
          position:
            last === undefined ? text : textOf({ feed: position.feed, xid: last.xid, sequence: String(last.sequence) }),
          more: rows.length === limit,
          lagMs: Math.max(0, now.lag),
        }
      })
    },
  }
}

const textOf = ({ feed, xid, sequence }: Position): string => `${feed}.${xid}.${sequence}`

/** What comes from outside, as a browser's Last-Event-ID does: null where it is no position. */
function parsed(text: string): Position | null {
  const [, feed, xid, sequence] = /^([0-9a-f-]{36})\.(\d{1,19})\.(\d{1,18})$/.exec(text) ?? []
  return feed === undefined || xid === undefined || sequence === undefined ? null : { feed, xid, sequence }
}
