// The heat map, layers by experts, drawn by hand: one small picture of the colours, scaled up without smoothing, then what stands out.
// A frame must be drawn well within 8 ms, since one follows the pointer over all steps.
import { shortLayer } from './frame.ts'
import { token } from '../frame/theme.ts'
import { colourTable, css, DEAD_BELOW, pack, parseHex, placeOf, STOPS } from './colours.ts'
import type { Cell, Frame } from './frame.ts'

export type OrderOf = 'expert' | 'load'

type Geometry = {
  readonly width: number
  readonly height: number
  readonly left: number
  readonly top: number
  readonly cell: number
  readonly row: number
  readonly columns: number
  /** Experts in one column: more than one where the screen is too narrow. */
  readonly each: number
  readonly bars: boolean
}

type Palette = {
  readonly table: Uint32Array
  readonly gap: number
  readonly ink: string
  readonly ink3: string
  readonly bar: string
  readonly bad: string
  readonly deadFill: string
  readonly deadEdge: string
  readonly font: string
}

const CELL_MIN = 2.2
const BARS = 84
const TOP = 14

export class HeatMap {
  readonly #base: HTMLCanvasElement
  readonly #over: HTMLCanvasElement
  readonly #small = document.createElement('canvas')
  #geometry: Geometry | null = null
  #palette: Palette = readPalette()
  #frame: Frame | null = null
  #order: OrderOf = 'expert'
  /** For each layer the experts in the order in which they are drawn. */
  #places: Uint16Array | null = null

  constructor(base: HTMLCanvasElement, over: HTMLCanvasElement) {
    this.#base = base
    this.#over = over
  }

  retheme(): void {
    this.#palette = readPalette()
  }

