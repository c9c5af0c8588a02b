// Lines in the format of Megatron-LM's training_log and its checkpoint messages.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { FactBody } from '../../../domain/fact.ts'
import { FRAMEWORKS } from '../../../domain/spec.ts'
import { dialectsFor, progressExpected } from './dialect.ts'
import { megatron } from './megatron.ts'

const STEP: FactBody = {
  kind: 'step',
  step: 120,
  steps: null,
  durationMs: 2_512.4,
  samples: 30_720,
  batch: 256,
  total: 5_000,
  loss: 2.518811,
  tokens: null,
}

const ROWS: readonly { readonly name: string; readonly line: string; readonly is: readonly FactBody[] }[] = [
  {
    name: 'an iteration with all fields',
    line: ' [2026-03-01 08:15:30.123456] iteration      120/    5000 | consumed samples:        30720 | elapsed time per iteration (ms): 2512.4 | throughput per GPU (TFLOP/s/GPU): 310.2 | learning rate: 1.200000E-05 | global batch size:   256 | lm loss: 2.518811E+00 | loss scale: 1.0 | grad norm: 0.912 | number of skipped iterations:   0 | number of nan iterations:   0 |',
    is: [STEP],
  },
  {
    name: 'an iteration of a mixture of experts with skipped samples and further losses',
    line: ' [2026-03-01 08:15:30.123456] iteration      120/    5000 | consumed samples:        30720 | skipped samples:            0 | elapsed time per iteration (ms): 2512.4 | learning rate: 1.200000E-05 | global batch size:   256 | lm loss: 2.518811E+00 | load_balancing_loss: 1.011000E+00 | z_loss: 4.100000E-01 | loss scale: 1.0 | number of skipped iterations:   0 | number of nan iterations:   0 |',
    is: [STEP],
  },
  {
    name: 'an iteration whose loss is not a number leaves it out',
    line: ' [2026-03-01 08:15:30.123456] iteration      120/    5000 | consumed samples:        30720 | elapsed time per iteration (ms): 2512.4 | global batch size:   256 | loss scale: 1.0 | number of skipped iterations:   0 | number of nan iterations:   1 |',
    is: [{ ...STEP, loss: null, tokens: null }],
  },
  {
    name: 'an iteration with nothing but what is never missing',
    line: ' iteration        1/      10 | number of skipped iterations:   0 | number of nan iterations:   0 |',
    is: [
      {
        kind: 'step',
        step: 1,
        steps: null,
        durationMs: null,
        samples: null,
        batch: null,
        total: 10,
        loss: null,
        tokens: null,
      },
    ],
  },
  {
    name: 'a fork that counts in seconds',
    line: ' iteration        7/      10 | consumed samples:           56 | elapsed time per iteration (s): 1.25 | global batch size:     8 | lm loss: 1.000000E+00 |',
    is: [
      {
        kind: 'step',
        step: 7,
        steps: null,
        durationMs: 1_250,
        samples: 56,
        batch: 8,
        total: 10,
        loss: 1,
        tokens: null,
      },
    ],
  },
  {
    name: 'a checkpoint that begins',
    line: '[2026-03-01 08:20:00.000001] saving checkpoint at iteration     150 to /ckpt/r1 in torch_dist format',
    is: [{ kind: 'begin', phase: 'checkpoint' }],
  },
  {
    name: 'a checkpoint that is durable',
    line: '  [2026-03-01 08:20:09.000001] successfully saved checkpoint from iteration     150 to /ckpt/r1 [ t 1/2, p 1/4 ]',
    is: [
      { kind: 'end', phase: 'checkpoint' },
      { kind: 'saved', step: 150 },
    ],
  },
  {
    name: 'a checkpoint that is durable, as older versions say it',
    line: '  successfully saved checkpoint at iteration     150 to /ckpt/r1',
    is: [
      { kind: 'end', phase: 'checkpoint' },
      { kind: 'saved', step: 150 },
    ],
  },
  {
    name: 'a checkpoint that was loaded',
    line: '  successfully loaded checkpoint from /ckpt/r1 [ t 1/2, p 1/4 ] at iteration 150',
    is: [{ kind: 'resumed', step: 150 }],
  },
  { name: 'a number that nobody can count to', line: ' iteration 99999999999999999999/ 5 |', is: [] },
  {
    name: 'the end of training',
    line: '[after training is done] datetime: 2026-03-01 09:00:00',
    is: [{ kind: 'done' }],
  },
  {
    name: 'another moment of the program',
    line: '[before the start of training step] datetime: 2026-03-01 08:00:00',
    is: [],
  },
  {
    name: 'the timers of a checkpoint',
    line: '    save-checkpoint ................................: (9034.51, 9041.77)',
    is: [],
  },
  { name: 'a line of nothing in particular', line: 'iteration of the loader | 5/10', is: [] },
]
for (const { name, line, is } of ROWS) void test(`Megatron: ${name}`, () => assert.deepEqual(megatron.read(line), is))

void test('safety: whatever the line is, nothing throws and every number is a number', () => {
  const junk = fc.oneof(
    fc.string(),
    fc
      .tuple(fc.string(), fc.constantFrom(...ROWS.map((row) => row.line)), fc.string(), fc.nat(300))
      .map(([a, line, b, cut]) => `${a}${line.slice(0, cut)}${b}`),
    fc
      .tuple(
        fc.bigInt({ min: 0n, max: 10n ** 30n }),
        fc.bigInt({ min: 0n, max: 10n ** 30n }),
        fc.stringMatching(/^[-+.eE\d]{1,9}$/),
      )
      .map(([a, b, c]) => `iteration ${a}/ ${b} | elapsed time per iteration (ms): ${c} | lm loss: ${c} |`),
    fc.bigInt({ min: 0n, max: 10n ** 30n }).map((a) => `successfully saved checkpoint at iteration ${a} to x`),
  )
  fc.assert(
    fc.property(junk, (line) => {
      for (const body of megatron.read(line))
        for (const [key, value] of Object.entries(body)) {
          if (typeof value !== 'number') continue
          assert.ok(key === 'loss' || key === 'durationMs' ? Number.isFinite(value) : Number.isSafeInteger(value), line)
        }
    }),
    { numRuns: 500 },
  )
})

void test('auto tries every dialect and expects nothing; a framework without a dialect has none', () => {
  assert.deepEqual(
    dialectsFor('auto').map((dialect) => dialect.framework),
    ['megatron'],
  )
  assert.deepEqual(FRAMEWORKS.filter(progressExpected), ['megatron'])
  assert.deepEqual(dialectsFor('custom'), [])
})
