// Who may do what, as people read it: tests of the decision and of every route take what they expect from here.
import type { Verb } from '../../domain/principal.ts'

/** One letter for each role: `*` may, `o` only for runs of his own, `g` only with a grant for all projects, `-` may not. */
export const TABLE: Readonly<Record<Verb, string>> = {
  //              viewer member lead operator payer admin
  'run.submit': '-**--*',
  'run.read': '******',
  'run.logs': '****-*',
  'run.stop': '-o**-*',
  'run.suspend': '-o**-*',
  'run.resume': '-o**-*',
  'queue.read': '******',
  'queue.pause': '---g-g',
  'node.read': '******',
  'node.cordon': '---g-g',
  'node.forget': '---g-g',
  'ledger.read': '******',
  'budget.read': '******',
  'budget.ask': '-**-**',
  'budget.extend': '----**',
  'alert.read': '******',
  'alert.handle': '-*****',
  'channel.write': '--*--*',
  'policy.read': '--gggg',
  'policy.apply': '-----g',
  'audit.read': '--gggg',
  'token.create': '-----g',
  'token.list': '-----g',
  'token.revoke': '-----g',
  'system.read': '******',
}
