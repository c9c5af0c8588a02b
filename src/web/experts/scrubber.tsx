// All steps at a glance, with a handle: MaxVio of the layer that is looked at and of the median layer. Arrow keys go a step, with shift ten.
import { type KeyboardEvent, type PointerEvent, useCallback, useEffect, useMemo, useRef } from 'react'
import type uPlot from 'uplot'
import type { Experts } from '../api/documents.ts'
import { int } from '../format/numbers.ts'
import { hms, ms } from '../format/times.ts'
import { Plot } from '../parts/plot.tsx'
import { median, shortLayer } from './frame.ts'
import { type Shown, useShown, useWritten, type View } from './view.ts'

type Props = { readonly experts: Experts; readonly view: View; readonly onStep: (step: number) => void }

export function Scrubber({ experts, view, onStep }: Props) {
  const layer = useShown(view, (shown) => shown.cell.layer)
  const plot = useRef<uPlot | null>(null)
  const handle = useRef<HTMLDivElement>(null)
  const slider = useRef<HTMLDivElement>(null)
  const data = useMemo(() => seriesOf(experts, layer), [experts, layer])

  const place = useCallback(() => {
    if (plot.current === null || handle.current === null) return
    const { step } = view.shown()
    const x = plot.current.valToPos(step, 'x') + plot.current.bbox.left / devicePixelRatio
    handle.current.style.transform = `translateX(${x}px)`
    if (slider.current?.ariaValueNow === String(step) || slider.current === null) return
    slider.current.ariaValueNow = String(step)
    slider.current.ariaValueText = `step ${step}`
  }, [view])
  useEffect(() => view.subscribeScreen(place), [view, place])

  // Where the drawing begins is asked once for a drag: to ask in each frame is to lay the page out twice in it.
  const left = useRef(0)
  const drag = ({ buttons, clientX }: PointerEvent): void => {
    if (plot.current === null || (buttons & 1) === 0) return
    onStep(plot.current.posToVal(clientX - left.current - plot.current.bbox.left / devicePixelRatio, 'x'))
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    const far = event.shiftKey ? 10 : 1
    const { step } = view.shown()
    const next: Readonly<Record<string, number>> = {
      ArrowLeft: step - far,
      ArrowRight: step + far,
      PageDown: step - 100,
      PageUp: step + 100,
      Home: experts.firstStep,
      End: experts.lastStep,
      l: experts.lastStep,
    }
    const to = next[event.key]
    if (to === undefined) return
    onStep(to)
    event.preventDefault()
  }
  const name = shortLayer(experts.layers[layer], layer)
  return (
    <>
      <StepLine experts={experts} view={view} />
      <div
        ref={slider}
        className="scrub"
        role="slider"
        tabIndex={0}
        aria-label="Step"
        aria-valuemin={experts.firstStep}
        aria-valuemax={experts.lastStep}
        aria-valuenow={view.shown().step}
        onKeyDown={onKeyDown}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId)
          left.current = event.currentTarget.getBoundingClientRect().left
          drag(event)
        }}
        onPointerMove={drag}
      >
        <Plot
          label={`MaxVio by step, of layer ${name} and of the median layer`}
          height={104}
          time={false}
          log
          still
          data={data}
          lines={[
            { color: '--grid', width: 0 },
            { color: '--grid', width: 0 },
            { color: '--plot-5', width: 1.2, end: 'median' },
            { color: '--plot-6', width: 1.8, end: `layer ${name}` },
          ]}
          bands={[[1, 2]]}
          format={(value) => String(Number(value.toPrecision(2)))}
          gaps={experts.gaps.map(({ from, to }) => [from, to] as const)}
          onPlot={(made) => {
            plot.current = made
          }}
          onDraw={place}
        />
        <div ref={handle} className="handle" />
      </div>
    </>
  )
}

function StepLine({ experts, view }: { readonly experts: Experts; readonly view: View }) {
  const at = useWritten(view, ({ step }) => `Step ${int(step)}`)
  const seen = useWritten(view, (shown) => seenText(experts, shown))
  return (
    <div className="step-line">
      <b ref={at} className="med" />
      <span ref={seen} className="faint" />
      <span className="micro wide-only keys">
        <kbd>←</kbd> <kbd>→</kbd> one step, <kbd>⇧</kbd> ten, <kbd>l</kbd> newest
      </span>
    </div>
  )
}

function seenText({ lastStep }: Experts, { step, frame }: Shown): string {
  if (frame === null) return 'reading…'
  const reported = frame.step === step ? '' : `reported at step ${int(frame.step)} · `
  return `${hms(ms(frame.observedAt))} · ${reported}${lastStep === step ? 'newest' : `${int(lastStep - step)} steps back`}`
}

/** A scale of doublings has no place for zero. */
const LEAST = 0.01

function seriesOf({ buckets, maxVio, gaps }: Experts, layer: number): uPlot.AlignedData {
  const inGap = (step: number): boolean => gaps.some(({ from, to }) => step > from && step < to)
  const pick = (value: (bucket: number) => number | undefined): (number | null)[] =>
    buckets.map(({ to, frames }, bucket) => {
      const found = value(bucket)
      return frames === 0 || inGap(to) || found === undefined ? null : Math.max(LEAST, found)
    })
  return [
    buckets.map(({ to }) => to),
    pick((bucket) => maxVio.max[bucket]?.[layer]),
    pick((bucket) => maxVio.min[bucket]?.[layer]),
    pick((bucket) => median(maxVio.mean[bucket] ?? [])),
    pick((bucket) => maxVio.mean[bucket]?.[layer]),
  ]
}
