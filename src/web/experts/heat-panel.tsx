// The heat map with its readout, its scale and the scrubber below.
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from 'react'
import type { Experts, Show } from '../api/documents.ts'
import { csv } from '../format/csv.ts'
import { int, ratio } from '../format/numbers.ts'
import { hms, ms, when } from '../format/times.ts'
import { useTheme } from '../frame/theme.ts'
import { Panel, Unit } from '../parts/bits.tsx'
import { saveAs } from '../parts/save.ts'
import { useWidth } from '../parts/width.ts'
import { DEAD_BELOW } from './colours.ts'
import { type Cell, conserved, countAt, type Frame, ratioAt, shortLayer } from './frame.ts'
import { HeatMap, type OrderOf } from './heat.ts'
import { Scrubber } from './scrubber.tsx'
import { type Shown, useShown, useWritten, type View } from './view.ts'

type Props = {
  readonly show: Show
  readonly experts: Experts
  readonly view: View
  readonly onStep: (step: number) => void
}

const MOVES: Readonly<Record<string, readonly [down: number, right: number]>> = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
}

export function HeatPanel({ show, experts, view, onStep }: Props) {
  const [order, setOrder] = useState<OrderOf>('expert')
  const [box, width] = useWidth<HTMLDivElement>()
  const legend = useRef<HTMLCanvasElement>(null)
  const heat = useRef<HeatMap | null>(null)
  const theme = useTheme()
  const { layers, experts: count } = experts

  useEffect(() => {
    const place = box.current
    if (place === null) return undefined
    const made = new HeatMap(place)
    heat.current = made
    return () => {
      heat.current = null
      made.remove()
    }
  }, [box])
  useEffect(() => {
    const map = heat.current
    if (map === null || width === 0 || box.current === null) return undefined
    map.retheme()
    box.current.style.height = `${map.fit(width, layers.length, count)}px`
    if (legend.current !== null) map.scale(legend.current)
    let drawn: Frame | null = null
    const draw = ({ frame, cell, hover }: Shown): void => {
      if (frame !== null && frame !== drawn) {
        map.show(frame, order)
        drawn = frame
      }
      map.mark(cell, hover)
    }
    draw(view.shown())
    return view.subscribeScreen(draw)
  }, [box, view, width, theme, order, layers.length, count])

  const at = (event: PointerEvent) => {
    const corner = event.currentTarget.getBoundingClientRect()
    return heat.current?.cellAt(event.clientX - corner.left, event.clientY - corner.top) ?? null
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    const move = MOVES[event.key]
    if (move === undefined || heat.current === null) return
    const far = event.shiftKey ? 8 : 1
    view.change({ cell: heat.current.moved(view.shown().cell, move[0] * far, move[1] * far) })
    event.preventDefault()
  }
  const name = `${show.name}-attempt-${experts.attempt}`
  return (
    <Panel
      id="h-heat"
      title="Load ratio"
      sub="tokens of the expert ÷ mean of its layer"
      to={
        <>
          <fieldset className="seg">
            <legend className="vh">Order of experts</legend>
            {(['expert', 'load'] as const).map((each) => (
              <button key={each} type="button" aria-pressed={order === each} onClick={() => setOrder(each)}>
                {each === 'expert' ? 'By expert' : 'By load'}
              </button>
            ))}
          </fieldset>
          <button type="button" className="as-link" onClick={() => void savePicture(heat.current, view, show, name)}>
            PNG
          </button>
          <button type="button" className="as-link" onClick={() => saveTable(view, name)}>
            CSV
          </button>
        </>
      }
      footer={<Scrubber experts={experts} view={view} onStep={onStep} />}
    >
      <div className="body heat-body">
        <Readout view={view} layers={layers} />
        <div
          ref={box}
          className="heat"
          role="application"
          aria-label="Heat map of the load ratio, layers by experts. Arrow keys move to another expert or layer; what is there stands above."
          tabIndex={0}
          onKeyDown={onKeyDown}
          onPointerMove={(event) => view.change({ hover: at(event) })}
          onPointerLeave={() => view.change({ hover: null })}
          onPointerDown={(event) => {
            const cell = at(event)
            if (cell !== null) view.change({ cell })
          }}
        />
        <div className="heat-foot">
          <div className="scale">
            <span>1/8×</span>
            <canvas ref={legend} width={240} height={10} aria-hidden="true" />
            <span>8×</span>
            <span className="key">
              <i className="dead-key" />
              dead
            </span>
            <span className="key">
              <i className="gap-key" />
              not reported
            </span>
          </div>
          <Conserved view={view} />
        </div>
      </div>
    </Panel>
  )
}

