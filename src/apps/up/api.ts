import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Service } from '../parts/service.ts'
import type { Files } from '../parts/files.ts'

export async function startApi(
  service: Service,
  files: Files,
  home: string,
  _logger: unknown,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  void service
  const url = `http://${files.config.listen.host}:${files.config.listen.port}`
  writeFileSync(join(home, 'client.json'), JSON.stringify({ url, token: '' }), { mode: 0o600 })
  return { url, close: async () => {} }
}
