// Benchmarks: each does real work on a real control plane and prints its figures beside a baseline from the same call. They are never
// tests of the clock; the command exits 1 when a figure misses the limit that it was given.
//
//   npm run bench -- NAME [-o json]
import { benches } from './benches.ts'

export type Figure = {
  readonly name: string
  readonly ours: number
  readonly unit: string
  /** Null: it is told, and held to nothing. */
  readonly limit: number | null
  readonly atLeast?: boolean
}
export type Result = {
  readonly work: string
  readonly unit: string
  readonly samples: readonly number[]
  readonly ours: number
  readonly baseline: number
  readonly baselineIs: string
  readonly rssMiB: number | null
  readonly figures: readonly Figure[]
}

const [name = '', ...flags] = process.argv.slice(2)
const bench = benches[name]
if (bench === undefined) {
  process.stderr.write(`no benchmark ${name}; there are ${Object.keys(benches).join(', ')}\n`)
  process.exit(2)
}
const result = await bench()
const sorted = [...result.samples].toSorted((a, b) => a - b)
const missed = result.figures.filter(
  ({ ours, limit, atLeast }) => limit !== null && (atLeast === true ? ours < limit : ours > limit),
)
const document = {
  schema: 'plimsoll.bench/v1',
  name,
  work: result.work,
  ours: result.ours,
  baseline: result.baseline,
  baselineIs: result.baselineIs,
  ratio: result.baseline === 0 ? null : result.ours / result.baseline,
  unit: result.unit,
  n: sorted.length,
  min: sorted[0] ?? null,
  median: sorted[sorted.length >> 1] ?? null,
  max: sorted.at(-1) ?? null,
  rssMiB: result.rssMiB,
  figures: result.figures,
}
if (flags.includes('json')) process.stdout.write(`${JSON.stringify(document)}\n`)
else {
  process.stdout.write(
    `${name}: ${result.work}\n  baseline ${result.baseline.toFixed(1)} ${result.unit} (${result.baselineIs})\n`,
  )
  for (const each of result.figures) {
    const verdict = missed.includes(each) ? 'MISSED' : 'met'
    const held =
      each.limit === null ? '' : `, ${each.atLeast === true ? 'at least' : 'at most'} ${each.limit}: ${verdict}`
    process.stdout.write(`  ${each.name}: ${each.ours.toFixed(2)} ${each.unit}${held}\n`)
  }
}
process.exitCode = missed.length > 0 ? 1 : 0
