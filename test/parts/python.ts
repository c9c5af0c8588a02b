import { readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { prepareEnvironment } from '../../src/adapters/local/environment.ts'

/** A Python with PyTorch, prepared where there is none: its bin folder. */
export async function torchBin(): Promise<string> {
  const environment = await prepareEnvironment({
    env: process.env,
    cacheDir: process.env.PLIMSOLL_CACHE ?? join(homedir(), '.cache', 'plimsoll'),
    onProgress: ({ phase, detail }) => process.stderr.write(`${phase}: ${detail}\n`),
  })
  readdirSync(environment.binDir)
  return environment.binDir
}
