// A spec file as it is sent: parsed, its folders absolute, and where that came from.
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
  const folder = resolve(dirname(file))
  const { image } = parsed.spec
  const workdir = parsed.spec.workdir === null ? null : resolve(folder, parsed.spec.workdir)
  // In a container it is a folder of the image.
  if (workdir !== null && image === null && statSync(workdir, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new CliError(EXIT.usage, `${file}: workdir ${workdir} is not a folder (at /workdir)\nnothing was submitted`)
  const from = workdir !== null && image === null ? workdir : folder
  return { ...parsed.spec, workdir, folder, source: parsed.spec.source ?? sourceOf(from) }
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
