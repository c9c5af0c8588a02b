import { join } from 'node:path'
import { test } from 'node:test'
import { localWorld } from '../../src/adapters/local/fixture.ts'
import { clusterSuite } from './cluster-suite.ts'

void test('local', async (t) => {
  const world = await localWorld(t, { declaredSlots: 8 })
  clusterSuite('local', async () => ({
    cluster: world.cluster,
    now: world.now,
    again: world.again,
    pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    codes: { bad: 7, neighbour: 0 },
    lines: { first: /stdout F line 1$/, last: /stdout F line 3$/ },
    plan(work, workers) {
      const body =
        work.kind === 'stays'
          ? 'echo line 1; exec sleep 3600'
          : `for n in 1 2 3; do echo line $n; sleep 0.1; done; [ "$PLIMSOLL_NODE_RANK" != "${work.failing ?? 'none'}" ] || exit 7`
      return world.plan(['sh', '-c', body], { workdir: join(world.home) }, workers)
    },
  }))
})
