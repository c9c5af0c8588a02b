// A batch that a reporter left in the log of its worker, since nobody took it.
import type { ReportBatch } from '../domain/report.ts'

/** Unpacks it and holds it to what a posted batch is held to; null where it is none. */
export type ReadSpool = (packed: string) => ReportBatch | null
