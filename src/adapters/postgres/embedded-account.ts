// As whom the embedded PostgreSQL runs. It refuses to run as root, and no other user can enter /root. So root starts it in a user
// namespace, where it looks like an ordinary user while its files outside belong to root; where those are forbidden (Docker's default
// profile) it runs as `nobody`, with its files outside of /root.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { PostgresFault } from './embedded-fault.ts'

export type AccountKind = 'self' | 'user-namespace' | 'nobody'

/** `uid` and `gid` own the files; a command of the account is started by `commandAs`. */
export type Account =
  | { readonly kind: 'self'; readonly uid: number; readonly gid: number }
  | { readonly kind: 'user-namespace'; readonly uid: number; readonly gid: number; readonly mapping: readonly string[] }
  | { readonly kind: 'nobody'; readonly uid: number; readonly gid: number }

export type Command = {
  readonly file: string
  readonly args: readonly string[]
  readonly options: { readonly uid?: number; readonly gid?: number }
}

/** As whom PostgreSQL would run here. */
export function describeUser(): AccountKind {
  return chooseAccount().kind
}

/** Asks the machine each time, since a container may be started with another profile on the same home. */
export function chooseAccount(): Account {
  const [uid, gid] = [process.getuid?.() ?? -1, process.getgid?.() ?? -1]
  if (uid !== 0) return { kind: 'self', uid, gid }
  const mapping = mappingToOrdinaryUser()
  const probe =
    mapping === null ? null : spawnSync('unshare', [...mapping, 'true'], { stdio: 'ignore', timeout: 5_000 })
  if (mapping !== null && probe?.status === 0) return { kind: 'user-namespace', uid, gid, mapping }
  return nobody()
}

export function nobody(): Account {
  const entry = users().find((user) => user.name === 'nobody')
  if (entry !== undefined) return { kind: 'nobody', uid: entry.uid, gid: entry.gid }
  throw new PostgresFault(
    'postgres-no-user',
    'PostgreSQL does not run as root, user namespaces are forbidden here, and there is no user `nobody` in /etc/passwd',
    'Run Plimsoll as an ordinary user, allow user namespaces, or point it at a PostgreSQL of your own with --database.',
  )
}

export function commandAs(account: Account, file: string, args: readonly string[]): Command {
  switch (account.kind) {
    case 'self':
      return { file, args, options: {} }
    case 'user-namespace':
      // unshare executes the program in its own place, so the pid that we see is the program's.
      return { file: 'unshare', args: [...account.mapping, file, ...args], options: {} }
    case 'nobody':
      return { file, args, options: { uid: account.uid, gid: account.gid } }
    default:
      return assertNever(account)
  }
}

/** Any ordinary user will do, but it must have an entry: initdb looks its name up and fails without one. */
function mappingToOrdinaryUser(): readonly string[] | null {
  const user = users().find((candidate) => candidate.uid !== 0 && candidate.gid !== 0)
  return user === undefined ? null : ['-U', `--map-user=${user.uid}`, `--map-group=${user.gid}`, '--']
}

function users(): { name: string; uid: number; gid: number }[] {
  let text: string
  try {
    text = readFileSync('/etc/passwd', 'utf8')
  } catch {
    return []
  }
  const entries = text.split('\n').map((line) => line.split(':'))
  return entries
    .map(([name = '', , uid = '', gid = '']) => ({
      name,
      uid: Number.parseInt(uid, 10),
      gid: Number.parseInt(gid, 10),
    }))
    .filter((user) => user.name !== '' && Number.isInteger(user.uid) && Number.isInteger(user.gid))
}

function assertNever(value: never): never {
  throw new Error(`bug: an account of no known kind: ${JSON.stringify(value)}`)
}
