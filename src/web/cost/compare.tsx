// What runs made of their GPU-hours, beside runs of others that published theirs. Tokens for a GPU-hour favour sparse models: FLOPs stand beside.
import { useQuery } from '@tanstack/react-query'
import { type Comparison, comparisonQuery } from '../api/operate.ts'
import { countOf, dec, gpuHoursShort, int, percent, ratio, si } from '../format/numbers.ts'
import { visible } from '../format/visible.ts'
import { Empty, Panel, Reading, Refusal } from '../parts/bits.tsx'
import { RunLink } from '../parts/go.tsx'

type Own = Comparison['runs'][number]
type Published = Comparison['published'][number]
type Props = { readonly window: { readonly from: number; readonly to: number | null } }

const OVER = new Set(['succeeded', 'failed', 'cancelled'])

export function Compare({ window }: Props) {
  const comparison = useQuery(comparisonQuery(window))
  const { data } = comparison
  return (
    <Panel
      id="h-compare"
      title="Tokens for a GPU-hour"
      sub="held GPU-hours since a run began, all accounts; kept tokens only"
      footer={data === undefined ? undefined : <Footer comparison={data} />}
    >
      {data === undefined ? (
        comparison.error === null ? (
          <Reading what="what runs made of their GPU-hours" />
        ) : (
          <Refusal error={comparison.error} />
        )
      ) : (
        <>
          {data.runs.length > 0 ? null : (
            <Empty title="No run of this time can be compared">
              It takes <code className="mono">training.model</code> in the spec, for the FLOPs of a token, and steps
              that say their tokens.
            </Empty>
          )}
          <Table {...data} />
        </>
      )}
    </Panel>
  )
}

function Table({ runs, published }: Pick<Comparison, 'runs' | 'published'>) {
  const all = [...runs, ...published]
  const most = Math.max(1, ...all.map((each) => each.tokensPerGpuHour))
  const mostFlops = Math.max(1e-12, ...all.map((each) => each.tflopsPerGpu))
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Tokens for a GPU-hour in numbers">
      <table className="compare-table">
        <thead>
          <tr>
            <th>Model</th>
            <th className="r">Tokens</th>
            <th className="r">
              Held<span className="u">GPU-h</span>
            </th>
            <th className="r">GPU-h for 1 B tokens</th>
            <th className="r">Tokens for a GPU-h</th>
            <td aria-hidden="true" />
            <th className="r">TFLOP/s of a held GPU</th>
            <td aria-hidden="true" />
            <th className="r">Of BF16 peak</th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <Line key={run.run} of={run} share={run.tokensPerGpuHour / most} flops={run.tflopsPerGpu / mostFlops} own>
              <RunLink id={run.run} project={run.project} name={run.name} />
              <small>{ownWords(run)}</small>
            </Line>
          ))}
          {published.map((run) => (
            <Line key={run.name} of={run} share={run.tokensPerGpuHour / most} flops={run.tflopsPerGpu / mostFlops}>
              <span className="dim">{run.name}</span>
              <small title={run.source}>{publishedWords(run)}</small>
            </Line>
          ))}
        </tbody>
      </table>
    </div>
  )
}

const modelsOf = ({ gpuModels, activeParameters }: Own | Published): string =>
  `${gpuModels.length === 0 ? 'GPU not known' : visible(gpuModels.join(', '))} · ${si(activeParameters)} active`
const ownWords = (run: Own): string => `${modelsOf(run)}${OVER.has(run.state) ? '' : ' · so far'}`
const publishedWords = (run: Published): string =>
  `${modelsOf(run)} · ${run.precision} · published ${run.month}; hours: ${run.hoursAre}`

type LineProps = {
  readonly of: Own | Published
  readonly share: number
  readonly flops: number
  readonly own?: boolean
  readonly children: React.ReactNode
}

function Line({ of, share, flops, own = false, children }: LineProps) {
  const kind = own ? 'own' : 'pub'
  return (
    <tr>
      <td className="name">{children}</td>
      <td className="r">{si(of.tokens)}</td>
      <td className="r">{gpuHoursShort(of.heldGpuMs)}</td>
      <td className="r">{small(of.gpuHoursPerBillionTokens)}</td>
      <td className="r med">{si(of.tokensPerGpuHour)}</td>
      <td>
        <Bar share={share} kind={kind} />
      </td>
      <td className="r med">{small(of.tflopsPerGpu)}</td>
      <td>
        <Bar share={flops} kind={kind} />
      </td>
      <td className="r">{of.ofPeak === null ? <span className="faint">unknown</span> : percent(of.ofPeak)}</td>
    </tr>
  )
}

/** Three digits or so, and a little is not nothing. */
const small = (value: number): string => dec(value, value >= 100 ? 0 : value >= 1 ? 1 : value >= 0.01 ? 3 : 6)

const Bar = ({ share, kind }: { readonly share: number; readonly kind: 'own' | 'pub' }) => (
  <div className="share-bar" aria-hidden="true">
    <i className={kind} style={{ width: `${(100 * share).toFixed(1)}%` }} />
  </div>
)

function Footer({ comparison }: { readonly comparison: Comparison }) {
  const [first] = comparison.runs
  const left = leftOutWords(comparison.leftOut)
  return (
    <>
      {first === undefined ? null : <Against run={first} published={comparison.published} />}
      FLOPs are 6 × active parameters × tokens, attention left out. Not the same race: published hours are the
      provider’s own total, ours is all GPU-time that was held, waste included; GPUs, precision and tokenizers differ,
      and FP8 has twice the BF16 peak.{left === null ? null : ` Left out: ${left}.`}
    </>
  )
}

function Against({ run, published }: { readonly run: Own; readonly published: readonly Published[] }) {
  const times = (part: number, whole: number): string => ratio(part / whole)
  return (
    <>
      <b className="med">{visible(run.name)}</b> makes{' '}
      {published.map((each, index) => (
        <span key={each.name}>
          {index === 0 ? '' : ', and '}
          {times(run.tokensPerGpuHour, each.tokensPerGpuHour)} the tokens of {each.name} for a GPU-hour and{' '}
          {times(run.tflopsPerGpu, each.tflopsPerGpu)} its FLOPs
        </span>
      ))}
      .{' '}
    </>
  )
}

function leftOutWords({ withoutModel, withoutTokens, heldLess }: Comparison['leftOut']): string | null {
  const parts = [
    withoutModel === 0 ? null : `${countOf(withoutModel, 'run')} without training.model`,
    withoutTokens === 0 ? null : `${countOf(withoutTokens, 'run')} of which no kept token was counted`,
    heldLess === 0 ? null : `${int(heldLess)} that held less`,
  ].filter((part) => part !== null)
  return parts.length === 0 ? null : parts.join(', ')
}
