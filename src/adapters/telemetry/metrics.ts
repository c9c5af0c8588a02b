// What a collector of metrics reads, in the text format of Prometheus. Names have their unit; labels have few values: never a run, a
// worker or an expert.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Gauges } from '../../domain/documents.ts'
import type { SignInCode } from '../../domain/sign-in.ts'

export type Metrics = {
  readonly contentType: string
  /** Runs one turn of a step, and counts how long it took and whether it failed. */
  turn<Value>(step: string, run: () => Promise<Value>): Promise<Value>
  /** One try to bring a message to a channel. */
  tried(kind: string, outcome: 'delivered' | 'failed'): void
  /** A sign-in by an identity provider, or a refusal on the way. */
  signedIn(outcome: 'signed-in' | SignInCode): void
  /** `feedLagMs`: how long what is committed waits before whoever follows the feed may read it. */
  text(now: Gauges, feedLagMs: number): Promise<string>
}

/** Seconds: a turn is milliseconds on a small cluster, and a second is too much on any. */
const TURN_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const turns = new Histogram({
    name: 'plimsoll_turn_duration_seconds',
    help: 'how long a turn of a step took',
    labelNames: ['step'],
    buckets: TURN_BUCKETS,
    registers,
  })
  const failures = new Counter({
    name: 'plimsoll_turn_failures_total',
    help: 'turns of a step that ended with an error; the next turn does the work again',
    labelNames: ['step'],
    registers,
  })
  const succeeded = new Gauge({
    name: 'plimsoll_turn_last_success_timestamp_seconds',
    help: 'when a turn of a step ended well last',
    labelNames: ['step'],
    registers,
  })
  const tries = new Counter({
    name: 'plimsoll_alert_deliveries_total',
    help: 'tries to bring a message to a channel, by the kind of the channel',
    labelNames: ['kind', 'outcome'],
    registers,
  })
  const signIns = new Counter({
    name: 'plimsoll_sign_ins_total',
    help: 'sign-ins by an identity provider, and what was refused on the way',
    labelNames: ['outcome'],
    registers,
  })
  const gauge = <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) =>
    new Gauge({ name: `plimsoll_${name}`, help, labelNames: [...labelNames], registers })
  const runs = gauge('runs', 'runs that have not ended, by state', ['state'])
  const waiting = gauge('runs_waiting', 'queued runs by what blocks them', ['reason'])
  const nodes = gauge('nodes', 'nodes by state', ['cluster', 'state'])
  const gpus = gauge('gpus', 'GPU slots by who has them', ['cluster', 'gpu_model', 'holder'])
  const of = ['budget', 'kind'] as const
  const gpuTime = gauge(
    'budget_gpu_seconds',
    'GPU-time of a budget: its limit, what is used and reserved, and over',
    of,
  )
  const money = gauge('budget_money', 'money of a budget, in its currency', [...of, 'currency'])
  const findings = gauge('findings', 'findings that are open', ['rule', 'severity'])
  const behind = gauge('books_behind_seconds', 'how far the least booked node is behind the clock')
  const lag = gauge('feed_lag_seconds', 'how long what is committed waits behind a transaction that is still open')
  const paused = gauge('queue_paused', '1 while nothing new is placed')
  const clusters = gauge('cluster_reachable', '0 while a cluster cannot be asked', ['cluster'])
  const leader = gauge('leader', '1 in the process that leads')
  const messages = gauge('alert_messages_pending', 'messages about alerts that wait, by the kind of their channel', [
    'kind',
  ])
  const oldest = gauge('alert_oldest_pending_seconds', 'how long the oldest message has waited; 0 where none waits')
  const channels = gauge('alert_channels', 'channels by how their last try went', ['kind', 'state'])

  const set = ({
    runs: byState,
    waiting: byReason,
    nodes: byNode,
    gpus: byHolder,
    budgets,
    findings: byRule,
    messages: byKind,
    channels: byHealth,
    ...rest
  }: Gauges): void => {
    // What is no more must not go on being told.
    for (const each of [runs, waiting, nodes, gpus, gpuTime, money, findings, clusters, messages, channels])
      each.reset()
    for (const { labels, count } of byState) runs.set(labels, count)
    for (const { labels, count } of byReason) waiting.set(labels, count)
    for (const { labels, count } of byNode) nodes.set(labels, count)
    for (const { labels, count } of byHolder)
      gpus.set({ cluster: labels.cluster, gpu_model: labels.gpu, holder: labels.holder }, count)
    for (const { id: budget, unit, currency, limit, used, reserved, over } of budgets) {
      for (const [kind, amount] of Object.entries({ limit, used, reserved, over })) {
        if (unit === 'gpu-ms') gpuTime.set({ budget, kind }, amount / 1000)
        else money.set({ budget, kind, currency: currency ?? '' }, amount / 1_000_000)
      }
    }
    for (const { labels, count } of byRule) findings.set(labels, count)
    behind.set(rest.bookedBehindMs / 1000)
    paused.set(rest.queuePaused ? 1 : 0)
    for (const { cluster, reachable } of rest.clusters) clusters.set({ cluster }, reachable ? 1 : 0)
    leader.set(rest.leads ? 1 : 0)
    for (const { labels, count } of byKind) messages.set(labels, count)
    oldest.set((rest.oldestMessageMs ?? 0) / 1000)
    for (const { labels, count } of byHealth) channels.set(labels, count)
  }
  return {
    contentType: registry.contentType,
    async turn(step, run) {
      const end = turns.startTimer({ step })
      try {
        const value = await run()
        succeeded.setToCurrentTime({ step })
        return value
      } catch (error) {
        failures.inc({ step })
        throw error
      } finally {
        end()
      }
    },
    tried: (kind, outcome) => tries.inc({ kind, outcome }),
    signedIn: (outcome) => signIns.inc({ outcome }),
    // One after the other, without a pause between: two collectors do not see each other's half.
    text(now, feedLagMs) {
      set(now)
      lag.set(feedLagMs / 1000)
      return registry.metrics()
    },
  }
}
