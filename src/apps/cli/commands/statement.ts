import type { Command } from 'commander'
import type { Wire } from '../../../contract/documents.ts'
import { WHY_UNKNOWN } from '../../../domain/efficiency.ts'
import { counted } from '../../../domain/words.ts'
import { ask, runPath } from '../client.ts'
import { duration, gpuHours, integer, money, percent, table } from '../format.ts'
import type { Output } from '../print.ts'
import { json, show } from '../print.ts'

export function statementCommand(program: Command): void {
  json(program.command('statement <run>').description('what a run held, by account, and what it cost')).action(
    async (run: string, options: Output) =>
      show(options, await ask('statement', 'GET', runPath(run, '/statement')), words),
  )
}

function balanceOf({ layers, experts, maxVio, dead }: NonNullable<Wire<'statement'>['experts']>): string {
  const most = maxVio === null ? 'not known' : String(Number(maxVio.toPrecision(3)))
  return `experts: ${integer(layers)} layers of ${integer(experts)}, MaxVio ${most}, ${integer(dead)} dead at the end`
}

type Efficiency = Wire<'statement'>['efficiency']

function mfuOf({ mfuProductive, mfuHeld, mfuUnknown }: Efficiency): string {
  return mfuUnknown === null
    ? `MFU ${percent(mfuProductive)} of productive time, ${percent(mfuHeld)} of held time`
    : `MFU unknown: ${WHY_UNKNOWN[mfuUnknown]}`
}

/** A save may take milliseconds. */
const span = (ms: number | null): string =>
  ms === null ? 'unknown' : ms < 60_000 ? `${Number((ms / 1_000).toPrecision(2))}s` : duration(ms)

const steps = (count: number | null): string => (count === null ? 'unknown steps' : counted(count, 'step'))

function checkpointsOf({ checkpoints }: Efficiency): string[] {
  const { saves, saveMs, intervalMs, intervalSteps, failures, meanToFailureMs, restartMs, best, bestUnknown } =
    checkpoints
  const why = bestUnknown === null ? '' : `: ${WHY_UNKNOWN[bestUnknown]}`
  return [
    `checkpoints ${integer(saves)}, one every ${steps(intervalSteps)} (${span(intervalMs)} of training), each stops training for ${span(saveMs)}`,
    `failures ${integer(failures)}, mean time to the next ${span(meanToFailureMs)}, restart ${span(restartMs)}`,
    best === null
      ? `best checkpoint interval unknown${why}`
      : `best checkpoint interval ${steps(best.intervalSteps)} (${span(best.intervalMs)} of training): ${gpuHours(best.savedGpuMs)} less so far, expected ETTR ${percent(best.ettrBest)} instead of ${percent(best.ettrNow)}`,
  ]
}

export function words(statement: Wire<'statement'>): string {
  const { heldGpuMs, attempts } = statement
  const share = (amount: number): string => percent(heldGpuMs === 0 ? null : amount / heldGpuMs)
  const accounts = Object.entries(statement.byAccount).filter(([, amount]) => amount !== 0)
  return [
    `${statement.run}  ${statement.project}/${statement.name}  ${statement.state} after ${attempts.length} attempt${attempts.length === 1 ? '' : 's'}`,
    table(
      ['ACCOUNT', 'GPU-MS', 'HELD', 'SHARE'],
      [
        ...accounts.map(([account, amount]) => [account, integer(amount), gpuHours(amount), share(amount)]),
        ['all of it', integer(heldGpuMs), gpuHours(heldGpuMs), share(heldGpuMs)],
      ],
    ),
    ...(statement.provisionalGpuMs > 0
      ? [`${gpuHours(statement.provisionalGpuMs)} of it are provisional: not booked yet, and may still change`]
      : []),
    `paid ${gpuHours(statement.paidGpuMs)}: ${money(statement.money)}`,
    `goodput ${percent(statement.goodput)}, effective training time ratio ${percent(statement.ettr)}`,
    mfuOf(statement.efficiency),
    ...checkpointsOf(statement.efficiency),
    ...(statement.experts === null ? [] : [balanceOf(statement.experts)]),
    `alerts: ${integer(statement.alerts.sent)} sent, ${integer(statement.alerts.failed)} failed`,
    `tokens of kept steps ${integer(statement.tokens)}, per GPU-hour ${integer(statement.tokensPerGpuHour)}`,
  ].join('\n')
}
