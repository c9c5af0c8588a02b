// Whom a cluster trusts and who we are there: a kubeconfig, read by the official client.
import { accessSync, constants, existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import { Fault } from '../../ports/fault.ts'

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount/token'

/** Null for the path: KUBECONFIG, ~/.kube/config, or the account of the pod that we run in. Throws a fault that says what to do. */
export function readKubeconfig(path: string | null, context: string | null): KubeConfig {
  const config = new KubeConfig()
  try {
    if (path !== null) config.loadFromFile(path)
    else if (
      process.env['KUBECONFIG'] === undefined &&
      !existsSync(join(homedir(), '.kube', 'config')) &&
      !existsSync(ACCOUNT)
    )
      // The client would ask port 8080 of this machine.
      throw refused(
        'no kubeconfig is named, and there is none in KUBECONFIG or ~/.kube/config',
        'Name one with kubeconfig.',
      )
    else config.loadFromDefault()
  } catch (error) {
    if (error instanceof Fault) throw error
    const why = error instanceof Error ? error.message : String(error)
    throw refused(`its kubeconfig ${path ?? ''} cannot be read: ${why}`, 'See that it is the file that kubectl uses.')
  }
  if (context !== null) {
    const names = config.getContexts().map(({ name }) => name)
    if (!names.includes(context))
      throw refused(
        `the kubeconfig has no context ${context}`,
        `It has ${names.join(', ') || 'none'}: name one of them with context.`,
      )
    config.setCurrentContext(context)
  }
  if (config.getCurrentCluster() === null)
    throw refused('the kubeconfig names no current cluster', 'Choose one with context.')
  return config
}

/**
 * Throws a fault that names a file or a program which the kubeconfig names and which is not there. For doctor: a control plane asks anew, and
 * a file may come back.
 */
export function proveFiles(config: KubeConfig): void {
  const user = config.getCurrentUser()
  const files = [
    ['certificate authority', config.getCurrentCluster()?.caFile],
    ['client certificate', user?.certFile],
    ['client key', user?.keyFile],
  ] as const
  for (const [what, file] of files)
    if (file !== undefined && !may(file, constants.R_OK))
      throw refused(
        `the ${what} that the kubeconfig names cannot be read: ${file}`,
        'See that the file is there and that this user may read it, or make the kubeconfig anew.',
      )
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as kubeconfigs have it; the client says no more of it than any
  const program = user?.exec as Program | null | undefined
  if (program?.command === undefined || isThere(program.command, program.env ?? [])) return
  throw refused(
    `the program ${program.command} that the kubeconfig gets its credentials from is not there, or may not be run`,
    program.installHint ?? 'Install it where PATH finds it, or use a kubeconfig that does not need it.',
  )
}

type Program = {
  readonly command?: string
  readonly installHint?: string
  readonly env?: readonly { readonly name: string; readonly value: string }[] | null
}

/** As the client finds it. */
function isThere(command: string, env: NonNullable<Program['env']>): boolean {
  if (command.includes('/')) return may(command, constants.X_OK)
  const path = env.find(({ name }) => name === 'PATH')?.value ?? process.env['PATH'] ?? ''
  return path.split(delimiter).some((folder) => may(join(folder, command), constants.X_OK))
}

function may(file: string, mode: number): boolean {
  try {
    accessSync(file, mode)
    return true
  } catch {
    return false
  }
}

const refused = (message: string, whatToDo: string): Fault =>
  new Fault('cluster-refused', message, { retryable: false, whatToDo })
