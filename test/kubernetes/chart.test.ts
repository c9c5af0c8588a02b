// The chart as files: linted, rendered, refused where it should be, and its settings read by the program that gets them.
// UPDATE_GOLDEN=1 writes the renders anew; their diff is what a reviewer of a change reads.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { labelsOf } from '../../src/adapters/kubernetes/manifest.ts'
import { version } from '../../src/apps/parts/files.ts'
import { readDeployment } from '../../src/apps/parts/deployment.ts'
import { findBinaries } from './binaries.ts'
import type { Manifest } from './chart.ts'
import { CHART, FULL, Helm, manifestsOf } from './chart.ts'
import { planOf } from './world.ts'

const golden = (name: string): string => fileURLToPath(new URL(`golden/${name}`, import.meta.url))
const found = await findBinaries(['helm'])

describe('the chart', { skip: found.kind === 'missing' && found.why }, () => {
  const helm = new Helm(found.kind === 'found' ? found.paths.helm : '')

  test('it is of the version of the program', () => {
    const text = readFileSync(join(CHART, 'Chart.yaml'), 'utf8')
    assert.match(text, new RegExp(`^version: ${version}$`, 'm'))
    assert.match(text, new RegExp(`^appVersion: ${version}$`, 'm'))
  })

  test('helm lint finds nothing, with the default values and with others', () => {
    for (const values of [{}, FULL]) {
      const said = helm.say('lint', '--strict', CHART, ...helm.values(values))
      assert.equal(said.code, 0, said.stdout + said.stderr)
    }
  })

  for (const [name, values] of [
    ['chart-default.yaml', {}],
    ['chart-full.yaml', FULL],
  ] as const) {
    test(`it renders ${name}`, () => {
      const text = helm.template(values).replaceAll(/[ \t]+$/gm, '')
      const path = golden(name)
      if (process.env.UPDATE_GOLDEN === '1') {
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, text)
      }
      assert.equal(text, readFileSync(path, 'utf8'))
    })
  }

  test('a value that is none is refused, with its place', () => {
    const refused: readonly (readonly [object, RegExp])[] = [
      [{ replicas: 2 }, /additional properties 'replicas' not allowed/],
      [{ api: { replicas: 'many' } }, /'\/api\/replicas': got string, want integer/],
      [{ cluster: { settings: { dedcated: true } } }, /'\/cluster\/settings': additional properties 'dedcated'/],
      [{ cluster: { settings: { grants: ['everything'] } } }, /'\/cluster\/settings\/grants\/0': value must be one of/],
      [{ runs: { namespace: 'Bad_Name' } }, /'\/runs\/namespace': 'Bad_Name' does not match/],
      [{ runs: { namespace: 'plimsoll' } }, /runs must not be in the namespace of the release \(plimsoll\)/],
      [{ runs: { namespace: 'kube-public' } }, /runs must not be in a namespace of Kubernetes itself \(kube-public\)/],
      [{ runs: { projects: { a: 'kube-system' } } }, /namespace of Kubernetes itself \(kube-system\)/],
      [{ fullnameOverride: 'Foo_Bar' }, /'\/fullnameOverride': 'Foo_Bar' does not match/],
      [{ fullnameOverride: '1st' }, /'\/fullnameOverride': '1st' does not match/],
      [{ fullnameOverride: 'x'.repeat(41) }, /'\/fullnameOverride': 'x+' does not match/],
      [{ nameOverride: 'a b' }, /'\/nameOverride': 'a b' does not match/],
      [{ image: { tag: 'a b' } }, /'\/image\/tag': 'a b' does not match/],
      [{ image: { repository: 'a b' } }, /'\/image\/repository': 'a b' does not match/],
      [{ runs: { podSecurity: 'none' } }, /'\/runs\/podSecurity': value must be one of/],
      [{ priorityClass: { name: '' } }, /'\/priorityClass\/name': minLength/],
      [{ image: { digest: 'latest' } }, /'\/image\/digest': 'latest' does not match/],
      [{ secret: { name: '' } }, /'\/secret\/name': minLength/],
      [{ config: { durations: { lease: 5 } } }, /'\/config\/durations\/lease': got number, want string/],
      [{ config: { listen: { port: 1 } } }, /'\/config': additional properties 'listen' not allowed/],
      [{ networkPolicy: { database: { port: 0 } } }, /'\/networkPolicy\/database\/port': minimum/],
      [{ alerts: { smtp: { hots: 'mail' } } }, /'\/alerts\/smtp': additional properties 'hots' not allowed/],
      [{ signIn: { oidc: { clientSecret: 'x' } } }, /'\/signIn\/oidc': additional properties 'clientSecret'/],
      [{ signIn: { oidc: { issuer: 'https://login.example' } } }, /'\/signIn\/oidc'.*clientId/],
      [{ signIn: { oidc: { issuer: 'http://login.example', clientId: 'a' } } }, /'\/signIn\/oidc\/issuer'/],
      [{ signIn: { oidc: { issuer: 'https://login.example', clientId: 'a' } } }, /signIn.oidc needs alerts.pages/],
      [{ signIn: { oidc: { grants: [{ group: 'a', role: 'admin' }] } } }, /\/signIn\/oidc\/grants\/0.*project/],
    ]
    for (const [values, why] of refused) assert.throws(() => helm.template(values), why)
  })

  test('every value is described where it stands, and is in the schema', () => {
    const values = manifestsOf(readFileSync(join(CHART, 'values.yaml'), 'utf8'))[0]
    const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as {
      properties: Readonly<Record<string, unknown>>
    }
    const known = Object.keys(schema.properties).filter((key) => key !== 'global')
    assert.deepEqual(Object.keys(values ?? {}).toSorted(), known.toSorted())
  })

  test('the program takes the settings that the chart gives it', () => {
    for (const [values, id, namespaces, cluster] of [
      [{}, 'plimsoll.plimsoll', ['plimsoll-runs'], 'kubernetes'],
      [FULL, 'our-plimsoll', ['pretraining-runs', 'runs'], 'hamina'],
    ] as const) {
      for (const { data } of manifestsOf(helm.template(values)).filter(({ kind }) => kind === 'ConfigMap')) {
        const folder = mkdtempSync(join(tmpdir(), 'plimsoll-chart-'))
        try {
          for (const [name, text] of Object.entries(data ?? {})) writeFileSync(join(folder, name), text)
          process.env.PLIMSOLL_DATABASE_URL = 'postgres://somewhere/plimsoll'
          const read = readDeployment(join(folder, 'config.yaml'))
          assert.deepEqual([read.id, read.files.policy.defaultCluster], [id, cluster])
          const [file] = read.clusters
          assert.ok(file !== undefined)
          const all = [...new Set([file.config.namespace, ...file.config.projects.values()])].toSorted()
          assert.deepEqual(all, namespaces)
          assert.equal(file.config.priorityClass, values === FULL ? 'training' : 'plimsoll')
          const { alerts } = read.files.config
          assert.deepEqual(
            [alerts.pages, alerts.allowNetworks, alerts.smtp.host, read.files.thresholds.progress.silenceMin],
            values === FULL
              ? ['https://plimsoll.example', ['10.20.0.0/16'], 'mail.example', 300_000]
              : [null, [], null, 120_000],
          )
          const { oidc } = read.files.config.signIn
          assert.deepEqual(
            [oidc.issuer, oidc.clientSecretFile, oidc.user, oidc.grants.length],
            values === FULL
              ? ['https://login.example/realms/lab', '/etc/plimsoll-keys/oidc-client-secret', 'preferred_username', 2]
              : [null, null, 'email', 0],
          )
          assert.match(file.config.ingestUrl ?? '', /^http:\/\/(plimsoll|training)-ingest\.plimsoll\.svc:7421$/)
        } finally {
          delete process.env.PLIMSOLL_DATABASE_URL
          rmSync(folder, { recursive: true, force: true })
        }
      }
    }
  })

  test('the secret of sign-in is where the API is, and nowhere else', () => {
    const holders = manifestsOf(helm.template(FULL))
      .filter((manifest) => JSON.stringify(manifest).includes('"path":"oidc-client-secret"'))
      .map(({ kind, metadata }) => `${kind} ${metadata.name}`)
    assert.deepEqual(holders, ['Deployment training-api'])
  })

  test('with the right to patch nodes they are cordoned, unless taints alone are wanted', () => {
    const cordon = (values: object): string[] =>
      [...helm.template(values).matchAll(/^ {4}cordon: (\w+)$/gm)].map(([, wanted]) => wanted ?? '')
    const settings = { taint: { key: 'example.com/out', effect: 'NoSchedule' } }
    for (const [values, wanted] of [
      [{ rbac: { cordon: true }, cluster: { settings } }, 'true'],
      [{ rbac: { cordon: true }, cluster: { settings: { ...settings, cordon: false } } }, 'false'],
      [{ rbac: { cordon: false }, cluster: { settings: { ...settings, cordon: true } } }, 'false'],
    ] as const)
      assert.deepEqual([...new Set(cordon(values))], [wanted])
  })

  test('every pod is without root, with a file system that it cannot write, and with no right that it does not use', () => {
    const pods = manifestsOf(helm.template()).flatMap((manifest) => podOf(manifest))
    assert.equal(pods.length, 4)
    for (const { name, spec } of pods) {
      assert.equal(spec.securityContext.runAsNonRoot, true, name)
      assert.equal(spec.securityContext.seccompProfile.type, 'RuntimeDefault', name)
      assert.equal(spec.automountServiceAccountToken, !name.endsWith('-migrate'), name)
      assert.equal(spec.serviceAccountName, name)
      for (const container of spec.containers) {
        assert.deepEqual(container.securityContext, {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        })
        // Secrets come from the Secret alone.
        const secret = container.env.filter((each) => /TOKEN|URL|KEY/.test(each.name))
        assert.ok(
          secret.every(({ value }) => value === undefined),
          name,
        )
      }
    }
  })

  test('the network policy of runs is about the pods that the program makes', () => {
    const labels = labelsOf(planOf(['node-0']), { controlPlane: 'x' })
    const policy = manifestsOf(helm.template()).find(
      ({ metadata }) => metadata.name === 'plimsoll-runs' && metadata.namespace === 'plimsoll-runs',
    )
    assert.ok(policy !== undefined)
    const { podSelector } = policy.spec as { podSelector: { matchLabels: Record<string, string> } }
    assert.ok(Object.entries(podSelector.matchLabels).every(([key, value]) => labels[key] === value))
  })
})

type PodSpec = {
  readonly serviceAccountName: string
  readonly automountServiceAccountToken: boolean
  readonly securityContext: { readonly runAsNonRoot: boolean; readonly seccompProfile: { readonly type: string } }
  readonly containers: readonly {
    readonly securityContext: object
    readonly env: readonly { readonly name: string; readonly value?: string }[]
  }[]
}

function podOf({ kind, metadata, spec }: Manifest): { name: string; spec: PodSpec }[] {
  if (kind !== 'Deployment' && kind !== 'Job') return []
  return [{ name: metadata.name, spec: (spec as { template: { spec: PodSpec } }).template.spec }]
}
