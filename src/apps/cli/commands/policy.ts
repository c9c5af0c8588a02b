import type { Command } from 'commander'
import type { Wire } from '../../../contract/documents.ts'
import { parsePolicy } from '../../../contract/policy.ts'
import { formatProblems } from '../../../contract/problems.ts'
import { ask } from '../client.ts'
import { CliError, EXIT } from '../exit.ts'
import { visible } from '../format.ts'
import type { Output } from '../print.ts'
import { json, show } from '../print.ts'
import { readText } from '../read-text.ts'

type Change = Wire<'policy-diff'>['changes'][number]

export function policyCommand(program: Command): void {
  const policy = program.command('policy').description('projects, quotas, budgets, prices')
  json(policy.command('show').description('the policy that holds')).action(async (options: Output) =>
    show(
      options,
      await ask('policy', 'GET', '/policy'),
      ({ version, document }) => `# version ${version}\n${JSON.stringify(document, null, 2)}`,
    ),
  )
  json(policy.command('diff <file>').description('what applying a file would change')).action(
    async (file: string, options: Output) => {
      const wanted = readPolicy(file)
      const { document } = await ask('policy', 'GET', '/policy')
      const diff: Wire<'policy-diff'> = { schema: 'plimsoll.policy-diff/v1', changes: changes(document, wanted, '') }
      show(options, diff, (all) =>
        all.changes.length === 0 ? 'no difference' : all.changes.map(changeText).join('\n'),
      )
    },
  )
  json(policy.command('apply <file>').description('make a file the policy, whole')).action(
    async (file: string, options: Output) =>
      show(
        options,
        await ask('policy-applied', 'PUT', '/policy', { body: readPolicy(file) }),
        ({ version }) => `applied as version ${version}`,
      ),
  )
}

function readPolicy(file: string): unknown {
  const parsed = parsePolicy(readText(file))
  if (!parsed.ok) throw new CliError(EXIT.usage, `${formatProblems(file, parsed.problems)}\nnothing was applied`)
  return parsed.document
}

const isTree = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value)

/** Key by key; undefined on one side is a key that is not there, which is what null says too. */
function changes(before: unknown, after: unknown, pointer: string): Change[] {
  if (isTree(before) && isTree(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])]
    return keys.flatMap((key) => changes(before[key], after[key], `${pointer}/${key}`))
  }
  if (JSON.stringify(before ?? null) === JSON.stringify(after ?? null)) return []
  return [{ pointer, before: before ?? null, after: after ?? null }]
}

const changeText = ({ pointer, before, after }: Change): string =>
  visible(
    `${pointer}: ${before === null ? 'nothing' : JSON.stringify(before)} -> ${after === null ? 'nothing' : JSON.stringify(after)}`,
  )
