import type { Requests } from '../../ports/requests.ts'
import { planOfSpec } from '../views/plan.ts'
import type { RequestContext } from './context.ts'
import { askExtension, decideExtension } from './extensions.ts'
import { report } from './report.ts'
import { applyPolicy, cordon, createToken, forgetNode, pauseQueue, revokeToken } from './operate.ts'
import { steer } from './steer.ts'
import { submit } from './submit.ts'

/** The requests, put together. */
export function requestsOf(context: RequestContext): Requests {
  return {
    submit: (who, spec, key) => submit(context, who, spec, key),
    plan: (who, spec) => planOfSpec(context, who, spec),
    stop: (who, run, now) => steer(context, who, run, now ? 'stop-now' : 'stop'),
    suspend: (who, run) => steer(context, who, run, 'suspend'),
    resume: (who, run) => steer(context, who, run, 'resume'),
    report: (who, batch) => report(context, who, batch),
    pauseQueue: (who, paused, reason) => pauseQueue(context, who, paused, reason),
    cordon: (who, node, cordoned, reason) => cordon(context, who, node, cordoned, reason),
    forgetNode: (who, node, reason) => forgetNode(context, who, node, reason),
    applyPolicy: (who, policy, document, ifVersion) => applyPolicy(context, who, policy, document, ifVersion),
    askExtension: (who, budget, amount, reason) => askExtension(context, who, budget, amount, reason),
    decideExtension: (who, id, granted, answer) => decideExtension(context, who, id, granted, answer),
    createToken: (who, token) => createToken(context, who, token),
    revokeToken: (who, id) => revokeToken(context, who, id),
  }
}
