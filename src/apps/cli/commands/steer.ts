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
      .description('ask a run to stop by SIGTERM; it may save a checkpoint')
      .option('--now', 'by SIGKILL, without a checkpoint'),
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

/** The wish is noted at once; the state follows when the run has acted on it. */
const ASKED = {
  stop: 'is asked to stop, state',
  suspend: 'is asked to suspend, state',
  resume: 'is resumed, state',
} as const

async function steer(run: string, verb: 'stop' | 'suspend' | 'resume', options: Output, body: unknown): Promise<void> {
  show(options, await ask('run', 'POST', runPath(run, `/${verb}`), { body }), (document) =>
    visible(`${document.id}  ${document.project}/${document.name}  ${ASKED[verb]} ${document.state}`),
  )
}
