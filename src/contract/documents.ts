// Every document that goes over the wire, by the name that stands in its `schema`: `plimsoll.<name>/v1`. What they say is decided in
// domain/documents; documents.test.ts holds the two together.
import type { z } from 'zod'
import * as alerts from './alert-documents.ts'
import * as local from './local-documents.ts'
import * as operate from './operate-documents.ts'
import * as runs from './run-documents.ts'

export const DOCUMENTS = {
  run: runs.run,
  runs: runs.runs,
  show: runs.show,
  statement: runs.statement,
  why: runs.why,
  plan: runs.plan,
  events: runs.events,
  logs: runs.logs,
  experts: runs.experts,
  'expert-frame': runs.expertFrame,
  'expert-tile': runs.expertTile,
  'expert-history': runs.expertHistory,
  table: runs.table,
  series: runs.series,
  'log-search': runs.logSearch,
  counts: operate.counts,
  queue: operate.queue,
  'queue-steered': operate.queueSteered,
  nodes: operate.nodes,
  'node-steered': operate.nodeSteered,
  budgets: operate.budgets,
  extension: operate.extension,
  extensions: operate.extensions,
  ledger: operate.ledger,
  comparison: operate.comparison,
  findings: operate.findings,
  alerts: alerts.alerts,
  deliveries: alerts.deliveries,
  channel: alerts.channel,
  'channel-created': alerts.channelCreated,
  'channel-tested': alerts.channelTested,
  silence: alerts.silence,
  acknowledgement: alerts.acknowledgement,
  audit: operate.audit,
  policy: operate.policy,
  'policy-applied': operate.policyApplied,
  token: operate.token,
  'token-created': operate.tokenCreated,
  tokens: operate.tokens,
  login: local.login,
  completion: local.completion,
  'policy-diff': local.policyDiff,
  doctor: local.doctor,
  report: local.report,
  simulate: local.simulate,
  'trace-replay': local.traceReplay,
}

export type DocumentName = keyof typeof DOCUMENTS

/** A document as a client reads it. */
export type Wire<Name extends DocumentName> = z.infer<(typeof DOCUMENTS)[Name]>
