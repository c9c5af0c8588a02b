// Every code that a caller may meet, in one table: its HTTP status, what it means and what to do. docs/errors.md is made from it.
import type { RefusalCode } from '../domain/refusal.ts'
import type { SignInCode } from '../domain/sign-in.ts'

export type ErrorCode =
  | RefusalCode
  | SignInCode
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
  'sign-in-not-configured': {
    status: 404,
    meaning: 'no identity provider is configured here',
    whatToDo: 'sign in with a link or a token; an admin sets signIn.oidc',
  },
  'sign-in-provider-away': {
    status: 503,
    meaning: 'the identity provider does not answer, or says that it cannot',
    whatToDo: 'try again in a minute; until then a link or a token signs in as well',
  },
  'sign-in-provider-wrong': {
    status: 502,
    meaning: 'what the identity provider says is not from it, not for us, not for this sign-in, or over',
    whatToDo: 'tell an admin: the log says which check failed; see that issuer, client and clocks are right',
  },
  'sign-in-provider-refused': {
    status: 502,
    meaning: 'the identity provider does not take this Plimsoll for one of its clients',
    whatToDo: 'tell an admin: client id, secret and the address of the callback must be as the provider has them',
  },
  'sign-in-cancelled': {
    status: 403,
    meaning: 'the sign-in was given up, or the identity provider refused it',
    whatToDo: 'sign in again; where it stays, who runs the identity provider knows why',
  },
  'sign-in-not-begun': {
    status: 400,
    meaning: 'the sign-in was not begun in this browser, or it keeps no cookies',
    whatToDo: 'begin on the sign-in page, by the address that alerts.pages names',
  },
  'sign-in-too-late': { status: 400, meaning: 'the sign-in took longer than ten minutes', whatToDo: 'sign in again' },
  'sign-in-mismatch': {
    status: 400,
    meaning: 'the answer belongs to another sign-in than the browser began last',
    whatToDo: 'sign in again, in one window',
  },
  'sign-in-used': {
    status: 409,
    meaning: 'the answer of the identity provider was used before, or is too old',
    whatToDo: 'sign in again',
  },
  'sign-in-no-name': {
    status: 403,
    meaning: 'the identity provider does not say the name of the user, or has not verified it',
    whatToDo: 'ask whom the page names; an admin sets signIn.oidc.user to a claim that the provider sends',
  },
  'sign-in-no-group': {
    status: 403,
    meaning: 'none of the groups of the user has a role here',
    whatToDo: 'ask whom the page names for a group that has one; an admin sets signIn.oidc.grants',
  },
  'sign-in-too-many-groups': {
    status: 403,
    meaning: 'the user is in more groups than the identity provider sends, or than are read',
    whatToDo: 'let the provider send only groups that matter here, or roles of the application',
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
