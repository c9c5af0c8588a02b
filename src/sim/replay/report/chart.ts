// Charts as inline SVG. The drawing is stretched to the width that there is, and the words around it are text of the page, so that they
// keep their size on a phone. A point is [x, y], both in shares of the axes.
import type { Html } from './html.ts'
import { html } from './html.ts'

export type Tick = { readonly at: number; readonly label: string }
export type Chart = {
  readonly title: string
  readonly unit: string
  /** The chart in one sentence, for whoever does not see it. */
  readonly says: string
  readonly points: readonly (readonly [number, number])[]
  readonly x: readonly Tick[]
  readonly y: readonly Tick[]
  /** Up to which nothing can go: a line of its own. */
  readonly limit: { readonly at: number; readonly label: string } | null
}

const WIDE = 1_000
const HIGH = 100

export function chart({ title, unit, says, points, x, y, limit }: Chart): Html {
  const place = ([at, value]: readonly [number, number]): string => `${short(at * WIDE)} ${short((1 - value) * HIGH)}`
  const line = points.map(place).join(' L ')
  const grid = y.map(({ at }) => html`<path class="grid-line" d="M 0 ${short((1 - at) * HIGH)} H ${WIDE}" />`)
  const load = limit === null ? html`` : html`<path class="limit" d="M 0 ${short((1 - limit.at) * HIGH)} H ${WIDE}" />`
  const drawn =
    points.length === 0
      ? html``
      : html`<path
            class="fill"
            d="M ${short((points[0]?.[0] ?? 0) * WIDE)} ${HIGH} L ${line} L ${short((points.at(-1)?.[0] ?? 1) * WIDE)} ${HIGH} Z"
          /><path class="line" d="M ${line}" />`
  return html`<section class="panel">
    <header>
      <h2>${title}</h2>
      <span class="sub">${unit}</span
      >${limit === null ? html`` : html`<span class="to"><i class="load"></i>${limit.label}</span>`}
    </header>
    <div class="plot">
      <div class="ys" aria-hidden="true">
        ${y.map(({ at, label }) => html`<span style="bottom:${short(at * 100)}%">${label}</span>`)}
      </div>
      <svg viewBox="0 0 ${WIDE} ${HIGH}" preserveAspectRatio="none" role="img" aria-label="${says}">
        ${grid}${drawn}${load}
      </svg>
      <div class="xs" aria-hidden="true">
        ${x.map(({ at, label }) => html`<span style="left:${short(at * 100)}%">${label}</span>`)}
      </div>
    </div>
  </section> `
}

const short = (value: number): string => String(Number(value.toFixed(2)))

/** Round steps up to `most`: 0, 256, 512, … or 0, 50, 100. */
export function ticksTo(
  most: number,
  label: (value: number) => string,
  steps = 4,
): { readonly top: number; readonly ticks: Tick[] } {
  const step = niceStep(Math.max(most, 1) / steps)
  const top = Math.max(step, Math.ceil(most / step) * step)
  const ticks: Tick[] = []
  for (let value = 0; value <= top; value += step) ticks.push({ at: value / top, label: label(value) })
  return { top, ticks }
}

function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)))
  return ([1, 2, 5, 10].find((each) => each * power >= least) ?? 10) * power
}

/** Seconds on a scale of powers, since waits go from none to weeks. */
const MARKS = [1, 60, 3_600, 86_400, 864_000, 8_640_000] as const
const MARK_LABELS = ['1 s', '1 min', '1 h', '1 d', '10 d', '100 d'] as const

/** How many share of the values are at most so large. */
export function distribution(valuesS: readonly number[]): Pick<Chart, 'points' | 'x' | 'y'> {
  const sorted = valuesS.toSorted((a, b) => a - b)
  const top = MARKS.find((mark) => mark >= (sorted.at(-1) ?? 0)) ?? sorted.at(-1) ?? 1
  const scale = (seconds: number): number => Math.log1p(Math.max(0, seconds)) / Math.log1p(Math.max(60, top))
  const stride = Math.max(1, Math.floor(sorted.length / POINTS))
  const points: [number, number][] = [[0, 0]]
  // Corners: a share holds until the next value.
  const reach = (value: number, share: number): void => {
    points.push([scale(value), points.at(-1)?.[1] ?? 0], [scale(value), share])
  }
  for (let index = 0; index < sorted.length; index += stride) reach(sorted[index] ?? 0, (index + 1) / sorted.length)
  reach(sorted.at(-1) ?? 0, 1)
  points.push([1, 1])
  const x = MARKS.flatMap((mark, index) =>
    mark <= Math.max(60, top) ? [{ at: scale(mark), label: MARK_LABELS[index] ?? '' }] : [],
  )
  return { points, x: [{ at: 0, label: '0' }, ...x.slice(1)], y: SHARES }
}

const POINTS = 300
const SHARES = [0, 0.25, 0.5, 0.75, 1].map((at) => ({ at, label: `${at * 100} %` }))
