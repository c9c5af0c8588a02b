import type { Command } from 'commander'
import { Argument } from 'commander'
import type { Wire } from '../../../contract/documents.ts'
import type { Output } from '../print.ts'
import { json, show } from '../print.ts'

export function completionCommand(program: Command): void {
  json(
    program
      .command('completion')
      .description('words for the tab key: source <(plimsoll completion bash)')
      .addArgument(new Argument('<shell>').choices(['bash', 'zsh'])),
  ).action((shell: 'bash' | 'zsh', options: Output) => {
    const document: Wire<'completion'> = { schema: 'plimsoll.completion/v1', shell, script: script(program, shell) }
    show(options, document, (each) => each.script)
  })
}

/** Commands, their commands and options; zsh reads the script of bash. */
function script(program: Command, shell: 'bash' | 'zsh'): string {
  const cases = program.commands.map((command) => `    ${command.name()}) words='${wordsOf(command).join(' ')}' ;;`)
  return [
    ...(shell === 'zsh' ? ['autoload -U +X bashcompinit && bashcompinit'] : []),
    '_plimsoll() {',
    '  local words',
    '  case "${COMP_WORDS[1]}" in',
    ...cases,
    '  esac',
    `  [ "$COMP_CWORD" -eq 1 ] && words='${program.commands.map((command) => command.name()).join(' ')}'`,
    '  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))',
    '}',
    'complete -o default -F _plimsoll plimsoll',
  ].join('\n')
}

const wordsOf = (command: Command): string[] => [
  ...new Set([
    ...command.commands.flatMap((each) => [each.name(), ...wordsOf(each)]),
    ...command.options.map((option) => option.long ?? option.short ?? ''),
  ]),
]
