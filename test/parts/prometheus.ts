// A real Prometheus from Debian, by itself: it reads one server, on a free port of this machine, without rights, in a folder that goes with it.
import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromDebian, startAsNobody } from './debian.ts'
import { until } from './plimsoll.ts'
import { freePorts } from './ports.ts'

const found = fromDebian('prometheus', ['prometheus', 'promtool'])
/** What is missing, in words; null when it can run here. */
export const prometheusLacks = (): string | null => (found.kind === 'missing' ? found.why : null)
export const promtool = (): string => {
  if (found.kind === 'missing') throw new Error(found.why)
  return found.paths.promtool
}

export type Prometheus = {
  /** What its API says, `data` of it; throws where it refuses. */
  get(path: string): Promise<unknown>
  stop(): Promise<void>
}

export async function startPrometheus(options: {
  readonly target: string
  readonly token: string
  readonly rules: string
}): Promise<Prometheus> {
  if (found.kind === 'missing') throw new Error(found.why)
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-prometheus-'))
  const data = join(folder, 'data')
  mkdirSync(data)
  copyFileSync(options.rules, join(folder, 'rules.yaml'))
  writeFileSync(join(folder, 'token'), options.token)
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: ['rules.yaml'],
    scrape_configs: [
      {
        job_name: 'plimsoll',
        authorization: { credentials_file: 'token' },
        static_configs: [{ targets: [new URL(options.target).host] }],
      },
    ],
  }
  // JSON is YAML.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config))
  // It takes no port 0 that it would tell us.
  const [port = 0] = await freePorts(1)
  const args = [`--config.file=${join(folder, 'prometheus.yml')}`, `--storage.tsdb.path=${data}`]
  const { child, gone, stop } = startAsNobody(
    found.paths.prometheus,
    [...args, `--web.listen-address=127.0.0.1:${port}`],
    folder,
  )
  let said = ''
  child.stderr.on('data', (bytes: Uint8Array) => (said += Buffer.from(bytes).toString('utf8')))
  let isGone = false
  void gone.then(() => (isGone = true))
  const url = `http://127.0.0.1:${port}`
  try {
    await until(
      'Prometheus is ready',
      async () => {
        if (isGone) throw new Error(`Prometheus did not start:\n${said}`)
        return fetch(`${url}/-/ready`).then(
          ({ ok }) => ok,
          () => false,
        )
      },
      30_000,
    )
  } catch (error) {
    await stop()
    throw error
  }
  return {
    stop,
    async get(path) {
      const answer = (await (await fetch(`${url}/api/v1/${path}`)).json()) as {
        status: string
        data: unknown
        error?: string
      }
      if (answer.status !== 'success') throw new Error(`${path}: ${answer.error}`)
      return answer.data
    },
  }
}
