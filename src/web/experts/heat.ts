// The heat map, layers by experts, drawn by hand: one small picture of the colours that the browser scales up without smoothing, and above
// it what stands out. A frame must be drawn well within 8 ms, since one follows the pointer over all steps: what does not change with it
// is drawn once, on a sheet of its own.
import { shortLayer } from './frame.ts'
import { token } from '../frame/theme.ts'
import { colourByBits, colourTable, css, DEAD_BELOW, pack, parseHex, placeOf, STOPS } from './colours.ts'
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
  /** The same by the upper half of a number's bits: no logarithm for each of 15,000 cells. */
  readonly quick: Uint32Array
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
/** Few experts are drawn large, and not so large that a cell is no cell any more. */
const CELL_MAX = 40
const ROW_MAX = 32
const BARS = 84
const TOP = 14
const TITLE = 30

/** What is drawn by itself: the colours change with each frame, the names of layers and experts never, the marks seldom. */
const SHEETS = ['cells', 'names', 'layers', 'bars', 'marks'] as const

export class HeatMap {
  readonly #sheets: Readonly<Record<(typeof SHEETS)[number], HTMLCanvasElement>>
  #geometry: Geometry | null = null
  #palette: Palette = readPalette()
  #image: ImageData | null = null
  #frame: Frame | null = null
  #order: OrderOf = 'expert'
  /** For each layer the experts in the order in which they are drawn. */
  #places: Uint16Array | null = null
  /** The columns that have a dead expert, as layer and column. */
  #dead: readonly number[] = []
  /** What the names and the marks were drawn for. */
  #named = ''
  #marked = ''

