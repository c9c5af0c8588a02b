// A spec file as it is sent: parsed, its working directory absolute, and where that came from.
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { formatProblems } from '../../contract/problems.ts'
import { parseRunSpec } from '../../contract/run-spec.ts'
import type { RunSpec } from '../../domain/spec.ts'
import { catalogue } from '../parts/files.ts'
import { CliError, EXIT } from './exit.ts'
import { readText } from './read-text.ts'

export function readSpec(file: string, set: readonly string[]): RunSpec {
  const parsed = parseRunSpec(readText(file), { file, set, catalogue: catalogue() })
  if (!parsed.ok) throw new CliError(EXIT.usage, `${formatProblems(file, parsed.problems)}\nnothing was submitted`)
  const workdir = resolve(dirname(file), parsed.spec.workdir ?? '.')
  if (statSync(workdir, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new CliError(EXIT.usage, `${file}: workdir ${workdir} is not a folder (at /workdir)\nnothing was submitted`)
  return { ...parsed.spec, workdir, source: parsed.spec.source ?? sourceOf(workdir) }
}

/** Null outside a checkout, or without git. */
function sourceOf(workdir: string): RunSpec['source'] {
  const git = (...args: string[]): string | null => {
    try {
      return execFileSync('git', ['-C', workdir, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: 5_000,
      }).trim()
    } catch {
      return null
    }
  }
  const commit = git('rev-parse', 'HEAD')
  if (commit === null || commit === '') return null
  // A remote may carry a password in its address.
  const remote = git('remote', 'get-url', 'origin')?.replace(/\/\/[^@/]*@/, '//') ?? null
  return { remote, commit, dirty: git('status', '--porcelain', '--untracked-files=no') !== '' }
}
