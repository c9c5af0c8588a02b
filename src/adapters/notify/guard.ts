// Before anything is sent: whether an address may be used at all, and to which addresses of the network its name leads. A name is resolved
// once, every answer is looked at, and the connection goes to what was looked at: a name that leads somewhere else at the second question
// (DNS rebinding) is never asked a second time.
import { lookup as dnsLookup } from 'node:dns/promises'
import type { LookupFunction } from 'node:net'
import { isIP } from 'node:net'
import type { Ruling } from './networks.ts'

type Resolved = { readonly address: string; readonly family: number }

/** All addresses of a name, by this machine's resolver. */
export type Lookup = (name: string) => Promise<readonly Resolved[]>

type Reached =
  | { readonly kind: 'allowed'; readonly lookup: LookupFunction }
  /** It leads where nobody may be called. */
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'unknown'; readonly why: string }

const URL_CHARS_MAX = 2_048
const WELL_KNOWN_PORTS = new Set(['', '80', '443'])
const PORTS_FREE_FROM = 1_024

export const resolver: Lookup = (name) => dnsLookup(name, { all: true })

/** What is wrong with the address of a channel, as far as it can be said without asking anybody. Never says more of it than its host. */
export function problemOfUrl(text: string, ruling: Ruling): string | null {
  if (text.length > URL_CHARS_MAX) return `an address has at most ${URL_CHARS_MAX} characters`
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null) return 'it is not an address: write it as https://host/path'
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'only https:// and http:// can be called'
  if (url.username !== '' || url.password !== '') return 'an address may not carry a user or a password'
  if (!WELL_KNOWN_PORTS.has(url.port) && Number(url.port) < PORTS_FREE_FROM)
    return `port ${url.port} belongs to another service: use 80, 443 or one from ${PORTS_FREE_FROM} on`
  const host = hostOf(url)
  const refused = isIP(host) === 0 ? null : ruling(host)
  return refused === null ? null : refusal(host, host, refused)
}

export async function reach(url: URL, ruling: Ruling, lookup: Lookup, signal: AbortSignal): Promise<Reached> {
  const host = hostOf(url)
  let addresses: readonly Resolved[]
  try {
    const family = isIP(host)
    addresses = family === 0 ? await orAborted(lookup(host), signal) : [{ address: host, family }]
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
    const why = signal.aborted ? 'its name was not resolved in time' : `its name cannot be resolved${code}`
    return { kind: 'unknown', why }
  }
  if (addresses.length === 0) return { kind: 'unknown', why: 'its name has no address' }
  for (const { address } of addresses) {
    const refused = ruling(address)
    if (refused !== null) return { kind: 'refused', why: refusal(host, address, refused) }
  }
  return { kind: 'allowed', lookup: answers(addresses) }
}

/** Without the brackets of IPv6. */
const hostOf = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, '$1')

const refusal = (host: string, address: string, what: string): string =>
  `${host === address ? address : `its name leads to ${address}, which`} is ${what}: Plimsoll does not call there unless its operator lists the network in alerts.allowNetworks`

/** What a socket asks for the addresses of its host. Of an address of numbers it asks nothing: that one was looked at as it is. */
function answers(addresses: readonly Resolved[]): LookupFunction {
  return (_host, options, done) => {
    if (options.all === true) {
      done(null, [...addresses])
      return
    }
    done(null, addresses[0]?.address ?? '', addresses[0]?.family)
  }
}

/** The resolver of a machine cannot be stopped; who waits for it can. */
async function orAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise: stopped, reject } = Promise.withResolvers<never>()
  const stop = (): void => reject(new Error('stopped'))
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    return await Promise.race([promise, stopped])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
