// Two real `plimsoll api` behind one address, as a deployment has them: a sign-in begins at one and ends at the other. Their cluster is never asked.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer, request } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Deployment } from '../kubernetes/deployment.ts'
import { CookieJar } from '../parts/cookie-jar.ts'
import type { RunningProvider } from '../parts/identity-provider.ts'
import { CLIENT, CLIENT_SECRET, startIdentityProvider } from '../parts/identity-provider.ts'
import { until } from '../parts/plimsoll.ts'
import { readBy, signIn, toldOf } from '../parts/signing-in.ts'

const KUBECONFIG = `apiVersion: v1
kind: Config
current-context: nowhere
clusters: [{ name: nowhere, cluster: { server: 'http://127.0.0.1:1' } }]
contexts: [{ name: nowhere, context: { cluster: nowhere, user: nobody } }]
users: [{ name: nobody, user: {} }]
`

let idp: RunningProvider
let deployment: Deployment
let front: Server
let pages: string
const behind: number[] = []
const asked: string[] = []

before(async () => {
  idp = await startIdentityProvider({ authentication: 'client_secret_post' })
  front = createServer(alternately)
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
  const address = front.address()
  assert.ok(address !== null && typeof address === 'object')
  // As a browser sees it: another name than the processes are asked by.
  pages = `http://localhost:${address.port}`
  idp.open(pages)
  const oidc = `issuer: '${idp.issuer}', clientId: ${CLIENT}, clientSecretFile: oidc-client-secret, grants: [{ group: platform, role: admin, project: null }]`
  const settings = `deployment: { id: of-the-test, keyFile: deployment.key }
clusters: [cluster.yaml]
alerts: { pages: '${pages}/' }
signIn: { oidc: { ${oidc} } }
`
  deployment = await Deployment.open('kind: kubernetes\nname: nowhere\nkubeconfig: kubeconfig\n', settings)
  writeFileSync(join(deployment.folder, 'kubeconfig'), KUBECONFIG)
  writeFileSync(join(deployment.folder, 'oidc-client-secret'), `${CLIENT_SECRET}\n`, { mode: 0o600 })
  const migrated = deployment.say('migrate')
  assert.equal(migrated.code, 0, migrated.stderr)
  for (const name of ['one', 'two']) behind.push((await deployment.start('api', name)).port)
})
after(async () => {
  front.closeAllConnections()
  front.close()
  await deployment.close()
  await idp.close()
})

/** Each request goes to the other one than the last. */
function alternately(incoming: IncomingMessage, response: ServerResponse): void {
  const port = behind[asked.length % behind.length] ?? 0
  asked.push(`${port} ${incoming.url?.split('?')[0]}`)
  const { method = 'GET', url = '/', headers } = incoming
  const onward = request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
  })
  onward.on('error', () => response.writeHead(502).end())
  incoming.pipe(onward)
}

test('a sign-in begins at one replica and ends at the other, and both know the session', async () => {
  idp.accounts.set('1', { email: 'ada@lab.org', email_verified: true, groups: ['platform'] })
  const jar = new CookieJar()
  const { provider } = await toldOf(jar, pages)
  assert.deepEqual(provider, { name: new URL(idp.issuer).host, url: `${pages}/sign-in/oidc` })
  assert.equal((await signIn(jar, pages, '1', '/queue')).href, `${pages}/queue`)
  const way = asked.filter((each) => each.includes('/sign-in/oidc')).map((each) => each.split(' ')[0])
  assert.equal(new Set(way).size, 2, 'two processes had part in it')
  for (let time = 0; time < 2; time += 1) {
    const { status, body } = await readBy(jar, `${pages}/api/v1/session`)
    assert.deepEqual([status, (body as { user: string }).user], [200, 'ada@lab.org'])
  }
  const audit = (await readBy(jar, `${pages}/api/v1/audit`)).body as { entries: readonly { verb: string }[] }
  assert.ok(audit.entries.some(({ verb }) => verb === 'session.create'))
})

test('a refusal at one is told by the other, and no log has a code or a secret', async () => {
  idp.accounts.set('2', { email: 'eve@lab.org', email_verified: true, groups: ['chess'] })
  const jar = new CookieJar()
  assert.equal((await signIn(jar, pages, '2')).href, `${pages}/`)
  for (let time = 0; time < 2; time += 1) assert.equal((await toldOf(jar, pages)).refusal?.code, 'sign-in-no-group')
  const logs = (): string =>
    ['one', 'two'].map((name) => readFileSync(join(deployment.folder, `${name}.log`), 'utf8')).join('\n')
  await until('the refusal is in a log', () => logs().includes('a sign-in was refused'))
  assert.doesNotMatch(logs(), new RegExp(`${CLIENT_SECRET}|code=|eyJ|state=`))
})

test('an api does not start with half of the settings, and says which', () => {
  const secret = readFileSync(join(deployment.folder, 'oidc-client-secret'))
  writeFileSync(join(deployment.folder, 'oidc-client-secret'), '\n')
  const said = deployment.say('api')
  writeFileSync(join(deployment.folder, 'oidc-client-secret'), secret)
  assert.equal(said.code, 2)
  assert.match(
    said.stderr,
    /oidc-client-secret has no secret in its first line \(at \/signIn\/oidc\/clientSecretFile\)/,
  )
})
