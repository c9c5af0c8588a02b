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
import { conserved, countAt, type Frame, ratioAt, shortLayer } from './frame.ts'
import { HeatMap, type OrderOf } from './heat.ts'
import { Scrubber } from './scrubber.tsx'
import { useShown, type View } from './view.ts'

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
    let asked = 0
    const draw = (): void => {
      asked = 0
      const { frame, cell, hover } = view.shown()
      if (frame !== null && frame !== drawn) {
        map.show(frame, order)
        drawn = frame
      }
      map.mark(cell, hover)
    }
    // However often the view changes, it is drawn once for each frame of the screen.
    const onChange = (): void => {
      if (asked === 0) asked = requestAnimationFrame(draw)
    }
    draw()
    const stop = view.subscribe(onChange)
    return () => {
      stop()
      cancelAnimationFrame(asked)
    }
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
  const frame = useShown(view, (shown) => shown.frame)
  const cell = useShown(view, (shown) => shown.hover ?? shown.cell)
  if (frame === null) return <div className="read faint">reading…</div>
  const load = ratioAt(frame, cell)
  return (
    <div className="read" aria-live="polite">
      <b title={layers[cell.layer]}>Layer {shortLayer(layers[cell.layer], cell.layer)}</b>
      <b>expert {cell.expert}</b>
      <span>
        <b>{Number.isNaN(load) ? 'not reported' : ratio(load)}</b>{' '}
        {load < DEAD_BELOW ? <span className="bad strong">dead</span> : null}
      </span>
      <span>
        {int(countAt(frame, cell))}
        <Unit>tokens</Unit>
      </span>
    </div>
  )
}

function Conserved({ view }: { readonly view: View }) {
  const frame = useShown(view, (shown) => shown.frame)
  if (frame === null) return null
  const whole = conserved(frame)
  const { length } = frame.layers
  if (whole === null || frame.tokens === null) {
    return <span className="micro">how many tokens the step had was not reported: sums are not checked</span>
  }
  return (
    <span className="micro">
      {whole === length ? <span className="good strong">✓ </span> : null}
      {whole === length ? 'each layer sums to' : `${whole} of ${length} layers sum to`} {int(frame.tokens * frame.topK)}{' '}
      = {int(frame.tokens)} tokens × {frame.topK}
    </span>
  )
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
