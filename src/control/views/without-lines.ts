// What an attempt printed last stands in more places than its log: in its verdict, in the exits of its workers, and in what is said of its run.
// Whoever may not read logs is told of a failure without it: which kind it was, and never in the words of the program.
import { authorise } from '../../core/authorise/authorise.ts'
import type { Attempt } from '../../domain/attempt.ts'
import type { Claim } from '../../domain/claim.ts'
import type { RunEvent } from '../../domain/event.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Run } from '../../domain/run.ts'

/** The nouns of a run as one reader may see them: as they are, or without lines. */
export type Reader = {
  readonly run: (run: Run) => Run
  readonly attempt: (attempt: Attempt) => Attempt
  readonly claim: (claim: Claim) => Claim
  readonly event: (event: RunEvent) => RunEvent
}

const same = <Noun>(noun: Noun): Noun => noun
const READS_LOGS: Reader = { run: same, attempt: same, claim: same, event: same }

export const readerOf = (who: Principal, { project, user }: Run): Reader =>
  authorise(who, 'run.logs', project, user) ? READS_LOGS : WITHOUT_LINES

/** In each list, runs of one project may be seen with lines and those of another without. */
export const seenBy =
  (who: Principal) =>
  (run: Run): Run =>
    readerOf(who, run).run(run)

const UNSAID = 'what it printed is for those who may read its logs'

export const WITHOUT_LINES: Reader = {
  run(run) {
    const { state } = run
    if (state.kind === 'failed') return { ...run, state: { ...state, message: cut('failed', state.message) } }
    const isAfterFailure = state.kind === 'queued' && (state.reason === 'restarting' || state.reason === 'fence')
    return isAfterFailure && state.message !== '' ? { ...run, state: { ...state, message: AFTER_FAILURE } } : run
  },
  attempt(attempt) {
    const { state } = attempt
    if (state.kind !== 'ended') return attempt
    const { verdict, ...ended } = state
    const message = verdict?.kind ?? null
    const bare = verdict === undefined ? {} : { verdict: { ...verdict, evidence: [] } }
    return { ...attempt, state: { ...ended, message, ...bare } }
  },
  claim(claim) {
    return claim.exit === null ? claim : { ...claim, exit: { ...claim.exit, message: null } }
  },
  event: (event) => (event.kind in OURS ? { ...event, message: cut(event.kind, event.message) } : event),
}

const AFTER_FAILURE = 'its last attempt failed, and it is started again'

/** What of the messages of some events is in our words, and not in those of a program or of what ended it; of all others it is everything. */
const OURS: Readonly<Record<string, RegExp>> = {
  'worker-exited': /^\S+ (?:is gone|exited with code -?\d+|was ended by (?:SIG\w+|a signal))(?: \([\w-]+\))?/,
  'attempt-ended': /^attempt \d+ ended: [\w-]+(?: \([\w-]+\))?/,
  // The kind of the failure.
  failure: /^[\w-]+(?=:| \()/,
  failed: /^limits\.\w+ (?:is|are) used up$/,
}

const cut = (kind: string, message: string): string => OURS[kind]?.exec(message)?.[0] ?? UNSAID
