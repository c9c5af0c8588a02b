// What a reporter posts. Its token is that of an attempt, and writes the reports of this one alone.
import type { Principal } from '../../domain/principal.ts'
import type { Answer } from '../../domain/refusal.ts'
import { refused } from '../../domain/refusal.ts'
import type { ReportAnswer, ReportBatch } from '../../domain/report.ts'
import { takeReport } from '../report.ts'
import type { RequestContext } from './context.ts'

export async function report(
  { control }: RequestContext,
  who: Principal,
  batch: ReportBatch,
): Promise<Answer<ReportAnswer>> {
  if (who.kind !== 'attempt')
    return refused(
      'not-allowed',
      'only the token of an attempt writes its reports',
      'use PLIMSOLL_INGEST_TOKEN of the job',
    )
  return takeReport(control, who.attempt, batch, control.clock.now())
}
