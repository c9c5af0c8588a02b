// The pages are built from the checkout when they are not there or not of these sources; it takes a second, and an installed package
// brings them along.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { projectRoot } from '../parts/files.ts'
import { say } from '../parts/say.ts'

const SOURCES = join(projectRoot, 'src', 'web')
const SIGNATURE = '.signature'
const BUILD_MS_MAX = 60_000

/** The folder of the pages, or null where they cannot be had: the control plane does not need them. */
export async function builtPages(home: string): Promise<string | null> {
  const shipped = join(SOURCES, 'dist')
  if (!existsSync(join(SOURCES, 'vite.config.ts'))) return existsSync(shipped) ? shipped : null
  const signature = signatureOf(SOURCES)
  const folders = [shipped, join(home, 'web')]
  const fresh = folders.find((folder) => read(join(folder, SIGNATURE)) === signature)
  if (fresh !== undefined) return fresh
  for (const folder of folders) {
    try {
      await build(folder, signature)
      return folder
    } catch (error) {
      // Another `up` that started at the same moment was faster.
      if (read(join(folder, SIGNATURE)) === signature) return folder
      // Somebody else's checkout is not written to: then the home is.
      if (!(error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EROFS'))) {
        say(`the pages could not be built, all else works: ${error instanceof Error ? error.message : String(error)}`)
        return null
      }
    }
  }
  return null
}

/** Beside its place first, so that nobody ever sees half of it. */
async function build(folder: string, signature: string): Promise<void> {
  const fresh = `${folder}.${process.pid}`
  try {
    writeFileSync(`${fresh}.try`, '')
    rmSync(`${fresh}.try`)
    const vite = join(createRequire(import.meta.url).resolve('vite/package.json'), '..', 'bin', 'vite.js')
    await run([
      vite,
      'build',
      '--config',
      join(SOURCES, 'vite.config.ts'),
      '--outDir',
      fresh,
      '--emptyOutDir',
      '--logLevel',
      'warn',
    ])
    writeFileSync(join(fresh, SIGNATURE), signature)
    rmSync(folder, { recursive: true, force: true })
    renameSync(fresh, folder)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

function run(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: projectRoot,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: BUILD_MS_MAX,
    })
    let errors = ''
    child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()))
    child.on('error', reject)
    child.on('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(errors.trim().slice(-500) || `vite ended with ${code}`)),
    )
  })
}

function signatureOf(folder: string): string {
  const hash = createHash('sha256')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => !/^dist(?:\.|\/|$)/.test(file))
    .toSorted()
  for (const file of files) {
    const { size, mtimeMs, isFile } = describe(join(folder, file))
    if (isFile) hash.update(`${file} ${size} ${mtimeMs}\n`)
  }
  return hash.digest('hex')
}

function describe(path: string) {
  const stat = statSync(path)
  return { size: stat.size, mtimeMs: stat.mtimeMs, isFile: stat.isFile() }
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
