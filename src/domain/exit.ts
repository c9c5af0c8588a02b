/** How a worker ended, as its supervisor or kubelet tells it. */
export type WorkerExitSeen = {
  readonly kind: 'code' | 'signal' | 'gone'
  /** The exit code for `code`; 0 otherwise. */
  readonly code: number
  readonly signal: string | null
  readonly cause: 'itself' | 'stop' | 'deadline' | 'evicted' | 'could-not-start' | 'unknown'
  readonly message: string | null
}
