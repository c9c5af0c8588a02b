// A real Alertmanager from Debian, by itself: on a free port of this machine, without rights and without peers, in a folder of its own that
// goes with it.
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fromDebian, startAsNobody } from './debian.ts'

const START_MS_MAX = 30_000

const found = fromDebian('prometheus-alertmanager', ['prometheus-alertmanager'])
/** What is missing, in words; null when it can run here. */
export const alertmanagerLacks = (): string | null => (found.kind === 'missing' ? found.why : null)

export async function startAlertmanager(prefix: string): Promise<{ readonly url: string; stop(): Promise<void> }> {
  if (found.kind === 'missing') throw new Error(found.why)
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-alertmanager-'))
  const config = join(folder, 'alertmanager.yml')
  writeFileSync(config, 'route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n')
  const args = [`--config.file=${config}`, `--storage.path=${folder}`, '--cluster.listen-address=']
  const listen = ['--web.listen-address=127.0.0.1:0', `--web.route-prefix=${prefix}`]
  const program = found.paths['prometheus-alertmanager']
  const { child, gone, stop } = startAsNobody(program, [...args, ...listen], folder)
  const said: string[] = []
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  createInterface({ input: child.stderr }).on('line', (line) => {
    said.push(line)
    const address = /msg="Listening on" address=(\S+)/.exec(line)?.[1]
    if (address !== undefined) resolve(address)
  })
  const fail = (): void => reject(new Error(`Alertmanager did not start:\n${said.join('\n')}`))
  const timer = setTimeout(fail, START_MS_MAX)
  void gone.then(fail)
  try {
    return { url: `http://${await promise}${prefix}`, stop }
  } catch (error) {
    await stop()
    throw error
  } finally {
    clearTimeout(timer)
  }
}
