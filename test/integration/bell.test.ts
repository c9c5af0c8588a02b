// A ring of one process lets the loop of another look; the process that only rings takes no message.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openBell } from '../../src/adapters/bullmq/bell.ts'
import { startLooks } from '../../src/adapters/bullmq/looks.ts'
import { startEmbeddedPostgres } from '../../src/adapters/postgres/embedded.ts'
import { until } from '../parts/plimsoll.ts'

const home = mkdtempSync(join(tmpdir(), 'plimsoll-bell-'))
const server = await startEmbeddedPostgres({ home, log: () => {} })
after(async () => {
  await server.stop()
  rmSync(home, { recursive: true, force: true })
})

test('each ring is followed by a look that begins after it, whoever rings, and however often', async () => {
  const looked = { place: 0, launch: 0, observe: 0, account: 0 }
  const loop = (name: keyof typeof looked) => ({ everyMs: 600_000, run: async () => void (looked[name] += 1) })
  const said: string[] = []
  const looks = await startLooks({
    connection: server.connection,
    redisUrl: null,
    loops: { place: loop('place'), launch: loop('launch'), observe: loop('observe'), account: loop('account') },
    log: (_, fields, message) => void said.push(`${message} ${JSON.stringify(fields)}`),
  })
  const bells = await Promise.all(
    [1, 2].map(() => openBell(server.connection, null, (_level, _fields, text) => said.push(text))),
  )
  try {
    // A timer that is made anew comes at once.
    await until('the first looks', () => Object.values(looked).every((count) => count > 0))
    for (let round = 0; round < 20; round += 1) {
      const before = looked.place
      bells[round % 2]?.ring('place')
      await until('a look', () => looked.place > before, 5_000)
    }
    const before = looked.place
    for (let ring = 0; ring < 1_000; ring += 1) bells[0]?.ring('place')
    await until('a look', () => looked.place > before, 5_000)
    assert.ok(looked.place - before < 200, `1,000 rings at once are few looks, not ${looked.place - before}`)
    assert.deepEqual(said, [])
  } finally {
    for (const bell of bells) await bell.close()
    await looks.close()
  }
})
