import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderNotice } from '../../core/alert/render.ts'
import type { Notice } from '../../domain/notice.ts'
import { AT, ITEM, NOTICE, optionsOf, receiver, said } from './fixture.ts'
import { resolver } from './guard.ts'
import { rulingOf } from './networks.ts'
import { createNotifier } from './notifier.ts'
import { bodyOf, createSlack } from './slack.ts'

const never = new AbortController().signal
const world = { ruling: rulingOf(['127.0.0.1']), lookup: resolver, nowMs: () => AT }
const TEXT = renderNotice(NOTICE)

type Block = {
  readonly type: string
  readonly text: { readonly type: string; readonly text: string; readonly verbatim?: boolean }
}
const blocksOf = (notice: Notice): Block[] => bodyOf(renderNotice(notice)).blocks as Block[]

void test('a message has a line for what knows no blocks, and blocks with the five parts and the link', async (context) => {
  const { url, received } = await receiver(context, (socket) => said(socket, '200 OK', 'ok'))
  const notifier = createNotifier(optionsOf())
  const outcome = await notifier.deliver({ kind: 'slack', url: `${url}/services/T0/B0/x` }, NOTICE, never)
  assert.equal(outcome.kind === 'delivered' && outcome.said, `${url.slice('http://'.length)} answered 200: ok`)
  const [one] = received
  assert.equal(one?.path, '/services/T0/B0/x')
  assert.match(one?.headers['content-type'] ?? '', /^application\/json/)
  assert.deepEqual(JSON.parse(one?.body ?? ''), {
    text: 'moe-16b makes no progress\n<https://plimsoll.example/alerts>',
    unfurl_links: false,
    unfurl_media: false,
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: 'moe-16b makes no progress', emoji: false } },
      {
        type: 'section',
        text: {
          type: 'mrkdwn',
          verbatim: true,
          text: [
            '*critical: no-progress*',
            '*What:* no step for 25 min; its steps took 3 s',
            '*How much:* 53.33 GPU-h, 106.67 EUR so far',
            '*Since when:* 2026-11-26 14:05 UTC (25 min when this was written)',
            '*Who:* run moe-16b (r0abcdefghjkmnpqr), owner ann@lab.example, project pretraining',
            '*What to do:* Look at the slowest worker.',
            '<https://plimsoll.example/runs/r0abcdefghjkmnpqr>',
            '> last step: 41200',
          ].join('\n'),
        },
      },
      { type: 'section', text: { type: 'mrkdwn', verbatim: true, text: '<https://plimsoll.example/alerts>' } },
    ],
  })
  await notifier.close()
})

void test('nobody is called, and no link is made, by what strangers wrote', () => {
  const evil =
    '<!channel> <!here|x> <@U123> <#C1> <https://evil.example|click> @channel @all & [ok](https://evil.example)'
  const run = { ...ITEM.who.run, name: evil, owner: evil } as NonNullable<(typeof ITEM)['who']['run']>
  const item = { ...ITEM, rule: evil, what: evil, whatToDo: evil, evidence: [evil], who: { project: null, run } }
  const body = bodyOf(renderNotice({ ...NOTICE, title: evil, text: [evil], items: [item], kind: 'digest' }))
  const blocks = body.blocks as Block[]
  const marked = [
    String(body.text),
    ...blocks.filter(({ text }) => text.type === 'mrkdwn').map(({ text }) => text.text),
  ]
  for (const text of marked) {
    // What is left in angle brackets is ours.
    for (const [link] of text.matchAll(/<[^>]*>/g)) assert.match(link, /^<https:\/\/plimsoll\.example\/[a-z0-9/]*>$/)
    assert.doesNotMatch(text, /[^\w]@(?:channel|all|here)/)
    assert.doesNotMatch(text, /\]\(/)
  }
  assert.ok(marked.some((text) => text.includes('&lt;!channel&gt;')))
  // The address of a person stays one.
  assert.match(blocksOf(NOTICE)[1]?.text.text ?? '', /ann@lab\.example/)
})

