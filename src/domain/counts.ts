/** What stands beside the names of the pages, of the projects that may be seen. */
export type CountsDocument = {
  /** Runs that hold GPUs. */
  readonly holding: number
  /** Runs that wait in the queue. */
  readonly waiting: number
  /** Machines that are not ready; null: they are not yours to see. */
  readonly nodesAway: number | null
  /** Findings that are not over. */
  readonly findings: number
}
