import type { Command } from 'commander'
import type { Output } from '../print.ts'
import { isJson, json } from '../print.ts'

export function doctorCommand(program: Command): void {
  json(program.command('doctor').description('what is missing on this machine, and what to do')).action(
    async (options: Output) => {
      const { runDoctor } = await import('../../up/doctor.ts')
      process.exitCode = await runDoctor(isJson(options))
    },
  )
}
