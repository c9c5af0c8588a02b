// docs/kubernetes.md, read and obeyed: every block of it in one shell, in its order.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { root } from '../parts/plimsoll.ts'
import { findBinaries } from './binaries.ts'
import type { ControlPlane } from './control-plane.ts'
import { PLANE_BINARIES, startControlPlane } from './control-plane.ts'
import { makeNodes } from './nodes.ts'

const found = await findBinaries(PLANE_BINARIES)

describe('the quick start', { skip: found.kind === 'missing' && found.why }, () => {
  let plane: ControlPlane
  let folder = ''
  before(async () => {
    const started = await startControlPlane()
    assert.ok(started.kind === 'running')
    plane = started
    await makeNodes(plane.api, 3)
    folder = mkdtempSync(join(tmpdir(), 'plimsoll-quick-start-'))
    const command = join(folder, 'plimsoll')
    writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${join(root, 'bin', 'plimsoll.mjs')}" "$@"\n`)
    chmodSync(command, 0o755)
  })
  after(async () => {
    await plane?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  test('each block does what the page says', { timeout: 300_000 }, async () => {
    const page = readFileSync(join(root, 'docs', 'kubernetes.md'), 'utf8')
    const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block]) => block ?? '')
    assert.ok(blocks.length >= 7)
    const script = [
      'set -euo pipefail',
      "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT",
      ...blocks.map((block, index) => `echo "== block ${index + 1}"\n${block}`),
    ].join('\n')
    const path = `${folder}:${dirname(plane.binaries.kubectl)}:${process.env['PATH'] ?? ''}`
    const child = spawn('bash', ['-c', script], {
      cwd: folder,
      env: { ...process.env, PATH: path, KUBECONFIG: plane.kubeconfig },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (said += bytes.toString()))
    const code = await new Promise((resolve) => child.once('close', resolve))
    assert.equal(code, 0, said)
    assert.match(said, /== block 3\n[\s\S]*right +create jobs in plimsoll-runs/)
    assert.match(
      said,
      /== block 5\n[\s\S]*default\/first +is submitted[\s\S]*job\.batch\/r\w+-1 [\s\S]*pod\/r\w+-1-1-\w+ +1\/1 +Running/,
    )
    assert.match(said, /== block 6\n[\s\S]*placed +attempt 1: 16 GPUs on node-0, node-1/)
    assert.match(said, /== block 7\n[\s\S]*all of it/)
  })
})
