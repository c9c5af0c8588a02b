// A series over steps or time, drawn by uPlot: quiet grid, last value at the end of the line, marks and gaps as in the other drawings. The
// colours come from the tokens, so a plot is made anew when the theme changes; new numbers only are put in.
import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { day, hm, hms } from '../format/times.ts'
import { token, useTheme } from '../frame/theme.ts'
import { useWidth } from './width.ts'

export type PlotLine = {
  readonly color: string
  readonly width: number
  readonly dash?: readonly number[]
  /** Text at the last value. */
  readonly end?: string
}

export type PlotProps = {
  /** The same in words, for who cannot see it. */
  readonly label: string
  readonly height: number
  readonly time: boolean
  readonly data: uPlot.AlignedData
  readonly lines: readonly PlotLine[]
  /** Pairs of series between which a band is drawn, the upper one first. */
  readonly bands?: readonly (readonly [number, number])[]
  readonly range?: readonly [number, number]
  readonly log?: boolean
  /** It has a handle of its own and follows no pointer. */
  readonly still?: boolean
  /** `digits` after the point tell two neighbours on the axis apart. */
  readonly format: (value: number, digits: number) => string
  readonly marks?: readonly { readonly x: number; readonly text: string; readonly color?: string }[]
  readonly ticks?: readonly number[]
  readonly gaps?: readonly (readonly [number, number])[]
  /** The place under the pointer, as an index of the data; null: none. */
  readonly onPoint?: (index: number | null) => void
  readonly onClick?: (x: number) => void
  /** Told of the plot when it is made, for who draws above it. */
  readonly onPlot?: (plot: uPlot | null) => void
  /** Told after each drawing: what stands above it may have to move. */
  readonly onDraw?: () => void
}

export function Plot(props: PlotProps) {
  const [box, width] = useWidth<HTMLDivElement>()
  const theme = useTheme()
  const held = useRef<uPlot | null>(null)
  const latest = useRef(props)
  latest.current = props
  const shape = `${theme} ${props.lines.length} ${props.time} ${props.log === true} ${props.height} ${width > 0}`
  useEffect(() => {
    const place = box.current
    if (place === null || place.clientWidth === 0) return undefined
    const plot = new uPlot(optionsOf(latest, place.clientWidth), latest.current.data, place)
    held.current = plot
    latest.current.onPlot?.(plot)
    return () => {
      latest.current.onPlot?.(null)
      held.current = null
      plot.destroy()
    }
  }, [shape, box])
  useEffect(() => {
    if (width > 0) held.current?.setSize({ width, height: latest.current.height })
  }, [width])
  useEffect(() => {
    held.current?.setData(props.data)
  }, [props.data])
  return <div ref={box} className="plot" role="img" aria-label={props.label} style={{ minHeight: props.height }} />
}

type Latest = { readonly current: PlotProps }

function optionsOf(latest: Latest, width: number): uPlot.Options {
  const { height, time, lines, log, bands, still } = latest.current
  const font = `11px ${token('--sans')}`
  const axis = { stroke: token('--ink-3'), font, ticks: { stroke: token('--axis'), size: 4, width: 1 } }
  return {
    width,
    height,
    padding: [14, 56, 0, 0],
    legend: { show: false },
    cursor: {
      show: still !== true,
      y: false,
      points: { show: lines.length <= 4, size: 5 },
      drag: { x: false, y: false },
      bind: {
        click: (self) => () => {
          const { left } = self.cursor
          if (left !== undefined && left >= 0) latest.current.onClick?.(self.posToVal(left, 'x'))
          return null
        },
      },
    },
    scales: {
      x: { time },
      y: {
        // 3 is logarithmic; the enum of that name exists for the type checker alone.
        // oxlint-disable-next-line typescript/no-unsafe-enum-assignment
        ...(log === true ? { distr: 3, log: 2 } : {}),
        range: (_plot, min, max) => {
          const { range } = latest.current
          if (range !== undefined) return [range[0], range[1]]
          const pad = max > min ? (max - min) * 0.06 : Math.max(0.5, Math.abs(max) * 0.1)
          return log === true ? [min / 1.2, max * 1.2] : [min - pad, max + pad]
        },
      },
    },
    axes: [
      {
        ...axis,
        size: 26,
        space: 70,
        grid: { show: false },
        values: (_plot, splits, _axis, _space, increment) =>
          splits.map((value) => (time ? timeText(value * 1000, increment) : stepText(value))),
      },
      {
        ...axis,
        size: 48,
        space: 34,
        grid: { stroke: token('--grid'), width: 1 },
        ticks: { show: false },
        ...(log === true
          ? { splits: (_plot: uPlot, _axis: number, min: number, max: number) => doublings(min, max) }
          : {}),
        values: (_plot, splits, _axis, _space, step) =>
          splits.map((value) => (value === null ? '' : latest.current.format(value, digitsOf(step)))),
      },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        stroke: token(line.color),
        width: line.width,
        ...(line.dash === undefined ? {} : { dash: [...line.dash] }),
        points: { show: false },
        spanGaps: false,
      })),
    ],
    bands: (bands ?? []).map((series) => ({
      series: [series[0], series[1]] as [number, number],
      fill: token('--band'),
    })),
    hooks: {
      drawClear: [(plot) => drawGaps(plot, latest.current)],
      draw: [
        (plot) => {
          drawOver(plot, latest.current)
          latest.current.onDraw?.()
        },
      ],
      setCursor: [(plot) => latest.current.onPoint?.(plot.cursor.idx ?? null)],
    },
  }
}

