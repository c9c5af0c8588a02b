// Runs beside published ones, for a terminal.
import type { Wire } from '../../contract/documents.ts'
import { gpuHours, integer, table, visible } from './format.ts'

type Comparison = Wire<'comparison'>

const percent = (share: number | null): string => (share === null ? 'unknown' : `${(100 * share).toFixed(1)} %`)
const si = (count: number): string => {
  const [size, unit] = count >= 1e12 ? [1e12, ' T'] : count >= 1e9 ? [1e9, ' B'] : count >= 1e6 ? [1e6, ' M'] : [1, '']
  return unit === '' ? integer(count) : `${(count / size).toFixed(count / size < 10 ? 2 : 1)}${unit}`
}

export function compareWords({ runs, published, leftOut }: Comparison): string {
  const row = (each: Comparison['runs'][number] | Comparison['published'][number], name: string, precision: string) => [
    name,
    each.gpuModels.join(', '),
    precision,
    si(each.activeParameters),
    si(each.tokens),
    gpuHours(each.heldGpuMs),
    integer(each.tokensPerGpuHour),
    each.tflopsPerGpu.toFixed(1),
    percent(each.ofPeak),
  ]
  const head = ['RUN', 'GPU', 'PRECISION', 'ACTIVE', 'TOKENS', 'HELD', 'TOKENS/GPU-H', 'TFLOP/S/GPU', 'OF BF16 PEAK']
  const list = table(head, [
    ...runs.map((run) => row(run, visible(`${run.project}/${run.name}`), '-')),
    ...published.map((run) => row(run, `${run.name} (published ${run.month})`, run.precision)),
  ])
  const missing = [
    ...(leftOut.withoutModel > 0 ? [`${leftOut.withoutModel} whose spec has no training.model`] : []),
    ...(leftOut.withoutTokens > 0 ? [`${leftOut.withoutTokens} of which no kept token was counted`] : []),
    ...(leftOut.heldLess > 0 ? [`${leftOut.heldLess} that held less`] : []),
  ]
  return [
    list,
    ...(runs.length === 0 ? ['none of the runs of this time can be compared'] : []),
    ...(missing.length > 0 ? [`left out: ${missing.join(', ')}`] : []),
    'Runs: all that they held since they began, waste included, and their kept tokens. FLOPs are 6 x active parameters x tokens.',
    ...published.map(({ name, hoursAre, source }) => `${name}: hours are ${hoursAre} (${source}).`),
  ].join('\n')
}
