import type { Command } from 'commander'
import type { Wire } from '../../../contract/documents.ts'
import { worstFirst } from '../../../domain/finding.ts'
import { ask } from '../client.ts'
import { gpuHours, money, visible, when } from '../format.ts'
import type { Output } from '../print.ts'
import { json, note, show } from '../print.ts'

export function findingsCommand(program: Command): void {
  json(
    program
      .command('findings')
      .description('what is wrong now, worst first, with evidence, cost and what to try')
      .option('--run <run>', 'of this run alone')
      .option('--all', 'those that are over too, the newest first')
      .option('--limit <n>', 'how many', '100')
      .option('--after <cursor>', 'go on after a page'),
  ).action(async (options: Output & { run?: string; all?: boolean; limit: string; after?: string }) => {
    const { run, all, limit, after } = options
    const query = { run, open: all === true ? undefined : 'true', limit, after }
    const document = await ask('findings', 'GET', '/findings', { query })
    show(options, document, ({ findings }) =>
      findings.length === 0
        ? all === true
          ? 'no findings'
          : 'nothing is wrong that a detector knows of; --all shows what was'
        : (all === true ? findings : findings.toSorted(worstFirst)).map(words).join('\n\n'),
    )
    if (document.next !== null) note(`there are more: plimsoll findings --after '${document.next}'`)
  })
}

function words(finding: Wire<'findings'>['findings'][number]): string {
  const { severity, rule, run, runName, attempt, budget, project } = finding
  const whom =
    budget !== null
      ? `budget ${budget}${project === null ? '' : ` of ${project}`}`
      : run !== null
        ? `${project}/${runName ?? run}${attempt === null ? '' : `, attempt ${attempt}`}`
        : (project ?? '')
  const over = finding.resolvedAt === null ? '' : `, over since ${when(finding.resolvedAt)}`
  const cost =
    finding.gpuMs === null
      ? []
      : [`  cost   ${gpuHours(finding.gpuMs)}${finding.money === null ? '' : `, ${money(finding.money)}`}`]
  return [
    `${severity}  ${rule}  ${whom}`,
    `  ${visible(finding.message)}`,
    `  since  ${when(finding.since)}${over}`,
    ...cost,
    ...finding.evidence.map(
      ({ what, value, at, worker }) =>
        `  seen   ${visible(what)}${value === '' ? '' : `: ${visible(value)}`}${worker === null ? '' : ` (worker ${worker})`}${at === null ? '' : `, ${when(at)}`}`,
    ),
    `  try    ${visible(finding.whatToTry)}`,
  ].join('\n')
}
