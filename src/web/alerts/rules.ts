// What each rule looks for, in words for the page. The numbers are the operator's and stand in the file that the page names.
import type { Rule, Severity } from '../../domain/finding.ts'

export const THRESHOLDS_FILE = 'config/alerts/thresholds.yaml'

export type RuleWords = {
  readonly severities: readonly Severity[]
  readonly looksFor: string
  /** Its keys in the thresholds file; null: it has none. */
  readonly thresholds: string | null
  /** By which a run turns it off in its spec. */
  readonly watch: 'stall' | 'loss' | 'experts' | null
}

export const RULE_WORDS: Readonly<Record<Rule, RuleWords>> = {
  'no-progress': {
    severities: ['critical'],
    looksFor:
      'no step for much longer than the run’s own pace, or a checkpoint, restore or evaluation that does not end',
    thresholds: 'progress',
    watch: 'stall',
  },
  'never-progressed': {
    severities: ['warning'],
    looksFor: 'no step since the workers started, where the framework prints steps',
    thresholds: 'progress.firstStep',
    watch: 'stall',
  },
  'loss-not-finite': {
    severities: ['critical'],
    looksFor: 'a loss that is missing or no number for several steps in a row',
    thresholds: 'loss.missing',
    watch: 'loss',
  },
  'loss-diverged': {
    severities: ['warning'],
    looksFor: 'a median loss that went up by more than its own noise, and by a part of itself',
    thresholds: 'loss',
    watch: 'loss',
  },
  'experts-collapsed': {
    severities: ['critical'],
    looksFor: 'one expert that takes part in nearly all tokens of a layer',
    thresholds: 'experts.collapsedShare, collapsedSteps',
    watch: 'experts',
  },
  'experts-dead': {
    severities: ['warning'],
    looksFor: 'experts of a layer that get nearly nothing for many reported steps',
    thresholds: 'experts.deadSteps',
    watch: 'experts',
  },
  'gpus-idle': {
    severities: ['warning'],
    looksFor: 'GPUs that are held after the script said that training is done',
    thresholds: 'idle.afterDone',
    watch: null,
  },
  'attempt-failed': {
    severities: ['warning', 'critical'],
    looksFor: 'an attempt that failed, while the run has not got on since; critical from the third in a row',
    thresholds: null,
    watch: null,
  },
  'run-failed': {
    severities: ['critical'],
    looksFor: 'a run that failed for good; for a day, or until it is submitted again',
    thresholds: null,
    watch: null,
  },
  'node-away': {
    severities: ['warning'],
    looksFor: 'a machine that is lost or not well, and that nobody took out of service',
    thresholds: null,
    watch: null,
  },
  'budget-used': {
    severities: ['warning', 'critical'],
    looksFor: 'a part of a budget that is used; the last part is critical',
    thresholds: 'budget.used',
    watch: null,
  },
  'budget-forecast': {
    severities: ['warning', 'critical'],
    looksFor: 'a budget that is soon used up at the rate of now; critical where it is hard and nearly gone',
    thresholds: 'budget.goneWithin',
    watch: null,
  },
  'burn-above-plan': {
    severities: ['warning'],
    looksFor: 'a budget with a period that is used up faster than its time goes by',
    thresholds: 'budget.pace, paceFrom',
    watch: null,
  },
  'gpu-unpriced': {
    severities: ['warning'],
    looksFor: 'a GPU model of a node that has no price, where money is counted',
    thresholds: null,
    watch: null,
  },
}