function Readout({ view, layers }: { readonly view: View; readonly layers: readonly string[] }) {
  const isThere = useShown(view, (shown) => shown.frame !== null)
  const cell = useShown(view, (shown) => shown.hover ?? shown.cell)
  const isDead = useShown(view, ({ frame }) => frame !== null && ratioAt(frame, cell) < DEAD_BELOW)
  const load = useWritten(view, ({ frame, hover, cell: chosen }) => loadText(frame, hover ?? chosen))
  const tokens = useWritten(view, ({ frame, hover, cell: chosen }) =>
    frame === null ? '' : int(countAt(frame, hover ?? chosen)),
  )
  return (
    <div className="read" aria-live="polite">
      {isThere ? null : <span className="faint">reading…</span>}
      <b title={layers[cell.layer]} hidden={!isThere}>
        Layer {shortLayer(layers[cell.layer], cell.layer)}
      </b>
      <b hidden={!isThere}>expert {cell.expert}</b>
      <span hidden={!isThere}>
        <b ref={load} /> {isDead ? <span className="bad strong">dead</span> : null}
      </span>
      <span hidden={!isThere}>
        <span ref={tokens} />
        <Unit>tokens</Unit>
      </span>
    </div>
  )
}

function loadText(frame: Frame | null, cell: Cell): string {
  if (frame === null) return ''
  const load = ratioAt(frame, cell)
  return Number.isNaN(load) ? 'not reported' : ratio(load)
}

function Conserved({ view }: { readonly view: View }) {
  const isWhole = useShown(view, ({ frame }) => frame !== null && wholeOf(frame) === frame.layers.length)
  const sums = useWritten(view, ({ frame }) => (frame === null ? '' : sumsText(frame)))
  return (
    <span className="micro">
      {isWhole ? <span className="good strong">✓ </span> : null}
      <span ref={sums} />
    </span>
  )
}

/** It is asked for a few times of each frame. */
const wholes = new WeakMap<Frame, number | null>()

function wholeOf(frame: Frame): number | null {
  const known = wholes.get(frame)
  if (known !== undefined) return known
  const whole = conserved(frame)
  wholes.set(frame, whole)
  return whole
}

function sumsText(frame: Frame): string {
  const whole = wholeOf(frame)
  const { layers, tokens, topK } = frame
  if (whole === null || tokens === null || topK === null)
    return `how many ${tokens === null ? 'tokens the step had' : 'experts a token is sent to'} was not reported: sums are not checked`
  const what = whole === layers.length ? 'each layer sums to' : `${whole} of ${layers.length} layers sum to`
  return `${what} ${int(tokens * topK)} = ${int(tokens)} tokens × ${topK}`
}

async function savePicture(heat: HeatMap | null, view: View, show: Show, name: string): Promise<void> {
  const { frame } = view.shown()
  if (heat === null || frame === null) return
  const seen = ms(frame.observedAt)
  const title = `${show.project}/${show.name}: load ratio at step ${int(frame.step)}, ${when(seen, 0)} ${hms(seen)}`
  saveAs(`${name}-step-${frame.step}.png`, await heat.picture(title))
}

function saveTable(view: View, name: string): void {
  const { frame } = view.shown()
  if (frame === null) return
  const rows: (string | number | null)[][] = [['step', 'layer', 'expert', 'tokens', 'load_ratio']]
  for (const [layer, layerName] of frame.layers.entries()) {
    for (let expert = 0; expert < frame.experts; expert += 1) {
      const load = ratioAt(frame, { layer, expert })
      rows.push([
        frame.step,
        layerName,
        expert,
        countAt(frame, { layer, expert }),
        Number.isNaN(load) ? null : Number(load.toFixed(6)),
      ])
    }
  }
  saveAs(`${name}-step-${frame.step}.csv`, csv(rows), 'text/csv')
}
