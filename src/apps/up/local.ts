import { join } from 'node:path'
import { createLocalCluster } from '../../adapters/local/cluster.ts'
import { findPython } from '../../adapters/local/environment.ts'
import { bootMs } from '../../adapters/system/clock.ts'
import type { Config } from '../../contract/config.ts'
import type { ClusterName } from '../../domain/ids.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Cluster } from '../../ports/cluster.ts'
import { projectRoot } from '../parts/files.ts'
import type { Demonstration } from './demo.ts'

/** The real interpreter of the supervisors. */
export async function findInterpreter(): Promise<string> {
  return (await findPython(process.env)).python
}

export async function localCluster(options: {
  readonly home: string
  readonly clock: Clock
  readonly config: Config
  readonly python: string
  readonly demo: Demonstration | null
  readonly log: (level: 'info' | 'warn' | 'error', fields: object, message: string) => void
}): Promise<Cluster & { close(): Promise<void> }> {
  const { local } = options.config
  return createLocalCluster({
    name: local.name as ClusterName,
    home: options.home,
    clock: options.clock,
    bootMs,
    python: options.python,
    declaredSlots: local.slots === 'auto' ? 8 : local.slots,
    nodeName: 'localhost',
    nodeCondition: () => options.demo?.condition ?? { kind: 'ready' },
    baseEnv: process.env,
    extraPath: () => options.demo?.binDir ?? null,
    reporterPath: join(projectRoot, 'src', 'reporter'),
    log: options.log,
  })
}
