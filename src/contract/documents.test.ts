import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import type * as alerts from '../domain/alert-documents.ts'
import type * as budgets from '../domain/budget-documents.ts'
import type { ComparisonDocument } from '../domain/comparison.ts'
import type { CountsDocument } from '../domain/counts.ts'
import type * as domain from '../domain/documents.ts'
import { epochMs, micros } from '../domain/units.ts'
import type { DocumentName, Wire } from './documents.ts'
import { DOCUMENTS } from './documents.ts'
import type { WireOf } from './wire.ts'
import { toWire } from './wire.ts'

// Checked by the compiler: what the domain says is what the schema reads, key by key, and the other way round.
type Agree<Name extends DocumentName, Document> =
  WireOf<Document> & { schema: Wire<Name>['schema'] } extends Wire<Name>
    ? Wire<Name> extends WireOf<Document>
      ? true
      : ['the schema lacks', WireOf<Document>]
    : ['the schema asks for more than', WireOf<Document>]

const agreed: [
  Agree<'run', domain.RunDocument>,
  Agree<'runs', domain.RunsDocument>,
  Agree<'show', domain.ShowDocument>,
  Agree<'statement', domain.StatementDocument>,
  Agree<'why', domain.WhyDocument>,
  Agree<'plan', domain.PlanDocument>,
  Agree<'events', { events: readonly domain.EventDocument[]; next: string | null }>,
  Agree<'logs', domain.LogDocument>,
  Agree<'experts', domain.ExpertsDocument>,
  Agree<'expert-frame', domain.ExpertFrameDocument>,
  Agree<'expert-tile', domain.ExpertTileDocument>,
  Agree<'expert-history', domain.ExpertHistoryDocument>,
  Agree<'table', domain.TableDocument>,
  Agree<'series', domain.SeriesDocument>,
  Agree<'log-search', domain.LogSearchDocument>,
  Agree<'queue', domain.QueueDocument>,
  Agree<'nodes', { clusters: readonly domain.ClusterDocument[]; nodes: readonly domain.NodeDocument[] }>,
  Agree<'budgets', { budgets: readonly budgets.BudgetDocument[] }>,
  Agree<'extension', budgets.ExtensionDocument>,
  Agree<'extensions', { extensions: readonly budgets.ExtensionDocument[] }>,
  Agree<'ledger', domain.LedgerDocument>,
  Agree<'comparison', ComparisonDocument>,
  Agree<'counts', CountsDocument>,
  Agree<'audit', { entries: readonly domain.AuditDocument[]; next: string | null }>,
  Agree<'deliveries', alerts.DeliveriesDocument>,
  Agree<'channel', alerts.ChannelDocument>,
  Agree<'silence', alerts.SilenceDocument>,
  Agree<'acknowledgement', alerts.AcknowledgementDocument>,
  Agree<'token', domain.TokenDocument>,
  Agree<'tokens', { tokens: readonly domain.TokenDocument[] }>,
] = [
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
]

test('every document of the domain has a schema that agrees with it', () => assert.ok(agreed.every(Boolean)))

test('each schema is named by the document it is for', () => {
  for (const [name, schema] of Object.entries(DOCUMENTS)) assert.equal(schema.shape.schema.value, `plimsoll.${name}/v1`)
})

test('moments become ISO 8601 in UTC, and nothing else does', () => {
  const at = epochMs(Date.UTC(2026, 0, 2, 3, 4, 5))
  const money = { micros: micros(5), currency: 'EUR' }
  assert.deepEqual(
    toWire('plan', { gpuMs: { p10: 1, p50: 2, p90: 3 }, money: { p50: money }, expectedStart: { p50: at, p90: at } }),
    {
      schema: 'plimsoll.plan/v1',
      gpuMs: { p10: 1, p50: 2, p90: 3 },
      money: { p50: money },
      expectedStart: { p50: '2026-01-02T03:04:05.000Z', p90: '2026-01-02T03:04:05.000Z' },
    },
  )
  assert.deepEqual(toWire('audit', { entries: [{ at, detail: { from: 3, to: 5, at: 1 } }], next: null }), {
    schema: 'plimsoll.audit/v1',
    entries: [{ at: '2026-01-02T03:04:05.000Z', detail: { from: 3, to: 5, at: 1 } }],
    next: null,
  })
  assert.deepEqual(toWire('show', { startedAt: null, spec: { at: 7 } }), {
    schema: 'plimsoll.show/v1',
    startedAt: null,
    spec: { at: 7 },
  })
})

test('counts become base64 of little-endian integers, and steps stay steps', () => {
  const frame = { counts: new Uint32Array([3, 1, 0, 4]), buckets: [{ from: 0, to: 63 }] }
  assert.deepEqual(toWire('expert-frame', frame), {
    schema: 'plimsoll.expert-frame/v1',
    counts: 'AwAAAAEAAAAAAAAABAAAAA==',
    buckets: [{ from: 0, to: 63 }],
  })
})

test('a reader accepts keys that it does not know', () => {
  const read = DOCUMENTS['queue-steered'].parse({ schema: 'plimsoll.queue-steered/v1', paused: true, since: 'now' })
  assert.equal(read.paused, true)
  assert.doesNotThrow(() => z.toJSONSchema(DOCUMENTS.show))
})
