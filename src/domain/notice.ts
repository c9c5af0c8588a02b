// What somebody is told, and where: a channel is an address of a project, a notice is one message to it about one or more alerts. The same
// notice is tried until it has arrived or is given up; its id is the same at each try, so that a receiver counts it once.
import type { Severity } from './finding.ts'
import type { ProjectName, RunId } from './ids.ts'
import type { EpochMs, GpuMs, Money } from './units.ts'

/** How a channel is reached. Secrets are sealed in the store and open only here, on their way out. */
export type Address =
  /** CloudEvents 1.0, signed as Standard Webhooks say; `secrets`: `whsec_…`, the newest first, each signs. */
  | { readonly kind: 'webhook'; readonly url: string; readonly secrets: readonly string[] }
  /** An incoming webhook of Slack, or of what speaks like it. The address is the secret. */
  | { readonly kind: 'slack'; readonly url: string }
  | { readonly kind: 'email'; readonly to: readonly string[] }
  /** The API of Alertmanager, version 2: it groups, routes and silences by itself. */
  | { readonly kind: 'alertmanager'; readonly url: string; readonly bearer: string | null }

/** One thing that is told. */
export type NoticeItem = {
  /** The key of the finding: the same while it lasts, and again when it comes back. */
  readonly key: string
  readonly rule: string
  readonly severity: Severity
  readonly state: 'firing' | 'resolved'
  readonly what: string
  /** What it has cost so far; null where nobody can say, or nothing is lost. */
  readonly cost: { readonly gpuMs: GpuMs; readonly money: Money | null } | null
  readonly since: EpochMs
  readonly resolvedAt: EpochMs | null
  readonly who: {
    readonly project: ProjectName | null
    readonly run: { readonly id: RunId; readonly name: string; readonly owner: string } | null
  }
  readonly whatToDo: string
  /** Lines that speak for it, `what: value`. */
  readonly evidence: readonly string[]
  /** The page that shows it. */
  readonly link: string
}

export type Notice = {
  /** `webhook-id`, Message-ID: one for all tries. */
  readonly id: string
  readonly kind: 'alert' | 'digest' | 'test'
  /** When it was made. */
  readonly at: EpochMs
  /** The subject of an e-mail, the first line elsewhere. */
  readonly title: string
  /** Of a digest or a test: what it says beside its items. */
  readonly text: readonly string[]
  readonly items: readonly NoticeItem[]
  /** Items that were left out of a message that would be too long. */
  readonly more: number
  readonly link: string
}

/** An item in words, for people: five parts, one line each, made harmless and bounded. */
export type ItemText = {
  /** What it is about at a glance: `critical: no-progress`. */
  readonly headline: string
  readonly what: string
  /** GPU-hours and money. */
  readonly howMuch: string
  readonly since: string
  readonly who: string
  readonly whatToDo: string
  readonly evidence: readonly string[]
  readonly link: string
}

/** A notice in words (core/alert makes them): channels lay them out, and change nothing but what would be read as markup. */
export type NoticeText = {
  readonly title: string
  readonly text: readonly string[]
  readonly items: readonly ItemText[]
  /** What was left out; null: nothing. */
  readonly more: string | null
  readonly link: string
  /** All of it as plain text. */
  readonly plain: string
}
