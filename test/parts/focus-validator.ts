// The validator of the FOCUS project, with its rules of version 1.2. Two things stand between it and a machine: it asks for Python 3.12, of which
// it needs one line, and for any pyarrow, of which the newest does not go with the numpy that it asks for.
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ask, environmentOf } from './virtual-environment.ts'

/** The newest rules of FOCUS 1.2 that it brings along: no other can be had without a network. */
const RULES = '1.2.0.1'

type Found =
  | { readonly kind: 'found'; readonly validate: Validate }
  | { readonly kind: 'missing'; readonly why: string }
type Verdict = { readonly passed: number; readonly broken: readonly string[]; readonly text: string }
/** Of a CSV file, for somebody to whom these of its applicability criteria apply. */
type Validate = (file: string, criteria: readonly string[]) => Promise<Verdict>

export function focusValidator(): Found {
  const made = environmentOf({
    name: 'focus-validator',
    version: '2.2.1',
    pins: ['pyarrow==18.1.0'],
    oldestMinor: 11,
    options: ['--ignore-requires-python'],
    afterwards: (packages, minor) => (minor < 12 ? withoutNested(packages) : null),
  })
  if (made.kind === 'missing') return made
  return { kind: 'found', validate: (file, criteria) => validate(made, file, criteria) }
}

/** A backslash inside the braces of an f-string is Python 3.12's. */
function withoutNested(packages: string): string | null {
  const file = join(packages, 'focus_validator', 'config_objects', 'focus_to_duckdb_converter.py')
  const newer = String.raw`f"'{k.replace('\"', '\"\"')}'"`
  const older = `"'" + k.replace('"', '""') + "'"`
  const text = readFileSync(file, 'utf8')
  if (!text.includes(newer)) return `${file} is not what is known of this version`
  writeFileSync(file, text.replace(newer, older))
  return null
}

async function validate(
  { folder, packages }: { readonly folder: string; readonly packages: string },
  file: string,
  criteria: readonly string[],
): Promise<Verdict> {
  // It looks for its list of currencies below the folder in which it runs, and writes its log there.
  const work = mkdtempSync(join(tmpdir(), 'focus-'))
  try {
    symlinkSync(join(packages, 'focus_validator'), join(work, 'focus_validator'))
    const args = ['--data-file', file, '--validate-version', RULES, '--block-download', '--show-violations']
    const which = ['--focus-dataset', 'CostAndUsage', '--applicability-criteria', criteria.join(',')]
    const { text } = await ask(join(folder, 'bin', 'focus-validator'), work, [...args, ...which])
    const passed = Number(/^Total: \d+ \| Pass: (\d+)/m.exec(text)?.[1] ?? 0)
    const broken = [...text.matchAll(/^\S+ (\S+): FAIL/gm)].map(([, rule]) => rule ?? '')
    return { passed, broken, text }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
