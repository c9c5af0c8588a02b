import type { Alerts } from '../../ports/alerts.ts'
import { alertsOf, deliveriesOf } from '../views/alerts.ts'
import {
  acknowledge,
  createChannel,
  endSilence,
  letGo,
  removeChannel,
  silence,
  testChannel,
  wakeChannel,
} from './alerts.ts'
import type { RequestContext } from './context.ts'

/** What may be asked about alerts, put together. */
export function alertsFor(context: RequestContext): Alerts {
  return {
    alerts: (who) => alertsOf(context, who),
    deliveries: (who, page) => deliveriesOf(context, who, page),
    createChannel: (who, channel) => createChannel(context, who, channel),
    removeChannel: (who, channel) => removeChannel(context, who, channel),
    testChannel: (who, channel) => testChannel(context, who, channel),
    wakeChannel: (who, channel) => wakeChannel(context, who, channel),
    silence: (who, asked) => silence(context, who, asked),
    endSilence: (who, id) => endSilence(context, who, id),
    acknowledge: (who, finding, note) => acknowledge(context, who, finding, note),
    letGo: (who, finding) => letGo(context, who, finding),
  }
}
