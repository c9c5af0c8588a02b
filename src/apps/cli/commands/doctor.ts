import type { Command } from 'commander'
import type { Output } from '../print.ts'
import { isJson, json } from '../print.ts'

export function doctorCommand(program: Command): void {
  json(
    program
      .command('doctor')
      .description('what is missing on this machine, or on a cluster, and what to do')
      .option('--cluster <name>', 'a cluster of Kubernetes: its name in config.yaml, or its file'),
  ).action(async (options: Output & { cluster?: string }) => {
    const { runDoctor } = await import('../../up/doctor.ts')
    process.exitCode = await runDoctor(isJson(options), options.cluster ?? null)
  })
}
