import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ProjectName, RunId } from '../../domain/ids.ts'
import { NOTICE_EVIDENCE_LINES_MAX, NOTICE_LINE_CHARS_MAX } from '../../domain/limits.ts'
import type { Notice, NoticeItem } from '../../domain/notice.ts'
import { epochMs, gpuMs, micros } from '../../domain/units.ts'
import { renderNotice } from './render.ts'

const AT = epochMs(Date.UTC(2026, 10, 26, 14, 30))

const ITEM: NoticeItem = {
  key: 'no-progress/r0abcdefghjkmnpqr-1',
  rule: 'no-progress',
  severity: 'critical',
  state: 'firing',
  what: 'no step for 25 min; its steps took 3 s',
  cost: { gpuMs: gpuMs(128 * 1_500_000), money: { micros: micros(106_666_667), currency: 'EUR' } },
  since: epochMs(AT - 25 * 60_000),
  resolvedAt: null,
  who: {
    project: 'pretraining' as ProjectName,
    run: { id: 'r0abcdefghjkmnpqr' as RunId, name: 'moe-16b', owner: 'ann@lab.example' },
  },
  whatToDo: 'Look at the slowest worker: plimsoll logs moe-16b.',
  evidence: ['median step time (s): 3.02', 'last step: 41200'],
  link: 'https://plimsoll.example/runs/r0abcdefghjkmnpqr',
}

const NOTICE: Notice = {
  id: 'n1',
  kind: 'alert',
  at: AT,
  title: 'moe-16b makes no progress',
  text: [],
  items: [ITEM],
  more: 0,
  link: 'https://plimsoll.example/alerts',
}

void test('a notice says what, how much, since when, who and what to do, with a link', () => {
  assert.equal(
    renderNotice(NOTICE).plain,
    `moe-16b makes no progress

critical: no-progress
  What:        no step for 25 min; its steps took 3 s
  How much:    53.33 GPU-h, 106.67 EUR so far
  Since when:  2026-11-26 14:05 UTC (25 min when this was written)
  Who:         run moe-16b (r0abcdefghjkmnpqr), owner ann@lab.example, project pretraining
  What to do:  Look at the slowest worker: plimsoll logs moe-16b.
    median step time (s): 3.02
    last step: 41200
  https://plimsoll.example/runs/r0abcdefghjkmnpqr

https://plimsoll.example/alerts
`,
  )
})

void test('what is not known is said to be so, and never shown as nothing', () => {
  const [item] = renderNotice({
    ...NOTICE,
    items: [{ ...ITEM, cost: null, who: { project: null, run: null } }],
  }).items
  assert.equal(item?.howMuch, 'no cost is known')
  assert.equal(item?.who, 'the whole cluster')
  const priceless = renderNotice({ ...NOTICE, items: [{ ...ITEM, cost: { gpuMs: gpuMs(90_000), money: null } }] })
  assert.equal(priceless.items[0]?.howMuch, '0.0250 GPU-h, price unknown so far')
  const cheap = { gpuMs: gpuMs(1), money: { micros: micros(12), currency: 'USD' } }
  assert.equal(
    renderNotice({ ...NOTICE, items: [{ ...ITEM, cost: cheap }] }).items[0]?.howMuch,
    '0.000000 GPU-h, 0.000012 USD so far',
  )
})

void test('what is over says so, from when to when, and asks for nothing', () => {
  const over = { ...ITEM, state: 'resolved' as const, resolvedAt: AT }
  const [item] = renderNotice({ ...NOTICE, items: [over] }).items
  assert.equal(item?.headline, 'resolved: no-progress')
  assert.equal(item?.since, '2026-11-26 14:05 UTC to 2026-11-26 14:30 UTC (25 min)')
  assert.equal(item?.whatToDo, 'Nothing: it is over.')
})

void test('a clock that jumped back makes no negative time', () => {
  const later = renderNotice({ ...NOTICE, items: [{ ...ITEM, since: epochMs(AT + 60_000) }] })
  assert.equal(later.items[0]?.since, '2026-11-26 14:31 UTC (0 s when this was written)')
})

void test('a digest has its lines, and what was left out is counted', () => {
  const digest = renderNotice({ ...NOTICE, kind: 'digest', text: ['Spent: 12 EUR'], items: [], more: 2 })
  assert.equal(
    digest.plain,
    'moe-16b makes no progress\n\nSpent: 12 EUR\n\nand 2 more alerts\n\nhttps://plimsoll.example/alerts\n',
  )
  assert.equal(renderNotice({ ...NOTICE, more: 1 }).more, 'and 1 more alert')
})

void test('safety: whatever strangers wrote, a part is one bounded line that moves no cursor and turns nothing around', () => {
  const strange = fc.string({ unit: 'binary', maxLength: 3_000 })
  const evil = fc.constantFrom('\r\nBcc: x@y', '\u202egnp.exe', '\u001b[2J', '\u2028', '\ud800', '\u{e0041}')
  fc.assert(
    fc.property(fc.array(fc.oneof(strange, evil), { maxLength: 4 }), (parts) => {
      const text = parts.join('')
      const item = { ...ITEM, what: text, whatToDo: text, evidence: Array.from({ length: 40 }, () => text) }
      const words = renderNotice({ ...NOTICE, title: text, text: [text], items: [item] })
      const lines = [words.title, ...words.text, ...words.items.flatMap((each) => [each.what, ...each.evidence])]
      for (const line of lines) {
        assert.ok(line.length <= NOTICE_LINE_CHARS_MAX)
        assert.ok(line.isWellFormed())
        // oxlint-disable-next-line no-control-regex -- these are what it is about
        assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/)
      }
      assert.equal(words.items[0]?.evidence.length, NOTICE_EVIDENCE_LINES_MAX)
      assert.equal(words.plain.includes('\r'), false)
    }),
    { numRuns: 300 },
  )
})
