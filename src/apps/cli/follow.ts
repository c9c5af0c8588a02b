// Reads logs as they grow. A server that restarts is waited for: the run does not need it, and nor does whoever watches.
import type { Wire } from '../../contract/documents.ts'
import { ask, runPath } from './client.ts'
import { CliError, EXIT } from './exit.ts'
import { visible } from './format.ts'
import { note } from './print.ts'

export type Line = Wire<'logs'>['lines'][number]
type Where = { readonly worker: number; readonly attempt: number | null }

const PAUSE_MS = 500
const PATIENCE_MS = 120_000
/** A log that is still not complete so long after the end of the run will never be: its node is gone. */
const TAIL_MS = 30_000
const ENDED = new Set(['succeeded', 'failed', 'cancelled', 'suspended'])

/** A line that goes on in the next one is not ended. */
export function printLine(line: Line): void {
  process.stdout.write(`${visible(line.text)}${line.partial ? '' : '\n'}`)
}

export const readLog = (run: string, { worker, attempt }: Where, offset: number): Promise<Wire<'logs'>> =>
  ask('logs', 'GET', runPath(run, '/logs'), { query: { worker, attempt: attempt ?? undefined, offset } })

/** Until the attempt has ended; without one, until the run has, attempt after attempt. Returns the state of the run. */
export async function follow(run: string, { worker, attempt }: Where, take: (line: Line) => void): Promise<string> {
  let reading = attempt === null ? null : { attempt, offset: 0 }
  let endedAt: number | null = null
  let waits: string | null = null
  for (;;) {
    const { state, reason, message, attempts } = await patient(() => ask('show', 'GET', runPath(run)))
    if (state === 'queued' && reason !== null && reason !== waits)
      note(`${visible(run)} waits: ${reason}, ${visible(message ?? '')}`)
    waits = state === 'queued' ? reason : null
    const newest = attempts.at(-1)?.number ?? 0
    if (reading === null && newest > 0) reading = { attempt: newest, offset: 0 }
    let complete = true
    if (reading !== null) {
      const { attempt: number, offset } = reading
      const page = await patient(() => readLog(run, { worker, attempt: number }, offset))
      for (const line of page.lines) take(line)
      const more = page.nextOffset > offset
      complete = page.complete && !more
      if (more) reading = { attempt: number, offset: page.nextOffset }
      else if (complete && attempt === null && newest > number) reading = { attempt: number + 1, offset: 0 }
      else if (complete && attempt !== null) return state
      if (more || reading.attempt !== number) continue
    }
    if (ENDED.has(state)) {
      endedAt ??= performance.now()
      if (complete || performance.now() - endedAt > TAIL_MS) return state
    } else endedAt = null
    await pause()
  }
}

const pause = (): Promise<void> => new Promise((done) => setTimeout(done, PAUSE_MS))

async function patient<Value>(work: () => Promise<Value>): Promise<Value> {
  const since = performance.now()
  for (let said = false; ; said = true) {
    try {
      return await work()
    } catch (error) {
      const may = error instanceof CliError && error.exitCode === EXIT.noServer
      if (!may || performance.now() - since > PATIENCE_MS) throw error
      if (!said) note(`${error.message} The run goes on without it; trying again for ${PATIENCE_MS / 60_000} minutes.`)
      await pause()
    }
  }
}
