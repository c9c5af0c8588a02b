// The demonstration: prepares a Python that can import torch while the control plane is up already, submits examples/moe, shows a
// live line and ends with the statement. It leaves nothing behind.
import { homedir } from 'node:os'
import { join } from 'node:path'
import { EnvironmentFault, prepareEnvironment } from '../../adapters/local/environment.ts'
import { booksOf, statementOf } from '../../control/views/statement.ts'
import type { Receiver } from './receiver.ts'
import { startReceiver } from './receiver.ts'
import { killMarked } from '../../adapters/local/processes.ts'
import type { RunDocument, ShowDocument, StatementDocument } from '../../domain/documents.ts'
import type { RunId, WorkerId } from '../../domain/ids.ts'
import type { Principal } from '../../domain/principal.ts'
import type { NodeSeen } from '../../ports/cluster.ts'
import { projectRoot, readSpec } from '../parts/files.ts'
import type { Service } from '../parts/service.ts'
import { liveLine, statementText } from './lines.ts'
import type { Ending } from '../parts/ending.ts'
import { patient } from './patient.ts'
import { Exit, say } from '../parts/say.ts'
import { toWire } from '../../contract/wire.ts'

const LOOK_MS = 500
const PLAIN_EVERY_MS = 10_000

/** What goes wrong on purpose, so that a first look sees a restart and what it costs. */
export type DemoFault = 'worker' | 'none'

/** Between two checkpoints of the example, so that the steps since the last one have to be done again. */
const FAULT_AT_STEP = 225

export type DemoResult = { readonly ended: boolean; readonly code: number }

export class Demonstration {
  condition: NodeSeen['condition'] = {
    kind: 'not-ready',
    reason: 'preparing-environment',
    message: 'looking for a Python with PyTorch',
  }
  binDir: string | null = null
  readonly #abort = new AbortController()
  #preparing: Promise<void> = Promise.resolve()
  #fault: EnvironmentFault | null = null
  #receiver: { readonly receiver: Receiver; readonly remove: () => Promise<unknown> } | null = null

  async run(
    service: Service,
    who: Principal,
    options: { untilDone: boolean; json: boolean; asked: Ending; fault: DemoFault },
  ): Promise<DemoResult> {
    this.#preparing = this.#prepare(service)
    this.#receiver = await listen(service, who)
    const run = await submitExample(service, who)
    const ended = await this.#follow(service, who, run, options)
    if (!ended) {
      await patient(() => service.requests.stop(who, run.id, false))
      say('the demonstration run is asked to stop; it saves a checkpoint first (Ctrl-C again: do not wait)')
      await settled(service, run.id as RunId)
      return { ended: true, code: 130 }
    }
    const statement = await settled(service, run.id as RunId)
    if (options.json) process.stdout.write(`${JSON.stringify(toWire('statement', statement))}\n`)
    else say(statementText(statement))
    if (!options.untilDone && !options.asked.isAsked) {
      say('the control plane stays up; Ctrl-C ends it')
      await options.asked.asked
    }
    return { ended: true, code: statement.state === 'succeeded' ? 0 : 1 }
  }

  async end(): Promise<void> {
    this.#abort.abort(new Error('plimsoll ends'))
    await this.#preparing
  }

  /** While the service still stands. */
  async hangUp(): Promise<void> {
    await this.#receiver?.remove().catch(() => null)
    await this.#receiver?.receiver.close()
    this.#receiver = null
  }

  async #prepare(service: Service): Promise<void> {
    try {
      const environment = await prepareEnvironment({
        env: process.env,
        cacheDir: process.env.PLIMSOLL_CACHE ?? join(homedir(), '.cache', 'plimsoll'),
        signal: this.#abort.signal,
        onProgress: ({ phase, detail }) => {
          this.condition = { kind: 'not-ready', reason: 'preparing-environment', message: `${phase}: ${detail}` }
        },
      })
      this.binDir = environment.binDir
      this.condition = { kind: 'ready' }
      service.control.doorbell.ring('observe')
    } catch (error) {
      if (this.#abort.signal.aborted) return
      const fault =
        error instanceof EnvironmentFault ? error : new EnvironmentFault('unusable', String(error), 'see the log')
      this.#fault = fault
      this.condition = { kind: 'not-ready', reason: 'preparing-environment', message: fault.message }
    }
  }

  /** False when a person asked to end before the run did. */
  async #follow(
    service: Service,
    who: Principal,
    run: RunDocument,
    options: { asked: Ending; fault: DemoFault },
  ): Promise<boolean> {
    const terminal = process.stderr.isTTY
    let shown = ''
    let shownAt = 0
    let faultToCome = options.fault === 'worker'
    try {
      while (!options.asked.isAsked) {
        if (this.#fault !== null) {
          // It would wait for ever, and meet the next demonstration by its name.
          await patient(() => service.requests.stop(who, run.id, true))
          throw new Exit(1, `the demonstration cannot run: ${this.#fault.message}\n  ${this.#fault.whatToDo}`)
        }
        const show = await patient(() => service.views.show(who, run.id))
        if (!show.ok) throw new Exit(1, show.message)
        if (faultToCome) faultToCome = !killOne(show.value)
        const text = liveLine(show.value, this.condition)
        const now = performance.now()
        if (terminal) process.stderr.write(`\r\u001b[K${text.slice(0, (process.stderr.columns ?? 120) - 1)}`)
        else if (text !== shown && (now - shownAt > PLAIN_EVERY_MS || stateOf(text) !== stateOf(shown))) {
          say(text)
          shown = text
          shownAt = now
        }
        if (['succeeded', 'failed', 'cancelled', 'suspended'].includes(show.value.state)) return true
        await Promise.race([options.asked.asked, pause(LOOK_MS)])
      }
      return false
    } finally {
      if (terminal) process.stderr.write('\n')
    }
  }
}

