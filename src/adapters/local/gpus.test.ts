import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { workerIdOf } from '../../domain/ids.ts'
import { localWorld, until } from './fixture.ts'
import { createInventory } from './gpus.ts'
import { catalogueName } from '../../domain/gpu-product.ts'

const PRODUCTS = [
  ['NVIDIA H100 80GB HBM3', 'h100-sxm'],
  ['NVIDIA H100 PCIe', 'h100-pcie'],
  ['NVIDIA H100 NVL', 'h100-nvl'],
  ['NVIDIA H800', 'h800-sxm'],
  ['NVIDIA H200', 'h200'],
  ['NVIDIA H200 NVL', 'h200-nvl'],
  ['NVIDIA H20', 'h20'],
  ['NVIDIA GH200 480GB', 'gh200'],
  ['NVIDIA B200', 'b200'],
  ['NVIDIA GB200', 'gb200'],
  ['NVIDIA A100-SXM4-80GB', 'a100-sxm-80'],
  ['A100-SXM4-40GB', 'a100-sxm-40'],
  ['NVIDIA A100 80GB PCIe', 'a100-pcie-80'],
  ['NVIDIA A100-PCIE-40GB', 'a100-pcie-40'],
  ['NVIDIA A800-SXM4-80GB', 'a800-sxm-80'],
  ['NVIDIA L40S', 'l40s'],
  ['Tesla V100-SXM2-32GB', 'v100-sxm2-32'],
  ['AMD Instinct MI300X', 'mi300x'],
  ['NVIDIA GeForce RTX 4090', 'rtx-4090'],
  ['NVIDIA RTX 6000 Ada Generation', 'rtx-6000-ada-generation'],
  ['NVIDIA', 'unknown'],
] as const

for (const [product, name] of PRODUCTS) {
  void test(`${product} is ${name} in the catalogue`, () => assert.equal(catalogueName(product), name))
}

const ONE_H100 = '0, GPU-aa, NVIDIA H100 80GB HBM3, Disabled'
const TWO_H100 = `${ONE_H100}\n1, GPU-bb, NVIDIA H100 80GB HBM3, Disabled`

/** An nvidia-smi that tells these devices and these processes. */
const nvidia = (gpus: string, apps = ''): string =>
  `case "$1" in --query-gpu*) printf '%s\\n' '${gpus}';; *) printf '%s\\n' '${apps}';; esac`

/** A folder of programs that answer what a test says: there is no GPU here. Time passes when the test says so. */
function machine(t: TestContext, programs: Record<string, string>) {
  const bin = mkdtempSync(join(tmpdir(), 'plimsoll-gpus-'))
  let nowMs = 0
  const errors: string[] = []
  const ours = new Set<string>()
  const env = { PATH: `${bin}:/usr/bin:/bin` }
  const inventory = createInventory({
    env,
    bootMs: () => nowMs,
    isOurs: (worker) => ours.has(worker),
    log: (level, _, message) => level === 'error' && errors.push(message),
  })
  t.after(() => {
    inventory.close()
    rmSync(bin, { recursive: true })
  })
  const write = (scripts: Record<string, string>): void => {
    for (const [name, script] of Object.entries(scripts)) {
      writeFileSync(join(bin, name), `#!/bin/sh\n# A fake of ${name} for a test.\n${script}\n`, { mode: 0o755 })
    }
  }
  write(programs)
  const pass = (ms: number): void => {
    nowMs += ms
  }
  return { inventory, write, pass, env, ours, errors }
}

void test('without a vendor’s program, or with one that finds no device or no driver, there are no GPUs', async (t) => {
  for (const programs of [
    {},
    { 'nvidia-smi': 'echo no driver; exit 9' },
    { 'nvidia-smi': 'echo No devices were found; exit 6' },
  ]) {
    assert.equal(await machine(t, programs).inventory.current(), null)
  }
})

void test('slots are the devices in the order of their indices', async (t) => {
  const rows = '1, GPU-bb, NVIDIA H100 80GB HBM3, Disabled\n0, GPU-aa, NVIDIA H100 80GB HBM3, Disabled'
  const gpus = await machine(t, { 'nvidia-smi': nvidia(rows) }).inventory.current()
  assert.deepEqual(
    [gpus?.model, gpus?.devices.map(({ id, busy }) => [id, busy])],
    [
      'h100-sxm',
      [
        ['GPU-aa', false],
        ['GPU-bb', false],
      ],
    ],
  )
})

