// The cluster of the tests for a person: `npm run cluster -- --nodes 200 --real-node`. It runs until Ctrl-C and leaves nothing.
import { parseArgs } from 'node:util'
import { startControlPlane } from './control-plane.ts'
import type { ControlPlane } from './control-plane.ts'
import { makeNodes } from './nodes.ts'
import { startRealNode } from './real-node.ts'
import type { RealNode } from './real-node.ts'

const HELP = `npm run cluster -- [--nodes N] [--gpus-per-node N] [--real-node]

A real Kubernetes on this machine: etcd, API server, controllers and scheduler. It runs until Ctrl-C and leaves nothing behind. The first
start builds the programs from source: with Go and two cores about 10 minutes, once (with --real-node 6 more).

  --nodes N          nodes without machines, answered for by kwok (default 8, at most 5000)
  --gpus-per-node N  GPUs that each node declares (default 8, at most 64)
  --real-node        one node more, real-0, that really runs pods (root; its GPUs are declared too)
  --help             this

A pod on a node of kwok runs until it is deleted, unless an annotation of its own or of its template says otherwise:

  kwok.plimsoll.dev/run-ms: "5000"       it ends well after so long
  kwok.plimsoll.dev/exit-code: "1"       it ends so, after run-ms or at once; exit-code.3 is for index 3 of a Job
  kwok.plimsoll.dev/reason: OOMKilled    with this reason
  kwok.plimsoll.dev/log-file: PATH       what kubectl logs shows, in the format of a container runtime
  kwok.plimsoll.dev/image-pull: fails    its image cannot be pulled, until this is removed
  kwok.plimsoll.dev/hang-deletion: "yes" it stays Terminating, until this is removed

And a node, by a label: kwok.plimsoll.dev/kubelet=lost is a machine that has gone silent, =alive brings it back.
`

const asked = read()
/** What has been started, newest first. */
const started: { stop(): Promise<void> }[] = []
let ready = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // Before it is ready, and the second time, without ceremony: everything dies with us, and the next start removes what is left.
    if (!ready) process.exit(130)
    ready = false
    process.stdout.write('\nstopping\n')
    void end(0)
  })
}

const plane = await startControlPlane()
if (plane.kind === 'missing') await fail(plane.why)
else await run(plane)

async function run(cluster: ControlPlane): Promise<void> {
  started.unshift(cluster)
  const real = asked.realNode ? await startRealNode(cluster, { gpus: asked.gpusPerNode }) : null
  if (real?.kind === 'missing') return fail(real.why)
  if (real !== null) started.unshift(real)
  await makeNodes(cluster.api, asked.nodes, { gpusPerNode: asked.gpusPerNode })
  ready = true
  process.stdout.write(whatToTry(cluster, real))
  const programs = [...Object.values(cluster.programs), ...Object.values(real?.programs ?? {})]
  setInterval(() => {
    const dead = programs.find((each) => each.ended() !== null)
    if (!ready || dead === undefined) return
    ready = false
    void fail(`${dead.name} ended by itself (${dead.ended()}); its log was ${dead.logFile}`)
  }, 2_000)
}

function whatToTry({ kubeconfig, binaries, url, tokens }: ControlPlane, real: RealNode | null): string {
  return `
The cluster is ready: ${asked.nodes} nodes with ${asked.gpusPerNode} GPUs each${real === null ? '' : `, and ${real.name}, which really runs pods`}.

  export KUBECONFIG=${kubeconfig}
  alias kubectl=${binaries.kubectl}

  kubectl get nodes -L nvidia.com/gpu.product,topology.kubernetes.io/rack
  kubectl run hello --image=none --restart=Never --annotations=kwok.plimsoll.dev/run-ms=3000 --overrides='{"spec":{"nodeName":"node-0"}}'
  kubectl label node node-0 --overwrite kwok.plimsoll.dev/kubelet=lost
${real === null ? '' : `  kubectl run pause --image=plimsoll-test/pause:1 --image-pull-policy=Never --overrides='{"spec":{"nodeName":"${real.name}"}}'\n`}
The API server is at ${url}, the token of its admin is ${tokens['admin']}.
Ctrl-C ends it and removes everything. --help says what pods and nodes can be told.
`
}

async function fail(why: string): Promise<void> {
  process.stderr.write(`cluster: ${why}\n`)
  await end(1)
}

async function end(code: number): Promise<void> {
  for (const each of started) await each.stop()
  process.exit(code)
}

function read(): { readonly nodes: number; readonly gpusPerNode: number; readonly realNode: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        nodes: { type: 'string', default: '8' },
        'gpus-per-node': { type: 'string', default: '8' },
        'real-node': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      process.stdout.write(HELP)
      process.exit(0)
    }
    return {
      nodes: number('--nodes', values.nodes, 5_000),
      gpusPerNode: number('--gpus-per-node', values['gpus-per-node'], 64),
      realNode: values['real-node'],
    }
  } catch (error) {
    process.stderr.write(
      `cluster: ${error instanceof Error ? error.message : String(error)} (--help shows the options)\n`,
    )
    process.exit(2)
  }
}

function number(option: string, text: string, max: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
  if (!(value <= max)) throw new Error(`${option} is a whole number from 0 to ${max}, not ${JSON.stringify(text)}`)
  return value
}
