// Started by a test, which kills it: it starts a control plane, and with `real` a node on which a pod runs, says which processes all that
// is, and waits for ever.
import { readFileSync } from 'node:fs'
import { makeNamespace, startControlPlane } from './control-plane.ts'
import { PAUSE_IMAGE } from './images.ts'
import { until } from './processes.ts'
import { startRealNode } from './real-node.ts'

const plane = await startControlPlane()
if (plane.kind === 'missing') throw new Error(plane.why)
if (process.argv[2] === 'real') {
  const node = await startRealNode(plane)
  if (node.kind === 'missing') throw new Error(node.why)
  await makeNamespace(plane.api, 'left')
  await plane.api.post('/api/v1/namespaces/left/pods', {
    metadata: { name: 'left' },
    spec: { containers: [{ name: 'pause', image: PAUSE_IMAGE, imagePullPolicy: 'Never' }] },
  })
  await until('a running pod', 30_000, async () => {
    const { status } = await plane.api.get<{ status: { phase: string } }>('/api/v1/namespaces/left/pods/left')
    return status.phase === 'Running' || null
  })
}
process.stdout.write(JSON.stringify({ processes: descendants(process.pid), folder: plane.folder }))
setInterval(() => {}, 60_000)

function descendants(pid: number): { pid: number; name: string }[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number)
  return children.flatMap((child) => [
    { pid: child, name: readFileSync(`/proc/${child}/comm`, 'utf8').trim() },
    ...descendants(child),
  ])
}
