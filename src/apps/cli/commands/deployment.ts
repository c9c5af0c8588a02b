// The processes of a deployment, which the chart starts: none of them asks a server.
import type { Command } from 'commander'

type Options = { config?: string }

export function deploymentCommands(program: Command): void {
  const add = (name: string, description: string): Command =>
    program.command(name).description(description).option('--config <file>', 'settings; PLIMSOLL_CONFIG by default')

  add('controller', 'the loops on clusters of Kubernetes; of several one leads').action(async ({ config }: Options) => {
    const { runController } = await import('../../controller/main.ts')
    process.exitCode = await runController({ config: config ?? null })
  })
  add('api', 'the API, the pages and the port for reports; any number may run')
    .option('--no-rehearse', 'do not ask the clusters whether they would take a run')
    .action(async ({ config, rehearse }: Options & { rehearse: boolean }) => {
      const { runApi } = await import('../../api/main.ts')
      process.exitCode = await runApi({ config: config ?? null, rehearse })
    })
  add('migrate', 'bring a database to what this version needs').action(async ({ config }: Options) => {
    const { runMigrate } = await import('../../migrate/main.ts')
    process.exitCode = await runMigrate({ config: config ?? null })
  })
  add('release', 'take our finalizer off all Jobs, before a deployment is removed')
    .option('--stop-deployment <namespace/name>', 'scale the controllers to nothing first')
    .action(async ({ config, stopDeployment }: Options & { stopDeployment?: string }) => {
      const { runRelease } = await import('../../migrate/release.ts')
      process.exitCode = await runRelease({ config: config ?? null, stop: stopDeployment ?? null })
    })
}
