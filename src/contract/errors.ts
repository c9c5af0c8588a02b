// Every code that a caller may meet, in one table: its HTTP status, what it means and what to do. docs/errors.md is made from it.
import type { RefusalCode } from '../domain/refusal.ts'

export type ErrorCode =
  | RefusalCode
  | 'unauthenticated'
  | 'unavailable'
  | 'internal'
  | 'unknown-route'
  | 'too-large'
  | 'wrong-host'

export type ErrorEntry = { readonly status: number; readonly meaning: string; readonly whatToDo: string }

export const ERRORS: Readonly<Record<ErrorCode, ErrorEntry>> = {
  unauthenticated: {
    status: 401,
    meaning: 'no token, or one that is not known, expired or revoked',
    whatToDo: 'set PLIMSOLL_TOKEN, or start plimsoll up, which writes client.json',
  },
  'not-allowed': {
    status: 403,
    meaning: 'the role of the token does not include this',
    whatToDo: 'ask an admin for a role that does',
  },
  'priority-too-high': {
    status: 403,
    meaning: 'the project may not ask for this priority',
    whatToDo: 'lower it, or ask a lead',
  },
  'not-found': {
    status: 404,
    meaning: 'there is no such thing, or you may not see it',
    whatToDo: 'list what there is',
  },
  'unknown-route': { status: 404, meaning: 'there is no such route', whatToDo: 'look at /openapi.json' },
  'name-taken': {
    status: 409,
    meaning: 'a run of this name still lives',
    whatToDo: 'wait for it, stop it, or choose another name',
  },
  'wrong-state': {
    status: 409,
    meaning: 'the run is not in a state in which this can be asked',
    whatToDo: 'look at it with plimsoll show',
  },
  'too-many': {
    status: 409,
    meaning: 'there are as many of them as there may be',
    whatToDo: 'remove one that nobody needs',
  },
  stale: { status: 409, meaning: 'it changed between the look and the write, several times', whatToDo: 'try again' },
  'policy-in-use': {
    status: 409,
    meaning: 'something that the policy leaves out is still used',
    whatToDo: 'keep it in the policy',
  },
  'version-mismatch': {
    status: 412,
    meaning: 'it is another version than If-Match names',
    whatToDo: 'read it again and decide anew',
  },
  'cluster-refuses': {
    status: 422,
    meaning: 'the cluster would not run this',
    whatToDo: 'mend what it names in the spec, or ask who runs the cluster',
  },
  'node-in-use': {
    status: 409,
    meaning: 'slots of the node are still held by a run',
    whatToDo: 'cordon the node and wait for its run, or stop the run',
  },
  'attempt-over': {
    status: 410,
    meaning: 'the attempt whose token this is has ended, or was never there',
    whatToDo: 'stop sending',
  },
  'too-large': { status: 413, meaning: 'the request is larger than is ever needed', whatToDo: 'make it smaller' },
  'wrong-host': {
    status: 421,
    meaning: 'the request was meant for another host',
    whatToDo: 'use the address that plimsoll up printed',
  },
  invalid: {
    status: 422,
    meaning: 'something in the request is wrong; errors names each place',
    whatToDo: 'correct each place that errors names',
  },
  'unknown-project': { status: 422, meaning: 'there is no such project', whatToDo: 'use one that the policy has' },
  'unknown-cluster': { status: 422, meaning: 'there is no such cluster', whatToDo: 'use one that is configured' },
  'idempotency-key-reused': {
    status: 422,
    meaning: 'the key was used for another request',
    whatToDo: 'use a new key for a new request',
  },
  'too-many-runs': { status: 429, meaning: 'too many runs live', whatToDo: 'wait until some have ended' },
  internal: {
    status: 500,
    meaning: 'a bug of plimsoll',
    whatToDo: 'look into the log of the server for the request id, and report it',
  },
  unavailable: {
    status: 503,
    meaning: 'PostgreSQL or a cluster does not answer',
    whatToDo: 'wait and repeat the request; nothing was lost',
  },
}

/** docs/errors.md, its table as the formatter wants it. */
export function errorsMarkdown(): string {
  const rows = [
    ['code', 'status', 'what it means', 'what to do'],
    ...Object.entries(ERRORS).map(([code, each]) => [`\`${code}\``, String(each.status), each.meaning, each.whatToDo]),
  ]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const [header = [], ...body] = rows
  return [
    '# Errors',
    '',
    'Every answer that is not what was asked for is a problem by RFC 9457 (`application/problem+json`) with a `code` of this',
    'table, `detail`, `whatToDo` and, where places of the request are wrong, `errors` with a JSON pointer each. Generated from',
    '`src/contract/errors.ts`.',
    '',
    line(header),
    line(widths.map((width) => '-'.repeat(width))),
    ...body.map(line),
    '',
    'The command line turns them into exit codes: 2 for `invalid`, 4 for 404, 5 for 503 and for a server that does not answer,',
    '1 for 500, and 3 for every other "no".',
    '',
  ].join('\n')
}
