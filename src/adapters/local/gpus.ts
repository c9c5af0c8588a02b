// The GPUs of this machine, asked of the vendors' own programs. They take seconds on a cold driver and hang when a device has fallen
// off the bus, so the answer is kept, renewed behind the look's back, and a program that does not answer makes the node not ready.
import { execFile } from 'node:child_process'
import { catalogueName } from '../../domain/gpu-product.ts'
import { codeOf } from './directory.ts'
import { markOf } from './processes.ts'

/** `busy`: somebody else computes on it, or it is cut into parts, which we do not hand out. */
export type Device = { readonly id: string; readonly product: string; readonly busy: boolean }
export type Gpus = {
  readonly vendor: 'nvidia' | 'amd'
  readonly model: string
  /** In the order of their indices. */
  readonly devices: readonly Device[]
  /** Why they cannot be relied on at present. */
  readonly problem: string | null
}

export type Inventory = {
  /** Null where the machine has none. Throws where that is not known yet. */
  current(): Promise<Gpus | null>
  close(): void
}

type Options = {
  readonly env: Record<string, string | undefined>
  readonly bootMs: () => number
  /** Whether a worker is one of this home. */
  readonly isOurs: (worker: string) => boolean
  readonly log: (level: 'info' | 'warn' | 'error', fields: object, message: string) => void
}

type Answer =
  | { readonly kind: 'told'; readonly text: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'failed'; readonly why: string }

const RENEW_MS = 30_000
const WAIT_MS = 5_000
// A first call without the persistence daemon initialises every device: 10 s and more on eight of them.
const PROGRAM_MS = 60_000
// nvidia-smi: 6 no device was found, 9 no driver is loaded, 12 its library is missing. A container image may carry the program alone.
const NO_DEVICES = new Set<string | number | undefined>(['ENOENT', 'EACCES', 6, 9, 12])

export function createInventory(options: Options): Inventory {
  const closing = new AbortController()
  // `undefined` until it is known whether there are any.
  let gpus: Gpus | null | undefined
  let failure: string | null = null
  let askedMs = Number.NEGATIVE_INFINITY
  let renewing: Promise<void> | null = null

  async function renew(): Promise<void> {
    try {
      const now = await lookForGpus(options, closing.signal)
      if (gpus === undefined) options.log('info', { gpus: now?.devices.length ?? 0, model: now?.model }, 'GPUs found')
      gpus = withLost(gpus ?? null, now)
      failure = null
    } catch (error) {
      if (closing.signal.aborted) return
      failure = error instanceof Error ? error.message : String(error)
      options.log('error', { error }, 'the GPUs of this machine could not be asked for')
    } finally {
      renewing = null
    }
  }

  async function current(): Promise<Gpus | null> {
    if (renewing === null && options.bootMs() - askedMs >= RENEW_MS) {
      askedMs = options.bootMs()
      renewing = renew()
    }
    if (gpus === undefined && renewing !== null) await atMost(WAIT_MS, renewing)
    if (gpus === undefined)
      throw new Error(failure ?? 'nvidia-smi or rocm-smi has not answered yet: the GPUs are not known')
    if (gpus === null) return null
    const silentMs = renewing === null ? 0 : options.bootMs() - askedMs
    const silence =
      silentMs < RENEW_MS ? null : `${PROGRAM[gpus.vendor]} has not answered for ${Math.round(silentMs / 1000)} s`
    return { ...gpus, problem: failure ?? silence ?? gpus.problem }
  }

  return { current, close: () => closing.abort() }
}

const PROGRAM = { nvidia: 'nvidia-smi', amd: 'rocm-smi' } as const

/** Devices that were there once do not vanish silently: slots that somebody may hold would vanish with them. */
function withLost(before: Gpus | null, now: Gpus | null): Gpus | null {
  if (before === null || (now !== null && now.devices.length >= before.devices.length)) return now
  const seen = now?.devices.length ?? 0
  const problem = now?.problem ?? `${before.devices.length - seen} of ${before.devices.length} GPUs are no longer there`
  const devices = before.devices.map((device) => now?.devices.find(({ id }) => id === device.id) ?? device)
  return { ...before, devices, problem }
}

type Asking = Pick<Options, 'env' | 'isOurs' | 'log'>

/** One look. Null where the machine has none. Throws what its vendor's program says where there is one that fails. */
export async function lookForGpus(asking: Asking, signal: AbortSignal): Promise<Gpus | null> {
  return (await askNvidia(asking, signal)) ?? (await askAmd(asking, signal))
}

