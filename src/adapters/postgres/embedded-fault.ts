// What can go wrong with the embedded PostgreSQL, each with what to do. The texts of PostgreSQL are matched in English: it is always
// started with LC_ALL=C.

export type PostgresFaultCode =
  | 'postgres-platform-unsupported'
  | 'postgres-binaries-missing'
  | 'postgres-data-version'
  | 'postgres-data-unusable'
  | 'postgres-data-owner'
  | 'postgres-no-user'
  | 'postgres-home-unusable'
  | 'postgres-disk-full'
  | 'postgres-no-permission'
  | 'postgres-in-use'
  | 'postgres-start-failed'
  | 'postgres-stop-failed'

export class PostgresFault extends Error {
  readonly code: PostgresFaultCode
  readonly whatToDo: string
  /** None of these goes away by itself: a person has to act. */
  readonly retryable = false

  constructor(code: PostgresFaultCode, message: string, whatToDo: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'PostgresFault'
    this.code = code
    this.whatToDo = whatToDo
  }
}

/** Turns what a program of PostgreSQL said on its way out into a fault. */
export function faultOfOutput(doing: string, output: string, log: string): PostgresFault {
  const said = complaint(output)
  if (/No space left on device|Disk quota exceeded/.test(output)) return diskFull(doing, said)
  if (/Permission denied|Read-only file system|Operation not permitted/.test(output)) return noPermission(doing, said)
  if (/database files are incompatible|was initialized by PostgreSQL version/.test(output)) {
    return new PostgresFault(
      'postgres-data-version',
      `${doing} failed, because the database was made by another PostgreSQL: ${said}`,
      'Start the version of Plimsoll that made this home, or move the home away and begin a new one.',
    )
  }
  return new PostgresFault('postgres-start-failed', `${doing} failed: ${said}`, `Read the end of ${log}.`)
}

/** Turns an error of the file system, met while `doing`, into a fault; another error is given back as it is. */
export function faultOfFileSystem(doing: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof PostgresFault || !('code' in error)) return error
  switch (error.code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return diskFull(doing, error.message, error)
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return noPermission(doing, error.message, error)
    case 'ELOOP':
    case 'ENAMETOOLONG':
    case 'ENOTDIR':
      return homeUnusable(doing, error)
    default:
      return error
  }
}

export function homeUnusable(doing: string, cause: Error): PostgresFault {
  const whatToDo =
    'Choose a place with --home where folders can be made: not below a file, /proc or a mount that is gone.'
  const message = `${doing} failed, because no folder can be there: ${cause.message}`
  return new PostgresFault('postgres-home-unusable', message, whatToDo, cause)
}

function diskFull(doing: string, said: string, cause?: unknown): PostgresFault {
  const whatToDo =
    'Free some space (a new home takes 60 MB, and then what its runs write), or choose another place with --home.'
  return new PostgresFault('postgres-disk-full', `${doing} failed, because the disk is full: ${said}`, whatToDo, cause)
}

function noPermission(doing: string, said: string, cause?: unknown): PostgresFault {
  const whatToDo =
    'Give this user the right to write to the home and everything below it, or choose another place with --home.'
  return new PostgresFault(
    'postgres-no-permission',
    `${doing} failed, because it is not allowed: ${said}`,
    whatToDo,
    cause,
  )
}

/** The lines that tell why; of an unknown text the last ones. */
function complaint(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  const telling = lines.filter((line) =>
    /FATAL|PANIC|ERROR|HINT|error:|hint:|cannot|could not|No such file|configuration parameter|invalid value/.test(
      line,
    ),
  )
  const chosen = (telling.length > 0 ? telling : lines).slice(-4).join(' | ')
  return chosen === '' ? 'it said nothing' : chosen.slice(-800)
}
