// Why there is no Python to train with, each reason with what to do about it.
import type { Ended } from './environment-processes.ts'
import { complaint } from './environment-processes.ts'

type EnvironmentFaultCode = 'no-python' | 'python-too-old' | 'no-network' | 'no-space' | 'unusable'

export class EnvironmentFault extends Error {
  readonly code: EnvironmentFaultCode
  readonly whatToDo: string

  constructor(code: EnvironmentFaultCode, message: string, whatToDo: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'EnvironmentFault'
    this.code = code
    this.whatToDo = whatToDo
  }
}

// PyTorch with the CUDA libraries that its wheel requires takes 5.4 GB; pip keeps the wheels beside them while it unpacks.
export const SPACE_NEEDED = 8e9

const UNREACHABLE =
  /NewConnectionError|ConnectTimeout|ConnectionError|Read timed out|Failed to establish|name resolution|refused|unreachable|SSLError|CERTIFICATE_VERIFY|ProxyError|from versions: none|error sending request|dns error/i

export const unreachable = (ended: Ended): boolean => UNREACHABLE.test(ended.stdout + ended.stderr)

export function noNetwork(ended: Ended): EnvironmentFault {
  const lines = (ended.stdout + ended.stderr).split('\n')
  const telling = lines.find((line) => UNREACHABLE.test(line) && !line.includes('from versions'))
  return new EnvironmentFault(
    'no-network',
    `The package index cannot be reached: ${complaint(telling === undefined ? ended : { ...ended, stderr: telling })}`,
    'Connect this machine, or name your proxy with HTTPS_PROXY, your mirror with PIP_INDEX_URL or your certificates with ' +
      'PIP_CERT; or name a Python that has PyTorch with PLIMSOLL_PYTHON.',
  )
}

export function noSpace(cacheDir: string, said: string): EnvironmentFault {
  return new EnvironmentFault(
    'no-space',
    `PyTorch needs ${gigabytes(SPACE_NEEDED)} in ${cacheDir}: ${said}.`,
    'Free some space there, or name a Python that has PyTorch with PLIMSOLL_PYTHON.',
  )
}

export function faultOfFileSystem(error: unknown, cacheDir: string): unknown {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return error
  if (error.code === 'ENOSPC' || error.code === 'EDQUOT') return noSpace(cacheDir, error.message)
  return new EnvironmentFault(
    'unusable',
    `${cacheDir} cannot be used: ${error.message}`,
    'Give this user the right to write there, or name a Python that has PyTorch with PLIMSOLL_PYTHON.',
    error,
  )
}

export const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`
