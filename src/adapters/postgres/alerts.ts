// Channels, silences, and the outbox of messages.
import type {
  Acknowledgement,
  Channel,
  ChannelState,
  Delivery,
  KeptChannel,
  NoticeState,
  Outgoing,
  Silence,
  Told,
} from '../../domain/alert.ts'
import type { AuditEntry } from '../../domain/event.ts'
import type { Finding } from '../../domain/finding.ts'
import type { Notice } from '../../domain/notice.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { AlertStore, KeptNotice } from '../../ports/alert-store.ts'
import { leads } from './commit.ts'
import { writeAudit } from './policy.ts'
import type { Database, Queryable } from './pool.ts'
import { columns } from './pool.ts'

export function alertStore(database: Database): AlertStore {
  const change = (audit: AuditEntry, text: string, values: readonly unknown[]): Promise<boolean> =>
    database.transaction('write', async (tx) => {
      const changed = (await tx.query({ text, values })).length > 0
      if (changed) await writeAudit(tx, audit)
      return changed
    })
  return {
    readAlerts: (now, recentMs) =>
      database.transaction('read', async (tx) => {
        const channels = await channelsOf(tx)
        // Who tells nobody reads nothing else.
        if (channels.length === 0) return NOTHING
        const told = await tx.query<Told>(TOLD)
        const open = await tx.query<{ image: Finding }>({
          text: 'select image from finding where resolved_at is null order by key',
          values: [],
        })
        const ended = await tx.query<{ image: Finding }>({
          text: `select image from finding f where resolved_at is not null
                 and id in (select finding from told where state = 'firing')
                 and not exists (select from finding o where o.key = f.key and o.resolved_at is null)`,
          values: [],
        })
        const recent = await tx.query<{ channel: string; count: number; newestAt: EpochMs }>({
          text: `select channel, count(*) as count, max(made_at) as "newestAt" from notice where made_at > $1 group by channel`,
          values: [now - recentMs],
        })
        const acknowledged = await tx.query<{ image: Acknowledgement }>({
          text: 'select a.image from acknowledgement a join finding f on f.id = a.finding where f.resolved_at is null',
          values: [],
        })
        return {
          channels,
          silences: await silencesOf(tx, now),
          acknowledged: new Map(acknowledged.map(({ image }) => [image.finding, image])),
          told,
          open: open.map(({ image }) => image),
          ended: new Map(ended.map(({ image }) => [image.id, image])),
          recent: new Map(recent.map(({ channel, ...rest }) => [channel, rest])),
        }
      }),
    tell: (epoch, outgoing, told) =>
      database.transaction('write', async (tx) => {
        if (!(await leads(tx, epoch))) return false
        await saveOutgoing(tx, outgoing)
        if (told.length > 0)
          await tx.query({
            text: `insert into told (channel, key, finding, state, severity, at)
                   select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
                   on conflict (channel, key) do update set finding = excluded.finding, state = excluded.state,
                     severity = excluded.severity, at = excluded.at`,
            values: columns(told, (each) => [each.channel, each.key, each.finding, each.state, each.severity, each.at]),
          })
        return true
      }),
    send: (outgoing, audit) =>
      database.transaction('write', async (tx) => {
        await saveOutgoing(tx, [outgoing])
        await writeAudit(tx, audit)
      }),
    async channelsDue(now) {
      const rows = await database.query<ChannelRow>({
        text: `select c.image, c.failures, c.retry_at, c.off from channel c
               where removed_at is null and off is null and (retry_at is null or retry_at <= $1)
               and exists (select from notice n where n.channel = c.id and n.state = 'pending')`,
        values: [now],
      })
      return rows.map(stateOf)
    },
    async nextNotice(channel) {
      const [row] = await database.query<{ image: Notice; tries: number }>({
        text: `select image, tries from notice where channel = $1 and state = 'pending' order by made_at, id limit 1`,
        values: [channel],
      })
      return row === undefined ? null : { notice: row.image, try: row.tries + 1 }
    },
    tried: (epoch, channel, delivery, then) =>
      database.transaction('write', async (tx) => {
        if (!(await leads(tx, epoch))) return false
        await tx.query({
          text: `insert into delivery (notice, try, at, took_ms, ok, said) values ($1, $2, $3, $4, $5, $6) on conflict do nothing`,
          values: [delivery.notice, delivery.try, delivery.at, delivery.tookMs, delivery.ok, delivery.said],
        })
        await tx.query({
          text: `update notice set tries = $2, state = $3, ended_at = case when $3 = 'pending' then null else $4::bigint end
                 where id = $1 and state = 'pending'`,
          values: [delivery.notice, delivery.try, then.state, delivery.at],
        })
        await tx.query({
          text: 'update channel set failures = $2, retry_at = $3, off = $4 where id = $1',
          values: [channel, then.failures, then.retryAt, then.off],
        })
        return true
      }),

    addChannel: (channel, audit) =>
      database.transaction('write', async (tx) => {
        const added = await tx.query({
          text: `insert into channel (id, name, image) values ($1, $2, $3)
                 on conflict (name) where removed_at is null do nothing returning id`,
          values: [channel.id, channel.name, JSON.stringify(channel)],
        })
        if (added.length === 0) return null
        await writeAudit(tx, audit)
        return channel
      }),
    removeChannel: (id, at, audit) =>
      database.transaction('write', async (tx) => {
        const removed = await tx.query({
          text: `update channel set removed_at = $2, image = image - 'sealed' where id = $1 and removed_at is null returning id`,
          values: [id, at],
        })
        if (removed.length === 0) return false
        await tx.query({
          text: `update notice set state = 'failed', ended_at = $2 where channel = $1 and state = 'pending'`,
          values: [id, at],
        })
        await tx.query({ text: 'delete from told where channel = $1', values: [id] })
        await writeAudit(tx, audit)
        return true
      }),
    wakeChannel: (id, audit) =>
      change(
        audit,
        'update channel set failures = 0, retry_at = null, off = null where id = $1 and removed_at is null returning id',
        [id],
      ),
    channels: () => channelsOf(database),
    async channelsEver() {
      const rows = await database.query<{ image: Pick<Channel, 'id' | 'name' | 'project'> }>({
        text: 'select image from channel',
        values: [],
      })
      return rows.map(({ image: { id, name, project } }) => ({ id, name, project }))
    },
    async oldestPendingAt() {
      const [row] = await database.query<{ at: EpochMs | null }>({
        text: `select min(made_at) as at from notice where state = 'pending'`,
        values: [],
      })
      return row?.at ?? null
    },
    addSilence: async (silence, audit) =>
      void (await change(audit, 'insert into silence (id, ends_at, image) values ($1, $2, $3) returning id', [
        silence.id,
        silence.endsAt,
        JSON.stringify(silence),
      ])),
    endSilence: (id, at, audit) =>
      change(
        audit,
        `update silence set ends_at = $2::bigint, image = jsonb_set(image, '{endsAt}', to_jsonb($2::bigint))
         where id = $1 and ends_at > $2::bigint returning id`,
        [id, at],
      ),
    silences: (now) => silencesOf(database, now),
    acknowledge: async (acknowledgement, audit) =>
      void (await change(
        audit,
        `insert into acknowledgement (finding, at, image) values ($1, $2, $3)
         on conflict (finding) do update set at = excluded.at, image = excluded.image returning finding`,
        [acknowledgement.finding, acknowledgement.at, JSON.stringify(acknowledgement)],
      )),
    letGo: (finding, audit) =>
      change(audit, 'delete from acknowledgement where finding = $1 returning finding', [finding]),
    told: () => database.query<Told>(TOLD),
    async acknowledged(findings) {
      const rows = await database.query<{ image: Acknowledgement }>({
        text: 'select image from acknowledgement where finding = any($1)',
        values: [findings],
      })
      return new Map(rows.map(({ image }) => [image.finding, image]))
    },
    async finding(id) {
      const [row] = await database.query<{ image: Finding }>({
        text: 'select image from finding where id = $1',
        values: [id],
      })
      return row?.image ?? null
    },

    notices: (channels, limit, before) =>
      database.transaction('read', async (tx) => {
        const rows = await tx.query<NoticeRow>({
          text: `select id, channel, state, ended_at, image from notice
                 where channel = any($1) and ($2::bigint is null or (made_at, id) < ($2, $3::text))
                 order by made_at desc, id desc limit $4`,
          values: [channels, before?.at ?? null, before?.id ?? null, limit],
        })
        const tries = await tx.query<Delivery>({
          text: `select notice, try, at, took_ms as "tookMs", ok, said from delivery where notice = any($1) order by notice, try`,
          values: [rows.map(({ id }) => id)],
        })
        const of = Map.groupBy(tries, ({ notice }) => notice)
        return rows.map(({ id, channel, state, ended_at: endedAt, image }): KeptNotice => ({
          channel,
          notice: image,
          state,
          endedAt,
          deliveries: of.get(id) ?? [],
        }))
      }),
    async alertsOf(run) {
      const [row] = await database.query<{ sent: number; failed: number; pending: number }>({
        text: `select count(*) filter (where state = 'delivered') as sent, count(*) filter (where state = 'failed') as failed,
                 count(*) filter (where state = 'pending') as pending from notice where runs @> array[$1]`,
        values: [run],
      })
      return row ?? { sent: 0, failed: 0, pending: 0 }
    },
  }
}