const CHANNEL = 'demonstration'

/** Alerts of the demonstration go to a receiver of our own. One that was left by an `up` that was killed led nowhere any more. */
async function listen(service: Service, who: Principal) {
  let secret = ''
  const receiver = await startReceiver(
    () => secret,
    (title) => say(`an alert arrived at the receiver of the demonstration: ${title}`),
  )
  const remove = (): Promise<unknown> => service.alerts.removeChannel(who, CHANNEL)
  await patient(remove)
  const made = await patient(() =>
    service.alerts.createChannel(who, {
      name: CHANNEL,
      project: 'demo',
      address: { kind: 'webhook', url: receiver.url, secrets: [] },
      severity: 'warning',
      rules: null,
      digest: false,
    }),
  )
  if (made.ok) secret = made.value.secret ?? ''
  else say(`nobody is told of the alerts of the demonstration: ${made.message}`)
  return { receiver, remove }
}

/** Kills worker 1 of the first attempt once; true when it was done, or when this run has had a failure already. */
function killOne(show: ShowDocument): boolean {
  const [first, second] = show.attempts
  if (second !== undefined) return true
  const worker = first?.workers.find(({ state }) => state === 'running')
  if (first === undefined || worker === undefined || (show.progress.step ?? 0) < FAULT_AT_STEP) return false
  say(
    `worker ${first.workers.at(-1)?.id ?? worker.id} is killed on purpose: its run comes back from its newest checkpoint, and the books show what that cost (--demo-fault none: nothing is killed)`,
  )
  killMarked((first.workers.at(-1)?.id ?? worker.id) as WorkerId)
  return true
}

const stateOf = (text: string): string => text.slice(0, text.indexOf(' '))

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms)
  })

/** The example of the checkout. A run of it that lives already, from an `up` that was killed, is followed instead. */
async function submitExample(service: Service, who: Principal): Promise<RunDocument> {
  const written = readSpec(join(projectRoot, 'examples', 'moe', 'run.yaml'))
  const nodes = Math.min(written.resources.nodes, await workersThatFit(service, who))
  if (nodes < written.resources.nodes)
    say(`this machine has one GPU: the demonstration has one worker here instead of ${written.resources.nodes}`)
  // Each worker has a batch of its own.
  const tokens = written.training.tokens === null ? null : (written.training.tokens * nodes) / written.resources.nodes
  const spec = { ...written, resources: { ...written.resources, nodes }, training: { ...written.training, tokens } }
  // A repeat of one that did come through meets its name, and follows it.
  const submitted = await patient(() => service.requests.submit(who, spec, null))
  if (submitted.ok) return submitted.value.run
  const living =
    submitted.code === 'name-taken'
      ? await patient(() => service.views.show(who, `${spec.project}/${spec.name}`))
      : submitted
  if (!living.ok) throw new Exit(3, `the example was refused: ${living.message}`)
  say(`run ${living.value.id} of the demonstration is there already and is followed`)
  if (living.value.state === 'suspended') {
    const resumed = await patient(() => service.requests.resume(who, living.value.id))
    if (!resumed.ok) throw new Exit(3, `it is suspended and cannot be resumed: ${resumed.message}`)
    say('it was suspended, and is resumed')
  }
  return living.value
}

/** A cold driver takes this long to tell of its GPUs. */
const LOOK_MS_MAX = 60_000

/** How many workers of one slot this machine holds: with a single GPU the example as it is written would wait for ever. */
async function workersThatFit(service: Service, who: Principal): Promise<number> {
  for (let waited = 0; waited < LOOK_MS_MAX; waited += LOOK_MS) {
    const seen = await patient(() => service.views.nodes(who))
    if (seen.ok && seen.value.nodes.length > 0) return Math.max(1, ...seen.value.nodes.map(({ gpus }) => gpus))
    await pause(LOOK_MS)
  }
  return Number.POSITIVE_INFINITY
}

const SETTLE_MS_MAX = 30_000

/** Waits until the run's last slot is released, its logs are read and its books are posted: then the statement is final. */
async function settled(service: Service, run: RunId): Promise<StatementDocument> {
  for (let waited = 0; ; waited += 100) {
    const { found, open, statement } = await patient(() => look(service, run))
    const ended = ['succeeded', 'failed', 'cancelled', 'suspended'].includes(found.state.kind)
    const told = ((await service.control.alerting?.store.alertsOf(run))?.pending ?? 0) === 0
    if ((ended && !open && told && statement.provisionalGpuMs === 0) || (ended && waited > SETTLE_MS_MAX))
      return patient(() => statementOf(service.context, found))
    service.control.doorbell.ring(open ? 'observe' : 'account')
    await pause(100)
  }
}

async function look(service: Service, run: RunId) {
  const found = await service.store.run(run)
  if (found === null) throw new Exit(1, `run ${run} is gone`)
  const open = (await service.store.logCursors()).some((cursor) => cursor.run === run)
  return { found, open, statement: await booksOf(service.control, found) }
}
