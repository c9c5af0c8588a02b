// Which devices a worker gets. A plan counts slots: it fills them from the front and leaves out, at the end, as many as strangers
// use, wherever those sit. So slots become devices here, when a worker is launched, and what it got stands in its plan.json.
import { join } from 'node:path'
import type { PlannedWorker } from '../../domain/plan.ts'
import { readText } from './directory.ts'
import type { Device } from './gpus.ts'

/**
 * The ids for the worker's slots, fewer where there are no more. A slot means its own device unless that one is in use. A device that
 * a stranger was seen on comes last and is still given: the look may be 30 s old, and the plan knew it too.
 */
export function chooseDevices(worker: PlannedWorker, devices: readonly Device[], held: ReadonlySet<string>): string[] {
  const chosen = new Set<string>()
  const isFree = (device: Device): boolean => !held.has(device.id) && !chosen.has(device.id)
  for (const slot of worker.slots) {
    const own = devices[slot]
    if (own === undefined) continue
    const order = [own, ...devices.toReversed()].filter(isFree)
    const device = order.find(({ busy }) => !busy) ?? order[0]
    if (device !== undefined) chosen.add(device.id)
  }
  return [...chosen]
}

/** What a worker was given when it was prepared. */
export function devicesOf(folder: string): string[] {
  const text = readText(join(folder, 'plan.json'))
  if (text === null) return []
  try {
    const plan: unknown = JSON.parse(text)
    if (typeof plan !== 'object' || plan === null || !('devices' in plan) || !Array.isArray(plan.devices)) return []
    return plan.devices.filter((id: unknown) => typeof id === 'string')
  } catch {
    return [] // torn by a power cut, which nothing of the worker has outlived
  }
}