const TOLD = { text: 'select channel, key, finding, state, severity, at from told', values: [] } as const

const NOTHING = {
  channels: [],
  silences: [],
  acknowledged: new Map<string, Acknowledgement>(),
  told: [],
  open: [],
  ended: new Map<string, Finding>(),
  recent: new Map<string, { count: number; newestAt: EpochMs }>(),
} as const

type NoticeRow = { id: string; channel: string; state: NoticeState; ended_at: EpochMs | null; image: Notice }
type ChannelRow = { image: Channel; failures: number; retry_at: EpochMs | null; off: string | null }

const stateOf = ({ image, failures, retry_at: retryAt, off }: ChannelRow): Channel & ChannelState => ({
  ...image,
  failures,
  retryAt,
  off,
})

async function channelsOf(from: Queryable): Promise<readonly KeptChannel[]> {
  const rows = await from.query<ChannelRow & { pending: number }>({
    text: `select c.image, c.failures, c.retry_at, c.off,
             (select count(*) from notice n where n.channel = c.id and n.state = 'pending') as pending
           from channel c where removed_at is null order by c.name`,
    values: [],
  })
  return rows.map((row) => ({ ...stateOf(row), pending: row.pending }))
}

async function silencesOf(from: Queryable, now: EpochMs): Promise<readonly Silence[]> {
  const rows = await from.query<{ image: Silence }>({
    text: 'select image from silence where ends_at > $1 order by ends_at, id',
    values: [now],
  })
  return rows.map(({ image }) => image)
}

async function saveOutgoing(tx: Queryable, outgoing: readonly Outgoing[]): Promise<void> {
  for (const { channel, notice, runs } of outgoing)
    await tx.query({
      text: 'insert into notice (id, channel, made_at, runs, image) values ($1, $2, $3, $4, $5)',
      values: [notice.id, channel, notice.at, runs, JSON.stringify(notice)],
    })
}