  /** Fits the drawing to a width; gives its height. */
  fit(width: number, layers: number, experts: number): number {
    const bars = width >= 640
    const left = 30
    const room = width - left - (bars ? BARS : 0)
    let each = 1
    while (room / Math.ceil(experts / each) < CELL_MIN && each < experts) each *= 2
    const columns = Math.ceil(experts / each)
    const row = Math.max(
      bars ? 6 : 5,
      Math.min(22, Math.round((innerWidth > 2400 ? 700 : innerWidth >= 1280 ? 580 : 464) / layers)),
    )
    const height = TOP + layers * row + 6
    this.#geometry = { width, height, left, top: TOP, cell: Math.min(26, room / columns), row, columns, each, bars }
    for (const canvas of [this.#base, this.#over]) {
      canvas.width = Math.round(width * devicePixelRatio)
      canvas.height = Math.round(height * devicePixelRatio)
      canvas.style.height = `${height}px`
      canvas.style.width = `${width}px`
    }
    return height
  }

  show(frame: Frame, order: OrderOf): void {
    this.#frame = frame
    this.#order = order
    this.#places = order === 'load' ? byLoad(frame) : null
    this.#drawBase()
  }

  /** What is under the pointer, in pixels of the page from the corner of the drawing. */
  cellAt(x: number, y: number): Cell | null {
    const geometry = this.#geometry
    const frame = this.#frame
    if (geometry === null || frame === null) return null
    const column = Math.floor((x - geometry.left) / geometry.cell)
    const layer = Math.floor((y - geometry.top) / geometry.row)
    if (column < 0 || column >= geometry.columns || layer < 0 || layer >= frame.layers.length) return null
    return { layer, expert: this.#expertAt(layer, Math.min(frame.experts - 1, column * geometry.each)) }
  }

  /** The neighbour in the order that is drawn. */
  moved({ layer, expert }: Cell, down: number, right: number): Cell {
    const frame = this.#frame
    const geometry = this.#geometry
    if (frame === null || geometry === null) return { layer, expert }
    const next = Math.min(frame.layers.length - 1, Math.max(0, layer + down))
    const place = Math.min(frame.experts - 1, Math.max(0, this.#placeOf(layer, expert) + right * geometry.each))
    return { layer: next, expert: down === 0 ? this.#expertAt(next, place) : expert }
  }

  mark(selected: Cell, hover: Cell | null): void {
    const geometry = this.#geometry
    const ctx = this.#over.getContext('2d')
    if (geometry === null || ctx === null) return
    ctx.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0)
    ctx.clearRect(0, 0, geometry.width, geometry.height)
    ctx.strokeStyle = this.#palette.ink
    const { left, top, cell, row, columns } = geometry
    ctx.lineWidth = 1
    ctx.strokeRect(left - 0.5, top + selected.layer * row - 0.5, cell * columns + 1, row + 1)
    for (const [at, width] of [
      [selected, 2],
      [hover, 1],
    ] as const) {
      if (at === null) continue
      const column = Math.floor(this.#placeOf(at.layer, at.expert) / geometry.each)
      ctx.lineWidth = width
      ctx.strokeRect(left + column * cell - 2, top + at.layer * row - 2, cell + 4, row + 4)
    }
  }

  /** The picture with a title, as a PNG. */
  async picture(title: string): Promise<Blob> {
    const canvas = document.createElement('canvas')
    const scale = devicePixelRatio
    canvas.width = this.#base.width
    canvas.height = this.#base.height + Math.round(30 * scale)
    const ctx = canvas.getContext('2d')
    if (ctx === null) throw new Error('this browser has no canvas')
    ctx.fillStyle = token('--panel')
    ctx.fillRect(0, 0, canvas.width, canvas.height)
    ctx.fillStyle = this.#palette.ink
    ctx.font = `${13 * scale}px ${token('--sans')}`
    ctx.fillText(title, 8 * scale, 19 * scale)
    ctx.drawImage(this.#base, 0, 30 * scale)
    ctx.drawImage(this.#over, 0, 30 * scale)
    return new Promise((resolve, reject) =>
      canvas.toBlob((blob) => (blob === null ? reject(new Error('no picture could be made')) : resolve(blob))),
    )
  }

  /** The colours of the scale from 1/8 to 8, for its legend. */
  scale(canvas: HTMLCanvasElement): void {
    const ctx = canvas.getContext('2d')
    if (ctx === null) return
    for (let x = 0; x < canvas.width; x += 1) {
      ctx.fillStyle = css(this.#palette.table[Math.round((x / (canvas.width - 1)) * 256)] ?? 0)
      ctx.fillRect(x, 0, 1, canvas.height)
    }
    ctx.fillStyle = this.#palette.ink
    for (const share of [1 / 3, 1 / 2, 2 / 3]) ctx.fillRect(Math.round(canvas.width * share), canvas.height - 3, 1, 3)
  }

  readonly #expertAt = (layer: number, place: number): number =>
    this.#places === null ? place : (this.#places[layer * (this.#frame?.experts ?? 0) + place] ?? place)

  #placeOf(layer: number, expert: number): number {
    if (this.#places === null || this.#frame === null) return expert
    const first = layer * this.#frame.experts
    return this.#places.subarray(first, first + this.#frame.experts).indexOf(expert)
  }

  #drawBase(): void {
    const geometry = this.#geometry
    const frame = this.#frame
    const ctx = this.#base.getContext('2d')
    if (geometry === null || frame === null || ctx === null) return
    ctx.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0)
    ctx.clearRect(0, 0, geometry.width, geometry.height)
    const dead = this.#drawCells(ctx, geometry, frame)
    this.#drawDead(ctx, geometry, dead)
    this.#drawLabels(ctx, geometry, frame)
    if (geometry.bars) this.#drawBars(ctx, geometry, frame)
  }

  /** Colours first; gives the columns that have a dead expert, as layer and column. */
  #drawCells(ctx: CanvasRenderingContext2D, { left, top, cell, row, columns, each }: Geometry, frame: Frame): number[] {
    const { layers } = frame
    const image = new ImageData(columns, layers.length)
    const pixels = new Uint32Array(image.data.buffer)
    // The usual case, as fast as it can be: a cell is an expert.
    const dead =
      each === 1 && this.#places === null ? this.#paintPlain(frame, pixels) : this.#paint(frame, pixels, columns, each)
    this.#small.width = columns
    this.#small.height = layers.length
    this.#small.getContext('2d')?.putImageData(image, 0, 0)
    ctx.imageSmoothingEnabled = false
    ctx.drawImage(this.#small, left, top, cell * columns, row * layers.length)
    return dead
  }

  #paintPlain({ ratios, experts }: Frame, pixels: Uint32Array): number[] {
    const { table, gap } = this.#palette
    const dead: number[] = []
    for (let index = 0; index < ratios.length; index += 1) {
      const ratio = ratios[index] ?? Number.NaN
      pixels[index] = Number.isNaN(ratio) ? gap : (table[placeOf(ratio)] ?? 0)
      if (ratio < DEAD_BELOW) dead.push(Math.floor(index / experts), index % experts)
    }
    return dead
  }

  #paint({ ratios, experts, layers }: Frame, pixels: Uint32Array, columns: number, each: number): number[] {
    const { table, gap } = this.#palette
    const dead: number[] = []
    for (let layer = 0; layer < layers.length; layer += 1) {
      for (let column = 0; column < columns; column += 1) {
        let sum = 0
        let count = 0
        let lowest = Number.POSITIVE_INFINITY
        for (let place = column * each; place < Math.min(experts, (column + 1) * each); place += 1) {
          const ratio = ratios[layer * experts + this.#expertAt(layer, place)] ?? Number.NaN
          sum += ratio
          count += 1
          if (ratio < lowest) lowest = ratio
        }
        const mean = sum / count
        pixels[layer * columns + column] = Number.isNaN(mean) ? gap : (table[placeOf(mean)] ?? 0)
        if (lowest < DEAD_BELOW) dead.push(layer, column)
      }
    }
    return dead
  }

  #drawDead(ctx: CanvasRenderingContext2D, { left, top, cell, row }: Geometry, dead: readonly number[]): void {
    for (let index = 0; index < dead.length; index += 2) {
      const x = left + (dead[index + 1] ?? 0) * cell
      const y = top + (dead[index] ?? 0) * row
      ctx.fillStyle = this.#palette.deadEdge
      ctx.fillRect(x - 1.5, y - 1.5, cell + 3, row + 3)
      ctx.fillStyle = this.#palette.deadFill
      ctx.fillRect(x, y, cell, row)
    }
  }

  #drawLabels(ctx: CanvasRenderingContext2D, { left, top, cell, row, each }: Geometry, frame: Frame): void {
    ctx.font = this.#palette.font
    ctx.fillStyle = this.#palette.ink3
    ctx.textAlign = 'left'
    if (this.#order === 'load') {
      ctx.fillText('most load first, in each layer', left, 10)
    } else {
      const step = [1, 2, 4, 8, 16, 32, 64, 128].find((size) => (size / each) * cell >= 60) ?? 128
      for (let expert = 0; expert < frame.experts; expert += step) {
        ctx.fillText(expert === 0 ? 'expert 0' : String(expert), left + (expert / each) * cell, 10)
      }
    }
    ctx.textAlign = 'right'
    const every = Math.ceil(14 / row)
    for (const [index, name] of frame.layers.entries()) {
      if (index % every === 0) ctx.fillText(shortLayer(name, index), left - 6, top + index * row + row / 2 + 4)
    }
    ctx.textAlign = 'left'
  }

  #drawBars(ctx: CanvasRenderingContext2D, { left, top, cell, row, columns, width }: Geometry, frame: Frame): void {
    const x = left + cell * columns + 14
    const room = width - x - 34
    const { bar, bad, ink3 } = this.#palette
    ctx.fillStyle = ink3
    ctx.fillText('MaxVio', x, 10)
    const most = Math.max(1, ...frame.maxVio)
    const worst = frame.maxVio.indexOf(Math.max(...frame.maxVio))
    for (const [layer, value] of frame.maxVio.entries()) {
      const odd = (frame.hot[layer]?.length ?? 0) + (frame.dead[layer]?.length ?? 0) > 0
      ctx.fillStyle = odd ? bad : bar
      ctx.fillRect(x, top + layer * row + 1, Math.max(1, (value / most) * Math.max(20, room)), Math.max(1, row - 2))
      if (layer === worst) {
        ctx.fillText(value.toFixed(2), x + (value / most) * Math.max(20, room) + 4, top + layer * row + row / 2 + 4)
      }
    }
  }
}

function byLoad({ ratios, layers, experts }: Frame): Uint16Array {
  const places = new Uint16Array(ratios.length)
  for (let layer = 0; layer < layers.length; layer += 1) {
    const first = layer * experts
    const order = Array.from({ length: experts }, (_, expert) => expert)
    order.sort((a, b) => (ratios[first + b] ?? 0) - (ratios[first + a] ?? 0))
    places.set(order, first)
  }
  return places
}

function readPalette(): Palette {
  return {
    table: colourTable(STOPS.map(([at, name]) => [at, parseHex(token(name))] as const)),
    gap: pack(parseHex(token('--load-gap'))),
    ink: token('--ink'),
    ink3: token('--ink-3'),
    bar: token('--line-3'),
    bad: token('--bad'),
    deadFill: token('--load-dead-fill'),
    deadEdge: token('--load-dead-edge'),
    font: `11px ${token('--sans')}`,
  }
}
