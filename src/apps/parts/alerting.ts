// How messages get out of this process.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { createNotifier } from '../../adapters/notify/notifier.ts'
import type { Smtp } from '../../adapters/notify/email.ts'
import { sealWith } from '../../adapters/system/seal.ts'
import type { Config } from '../../contract/config.ts'
import type { Alerting } from '../../control/control.ts'
import { renderNotice } from '../../core/alert/render.ts'
import type { Log } from '../../ports/log.ts'
import { Exit } from './say.ts'

export type AlertingOptions = {
  readonly config: Config
  /** The file of settings: what it names lies beside it. */
  readonly file: string
  readonly keys: readonly Uint8Array[]
  /** Where this process serves the pages, where the settings name no other place. */
  readonly pages: () => string
  readonly allowNetworks?: readonly string[]
  readonly log: Log
}

export function alertingOf({
  config,
  file,
  keys,
  pages,
  allowNetworks = [],
  log,
}: AlertingOptions): Omit<Alerting, 'store'> {
  const { alerts } = config
  const at = alerts.pages === null ? pages : () => alerts.pages?.replace(/\/+$/, '') ?? ''
  const notifier = createNotifier({
    publicUrl: at,
    allowNetworks: [...alerts.allowNetworks, ...allowNetworks],
    smtp: smtpOf(config, file),
    log,
    render: renderNotice,
  })
  return { notifier, seal: sealWith(keys), pages: at }
}

function smtpOf({ alerts: { smtp } }: Config, file: string): Smtp | null {
  const { host, port, security, from, user, passwordFile } = smtp
  if (host === null) return null
  if (from === null) throw new Exit(2, `${file}: alerts.smtp.from is missing: the address that mail comes from`)
  return { host, port, security, from, user, password: passwordFile === null ? null : passwordOf(passwordFile, file) }
}

function passwordOf(name: string, file: string): string {
  const path = resolve(dirname(file), name)
  if (!existsSync(path)) throw new Exit(2, `${file}: there is no file ${path} (at /alerts/smtp/passwordFile)`)
  return readFileSync(path, 'utf8').split(/\r?\n/)[0] ?? ''
}
