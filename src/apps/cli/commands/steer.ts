// stop, suspend, resume: one question each, answered with the run as it stands then.
import type { Command } from 'commander'
import { ask, runPath } from '../client.ts'
import { visible } from '../format.ts'
import type { Output } from '../print.ts'
import { json, show } from '../print.ts'

export function steerCommands(program: Command): void {
  json(
    program
      .command('stop <run>')
      .description('ask a run to stop; it may save a checkpoint first')
      .option('--now', 'without a checkpoint'),
  ).action((run: string, options: Output & { now?: boolean }) =>
    steer(run, 'stop', options, { now: options.now === true }),
  )
  json(program.command('suspend <run>').description('stop a run so that resume can start it again')).action(
    (run: string, options: Output) => steer(run, 'suspend', options, {}),
  )
  json(program.command('resume <run>').description('queue a suspended run again')).action(
    (run: string, options: Output) => steer(run, 'resume', options, {}),
  )
}

async function steer(run: string, verb: 'stop' | 'suspend' | 'resume', options: Output, body: unknown): Promise<void> {
  show(options, await ask('run', 'POST', runPath(run, `/${verb}`), { body }), (document) =>
    visible(`${document.id}  ${document.project}/${document.name}  ${document.state}`),
  )
}