  constructor(box: HTMLElement) {
    const sheet = (name: string): HTMLCanvasElement => {
      const canvas = document.createElement('canvas')
      canvas.className = `heat-${name}`
      canvas.setAttribute('aria-hidden', 'true')
      box.append(canvas)
      return canvas
    }
    this.#sheets = {
      cells: sheet('cells'),
      names: sheet('names'),
      layers: sheet('layers'),
      bars: sheet('bars'),
      marks: sheet('marks'),
    }
  }

  remove(): void {
    for (const name of SHEETS) this.#sheets[name].remove()
  }

  retheme(): void {
    this.#palette = readPalette()
    this.#named = ''
    this.#marked = ''
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
      Math.min(ROW_MAX, Math.round((innerWidth > 2400 ? 700 : innerWidth >= 1280 ? 580 : 464) / layers)),
    )
    const height = TOP + layers * row + 6
    const cell = Math.min(CELL_MAX, room / columns)
    this.#geometry = { width, height, left, top: TOP, cell, row, columns, each, bars }
    const { cells, names, layers: side, bars: beside, marks } = this.#sheets
    // A cell is one pixel here; the browser makes it larger where it draws the page, beside the main thread.
    lay(cells, left, TOP, cell * columns, row * layers)
    // No sheet is larger than what is drawn on it: each lies over the page in each frame.
    for (const [canvas, from, wide, high] of [
      [names, 0, width, TOP],
      [side, 0, left, height],
      [marks, 0, width, height],
      [beside, left + cell * columns, bars ? BARS : 0, height],
    ] as const) {
      canvas.width = Math.round(wide * devicePixelRatio)
      canvas.height = Math.round(high * devicePixelRatio)
      lay(canvas, from, 0, wide, high)
    }
    this.#named = ''
    this.#marked = ''
    return height
  }

  show(frame: Frame, order: OrderOf): void {
    this.#frame = frame
    this.#order = order
    this.#places = order === 'load' ? byLoad(frame) : null
    const geometry = this.#geometry
    if (geometry === null) return
    this.#drawCells(geometry, frame)
    if (geometry.bars) this.#drawBars(geometry, frame)
    const named = `${order} ${frame.experts} ${frame.layers.join()}`
    if (named === this.#named) return
    this.#named = named
    this.#drawNames(geometry, frame)
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

  /** The cell that is looked at, the one under the pointer, and dead experts. */
  mark(selected: Cell, hover: Cell | null): void {
    const geometry = this.#geometry
    const marked = [
      [selected.layer, this.#columnOf(selected), 2] as const,
      ...(hover === null ? [] : [[hover.layer, this.#columnOf(hover), 1] as const]),
    ]
    const told = `${marked.join()} ${this.#dead.join()}`
    if (geometry === null || told === this.#marked) return
    this.#marked = told
    const ctx = pen(this.#sheets.marks)
    ctx.clearRect(0, 0, geometry.width, geometry.height)
    const { left, top, cell, row, columns } = geometry
    this.#drawDead(ctx, geometry)
    ctx.strokeStyle = this.#palette.ink
    ctx.lineWidth = 1
    ctx.strokeRect(left - 0.5, top + selected.layer * row - 0.5, cell * columns + 1, row + 1)
    for (const [layer, column, width] of marked) {
      ctx.lineWidth = width
      ctx.strokeRect(left + column * cell - 2, top + layer * row - 2, cell + 4, row + 4)
    }
  }

  /** The picture with a title, as a PNG. */
  async picture(title: string): Promise<Blob> {
    const { cells, names, layers, bars, marks } = this.#sheets
    const canvas = document.createElement('canvas')
    const scale = devicePixelRatio
    canvas.width = marks.width
    canvas.height = marks.height + Math.round(TITLE * scale)
    const ctx = pen(canvas)
    ctx.fillStyle = token('--panel')
    ctx.fillRect(0, 0, canvas.width, canvas.height)
    ctx.fillStyle = this.#palette.ink
    ctx.font = `13px ${token('--sans')}`
    ctx.fillText(title, 8, 19)
    ctx.imageSmoothingEnabled = false
    const geometry = this.#geometry
    if (geometry !== null) {
      const { left, top, cell, columns, row, width, height } = geometry
      ctx.drawImage(cells, left, top + TITLE, cell * columns, row * cells.height)
      ctx.drawImage(names, 0, TITLE, width, TOP)
      ctx.drawImage(layers, 0, TITLE, left, height)
      if (geometry.bars) ctx.drawImage(bars, left + cell * columns, TITLE, BARS, height)
      ctx.drawImage(marks, 0, TITLE, width, height)
    }
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

  readonly #columnOf = ({ layer, expert }: Cell): number =>
    Math.floor(this.#placeOf(layer, expert) / (this.#geometry?.each ?? 1))

  #drawCells({ columns, each }: Geometry, frame: Frame): void {
    const { cells } = this.#sheets
    if (cells.width !== columns || cells.height !== frame.layers.length || this.#image === null) {
      cells.width = columns
      cells.height = frame.layers.length
      this.#image = new ImageData(columns, frame.layers.length)
    }
    const pixels = new Uint32Array(this.#image.data.buffer)
    // The usual case, as fast as it can be: a cell is an expert.
    this.#dead =
      each === 1 && this.#places === null ? this.#paintPlain(frame, pixels) : this.#paint(frame, pixels, columns, each)
    cells.getContext('2d')?.putImageData(this.#image, 0, 0)
  }

  #paintPlain({ ratios, experts }: Frame, pixels: Uint32Array): number[] {
    const { quick } = this.#palette
    const bits = new Uint32Array(ratios.buffer, ratios.byteOffset, ratios.length)
    const dead: number[] = []
    for (let index = 0; index < ratios.length; index += 1) {
      pixels[index] = quick[(bits[index] ?? 0) >>> 16] ?? 0
      if ((ratios[index] ?? Number.NaN) < DEAD_BELOW) dead.push(Math.floor(index / experts), index % experts)
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

  #drawDead(ctx: CanvasRenderingContext2D, { left, top, cell, row }: Geometry): void {
    const dead = this.#dead
    for (let index = 0; index < dead.length; index += 2) {
      const x = left + (dead[index + 1] ?? 0) * cell
      const y = top + (dead[index] ?? 0) * row
      ctx.fillStyle = this.#palette.deadEdge
      ctx.fillRect(x - 1.5, y - 1.5, cell + 3, row + 3)
      ctx.fillStyle = this.#palette.deadFill
      ctx.fillRect(x, y, cell, row)
    }
  }

  #drawNames({ left, top, cell, row, each, width, height }: Geometry, frame: Frame): void {
    const ctx = pen(this.#sheets.names)
    ctx.clearRect(0, 0, width, TOP)
    ctx.font = this.#palette.font
    ctx.fillStyle = this.#palette.ink3
    if (this.#order === 'load') {
      ctx.fillText('most load first, in each layer', left, 10)
    } else {
      const step = [1, 2, 4, 8, 16, 32, 64, 128].find((size) => (size / each) * cell >= 60) ?? 128
      for (let expert = 0; expert < frame.experts; expert += step) {
        ctx.fillText(expert === 0 ? 'expert 0' : String(expert), left + (expert / each) * cell, 10)
      }
    }
    const side = pen(this.#sheets.layers)
    side.clearRect(0, 0, left, height)
    side.font = this.#palette.font
    side.fillStyle = this.#palette.ink3
    side.textAlign = 'right'
    const every = Math.ceil(14 / row)
    for (const [index, name] of frame.layers.entries()) {
      if (index % every === 0) side.fillText(shortLayer(name, index), left - 6, top + index * row + row / 2 + 4)
    }
  }

  #drawBars({ top, row, height }: Geometry, frame: Frame): void {
    const ctx = pen(this.#sheets.bars)
    const x = 14
    const room = Math.max(20, BARS - x - 34)
    const { bar, bad, ink3, font } = this.#palette
    ctx.clearRect(0, 0, BARS, height)
    ctx.font = font
    ctx.fillStyle = ink3
    ctx.fillText('MaxVio', x, 10)
    const highest = Math.max(...frame.maxVio)
    const most = Math.max(1, highest)
    for (const [layer, value] of frame.maxVio.entries()) {
      const odd = (frame.hot[layer]?.length ?? 0) + (frame.dead[layer]?.length ?? 0) > 0
      ctx.fillStyle = odd ? bad : bar
      ctx.fillRect(x, top + layer * row + 1, Math.max(1, (value / most) * room), Math.max(1, row - 2))
      if (value === highest) {
        ctx.fillText(value.toFixed(2), x + (value / most) * room + 4, top + layer * row + row / 2 + 4)
      }
    }
  }
}

function lay({ style }: HTMLCanvasElement, left: number, top: number, width: number, height: number): void {
  style.left = `${left}px`
  style.top = `${top}px`
  style.width = `${width}px`
  style.height = `${height}px`
}

/** Draws in pixels of the page. */
function pen(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const ctx = canvas.getContext('2d')
  if (ctx === null) throw new Error('this browser has no canvas')
  ctx.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0)
  return ctx
}

/** Count and expert in one number each, so that numbers are sorted and no function is called for each comparison. */
function byLoad({ counts, layers, experts }: Frame): Uint16Array {
  const places = new Uint16Array(counts.length)
  const keys = new Float64Array(experts)
  for (let layer = 0; layer < layers.length; layer += 1) {
    const first = layer * experts
    for (let expert = 0; expert < experts; expert += 1) keys[expert] = expert - (counts[first + expert] ?? 0) * experts
    keys.sort()
    for (let at = 0; at < experts; at += 1) places[first + at] = (((keys[at] ?? 0) % experts) + experts) % experts
  }
  return places
}

function readPalette(): Palette {
  const table = colourTable(STOPS.map(([at, name]) => [at, parseHex(token(name))] as const))
  const gap = pack(parseHex(token('--load-gap')))
  return {
    table,
    quick: colourByBits(table, gap),
    gap,
    ink: token('--ink'),
    ink3: token('--ink-3'),
    bar: token('--line-3'),
    bad: token('--bad'),
    deadFill: token('--load-dead-fill'),
    deadEdge: token('--load-dead-edge'),
    font: `11px ${token('--sans')}`,
  }
}
