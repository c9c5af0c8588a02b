// What is wrong with the settings of a deployment is said with the file, the place and what to do; never with a secret.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readDeployment, readKeys } from './deployment.ts'

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-settings-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const file = join(folder, 'config.yaml')
const write = (name: string, text: string): void => writeFileSync(join(folder, name), text)

function refusal(settings: string, url: string | undefined): string {
  write('config.yaml', settings)
  const before = process.env.PLIMSOLL_DATABASE_URL
  if (url === undefined) delete process.env.PLIMSOLL_DATABASE_URL
  else process.env.PLIMSOLL_DATABASE_URL = url
  try {
    readKeys(readDeployment(file))
    return ''
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    if (before === undefined) delete process.env.PLIMSOLL_DATABASE_URL
    else process.env.PLIMSOLL_DATABASE_URL = before
  }
}

const URL = 'postgres://ada:hunter2@db/plimsoll'
const GOOD = 'deployment: { id: ours, keyFile: key }\nclusters: [cluster.yaml]\n'

test('settings of a deployment are refused with what to do', () => {
  write('cluster.yaml', 'kind: kubernetes\nname: hamina\n')
  write('key', 'not hexadecimal\n')
  const table: readonly (readonly [string, string | undefined, RegExp])[] = [
    ['clusters: [cluster.yaml]', URL, /deployment\.id names this control plane/],
    ['deployment: { id: Ours }', URL, /must be a name of small letters/],
    ['deployment: { id: ours }', URL, /clusters names no file/],
    ['deployment: { id: ours }\nclusters: [none.yaml]', URL, /there is no file .*none\.yaml/],
    [GOOD, undefined, /set PLIMSOLL_DATABASE_URL/],
    [GOOD, 'mysql://ada:hunter2@db', /^PLIMSOLL_DATABASE_URL is no address of PostgreSQL/],
    [GOOD.replace('keyFile: key', 'keyFile: none'), URL, /there is no file .*none \(at \/deployment\/keyFile\)/],
    [GOOD.replace(', keyFile: key', ''), URL, /deployment\.keyFile is missing/],
    [GOOD, URL, /has no key: it needs a line of 64 hexadecimal digits/],
    [GOOD.replace('id: ours', 'id: ours, policy: none.yaml'), URL, /there is no file .* \(at \/deployment\/policy\)/],
  ]
  for (const [settings, url, why] of table) {
    const said = refusal(settings, url)
    assert.match(said, why)
    assert.ok(!said.includes('hunter2'), said)
  }
  write('key', `${'ab'.repeat(32)}\n`)
  assert.equal(refusal(GOOD, URL), '')
})
