// What is stored of logs: no more of a run than its limit, and each log that ends before its worker did ends with one line that says so;
// one event of the run does. Asked at rest.
import type { RunId } from '../../domain/ids.ts'
import type { Tables } from '../store/tables.ts'

const OURS = /^\S+ plimsoll F .*\n/gm

export function checkStoredLogs(tables: Tables, bytesMax: number): string | null {
  for (const run of tables.runs.keys()) {
    const problem = checkRun(tables, run, bytesMax)
    if (problem !== null) return problem
  }
  return null
}

function checkRun(tables: Tables, run: RunId, bytesMax: number): string | null {
  let stored = 0
  let cuts = 0
  const workers = (tables.attemptsOf.get(run) ?? []).flatMap((attempt) => tables.cursorsOf.get(attempt) ?? [])
  for (const worker of workers) {
    // What a trainer prints is ASCII: each chunk is text by itself.
    const text = (tables.chunks.get(worker) ?? []).map(({ bytes }) => new TextDecoder().decode(bytes)).join('')
    const ours = text.match(OURS) ?? []
    const printed = text.replaceAll(OURS, '').length
    const read = tables.cursors.get(worker)?.offset ?? 0
    if (ours.length !== (printed < read ? 1 : 0))
      return `${printed} of ${read} bytes of the log of ${worker} are stored, and ${ours.length} lines say that it is cut`
    if (!text.endsWith(ours[0] ?? '')) return `the log of ${worker} goes on after it was cut`
    stored += printed
    cuts += ours.length
  }
  if (stored > bytesMax) return `${stored} bytes of the logs of ${run} are stored, and the limit is ${bytesMax}`
  const told = tables.events.rows.filter((event) => event.run === run && event.kind === 'log-limit').length
  return told === (cuts > 0 ? 1 : 0) ? null : `${cuts} logs of ${run} are cut, and ${told} events say so`
}
