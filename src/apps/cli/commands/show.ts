import type { Command } from 'commander'
import type { Wire } from '../../../contract/documents.ts'
import { ask, runPath } from '../client.ts'
import { duration, gpuHours, integer, localTime, money, table, visible, when } from '../format.ts'
import type { Output } from '../print.ts'
import { json, show } from '../print.ts'

export function showCommand(program: Command): void {
  json(program.command('show <run>').description('a run with its attempts and progress')).action(
    async (run: string, options: Output) => show(options, await ask('show', 'GET', runPath(run)), words),
  )
}

function words(run: Wire<'show'>): string {
  const { progress } = run
  const labels = Object.entries(run.labels).map(([key, value]) => visible(`${key}=${value}`))
  return [
    `${run.id}  ${run.project}/${run.name}  ${run.state}${run.reason === null ? '' : ` (${run.reason})`}`,
    ...(run.message === null ? [] : [`  ${visible(run.message)}`]),
    `  of ${run.user} on ${run.cluster}, priority ${run.priority}, ${run.nodes} x ${run.gpusPerNode} GPUs`,
    ...(labels.length === 0 ? [] : [`  labels ${labels.join(' ')}`]),
    `  created ${when(run.createdAt)}`,
    `  progress: ${steps(progress)}`,
    `  held ${gpuHours(progress.heldGpuMs)}, paid ${gpuHours(progress.paidGpuMs)} with its restart holds: ${money(progress.money)}`,
    ...run.findings.flatMap((each) => [
      `  ${each.severity}: ${each.kind}, attempt ${each.attempt}${each.since === null ? '' : `, since ${when(each.since)}`}: ${visible(each.text)}`,
      ...(each.gpuMs === null ? [] : [`    has cost ${gpuHours(each.gpuMs)}, ${money(each.money)}`]),
      `    ${visible(each.whatToDo)}`,
    ]),
    ...(run.attempts.length === 0 ? [] : ['', attempts(run.attempts)]),
    ...verdictOf(run),
    ...podsOf(run),
    ...logHint(run),
  ].join('\n')
}

function steps(progress: Wire<'show'>['progress']): string {
  if (!progress.recognised)
    return 'unknown; no line of its log was recognised (Megatron lines are, with training.framework auto or megatron)'
  return [
    `step ${integer(progress.step)}${progress.totalSteps === null ? '' : ` of ${integer(progress.totalSteps)}`}`,
    `loss ${progress.loss ?? 'unknown'}`,
    `${integer(progress.tokensPerSecond)} tokens/s`,
    `${progress.etaMs === null ? 'unknown' : duration(progress.etaMs)} left`,
    `seen ${when(progress.observedAt)}`,
  ].join(', ')
}

const attempts = (all: Wire<'show'>['attempts']): string =>
  table(
    ['ATTEMPT', 'STATE', 'OUTCOME', 'STARTED', 'TOOK', 'FROM STEP', 'LAST STEP', 'NODES', ''],
    all.map((each) => [
      each.number,
      each.state,
      each.outcome,
      localTime(each.startedAt),
      each.startedAt === null || each.endedAt === null
        ? null
        : duration(Date.parse(each.endedAt) - Date.parse(each.startedAt)),
      each.resumedFromStep,
      each.lastStep,
      nodesOf(each.workers.map((worker) => worker.node)),
      each.message,
    ]),
  )

/** Why the last attempt that failed did, for somebody who was woken up. */
function verdictOf({ attempts: all }: Wire<'show'>): string[] {
  const failed = all.findLast(({ verdict }) => verdict !== null)
  if (failed === undefined || failed.verdict === null) return []
  const { kind, meaning, decision, worker, node, evidence, whatToTry } = failed.verdict
  const culprit = worker === null ? '' : `, worker ${indexOf(worker)} on ${visible(node ?? '')}`
  return [
    '',
    `attempt ${failed.number} failed: ${kind}${culprit} (${decision})`,
    `  ${meaning}`,
    ...evidence.map((line) => {
      const at = line.printedAt === null ? '' : ` ${when(line.printedAt)}`
      return `  worker ${indexOf(line.worker)}${at}: ${visible(line.text)}`
    }),
    `  what to try: ${whatToTry}`,
  ]
}

const indexOf = (worker: string): string => visible(worker.slice(worker.lastIndexOf('-') + 1))

const PODS_SHOWN_MAX = 16

/** Where the cluster has its own names: those of the newest attempt, for kubectl. */
function podsOf({ attempts: all }: Wire<'show'>): string[] {
  const workers = (all.at(-1)?.workers ?? []).filter(({ knownAs }) => knownAs !== null)
  if (workers.length === 0) return []
  const rows = workers.slice(0, PODS_SHOWN_MAX).map((worker) => {
    return [indexOf(worker.id), visible(worker.node), visible(worker.knownAs ?? ''), worker.state]
  })
  const more = workers.length - rows.length
  return [
    '',
    table(['WORKER', 'NODE', 'POD', 'STATE'], rows),
    ...(more === 0 ? [] : [`and ${more} more: show -o json has all`]),
  ]
}

/** An exit code says little; what the worker printed last mostly says why. */
function logHint({ id, attempts: all }: Wire<'show'>): string[] {
  const failed = all.findLast((each) => each.outcome === 'failed' && each.message !== null)
  if (failed === undefined) return []
  const worker = /^worker \S+-(\d+):/.exec(failed.message ?? '')?.[1] ?? '0'
  return ['', `what it printed: plimsoll logs ${id} --attempt ${failed.number} --worker ${worker}`]
}

/** Three names are read; thousands are counted. */
function nodesOf(nodes: readonly string[]): string {
  const names = [...new Set(nodes)]
  return names.length <= 3 ? names.join(' ') : `${names.slice(0, 2).join(' ')} and ${names.length - 2} more`
}