void test('a message of many and long items stays within what Slack takes, and says what is left out', () => {
  const long = {
    ...ITEM,
    what: '&'.repeat(9_000),
    whatToDo: 'x'.repeat(9_000),
    evidence: Array.from({ length: 30 }, () => '<'.repeat(900)),
  }
  const notice = { ...NOTICE, title: 'y'.repeat(500), text: Array.from({ length: 40 }, () => 'z'.repeat(900)), more: 3 }
  const blocks = blocksOf({ ...notice, items: Array.from({ length: 80 }, () => long) })
  assert.ok(blocks.length <= 50)
  for (const { type, text } of blocks)
    assert.ok(text.text.length <= (type === 'header' ? 150 : 3_000) && text.text !== '')
  const last = blocks.at(-1)?.text.text ?? ''
  assert.match(last, /and 3 more alerts\nand 34 that do not fit\n<https:\/\/plimsoll\.example\/alerts>/)
  // What is cut is what speaks for it, not where it is found.
  assert.match(blocks[2]?.text.text ?? '', /<https:\/\/plimsoll\.example\/runs/)
  assert.ok(JSON.stringify(blocks).isWellFormed())
})

void test('a channel takes a message a second: the next waits for its turn, another channel does not', async (context) => {
  const { url, received } = await receiver(context)
  const waits: number[] = []
  const send = createSlack(world, (ms) => Promise.resolve(void waits.push(ms)))
  const outcomes = await Promise.all([1, 2, 3].map(() => send({ kind: 'slack', url: `${url}/a` }, TEXT, never)))
  await send({ kind: 'slack', url: `${url}/b` }, TEXT, never)
  assert.deepEqual(
    outcomes.map(({ kind }) => kind),
    ['delivered', 'delivered', 'delivered'],
  )
  assert.equal(received.length, 4)
  const [second = 0, third = 0, ...rest] = waits
  assert.deepEqual(rest, [])
  assert.ok(second > 900 && second <= 1_000, String(second))
  assert.ok(third > 1_900 && third <= 2_000, String(third))
})

void test('when the wait would be long it comes back later, with the time', async (context) => {
  const { url, received } = await receiver(context)
  const send = createSlack(world, () => Promise.resolve())
  const all = await Promise.all(Array.from({ length: 20 }, () => send({ kind: 'slack', url }, TEXT, never)))
  const later = all.flatMap((each) => (each.kind === 'failed' ? [each] : []))
  assert.equal(received.length, all.length - later.length)
  assert.ok(later.length >= 13, String(later.length))
  for (const each of later) {
    assert.match(each.message, /takes 1 message a second/)
    assert.ok(each.retryable && each.retryAfterMs !== null && each.retryAfterMs > 4_000 && each.retryAfterMs <= 6_000)
  }
})

void test('after 429 nothing is sent before the time that the channel asked for', async (context) => {
  const { url, received } = await receiver(context, (socket) => said(socket, '429 Too Many', '', ['retry-after: 30']))
  const send = createSlack(world, () => Promise.resolve())
  const first = await send({ kind: 'slack', url }, TEXT, never)
  assert.ok(first.kind === 'failed' && first.retryable && first.retryAfterMs === 30_000)
  const second = await send({ kind: 'slack', url }, TEXT, never)
  assert.ok(second.kind === 'failed' && second.retryable && (second.retryAfterMs ?? 0) > 29_000)
  assert.equal(received.length, 1)
})

void test('whoever stops while a turn is awaited sends nothing', async (context) => {
  const { url, received } = await receiver(context)
  const stop = new AbortController()
  const send = createSlack(world)
  await send({ kind: 'slack', url }, TEXT, never)
  const second = send({ kind: 'slack', url }, TEXT, stop.signal)
  stop.abort()
  const outcome = await second
  assert.ok(outcome.kind === 'failed' && outcome.retryable)
  assert.match(outcome.message, /its turn did not come before we were told to stop/)
  assert.equal(received.length, 1)
})

void test('what Slack says of a hook that is gone is told, without the hook', async (context) => {
  const { url } = await receiver(context, (socket) => said(socket, '404 Not Found', 'no_service'))
  const notifier = createNotifier(optionsOf())
  const outcome = await notifier.deliver({ kind: 'slack', url: `${url}/services/T0S3cret/B0S3cret` }, NOTICE, never)
  assert.ok(outcome.kind === 'failed' && !outcome.retryable)
  assert.match(outcome.message, /^127\.0\.0\.1:\d+ answered 404: no_service$/)
  await notifier.close()
})