/** Places on a scale of doublings: every second or fourth one where there are many. */
function doublings(min: number, max: number): number[] {
  const low = Math.ceil(Math.log2(min))
  const high = Math.floor(Math.log2(max))
  const every = Math.max(1, Math.ceil((high - low + 1) / 5))
  const places: number[] = []
  for (let power = Math.ceil(low / every) * every; power <= high; power += every) places.push(2 ** power)
  return places.length > 1 ? places : [min, max]
}

const stepText = (value: number): string => (value >= 10_000 ? `${value / 1000} k` : value.toLocaleString('en-US'))

function timeText(at: number, increment: number): string {
  if (increment >= 86_400) return day(at)
  return increment < 60 ? hms(at) : hm(at)
}

function drawGaps(plot: uPlot, { gaps }: PlotProps): void {
  const { ctx, bbox } = plot
  ctx.save()
  ctx.beginPath()
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height)
  ctx.clip()
  ctx.strokeStyle = token('--acc-unknown')
  for (const [from, to] of gaps ?? []) {
    const left = plot.valToPos(from, 'x', true)
    const right = Math.max(left + 2, plot.valToPos(to, 'x', true))
    ctx.save()
    ctx.beginPath()
    ctx.rect(left, bbox.top, right - left, bbox.height)
    ctx.clip()
    ctx.beginPath()
    for (let at = left - bbox.height; at < right; at += 5 * devicePixelRatio) {
      ctx.moveTo(at, bbox.top + bbox.height)
      ctx.lineTo(at + bbox.height, bbox.top)
    }
    ctx.stroke()
    ctx.restore()
  }
  ctx.restore()
}

function drawOver(plot: uPlot, { marks, ticks, lines }: PlotProps): void {
  const { ctx, bbox } = plot
  const scale = devicePixelRatio
  const bottom = bbox.top + bbox.height
  ctx.save()
  ctx.font = `${11 * scale}px ${token('--sans')}`
  ctx.textAlign = 'left'
  ctx.textBaseline = 'alphabetic'
  ctx.lineWidth = scale
  ctx.strokeStyle = token('--mark')
  const inside = (x: number): boolean => x >= bbox.left && x <= bbox.left + bbox.width
  ctx.beginPath()
  let last = Number.NEGATIVE_INFINITY
  for (const value of ticks ?? []) {
    const x = plot.valToPos(value, 'x', true)
    if (!inside(x) || x - last < 2 * scale) continue
    last = x
    ctx.moveTo(x, bottom - 5 * scale)
    ctx.lineTo(x, bottom)
  }
  ctx.stroke()
  let free = Number.NEGATIVE_INFINITY
  for (const mark of marks ?? []) {
    const x = plot.valToPos(mark.x, 'x', true)
    if (!inside(x)) continue
    ctx.strokeStyle = token(mark.color ?? '--mark')
    ctx.setLineDash([2 * scale, 3 * scale])
    ctx.beginPath()
    ctx.moveTo(x, bbox.top - 2 * scale)
    ctx.lineTo(x, bottom)
    ctx.stroke()
    const wide = ctx.measureText(mark.text).width
    const left = x + 4 * scale + wide > bbox.left + bbox.width ? x - 4 * scale - wide : x + 4 * scale
    if (left > free) {
      halo(ctx, mark.text, left, bbox.top + 8 * scale, token('--ink-2'))
      free = left + wide + 6 * scale
    }
  }
  ctx.setLineDash([])
  drawEnds(plot, lines)
  ctx.restore()
}

/** Names at the ends of lines. Two lines that end at about the same height have their names above each other, in the order of the lines. */
function drawEnds(plot: uPlot, lines: readonly PlotLine[]): void {
  const ends = lines.flatMap((line, index) => {
    const end = line.end === undefined ? null : endOf(plot, index + 1)
    return end === null ? [] : [{ ...end, line, text: end.y }]
  })
  const apart = 12 * devicePixelRatio
  const sorted = ends.toSorted((a, b) => a.y - b.y)
  for (const [index, end] of sorted.entries()) {
    const above = sorted[index - 1]
    if (above !== undefined) end.text = Math.max(end.text, above.text + apart)
  }
  for (const { x, y, line, text } of sorted) {
    plot.ctx.fillStyle = token(line.color)
    plot.ctx.beginPath()
    plot.ctx.arc(x, y, 2.6 * devicePixelRatio, 0, 2 * Math.PI)
    plot.ctx.fill()
    halo(plot.ctx, line.end ?? '', x + 7 * devicePixelRatio, text + 4 * devicePixelRatio, token('--ink'))
  }
}

/** Where a line ends, in pixels of the canvas; null: it has no value. */
function endOf(plot: uPlot, series: number): { readonly x: number; readonly y: number } | null {
  const values = plot.data[series]
  const xs = plot.data[0]
  if (values === undefined) return null
  let at = values.length - 1
  while (at >= 0 && (values[at] === null || values[at] === undefined)) at -= 1
  const value = values[at]
  const x = xs[at]
  if (value === null || value === undefined || x === undefined) return null
  const { top, height } = plot.bbox
  return {
    x: plot.valToPos(x, 'x', true),
    y: Math.min(top + height, Math.max(top, plot.valToPos(value, 'y', true))),
  }
}

function halo(ctx: CanvasRenderingContext2D, text: string, x: number, y: number, color: string): void {
  ctx.strokeStyle = token('--panel')
  ctx.lineWidth = 3 * devicePixelRatio
  ctx.setLineDash([])
  ctx.strokeText(text, x, y)
  ctx.fillStyle = color
  ctx.fillText(text, x, y)
  ctx.lineWidth = devicePixelRatio
}

/** A grid line at 0.75 that says 0.8 is another one. */
function digitsOf(step: number): number {
  for (let digits = 0; digits < 6; digits += 1) {
    const whole = step * 10 ** digits
    if (Math.abs(whole - Math.round(whole)) < 1e-6) return digits
  }
  return 6
}
