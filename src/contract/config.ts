// config/default.yaml, and what an operator puts over it. A key that the defaults do not have is refused, with its place.
import { z } from 'zod'
import { REQUEST_MS_MAX } from '../domain/limits.ts'
import type { DurationMs } from '../domain/units.ts'
import { durationMs } from '../domain/units.ts'
import type { Durations } from '../domain/settings.ts'
import { bytes, duration, name, strict, text } from './fields.ts'
import { faultsOf, PARSE } from './issues.ts'
import type { LayerNames } from './layers.ts'
import { isTree, layered } from './layers.ts'
import type { Fault, Problem } from './problems.ts'
import { fault } from './problems.ts'
import { durationText } from './quantities.ts'
import { oidc, oidcFaults } from './sign-in.ts'

const ms = duration.transform((value): DurationMs => durationMs(value))

const durations = strict({
  persist: ms,
  blindAfter: ms,
  lease: ms,
  leaseRenew: ms,
  nodeLostAfter: ms,
  fenceAfter: ms,
  startDeadline: ms,
  checkpoint: ms,
  grace: ms,
  restartHold: ms,
  reserveSlice: ms,
  cellSettle: ms,
  backoffMin: ms,
  backoffMax: ms,
})
type Given = z.output<typeof durations>

/** Values that break this order make a healthy node look lost, or two gangs write one checkpoint. */
const RULES: readonly (readonly [(d: Given) => boolean, readonly [keyof Given, keyof Given], string])[] = [
  [(d) => 2 * d.leaseRenew < d.lease, ['leaseRenew', 'lease'], 'leaseRenew must be less than half of lease'],
  [
    (d) => d.leaseRenew + REQUEST_MS_MAX < d.lease,
    ['leaseRenew', 'lease'],
    'leaseRenew must be less than lease - 5s, the longest request of a leader',
  ],
  [(d) => d.lease < d.blindAfter, ['lease', 'blindAfter'], 'lease must be shorter than blindAfter'],
  [(d) => 3 * d.persist <= d.blindAfter, ['persist', 'blindAfter'], 'three times persist must be at most blindAfter'],
  [
    (d) => d.blindAfter < d.nodeLostAfter,
    ['blindAfter', 'nodeLostAfter'],
    'blindAfter must be shorter than nodeLostAfter',
  ],
  [(d) => d.nodeLostAfter <= d.fenceAfter, ['nodeLostAfter', 'fenceAfter'], 'nodeLostAfter must be at most fenceAfter'],
  [(d) => d.fenceAfter >= d.grace + 120_000, ['fenceAfter', 'grace'], 'fenceAfter must be at least grace + 2m'],
  [(d) => d.backoffMin <= d.backoffMax, ['backoffMin', 'backoffMax'], 'backoffMin must be at most backoffMax'],
]

const port = z.int().min(0).max(65_535)

const schema = strict({
  listen: strict({ host: text, port, ingestPort: port.nullable(), probePort: port }),
  deployment: strict({
    id: z
      .string()
      .regex(
        /^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/,
        'must be a name of small letters, digits, dots and dashes, 63 at most',
      )
      .nullable(),
    keyFile: text.nullable(),
    policy: text.nullable(),
  }),
  database: strict({
    url: text.regex(/^postgres(?:ql)?:\/\//, 'must begin with postgres://').nullable(),
    poolMax: z.int().min(2).max(100),
  }),
  queue: strict({ url: text.regex(/^rediss?:\/\//, 'must begin with redis://').nullable() }),
  durations,
  local: strict({ name, slots: z.union([z.literal('auto'), z.int().min(1).max(64)]) }),
  clusters: z.array(text).max(64),
  loops: strict({ place: ms, launch: ms, observe: ms, account: ms, detect: ms }),
  alerts: strict({
    thresholds: text.nullable(),
    pages: text
      .regex(/^https?:\/\/[^\s/?#]+(?:\/[^\s?#]*)?$/, 'must be an address such as https://plimsoll.lab.org')
      .nullable(),
    allowNetworks: z
      .array(text.regex(/^[0-9a-fA-F:.]+(?:\/\d{1,3})?$/, 'must be an address or a network such as 10.0.0.0/8'))
      .max(256),
    smtp: strict({
      host: text.nullable(),
      port: z.int().min(1).max(65_535),
      security: z.enum(['tls', 'starttls', 'none']),
      from: text.regex(/^[^\s@<>]+@[^\s@<>]+$/, 'must be an address such as plimsoll@lab.org').nullable(),
      user: text.nullable(),
      passwordFile: text.nullable(),
    }),
  }),
  signIn: strict({ oidc }),
  retention: strict({ facts: ms, logs: ms, logsPerRun: bytes, experts: ms, feed: ms }),
  log: strict({ level: z.enum(['debug', 'info', 'warn', 'error']) }),
})

type Raw = z.output<typeof schema>
export type Config = Omit<Raw, 'durations'> & { readonly durations: Durations }

export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly file: string; readonly problems: readonly Problem[] }

export function parseConfig(defaultText: string, overrideText: string | null, names: LayerNames): ConfigResult {
  const result = layered(defaultText, overrideText, names, (value, isWritten) => {
    const parsed = schema.safeParse(value, PARSE)
    return {
      value: parsed.success ? { ...parsed.data, durations: withMs(parsed.data.durations) } : null,
      faults: [
        ...(parsed.success ? [] : faultsOf(parsed.error.issues)),
        ...orderFaults(value, isWritten),
        ...oidcFaults(value),
      ],
    }
  })
  return result.ok ? { ok: true, config: result.value } : result
}

/** Points at the duration that the operator wrote: the default of the one is broken by what was written for the other. */
function orderFaults(value: unknown, isWritten: (pointer: string) => boolean): Fault[] {
  const given = durations.safeParse(isTree(value) ? value['durations'] : null)
  return RULES.filter(([holds]) => given.success && !holds(given.data)).map(([, keys, message]) => {
    const key = keys.find((each) => isWritten(`/durations/${each}`)) ?? keys[0]
    const values = keys.map((each) => `${each} is ${durationText(given.data?.[each] ?? 0)}`)
    return fault(`/durations/${key}`, `${message}: ${values.join(', ')}`)
  })
}

function withMs(d: Given): Durations {
  return {
    persistMs: d.persist,
    blindAfterMs: d.blindAfter,
    leaseMs: d.lease,
    leaseRenewMs: d.leaseRenew,
    nodeLostAfterMs: d.nodeLostAfter,
    fenceAfterMs: d.fenceAfter,
    startDeadlineMs: d.startDeadline,
    checkpointMs: d.checkpoint,
    graceMs: d.grace,
    restartHoldMs: d.restartHold,
    reserveSliceMs: d.reserveSlice,
    cellSettleMs: d.cellSettle,
    backoffMinMs: d.backoffMin,
    backoffMaxMs: d.backoffMax,
  }
}
