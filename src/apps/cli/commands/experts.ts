import type { Command } from 'commander'
import type { Wire } from '../../../contract/documents.ts'
import { counted } from '../../../domain/words.ts'
import { ask, runPath } from '../client.ts'
import { integer, table, visible, when } from '../format.ts'
import { wholeNumber } from '../number.ts'
import type { Output } from '../print.ts'
import { json, show } from '../print.ts'

type Options = Output & { attempt?: string; set?: string; step?: string; from?: string; to?: string }

export function expertsCommand(program: Command): void {
  json(
    program
      .command('experts <run>')
      .description('how evenly tokens are spread over the experts of each layer')
      .option('--attempt <n>', 'the newest that reported any by default')
      .option('--set <n>', 'one of the sets of layers that are reported apart, the widest by default')
      .option('--step <n>', 'the counts of one step, the newest at or before it')
      .option('--from <step>', 'steps from this one on only')
      .option('--to <step>', 'steps up to this one only'),
  ).action(async (run: string, options: Options) => {
    const attempt = options.attempt === undefined ? undefined : wholeNumber('--attempt', options.attempt, 1)
    const set = options.set === undefined ? undefined : wholeNumber('--set', options.set, 1)
    if (options.step === undefined) {
      const [from, to] = [stepOf('--from', options.from), stepOf('--to', options.to)]
      const query = { attempt, set, from, to, points: 64 }
      const document = await ask('experts', 'GET', runPath(run, '/experts'), { query })
      return show(options, document, overview)
    }
    const step = wholeNumber('--step', options.step, 0)
    const document = await ask('expert-frame', 'GET', runPath(run, '/experts/frame'), { query: { attempt, set, step } })
    return show(options, document, frame)
  })
}

const stepOf = (name: string, text: string | undefined): number | undefined =>
  text === undefined ? undefined : wholeNumber(name, text, 0)

function overview(experts: Wire<'experts'>): string {
  const newest = experts.buckets.length - 1
  const { min, mean, max } = experts.maxVio
  const rows = experts.layers.map((name, layer) => [
    visible(name),
    ratio(mean[newest]?.[layer]),
    ratio(most(max, layer)),
    ratio(least(min, layer)),
    ratio(experts.cv[newest]?.[layer]),
    ratio(experts.entropy[newest]?.[layer]),
    experts.dead[newest]?.[layer] ?? null,
    experts.hot[newest]?.[layer] ?? null,
  ])
  const { from, to } = experts.buckets[newest] ?? { from: experts.lastStep, to: experts.lastStep }
  return [
    `attempt ${experts.attempt}: ${experts.layers.length} layers of ${experts.experts} experts, top ${experts.topK ?? 'unknown'}, ${integer(experts.frames)} steps from ${integer(experts.firstStep)} to ${integer(experts.lastStep)}, seen ${when(experts.observedAt)}`,
    ...apartText(experts),
    ...findingText(experts),
    table(
      ['LAYER', `MAXVIO ${from}-${Math.min(to, experts.lastStep)}`, 'WORST', 'BEST', 'CV', 'ENTROPY', 'DEAD', 'HOT'],
      rows,
    ),
    ...setsText(experts),
  ].join('\n')
}

/** Layers that are not in the table, so that nobody takes it for all of them. */
function setsText({ set, sets }: Wire<'experts'>): string[] {
  if (sets.length < 2) return []
  const others = sets.flatMap((each, index) => {
    if (index + 1 === set) return []
    const wrong = each.unconserved === 0 ? '' : `, counts do not add up in ${counted(each.unconserved, 'step')}`
    const names = each.layers === 1 ? visible(each.first) : `${visible(each.first)} to ${visible(each.last)}`
    return [
      `  --set ${index + 1}: ${counted(each.layers, 'layer')} of ${counted(each.experts, 'expert')}, ${names}${wrong}`,
    ]
  })
  return [`this is set ${set} of ${sets.length}; layers that are reported apart from these:`, ...others]
}

function frame(seen: Wire<'expert-frame'>): string {
  const rows = seen.layers.map((name, layer) => [
    visible(name),
    ratio(seen.maxVio[layer]),
    ratio(seen.cv[layer]),
    ratio(seen.entropy[layer]),
    list(seen.dead[layer]),
    list(seen.hot[layer]),
  ])
  return [
    `attempt ${seen.attempt}, step ${integer(seen.step)}: ${integer(seen.tokens)} tokens to ${seen.topK ?? 'unknown'} of ${seen.experts} experts each, seen ${when(seen.observedAt)}`,
    table(['LAYER', 'MAXVIO', 'CV', 'ENTROPY', 'DEAD', 'HOT'], rows),
  ].join('\n')
}

function apartText({ apart }: Wire<'experts'>): string[] {
  if (apart === null) return []
  return [
    `left out: ${counted(apart.frames, 'frame')} of steps ${integer(apart.from)} to ${integer(apart.to)}, far from all others: look at how the script counts its steps`,
  ]
}

function findingText({ unconserved, finding }: Wire<'experts'>): string[] {
  if (unconserved === 0) return []
  return [
    `counts that are not tokens x top-k in ${counted(unconserved, 'step')}: whoever counts is wrong there`,
    ...(finding === null ? [] : [`  ${visible(finding.text)}`, `  ${visible(finding.whatToDo)}`]),
  ]
}

const known = (rows: readonly (readonly (number | null)[])[], layer: number): number[] =>
  rows.flatMap((row) => row[layer] ?? [])
const most = (rows: readonly (readonly (number | null)[])[], layer: number): number | null =>
  known(rows, layer).reduce<number | null>((a, b) => (a === null || b > a ? b : a), null)
const least = (rows: readonly (readonly (number | null)[])[], layer: number): number | null =>
  known(rows, layer).reduce<number | null>((a, b) => (a === null || b < a ? b : a), null)

const ratio = (value: number | null | undefined): string | null => (value == null ? null : value.toFixed(3))

const LISTED_MAX = 8
function list(experts: readonly number[] | undefined): string | null {
  if (experts === undefined || experts.length === 0) return null
  const shown = experts.slice(0, LISTED_MAX).join(' ')
  return experts.length > LISTED_MAX ? `${shown} and ${experts.length - LISTED_MAX} more` : shown
}