void test('a device is foreign when somebody else computes on it or when it is cut into parts, not when one of ours does', async (t) => {
  const env = { ...process.env, PLIMSOLL_WORKER: 'ours' }
  const mine = spawn('sleep', ['3600'], { env })
  const theirs = spawn('sleep', ['3600'])
  await Promise.all([once(mine, 'spawn'), once(theirs, 'spawn')])
  t.after(() => [mine, theirs].map((child) => child.kill('SIGKILL')))
  const rows = `${TWO_H100}\n2, GPU-cc, NVIDIA H100 80GB HBM3, Enabled`
  const { inventory, ours } = machine(t, { 'nvidia-smi': nvidia(rows, `GPU-aa, ${mine.pid}\nGPU-bb, ${theirs.pid}`) })
  ours.add('ours')
  const gpus = await inventory.current()
  assert.deepEqual(
    gpus?.devices.map(({ busy }) => busy),
    [false, true, true],
  )
})

void test('a small device of another model for the display is no slot', async (t) => {
  const rows = `0, GPU-dd, NVIDIA T400, Disabled\n1, GPU-aa, NVIDIA H100 PCIe, Disabled\n2, GPU-bb, NVIDIA H100 PCIe, Disabled`
  const gpus = await machine(t, { 'nvidia-smi': nvidia(rows) }).inventory.current()
  assert.deepEqual([gpus?.model, gpus?.devices.map(({ id }) => id)], ['h100-pcie', ['GPU-aa', 'GPU-bb']])
})

void test('the devices are asked for every 30 s at most, and the answer is taken up without waiting for it', async (t) => {
  const { inventory, write, pass } = machine(t, { 'nvidia-smi': nvidia(ONE_H100) })
  assert.equal((await inventory.current())?.devices.length, 1)
  write({ 'nvidia-smi': nvidia(TWO_H100) })
  pass(29_000)
  assert.equal((await inventory.current())?.devices.length, 1)
  pass(1_000)
  await until('two devices', async () => ((await inventory.current())?.devices.length === 2 ? true : null))
})

void test('a device that is no longer told stays a slot of a node that is not ready', async (t) => {
  const { inventory, write, pass } = machine(t, { 'nvidia-smi': nvidia(TWO_H100) })
  await inventory.current()
  write({ 'nvidia-smi': nvidia(ONE_H100) })
  pass(30_000)
  const gpus = await until('the loss', async () => {
    const now = await inventory.current()
    return now?.problem === null ? null : now
  })
  assert.deepEqual([gpus?.devices.length, gpus?.problem], [2, '1 of 2 GPUs are no longer there'])
})

void test('a program that fails makes the node not ready, and ready again when it answers', async (t) => {
  const { inventory, write, pass } = machine(t, { 'nvidia-smi': nvidia(ONE_H100) })
  await inventory.current()
  write({ 'nvidia-smi': 'echo "GPU 0000:1a:00.0 has fallen off the bus" >&2; exit 15' })
  pass(30_000)
  const broken = await until('the failure', async () => (await inventory.current())?.problem ?? null)
  assert.match(broken, /nvidia-smi failed, run it by hand.*fallen off the bus/)
  write({ 'nvidia-smi': nvidia(ONE_H100) })
  pass(30_000)
  await until('ready', async () => ((await inventory.current())?.problem === null ? true : null))
})

void test('a program that hangs makes the node not ready, and closing ends it', async (t) => {
  const { inventory, write, pass } = machine(t, { 'nvidia-smi': nvidia(ONE_H100) })
  await inventory.current()
  write({ 'nvidia-smi': 'exec sleep 3600' })
  pass(30_000)
  assert.equal((await inventory.current())?.problem, null)
  pass(31_000)
  assert.match((await inventory.current())?.problem ?? '', /nvidia-smi has not answered for 31 s/)
})

void test('where the GPUs were never known, a failure is a fault and not a machine without GPUs', async (t) => {
  const { inventory, errors } = machine(t, {
    'nvidia-smi': 'echo "Failed to initialize NVML: Unknown Error" >&2; exit 255',
  })
  await assert.rejects(inventory.current(), /Failed to initialize NVML/)
  await assert.rejects(inventory.current(), /Failed to initialize NVML/)
  assert.equal(errors.length, 1)
})

