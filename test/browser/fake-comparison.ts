// A made-up comparison for the fake server: runs of the world beside what DeepSeek and Meta published.
import type { TableRow } from '../../src/web/api/documents.ts'
import type { Comparison } from '../../src/web/api/operate.ts'
import { HOUR } from './fake-world.ts'

type World = 'none' | 'one' | 'many' | 'odd'

const figures = (name: string, gpu: readonly string[], activeParameters: number, tokens: number, hours: number) => {
  const tflopsPerGpu = (6 * activeParameters * tokens) / (hours * 3_600) / 1e12
  return {
    name,
    gpuModels: [...gpu],
    activeParameters,
    tokens,
    heldGpuMs: hours * HOUR,
    tokensPerGpuHour: Math.round(tokens / hours),
    gpuHoursPerBillionTokens: hours / (tokens / 1e9),
    tflopsPerGpu,
    ofPeak: gpu.length === 1 ? tflopsPerGpu / 989 : null,
  }
}

export function comparisonOf(world: World, rows: readonly TableRow[], query: URLSearchParams, now: number): Comparison {
  const own = world === 'none' || world === 'one' ? [] : rows.filter(({ state }) => state === 'running').slice(0, 3)
  const runs = own.map(({ id, project, name, state }, index) => ({
    ...figures(
      name,
      index === 1 ? ['h800-sxm', 'h100-sxm'] : ['h800-sxm'],
      index === 2 ? 70e9 : 37e9,
      1.15e12 / (index + 1) ** 3,
      226_100 / (index + 1) ** 2,
    ),
    run: id,
    project,
    state,
  }))
  const published = [
    {
      ...figures('DeepSeek-V3', ['h800-sxm'], 37e9, 14.8e12, 2_788_000),
      precision: 'FP8',
      hoursAre: 'pre-training, context extension and post-training; earlier research and ablations are not in it',
      source: 'DeepSeek-V3 Technical Report, arXiv 2412.19437, table 1',
      month: '2024-12',
    },
    {
      ...figures('Llama 3.1 405B', ['h100-sxm'], 405e9, 15.6e12, 30_840_000),
      precision: 'BF16',
      hoursAre: 'as Meta reports them for the model, all phases of training',
      source: 'Llama 3.1 model card',
      month: '2024-07',
    },
  ]
  const leftOut =
    world === 'many'
      ? { withoutModel: 214, withoutTokens: 1, heldLess: 1_200 }
      : { withoutModel: world === 'none' ? 0 : 1, withoutTokens: 0, heldLess: 0 }
  const to = new Date(Math.min(now, Date.parse(query.get('to') ?? new Date(now).toISOString()))).toISOString()
  return { from: query.get('from') ?? to, to, runs, published, leftOut }
}