async function askNvidia({ env, isOurs, log }: Asking, signal: AbortSignal): Promise<Gpus | null> {
  const format = '--format=csv,noheader,nounits'
  const answer = await run('nvidia-smi', ['--query-gpu=index,uuid,name,mig.mode.current', format], env, signal)
  if (answer.kind === 'absent') return null
  if (answer.kind === 'failed') return broken('nvidia', answer.why)
  const rows = rowsOf(answer.text).filter((row) => row.length >= 3 && row[1]?.startsWith('GPU-'))
  if (rows.length === 0) return null
  const apps = await run('nvidia-smi', ['--query-compute-apps=gpu_uuid,pid', format], env, signal)
  if (apps.kind !== 'told') return broken('nvidia', apps.kind === 'failed' ? apps.why : 'it is no longer there')
  const used = new Set<string>()
  for (const [uuid, pid] of rowsOf(apps.text)) {
    const worker = markOf(Number(pid))
    if (uuid !== undefined && (worker === null || !isOurs(worker))) used.add(uuid)
  }
  rows.sort((a, b) => Number(a[0]) - Number(b[0]))
  const devices = rows.map(([, id = '', product = '', mig = '']) => ({
    id,
    product,
    busy: used.has(id) || mig === 'Enabled',
  }))
  return ofOneModel('nvidia', devices, log)
}

async function askAmd({ env, log }: Asking, signal: AbortSignal): Promise<Gpus | null> {
  const answer = await run('rocm-smi', ['--showuniqueid', '--showproductname', '--json'], env, signal)
  if (answer.kind === 'absent') return null
  if (answer.kind === 'failed') return broken('amd', answer.why)
  const devices = cardsOf(answer.text)
  return devices.length === 0 ? null : ofOneModel('amd', devices, log)
}

function cardsOf(text: string): Device[] {
  // Warnings stand before the document at times.
  const parsed: unknown = JSON.parse(text.slice(Math.max(text.indexOf('{'), 0)) || '{}')
  if (typeof parsed !== 'object' || parsed === null) return []
  const cards = Object.entries(parsed).filter(([name]) => /^card\d+$/.test(name))
  cards.sort(([a], [b]) => Number(a.slice(4)) - Number(b.slice(4)))
  return cards.flatMap(([, card]: [string, unknown]) => {
    if (typeof card !== 'object' || card === null) return []
    const fields = new Map(
      Object.entries(card).map(([key, value]: [string, unknown]) => [key.toLowerCase(), String(value)]),
    )
    const unique = fields.get('unique id')?.replace(/^0x/, '') ?? ''
    // The runtime wants 16 digits, rocm-smi leaves leading zeros out.
    return [{ id: `GPU-${unique.padStart(16, '0')}`, product: fields.get('card series') ?? '', busy: false }]
  })
}

/** A node has GPUs of one model: where there is a small one for the display, it is not a slot. */
function ofOneModel(vendor: 'nvidia' | 'amd', devices: readonly Device[], log: Options['log']): Gpus {
  const byModel = Map.groupBy(devices, (device) => catalogueName(device.product))
  const [model, most] = [...byModel].reduce((a, b) => (b[1].length > a[1].length ? b : a))
  if (byModel.size > 1)
    log('warn', { models: [...byModel.keys()], used: model }, 'GPUs of several models: only one is used')
  return { vendor, model, devices: most, problem: null }
}

/** The program is there and fails for another reason than that there is no device. What was known before stays, as not ready. */
function broken(vendor: 'nvidia' | 'amd', why: string): never {
  throw new Error(`${PROGRAM[vendor]} failed, run it by hand to see what is wrong with the GPUs: ${why}`)
}

function run(program: string, args: readonly string[], env: Options['env'], signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve) => {
    const options = { env, timeout: PROGRAM_MS, killSignal: 'SIGKILL', maxBuffer: 4 * 1024 * 1024 } as const
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      signal.removeEventListener('abort', end)
      if (error === null) resolve({ kind: 'told', text: stdout })
      else if (NO_DEVICES.has(codeOf(error))) resolve({ kind: 'absent' })
      else resolve({ kind: 'failed', why: (stderr.trim() || stdout.trim() || error.message).slice(0, 500) })
    })
    // Not by the option `signal`: of a program that is not there Node keeps the pid 0 for a moment, and kills that, which is our own
    // process group and whoever started us.
    const end = (): void => {
      if (child.pid !== undefined) child.kill('SIGKILL')
    }
    if (signal.aborted) end()
    else signal.addEventListener('abort', end)
  })
}

const rowsOf = (text: string): string[][] =>
  text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.split(',').map((field) => field.trim())]))

async function atMost(ms: number, done: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  await Promise.race([done, promise])
  clearTimeout(timer)
}
