// The suite that every cluster passes, on a real API server with its controllers and scheduler, and 200 nodes of kwok.
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe } from 'node:test'
import type { KubernetesCluster } from '../../src/adapters/kubernetes/cluster.ts'
import { clusterSuite } from '../conformance/cluster-suite.ts'
import { findBinaries } from './binaries.ts'
import type { ControlPlane } from './control-plane.ts'
import { makeNamespace, PLANE_BINARIES, startControlPlane } from './control-plane.ts'
import { makeNodes } from './nodes.ts'
import { until } from './processes.ts'
import { clock, clusterOf, planOf } from './world.ts'

const found = await findBinaries(PLANE_BINARIES)

describe('kubernetes', { skip: found.kind === 'missing' && found.why }, () => {
  let plane: ControlPlane
  let nodes: string[]
  const clusters: KubernetesCluster[] = []
  let logFile = ''

  const open = async (): Promise<KubernetesCluster> => {
    const cluster = clusterOf(plane)
    clusters.push(cluster)
    await until('a first look', 20_000, () => cluster.observe().catch(() => null))
    return cluster
  }

  before(async () => {
    const started = await startControlPlane()
    if (started.kind !== 'running') throw new Error(started.why)
    plane = started
    nodes = await makeNodes(plane.api, 200)
    await makeNamespace(plane.api, 'runs')
    logFile = join(mkdtempSync(join(tmpdir(), 'plimsoll-log-')), 'log')
    // As runtimes write them: a long line in parts, and the last one without an end.
    const bar = Array.from({ length: 20 }, () => `P ${'\r 99%'.repeat(3_000)}`)
    const lines = ['F line 1', ...bar, 'F ', 'P line 3'].map(
      (text, n) => `${new Date().toISOString().replace('Z', `${String(n).padStart(6, '0')}Z`)} stdout ${text}\n`,
    )
    writeFileSync(logFile, lines.join(''))
  })
  after(async () => {
    for (const cluster of clusters) await cluster.close()
    await plane?.stop()
  })

  let at = 0
  clusterSuite('kubernetes', async () => {
    clusters[0] ??= await open()
    return {
      cluster: clusters[0],
      now: () => clock.now(),
      again: open,
      pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      codes: { bad: 7, neighbour: 0 },
      lines: { first: /stdout F line 1$/, last: /stdout F line 3$/ },
      plan(work, workers) {
        at += workers
        const mine = nodes.slice(at % 150, (at % 150) + workers)
        if (work.kind === 'stays') return planOf(mine)
        const failing = work.failing === undefined ? {} : { [`exit-code.${work.failing}`]: '7' }
        return planOf(mine, { 'run-ms': '1500', 'log-file': logFile, ...failing })
      },
    }
  })
})
