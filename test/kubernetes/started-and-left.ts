// Started by a test, which kills it: it starts a control plane, names its processes, and waits for ever.
import { startControlPlane } from './control-plane.ts'

const plane = await startControlPlane()
if (plane.kind === 'missing') throw new Error(plane.why)
process.stdout.write(JSON.stringify(Object.values(plane.programs).map((each) => each.pid())))
setInterval(() => {}, 60_000)
