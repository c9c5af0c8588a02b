// Loss by step, step time by time.
import { useMemo, useState } from 'react'
import type { AlignedData } from 'uplot'
import type { Series } from '../api/documents.ts'
import { counted } from '../../domain/words.ts'
import { dec, int } from '../format/numbers.ts'
import { hms } from '../format/times.ts'
import { Empty, Panel } from '../parts/bits.tsx'
import { Plot } from '../parts/plot.tsx'
import { lossLines, mostOf, stepTimes } from './series.ts'

const HEIGHT = 200

type Props = { readonly series: Series; readonly alive: boolean }

export function LossPlot({ series, alive }: Props) {
  const lines = useMemo(() => lossLines(series), [series])
  const [point, setPoint] = useState<number | null>(null)
  const data = useMemo(() => [lines.steps, lines.lost, lines.kept] satisfies AlignedData, [lines])
  const range = useMemo(() => mostOf([...lines.kept, ...lines.lost]), [lines])
  const nothing = lines.last === null || range === null
  const at = point === null ? null : lines.kept[point]
  const cut = range !== null && lines.kept.some((loss) => loss !== null && loss > range[1])
  return (
    <Panel
      id="h-loss"
      title="Loss"
      sub="as the framework prints it, by step"
      wide="c6"
      to={
        point !== null && at !== null && at !== undefined ? `step ${int(lines.steps[point] ?? 0)}: ${dec(at, 4)}` : null
      }
      footer={
        nothing
          ? undefined
          : footerOf([
              cut ? 'the first values lie above what is drawn' : '',
              lines.restarts.length > 0 ? 'lighter: steps that a restart threw away' : '',
              lines.apart.length > 0
                ? `left out: ${counted(lines.apart.length, 'step')} up to ${int(lines.apart.at(-1) ?? 0)}, far from all others: look at how the script counts`
                : '',
              series.thinned ? 'drawn from a part of the steps' : '',
            ])
      }
    >
      {nothing ? (
        <NoSteps alive={alive} what="loss" />
      ) : (
        <div className="body">
          <Plot
            label={`Loss by step, ${int(lines.steps[0] ?? 0)} to ${int(lines.steps.at(-1) ?? 0)}; the last is ${dec(lines.last ?? 0, 3)}`}
            height={HEIGHT}
            time={false}
            data={data}
            lines={[
              { color: '--line-3', width: 1 },
              { color: '--plot', width: 1.4, end: dec(lines.last ?? 0, 3) },
            ]}
            range={range}
            format={(value, each) => dec(value, Math.max(1, each))}
            marks={lines.restarts.map(({ step, number }) => ({ x: step, text: `attempt ${number}` }))}
            ticks={series.marks.filter((mark) => mark.kind === 'saved').map((mark) => mark.step)}
            onPoint={setPoint}
          />
        </div>
      )}
    </Panel>
  )
}

export function StepTimePlot({ series, alive }: Props) {
  const times = useMemo(() => stepTimes(series), [series])
  const [point, setPoint] = useState<number | null>(null)
  const { at, seconds, median, p5, p95 } = times
  const data = useMemo(
    () => [at, at.map(() => p95), at.map(() => p5), seconds, median] satisfies AlignedData,
    [at, p5, p95, seconds, median],
  )
  const range = useMemo(() => mostOf([...seconds, p5, p95]), [seconds, p5, p95])
  const value = point === null ? null : seconds[point]
  const digits = range !== null && range[1] < 2 ? 2 : 1
  return (
    <Panel
      id="h-steptime"
      title="Step time"
      sub="seconds, by time; band: this run’s own p5 to p95"
      wide="c6"
      to={
        point !== null && value !== null && value !== undefined
          ? `${hms((at[point] ?? 0) * 1000)}: ${dec(value, 2)} s`
          : null
      }
      footer={
        times.last === null
          ? undefined
          : footerOf(['thin: each step; strong: median of 15', times.gaps.length > 0 ? 'hatched: no steps' : ''])
      }
    >
      {times.last === null || range === null ? (
        <NoSteps alive={alive} what="step time" />
      ) : (
        <div className="body">
          <Plot
            label={`Step time in seconds; the last is ${dec(times.last, 2)} s`}
            height={HEIGHT}
            time={true}
            data={data}
            lines={[
              { color: '--grid', width: 0 },
              { color: '--grid', width: 0 },
              { color: '--line-3', width: 0.8 },
              { color: '--plot', width: 1.8, end: `${dec(times.last, digits)} s` },
            ]}
            bands={[[1, 2]]}
            range={range}
            format={(each, least) => dec(each, Math.max(digits, least))}
            gaps={times.gaps}
            ticks={series.marks.filter((mark) => mark.kind === 'saved').map((mark) => Date.parse(mark.at) / 1000)}
            onPoint={setPoint}
          />
        </div>
      )}
    </Panel>
  )
}

function NoSteps({ alive, what }: { readonly alive: boolean; readonly what: string }) {
  return (
    <Empty title={alive ? `No ${what} yet` : `No ${what} was seen`}>
      It is read from what the framework prints, in Megatron’s form:{' '}
      <code className="mono">iteration 1/ 600 | elapsed time per iteration (ms): 120.5 | lm loss: 4.1E+00 |</code>. A
      script of your own can print such lines, too.
    </Empty>
  )
}

const footerOf = (parts: readonly string[]): string => {
  const said = parts.filter((part) => part !== '').join('; ')
  return said === '' ? 'ticks below: durable checkpoints' : `${said}; ticks below: durable checkpoints`
}
