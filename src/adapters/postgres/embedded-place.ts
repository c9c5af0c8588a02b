// Where the embedded PostgreSQL of a home keeps its things:
//   <home>/postgres/data    the database; PostgreSQL keeps postmaster.pid in it
//   <home>/postgres/log     what the server prints
//   <home>/postgres/socket  its socket; who may enter this directory may use the database, so its mode is 0700
// As `nobody`, who cannot enter a home of root, data, socket and programs are in /var/lib/plimsoll/<hash of home>.
import { createHash } from 'node:crypto'
import { chmod, chown, lstat, mkdir, realpath, rename, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { chooseAccount, nobody } from './embedded-account.ts'
import type { Account } from './embedded-account.ts'
import { copyNative, exists, makeFolder, prepareNative } from './embedded-binaries.ts'
import type { Package } from './embedded-binaries.ts'
import { faultOfFileSystem, homeUnusable, PostgresFault } from './embedded-fault.ts'

export type Place = {
  readonly account: Account
  readonly data: string
  readonly log: string
  readonly socket: string
  /** Whether the socket had to be put outside of the home, into a directory that goes away with the server. */
  readonly socketInTmp: boolean
  /** The folder of `bin/postgres`. */
  readonly native: string
}

export const PORT = 5432
/** sockaddr_un holds 108 bytes with the closing zero on Linux, 104 on macOS. */
const SOCKET_BYTES_MAX = process.platform === 'linux' ? 107 : 103
const LOG_BYTES_MAX = 10_000_000
const STATE_ROOT = '/var/lib/plimsoll'

export async function preparePlace(home: string, from: Package, as: Account | null): Promise<Place> {
  try {
    return await layOut(home, from, as)
  } catch (error) {
    const doing = `preparing ${join(home, 'postgres')}`
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') throw homeUnusable(doing, error)
    throw faultOfFileSystem(doing, error)
  }
}

async function layOut(home: string, from: Package, as: Account | null): Promise<Place> {
  await makeFolder(join(home, 'postgres'), 0o700)
  const real = await realpath(home)
  const root = join(real, 'postgres')
  const hash = createHash('sha256').update(real).digest('hex').slice(0, 16)
  const elsewhere = join(await realpath(STATE_ROOT).catch(() => STATE_ROOT), hash)
  // Where the database is counts more than what the machine allows today: a profile may change between two starts.
  const account = as ?? ((await isDatabaseOfNobody(elsewhere)) ? nobody() : chooseAccount())
  const log = join(root, 'log')
  await keepLogShort(log)
  if (account.kind !== 'nobody') {
    const native = await prepareNative(from.native, [
      join(cacheRoot(), `postgres-${from.version}`),
      join(root, `native-${from.version}`),
    ])
    const socketInTmp = !fits(join(root, 'socket'))
    const socket = socketInTmp ? `/tmp/plimsoll-${account.uid}-${hash}` : join(root, 'socket')
    await privateDirectory(socket, account)
    const place: Place = { account, data: join(root, 'data'), log, socket, socketInTmp, native }
    await assertOwner(place)
    return place
  }
  if (await exists(join(root, 'data'))) throw wrongProfile(join(root, 'data'))
  await makeFolder(dirname(elsewhere), 0o755)
  await privateDirectory(elsewhere, account)
  const native = await copyNative(from.native, join(elsewhere, `native-${from.version}`))
  await privateDirectory(join(elsewhere, 'socket'), account)
  const [data, socket] = [join(elsewhere, 'data'), join(elsewhere, 'socket')]
  return { account, data, log, socket, socketInTmp: false, native }
}

async function isDatabaseOfNobody(elsewhere: string): Promise<boolean> {
  return process.getuid?.() === 0 && (await exists(join(elsewhere, 'data')))
}

const cacheRoot = (): string => join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'plimsoll')

const fits = (directory: string): boolean => Buffer.byteLength(join(directory, `.s.PGSQL.${PORT}`)) <= SOCKET_BYTES_MAX

/**
 * Ours and closed to others, or a fault: in /tmp somebody else may have made it before us, to read along. /tmp is taken and not
 * XDG_RUNTIME_DIR, which is not set in every session and is emptied when the last one ends.
 */
async function privateDirectory(path: string, account: Account): Promise<void> {
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  })
  if (account.kind === 'nobody') await chown(path, account.uid, account.gid)
  const found = await lstat(path)
  if (!found.isDirectory() || found.uid !== account.uid) {
    const message = `${path} is not a directory of uid ${account.uid}, and the database's socket must be in one`
    throw new PostgresFault('postgres-no-permission', message, `Find out who made ${path}, and remove it.`)
  }
  await chmod(path, 0o700)
}

async function assertOwner(place: Place): Promise<void> {
  const owner = (await stat(place.data).catch(() => null))?.uid ?? place.account.uid
  if (owner === place.account.uid) return
  throw new PostgresFault(
    'postgres-data-owner',
    `the database in ${place.data} belongs to uid ${owner}, and we are uid ${place.account.uid}`,
    `Start Plimsoll as that user, or give the whole home to this one (chown -R) while nothing runs in it.`,
  )
}

function wrongProfile(data: string): PostgresFault {
  return new PostgresFault(
    'postgres-data-owner',
    `the database in ${data} was made by root in a user namespace, and this machine or container now forbids those`,
    'Allow user namespaces again (a seccomp profile or kernel setting forbids them), or run as an ordinary user who owns the home.',
  )
}

/** The server appends for months; one old log is kept. */
async function keepLogShort(log: string): Promise<void> {
  const size = (await stat(log).catch(() => null))?.size ?? 0
  if (size > LOG_BYTES_MAX) await rename(log, `${log}.1`)
}
