import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderNotice } from '../../core/alert/render.ts'
import type { Notice } from '../../domain/notice.ts'
import { epochMs } from '../../domain/units.ts'
import { alertsOf } from './alertmanager.ts'
import { AT, ITEM, NOTICE, optionsOf, PUBLIC_URL, receiver } from './fixture.ts'
import { createNotifier } from './notifier.ts'

const never = new AbortController().signal
const alerts = (notice: Notice, now: number = AT) => alertsOf(notice, renderNotice(notice), now)

void test('an item is one alert, with labels that stay and annotations that say', () => {
  assert.deepEqual(alerts(NOTICE), [
    {
      labels: {
        alertname: 'PlimsollNoProgress',
        severity: 'critical',
        project: 'pretraining',
        run: 'moe-16b',
        run_id: 'r0abcdefghjkmnpqr',
        owner: 'ann@lab.example',
        plimsoll_key: ITEM.key,
      },
      annotations: {
        summary: 'no step for 25 min; its steps took 3 s',
        cost: '53.33 GPU-h, 106.67 EUR so far',
        who: 'run moe-16b (r0abcdefghjkmnpqr), owner ann@lab.example, project pretraining',
        what_to_do: 'Look at the slowest worker.',
        evidence: 'last step: 41200',
      },
      startsAt: '2026-11-26T14:05:00.000Z',
      endsAt: '2026-11-27T14:30:00.000Z',
      generatorURL: `${PUBLIC_URL}/runs/r0abcdefghjkmnpqr`,
    },
  ])
})

void test('what changes while an alert lasts changes no label', () => {
  const labels = (notice: Notice, now?: number) => alerts(notice, now).map((each) => 'labels' in each && each.labels)
  const later = {
    ...ITEM,
    what: 'no step for 2 h',
    cost: null,
    evidence: [],
    resolvedAt: AT,
    state: 'resolved' as const,
  }
  assert.deepEqual(labels({ ...NOTICE, id: 'n2', items: [later] }, AT + 9_000_000), labels(NOTICE))
})

void test('what is over ends when it was over, and never before it began', () => {
  const endOf = (resolvedAt: number) => {
    const item = { ...ITEM, state: 'resolved' as const, resolvedAt: epochMs(resolvedAt) }
    return alerts({ ...NOTICE, items: [item] }).map((each) => 'endsAt' in each && each.endsAt)
  }
  assert.deepEqual(endOf(AT), ['2026-11-26T14:30:00.000Z'])
  assert.deepEqual(endOf(AT - 9_000_000), ['2026-11-26T14:05:00.000Z'])
})

void test('a test is an alert that goes by itself, and a digest is none', async (context) => {
  assert.deepEqual(alerts({ ...NOTICE, kind: 'test', items: [] }), [
    {
      labels: { alertname: 'PlimsollTest', severity: 'info', plimsoll_key: 'test' },
      annotations: { summary: NOTICE.title },
      startsAt: '2026-11-26T14:30:00.000Z',
      endsAt: '2026-11-26T14:35:00.000Z',
      generatorURL: NOTICE.link,
    },
  ])
  const { url, received } = await receiver(context)
  const notifier = createNotifier(optionsOf())
  context.after(() => notifier.close())
  const outcome = await notifier.deliver(
    { kind: 'alertmanager', url, bearer: null },
    { ...NOTICE, kind: 'digest' },
    never,
  )
  assert.match(outcome.kind === 'delivered' ? outcome.said : '', /nothing was sent: an Alertmanager takes alerts/)
  assert.equal(received.length, 0)
})

void test('the API is found below the address, and a token is sent with it', async (context) => {
  const { url, received } = await receiver(context)
  const notifier = createNotifier(optionsOf())
  context.after(() => notifier.close())
  for (const path of ['', '/', '/am', '/am/', '/am/api/v2/alerts', '/api/v2/alerts/'])
    await notifier.deliver({ kind: 'alertmanager', url: `${url}${path}`, bearer: 'T0ken-S3cret' }, NOTICE, never)
  assert.deepEqual(
    received.map(({ path }) => path),
    [
      '/api/v2/alerts',
      '/api/v2/alerts',
      '/am/api/v2/alerts',
      '/am/api/v2/alerts',
      '/am/api/v2/alerts',
      '/api/v2/alerts',
    ],
  )
  for (const { headers } of received) {
    assert.equal(headers.authorization, 'Bearer T0ken-S3cret')
    assert.equal(headers['content-type'], 'application/json')
  }
  for (const bearer of ['', 'a b', 'a\r\nx: y'])
    assert.match(notifier.check({ kind: 'alertmanager', url, bearer }) ?? '', /bearer token/)
})
