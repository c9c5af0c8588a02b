// Images without a registry, as archives that containerd imports. `host` has nothing in it: its pods see the machine's own programs and
// libraries, which are mounted from it, so a Python of six gigabytes is not copied. `pause` is the one program that each pod needs.
import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { dirname } from 'node:path'

export const PAUSE_IMAGE = 'plimsoll-test/pause:1'
export const HOST_IMAGE = 'plimsoll-test/host:1'

type Entry =
  | { readonly kind: 'file'; readonly name: string; readonly bytes: Uint8Array; readonly mode?: number }
  | { readonly kind: 'folder'; readonly name: string; readonly mode?: number }
  | { readonly kind: 'link'; readonly name: string; readonly target: string }

const folders = ['dev', 'etc', 'proc', 'root', 'run', 'sys', 'usr', 'var'].map(
  (name) => ({ kind: 'folder', name }) as const,
)
const links = ['bin', 'lib', 'lib64', 'sbin'].map((name) => ({ kind: 'link', name, target: `usr/${name}` }) as const)
const text = (name: string, content: string): Entry => ({ kind: 'file', name, bytes: Buffer.from(content) })

export const hostImage = (): Uint8Array =>
  image(HOST_IMAGE, [
    ...folders,
    ...links,
    { kind: 'folder', name: 'tmp', mode: 0o1777 },
    text('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n'),
    text('etc/group', 'root:x:0:\n'),
    text('etc/nsswitch.conf', 'hosts: files dns\n'),
  ])

export const pauseImage = (program: Uint8Array): Uint8Array =>
  image(PAUSE_IMAGE, [{ kind: 'file', name: 'pause', bytes: program, mode: 0o755 }], ['/pause'])

/** What a pod of HOST_IMAGE needs in its spec to run a Python of this machine, given the folder of its programs. */
export type HostMounts = { readonly volumes: readonly object[]; readonly volumeMounts: readonly object[] }

export function hostMounts(pythonBin: string): HostMounts {
  const asked = spawnSync(`${pythonBin}/python`, ['-c', 'import sys; print(sys.prefix, sys.base_prefix, sep="\\n")'], {
    encoding: 'utf8',
  })
  if (asked.status !== 0) throw new Error(`${pythonBin}/python does not start: ${asked.stderr}`)
  // A virtual environment is links into another installation, which may be a link itself.
  const paths = asked.stdout.trim().split('\n')
  const all = new Set(['/usr', dirname(pythonBin), ...paths, ...paths.map((path) => realpathSync(path))])
  const wanted = [...all].filter((path) => path === '/usr' || !path.startsWith('/usr/'))
  return {
    volumes: wanted.map((path, index) => ({ name: `host-${index}`, hostPath: { path, type: 'Directory' } })),
    volumeMounts: wanted.map((path, index) => ({ name: `host-${index}`, mountPath: path, readOnly: true })),
  }
}

/** An archive as `docker save` writes it. */
function image(tag: string, entries: readonly Entry[], entrypoint?: readonly string[]): Uint8Array {
  const layer = tar(entries)
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      config: {
        Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
        ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }),
      },
      rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layer).digest('hex')}`] },
    }),
  )
  return tar([
    { kind: 'file', name: 'layer.tar', bytes: layer },
    { kind: 'file', name: 'config.json', bytes: config },
    text('manifest.json', JSON.stringify([{ Config: 'config.json', RepoTags: [tag], Layers: ['layer.tar'] }])),
  ])
}

const BLOCK = 512
const TYPES = { file: '0', link: '2', folder: '5' } as const

function tar(entries: readonly Entry[]): Uint8Array {
  const parts: Uint8Array[] = []
  for (const entry of entries) {
    const bytes = entry.kind === 'file' ? entry.bytes : new Uint8Array()
    const padding = new Uint8Array((BLOCK - (bytes.length % BLOCK)) % BLOCK)
    parts.push(header(entry, bytes.length), bytes, padding)
  }
  return Buffer.concat([...parts, new Uint8Array(2 * BLOCK)])
}

/** As POSIX has it (ustar): fields at fixed places, numbers in octal, and a sum over all bytes. */
function header(entry: Entry, size: number): Uint8Array {
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, at: number, length: number): void =>
    void block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at)
  block.write(entry.name, 0, 100)
  octal((entry.kind === 'link' ? undefined : entry.mode) ?? (entry.kind === 'file' ? 0o644 : 0o755), 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(size, 124, 12)
  octal(0, 136, 12)
  block.write(TYPES[entry.kind], 156)
  if (entry.kind === 'link') block.write(entry.target, 157, 100)
  block.write('ustar\x0000', 257)
  block.fill(' ', 148, 156)
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  )
  return block
}
