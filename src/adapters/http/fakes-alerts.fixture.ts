// Fakes of what may be asked about alerts.
import type { ChannelDocument, SilenceDocument } from '../../domain/alert-documents.ts'
import type { FindingRow } from '../../domain/documents.ts'
import type { Answer } from '../../domain/refusal.ts'
import { epochMs, gpuMs, micros } from '../../domain/units.ts'
import type { Alerts } from '../../ports/alerts.ts'

export type Say = <Value>(what: string, args: readonly unknown[], value: Value) => Promise<Answer<Value>>

const RUN = 'r0123456789abcdef'
const at = (minutes: number): ReturnType<typeof epochMs> => epochMs(Date.UTC(2026, 0, 2, 3, 4, 5) + minutes * 60_000)

export const finding: FindingRow = {
  id: `no-progress/${RUN}-1/0`,
  rule: 'no-progress',
  severity: 'critical',
  project: 'demo',
  run: RUN,
  runName: 'moe',
  attempt: 1,
  budget: null,
  since: at(1),
  seenAt: at(2),
  resolvedAt: null,
  message: 'no step for 5 min',
  evidence: [{ what: 'last step', value: '600', at: at(1), worker: null }],
  gpuMs: gpuMs(480_000),
  money: { micros: micros(1_000_000), currency: 'EUR' },
  whatToTry: 'read its log',
}

const channel: ChannelDocument = {
  id: 'c1',
  name: 'oncall',
  project: 'demo',
  kind: 'webhook',
  shown: 'hooks.test',
  severity: 'warning',
  rules: ['no-progress'],
  digest: true,
  createdAt: at(0),
  createdBy: 'user:ada',
  failures: 1,
  retryAt: at(4),
  off: null,
  pending: 1,
}
const silence: SilenceDocument = {
  id: 's1',
  project: 'demo',
  rule: 'no-progress',
  run: null,
  startsAt: at(0),
  endsAt: at(9),
  reason: 'known',
  by: 'user:ada',
}

export function alertFakes(say: Say): Alerts {
  return {
    alerts: () =>
      say('alerts', [], {
        alerts: [
          {
            ...finding,
            acknowledged: { finding: finding.id, at: at(3), by: 'user:ada', note: 'mine' },
            silence: silence.id,
            told: [{ channel: 'oncall', state: 'firing', at: at(2) }],
          },
        ],
        channels: [channel],
        silences: [silence],
      }),
    deliveries: (_who, page) =>
      say('deliveries', [page], {
        deliveries: [
          {
            notice: 'n1',
            channel: 'oncall',
            kind: 'alert',
            title: 'critical: demo/moe: no step for 5 min',
            items: 1,
            at: at(2),
            state: 'pending',
            endedAt: null,
            tries: [{ try: 1, at: at(2), tookMs: 210, ok: false, said: '503 in 0.2 s' }],
          },
        ],
        next: null,
      }),
    createChannel: (_who, made) => say('createChannel', [made], { channel, secret: 'whsec_secret' }),
    removeChannel: (_who, name) => say('removeChannel', [name], channel),
    testChannel: (_who, name) => say('testChannel', [name], { notice: 'n2' }),
    wakeChannel: (_who, name) => say('wakeChannel', [name], channel),
    silence: (_who, made) => say('silence', [made], silence),
    endSilence: (_who, id) => say('endSilence', [id], silence),
    acknowledge: (_who, id, note) => say('acknowledge', [id, note], { finding: id, at: at(3), by: 'user:ada', note }),
    letGo: (_who, id) => say('letGo', [id], { finding: id, at: at(3), by: 'user:ada', note: '' }),
  }
}
