// Whom a cluster trusts and who we are there: a kubeconfig, read by the official client.
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
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

const refused = (message: string, whatToDo: string): Fault =>
  new Fault('cluster-refused', message, { retryable: false, whatToDo })
