// Every link of a document leads to a file, and where it names a heading, to one that is there.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const inside = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
    .map((name) => join(root, folder, name))
const DOCUMENTS = [
  ...readdirSync(root)
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(root, name)),
  ...['docs', 'charts', 'examples', 'src'].flatMap(inside),
]

/** As most readers make the anchor of a heading. */
const anchorsOf = (text: string): ReadonlySet<string> =>
  new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .trim()
        .replaceAll(' ', '-'),
    ),
  )

void test('every link of a document leads somewhere', () => {
  const broken: string[] = []
  let links = 0
  for (const file of DOCUMENTS) {
    const text = readFileSync(file, 'utf8').replaceAll(/^```[\s\S]*?^```$/gm, '')
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      links += 1
      const [path = '', anchor] = target.split('#')
      const to = path === '' ? file : join(dirname(file), decodeURIComponent(path))
      const reached = existsSync(to)
      const named =
        anchor === undefined || (reached && statSync(to).isFile() && anchorsOf(readFileSync(to, 'utf8')).has(anchor))
      if (!reached || !named) broken.push(`${relative(root, file)}: ${target}`)
    }
  }
  assert.ok(links > 30, `${links} links`)
  assert.deepEqual(broken, [])
})
