// What the terminal shows of a run: one live line, and the statement at the end. What is not known says so.
import type { ShowDocument, StatementDocument } from '../../domain/documents.ts'
import { ATTEMPT_ACCOUNTS } from '../../domain/reasons.ts'
import type { Money } from '../../domain/units.ts'
import { MS_PER_HOUR } from '../../domain/units.ts'
import type { NodeSeen } from '../../ports/cluster.ts'

export function liveLine(show: ShowDocument, condition: NodeSeen['condition']): string {
  if (show.state === 'queued') {
    const live =
      show.reason === 'preparing-environment' && condition.kind === 'not-ready' ? condition.message : show.message
    return show.reason === null ? `queued, ${live ?? 'not looked at yet'}` : `queued (${show.reason}) ${live ?? ''}`
  }
  const { progress } = show
  const spent = `${hours(progress.heldGpuMs)} GPU-h, ${money(progress.money)}`
  if (!progress.recognised) return `${show.state} attempt ${show.attempts.length}, no step yet, ${spent}`
  const parts = [
    `step ${progress.step ?? '?'}${progress.totalSteps === null ? '' : `/${progress.totalSteps}`}`,
    `loss ${progress.loss === null ? 'missing' : progress.loss.toFixed(4)}`,
    progress.tokensPerSecond === null
      ? 'tokens/s unknown'
      : `${progress.tokensPerSecond.toLocaleString('en-US')} tokens/s`,
    spent,
    progress.etaMs === null ? 'ETA unknown' : `ETA ${duration(progress.etaMs)}`,
  ]
  return `${show.state} ${parts.join(', ')}`
}

export function statementText(statement: StatementDocument): string {
  const rows = ATTEMPT_ACCOUNTS.flatMap((account): string[] => {
    const amount = statement.byAccount[account] ?? 0
    if (amount === 0) return []
    const share = statement.heldGpuMs === 0 ? 0 : (100 * amount) / statement.heldGpuMs
    return [`  ${account.padEnd(12)}${integer(amount).padStart(14)} GPU-ms ${share.toFixed(1).padStart(6)} %`]
  })
  const provisional =
    statement.provisionalGpuMs === 0 ? '' : ` (${integer(statement.provisionalGpuMs)} GPU-ms of it provisional)`
  return [
    `statement of ${statement.project}/${statement.name} (${statement.run}): ${statement.state} after ${statement.attempts.length} attempt${statement.attempts.length === 1 ? '' : 's'}`,
    ...rows,
    `  ${'held'.padEnd(12)}${integer(statement.heldGpuMs).padStart(14)} GPU-ms, the sum of the accounts${provisional}`,
    `  ${hours(statement.heldGpuMs)} GPU-hours held, ${hours(statement.paidGpuMs)} paid: ${money(statement.money)}`,
    `  goodput ${ratio(statement.goodput)}, ETTR ${ratio(statement.ettr)}`,
    `  tokens of kept steps ${statement.tokens === null ? 'unknown' : integer(statement.tokens)}, per GPU-hour ${statement.tokensPerGpuHour === null ? 'unknown' : integer(statement.tokensPerGpuHour)}`,
    ...expertsText(statement.experts),
    `  alerts ${integer(statement.alerts.sent)} sent, ${integer(statement.alerts.failed)} failed`,
  ].join('\n')
}

function expertsText(experts: StatementDocument['experts']): string[] {
  if (experts === null) return []
  const maxVio = experts.maxVio === null ? 'unknown' : experts.maxVio.toFixed(3)
  return [
    `  experts ${experts.layers} layers of ${experts.experts}, MaxVio of the worst layer ${maxVio}, ${experts.dead} dead`,
  ]
}

const integer = (value: number): string => value.toLocaleString('en-US')
const hours = (gpuMs: number): string => (gpuMs / MS_PER_HOUR).toFixed(4)
const ratio = (value: number | null): string => (value === null ? 'unknown' : `${(100 * value).toFixed(1)} %`)

export function money(value: Money | null): string {
  return value === null
    ? 'money unknown'
    : `${(value.micros / 1_000_000).toFixed(value.micros < 1_000_000 ? 6 : 2)} ${value.currency}`
}

export function duration(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60
    ? `${minutes}m ${String(seconds % 60).padStart(2, '0')}s`
    : `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, '0')}m`
}
