// Runs the command line as a user does, against an API with fakes behind it, and writes down what he sees.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Fakes } from '../../src/adapters/http/fakes.fixture.ts'
import { fakes, SECRET, T0 } from '../../src/adapters/http/fakes.fixture.ts'
import { createServer } from '../../src/adapters/http/server.ts'

const MAIN = fileURLToPath(new URL('../../src/apps/cli/main.ts', import.meta.url))

/** An hour after the moments of the fakes: `ago` must not depend on the day of the test. */
const CLOCK = `data:text/javascript,Date.now=()=>${T0 + 3_600_000}`

export type Said = { readonly code: number | null; readonly stdout: string; readonly stderr: string }
export type Stage = {
  readonly fake: Fakes
  readonly url: string
  /** A folder that is the working directory and holds the home. */
  readonly folder: string
  say(args: readonly string[], more?: { env?: Record<string, string | undefined>; stdin?: string }): Promise<Said>
  /** The same without what differs from one time to the next. */
  transcript(args: readonly string[], more?: Parameters<Stage['say']>[1]): Promise<string>
}

export async function onStage(work: (stage: Stage) => Promise<void>): Promise<void> {
  const fake = fakes()
  const app = await createServer(fake)
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-transcript-'))
  const say: Stage['say'] = (args, more = {}) =>
    run(args, folder, { ...environment(url, folder), ...more.env }, more.stdin)
  try {
    await work({
      fake,
      url,
      folder,
      say,
      async transcript(args, more) {
        const { code, stdout, stderr } = await say(args, more)
        const text = [
          `$ plimsoll ${args.join(' ')}`,
          stdout,
          ...(stderr === '' ? [] : [`-- stderr`, stderr]),
          `-- exit ${code}`,
          '',
        ]
        return text
          .filter((part, index) => part !== '' || index === text.length - 1)
          .map((part) => part.trimEnd())
          .join('\n')
          .replaceAll(folder, 'FOLDER')
          .replaceAll(url, 'URL')
      },
    })
  } finally {
    await app.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const environment = (url: string, folder: string): Record<string, string | undefined> => ({
  PATH: process.env.PATH,
  HOME: folder,
  TZ: 'UTC',
  PLIMSOLL_HOME: join(folder, 'home'),
  PLIMSOLL_URL: url,
  PLIMSOLL_TOKEN: SECRET,
})

function run(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv, stdin = ''): Promise<Said> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', CLOCK, MAIN, ...args], { cwd, env, stdio: 'pipe' })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    // A command that ends without reading closes its end first.
    child.stdin.on('error', () => undefined)
    child.stdin.end(stdin)
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}
