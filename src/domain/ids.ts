// Names are derived, never invented twice: run -> attempt -> worker. Each is a DNS label, used as it is for objects, directories
// and rows, so that to repeat a step is harmless (design: state, Names).
import type { EpochMs } from './units.ts'

declare const brand: unique symbol
type Id<Name extends string> = string & { readonly [brand]: Name }

export type RunId = Id<'RunId'>
/** `<run>-<n>`, n from 1. */
export type AttemptId = Id<'AttemptId'>
/** `<attempt>-<index>`, index is the node rank, from 0. */
export type WorkerId = Id<'WorkerId'>
export type ClusterName = Id<'ClusterName'>
/** `<cluster>/<name>/<incarnation>`: the same name after a deletion is another node. */
export type NodeId = Id<'NodeId'>
export type ProjectName = Id<'ProjectName'>
export type BudgetId = Id<'BudgetId'>

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz'
const RUN_ID = /^r[0-9a-hjkmnp-tv-z]{16}$/

/** `r`, ten characters of time (50 bits of milliseconds), six of chance (30 bits): ordered by time, unique without asking anybody. */
export function runIdFrom(now: EpochMs, random30: number): RunId {
  return `r${crockford(now, 10)}${crockford(random30, 6)}` as RunId
}

function crockford(value: number, length: number): string {
  let text = ''
  for (let rest = value; text.length < length; rest = Math.floor(rest / 32)) text = CROCKFORD.charAt(rest % 32) + text
  return text
}

export const isRunId = (text: string): text is RunId => RUN_ID.test(text)
export const isAttemptId = (text: string): text is AttemptId => /^r[0-9a-hjkmnp-tv-z]{16}-[1-9]\d{0,8}$/.test(text)
export const attemptIdOf = (run: RunId, number: number): AttemptId => `${run}-${number}` as AttemptId
export const workerIdOf = (attempt: AttemptId, index: number): WorkerId => `${attempt}-${index}` as WorkerId
export const nodeIdOf = (cluster: ClusterName, name: string, incarnation: number): NodeId =>
  `${cluster}/${name}/${incarnation}` as NodeId

export function runOfAttempt(attempt: AttemptId): RunId {
  return attempt.slice(0, attempt.lastIndexOf('-')) as RunId
}

export function attemptNumberOf(attempt: AttemptId): number {
  return Number(attempt.slice(attempt.lastIndexOf('-') + 1))
}

export function attemptOfWorker(worker: WorkerId): AttemptId {
  return worker.slice(0, worker.lastIndexOf('-')) as AttemptId
}

export function workerIndexOf(worker: WorkerId): number {
  return Number(worker.slice(worker.lastIndexOf('-') + 1))
}
