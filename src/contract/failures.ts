// docs/failures.md, made from the table of failures.
import { FAILURES } from '../domain/failure.ts'

export function failuresMarkdown(): string {
  const rows = [
    ['kind', 'what it means', 'restarts of class', 'what becomes of the run', 'what to try'],
    ...Object.entries(FAILURES).map(([kind, { meaning, fault, decision, whatToTry }]) => [
      `\`${kind}\``,
      meaning,
      fault,
      `\`${decision}\``,
      whatToTry,
    ]),
  ]
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const [header = [], ...body] = rows
  return [
    '# Failures',
    '',
    'When an attempt fails, the ends of the logs of all its workers and how each of them ended tell what it was. `plimsoll show`, the events',
    'and the page of the run say the kind, the culprit, its lines and what to try. Generated from `src/domain/failure.ts`; the lines that tell',
    'each kind stand in `src/core/detect/failures/patterns.ts`.',
    '',
    line(header),
    line(widths.map((width) => '-'.repeat(width))),
    ...body.map(line),
    '',
    '- `restart`: from the newest checkpoint, while `restart` of the spec leaves restarts of its class.',
    '- `restart-elsewhere`: the same, and the next attempts are kept off the node of the culprit: for a day, or for an hour where the program is as',
    '  likely as the machine. A run that only waits for that says `avoiding-node`. Where no other nodes in service could hold the run, the node is',
    '  used again, and the event `avoided-node-used` says so.',
    '- `no-restart`: the run fails, whatever restarts are left: the next attempt would fail in the same way. Submit it again once it is mended.',
    '  Only where the fault is of the user and the spec asks for restarts all the same (`restart.user`), it gets them.',
    '',
    'What counts, in this order: a lost node; evidence of broken hardware (Xid, ECC); what the cluster says of a pod (`OOMKilled`, evicted); exit codes',
    'with a meaning (16 and 17 of Megatron, 93 of NVIDIA Resiliency Extension); then the earliest line or exit after the last step that can begin',
    'a failure, over all workers. What victims print (`RendezvousClosedError`, "closing signal SIGTERM", "Connection closed by remote peer") is',
    'left out, and what is told less than ten seconds apart has no order: there a cause counts for more than a symptom, such as a timeout.',
    'Nobody is accused where nothing tells who it was.',
    '',
  ].join('\n')
}
