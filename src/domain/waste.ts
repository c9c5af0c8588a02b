// What of the time that runs held is waste, and what would stop most of it. Getting ready, checkpoints and evaluations are not: without them
// nothing is trained; `unknown` is not known to be.
export const WASTE = ['lost', 'stalled', 'idle', 'recovery'] as const
export type Waste = (typeof WASTE)[number]

export const isWaste = (account: string | null): account is Waste =>
  (WASTE as readonly (string | null)[]).includes(account)

/** What would stop most of a run's waste, by the account that it lies in. */
export const STOPS: Readonly<Record<Waste, string>> = {
  lost: 'checkpoints more often, or ones that are durable sooner',
  stalled: 'a shorter limit of silence before a restart, or the node or collective that hangs',
  idle: 'an end of the script when training is done',
  recovery: 'a quicker end of workers after a failure',
}
