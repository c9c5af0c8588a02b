// One expert over all steps.
import { shortLayer } from './frame.ts'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useState } from 'react'
import type { ExpertHistory } from '../api/documents.ts'
import { expertHistoryQuery } from '../api/queries.ts'
import { int, ratio } from '../format/numbers.ts'
import { Panel, Reading, Refusal } from '../parts/bits.tsx'
import { Plot } from '../parts/plot.tsx'
import type { Cell } from './frame.ts'
import { useShown, type View } from './view.ts'

const LEAST = 0.01
/** Who walks over cells with the keys does not mean each of them. */
const SETTLED_MS = 150

type Props = {
  readonly run: string
  readonly attempt: number
  readonly set: number
  readonly view: View
  readonly layers: readonly string[]
  /** It stands below the heat map, and has its width. */
  readonly low: boolean
}

export function OneExpert({ run, attempt, set, view, layers, low }: Props) {
  const now = useShown(view, (shown) => shown.cell)
  const cell = useSettled(now)
  const history = useQuery(expertHistoryQuery(run, attempt, set, cell.layer, cell.expert))
  const data = useMemo((): [number[], ...(number | null)[][]] | null => {
    if (history.data === undefined) return null
    const shown = (values: readonly (number | null)[]): (number | null)[] =>
      values.map((value) => (value === null ? null : Math.max(LEAST, value)))
    const { buckets, min, mean, max, p99 } = history.data
    return [buckets.map(({ to }) => to), shown(max), shown(min), shown(mean), shown(p99)]
  }, [history.data])
  const last = history.data?.mean.at(-1) ?? null
  return (
    <Panel
      id="h-one"
      title={`Layer ${shortLayer(layers[cell.layer], cell.layer)}, expert ${cell.expert}`}
      sub="load ratio by step"
      footer={`Band: lowest to highest of every step; line: mean; dashes: p99.${partOf(history.data)} Below 0.01× is drawn at 0.01×.`}
    >
      {data === null ? (
        history.error === null ? (
          <Reading what="its history" />
        ) : (
          <Refusal error={history.error} />
        )
      ) : (
        <div className="body one">
          <Plot
            label={`Load ratio of one expert by step; the last is ${last === null ? 'unknown' : ratio(last)}`}
            height={low ? 220 : 160}
            time={false}
            log
            data={data}
            lines={[
              { color: '--grid', width: 0 },
              { color: '--grid', width: 0 },
              { color: '--plot', width: 1.6, ...(last === null ? {} : { end: ratio(last) }) },
              { color: '--plot', width: 1, dash: [3, 3] },
            ]}
            bands={[[1, 2]]}
            format={(value) => `${Number(value.toPrecision(2))}×`}
          />
        </div>
      )}
    </Panel>
  )
}

/** How much one point of the plot stands for. */
function partOf(history: ExpertHistory | undefined): string {
  const bucket = history?.buckets[0]
  if (bucket === undefined || bucket.to === bucket.from) return ''
  return ` Each point is ${int(bucket.to - bucket.from + 1)} steps.`
}

function useSettled(cell: Cell): Cell {
  const [settled, setSettled] = useState(cell)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(cell), SETTLED_MS)
    return () => clearTimeout(timer)
  }, [cell])
  return settled
}