void test('a worker sees the devices of its slots by their own ids', async (t) => {
  const { env } = machine(t, { 'nvidia-smi': nvidia(TWO_H100) })
  const world = await localWorld(t, { baseEnv: { ...env, CUDA_VISIBLE_DEVICES: '7' } })
  const { nodes } = await world.cluster.observe()
  assert.deepEqual([nodes[0]?.gpuModel, nodes[0]?.slots, nodes[0]?.declared], ['h100-sxm', 2, false])
  const plan = world.plan(['sh', '-c', 'echo $CUDA_VISIBLE_DEVICES'], {}, 3)
  await world.cluster.launch(plan, null, null)
  const [first, second, third] = plan.workers
  assert.ok(first !== undefined && second !== undefined && third !== undefined)
  await world.exited(second.id)
  assert.deepEqual(await world.text(second.id), ['stdout GPU-bb'])
  assert.match((await world.exited(third.id)).message ?? '', /slot 2 was planned, but this machine has 2 GPUs now/)
  await world.exited(first.id)
})

void test('a stranger on the first device moves the worker to another, and is counted once', async (t) => {
  const stranger = spawn('sleep', ['3600'])
  await once(stranger, 'spawn')
  t.after(() => stranger.kill('SIGKILL'))
  const { env } = machine(t, { 'nvidia-smi': nvidia(TWO_H100, `GPU-aa, ${stranger.pid}`) })
  const world = await localWorld(t, { baseEnv: env })
  const foreign = async (): Promise<number | undefined> => (await world.cluster.observe()).nodes[0]?.foreign
  assert.equal(await foreign(), 1)
  const command = ['sh', '-c', 'echo $CUDA_VISIBLE_DEVICES; exec sleep 3600']
  // The plan counts what is free from the front: slot 0 is all it has.
  const first = await world.launch(command)
  await until('the device', async () => ((await world.text(first.worker)).includes('stdout GPU-bb') ? true : null))
  assert.equal(await foreign(), 1)
  // Whoever plans for the stranger's place gets the device that is left, never that of another worker.
  const second = await world.launch(command)
  await until('the device', async () => ((await world.text(second.worker)).includes('stdout GPU-aa') ? true : null))
  assert.equal(await foreign(), 0)
  const third = await world.exited((await world.launch(command)).worker)
  assert.match(third.message ?? '', /1 GPUs were planned, but other runs of this machine hold all but 0/)
  await world.end(first.attempt, 0)
  await world.exited(first.worker)
  const fourth = await world.launch(command)
  await until('the device', async () => ((await world.text(fourth.worker)).includes('stdout GPU-bb') ? true : null))
})

void test('AMD devices are shown by id to the lower layer and by index to the upper one', async (t) => {
  const cards = {
    card1: { 'Unique ID': '0xbeef', 'Card Series': 'AMD Instinct MI300X' },
    card0: { 'Unique ID': '0x1234567890abcdef', 'Card Series': 'AMD Instinct MI300X' },
    system: { 'Driver version': '6.10' },
  }
  const { env } = machine(t, { 'rocm-smi': `echo 'WARNING: low power'; echo '${JSON.stringify(cards)}'` })
  const world = await localWorld(t, { baseEnv: env })
  assert.equal((await world.cluster.observe()).nodes[0]?.gpuModel, 'mi300x')
  const command = ['sh', '-c', 'echo $ROCR_VISIBLE_DEVICES $HIP_VISIBLE_DEVICES']
  const plan = world.plan(command, {}, 2)
  await world.cluster.launch(plan, null, null)
  const second = workerIdOf(plan.attempt, 1)
  await world.exited(second)
  assert.deepEqual(await world.text(second), ['stdout GPU-000000000000beef 0'])
  await world.exited(workerIdOf(plan.attempt, 0))
})

void test('who stops looking while a program is found not to be there ends nobody', async () => {
  // In a process group of its own: a signal to the whole group ends that alone.
  const code = `
    const { createInventory } = await import(${JSON.stringify(new URL('gpus.ts', import.meta.url).href)})
    for (let turn = 0; turn < 5; turn += 1) {
      const inventory = createInventory({ env: { PATH: '/none' }, bootMs: () => turn, isOurs: () => false, log: () => {} })
      const looked = inventory.current().catch(() => null)
      inventory.close()
      await looked
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    process.exit(7)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { detached: true, stdio: 'ignore' })
  assert.deepEqual(await once(child, 'exit'), [7, null])
})
