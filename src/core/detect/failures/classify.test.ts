import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId } from '../../../domain/fixture.ts'
import type { FailedGang } from './classify.ts'
import type { Said, Worker } from './fixture.ts'
import { code, signal, STOPPED, told, verdictOf } from './fixture.ts'

const timeout = (sequence: number): string =>
  `[rank0]:[E1126 ProcessGroupNCCL.cpp:632] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=${sequence}, OpType=ALLREDUCE, NumelIn=8, NumelOut=8, Timeout(ms)=600000) ran for 600031 milliseconds before timing out.`
const OOM = 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB.'
const EMPTY = 'EOFError: Ran out of input'
const CRASH = 'Fatal Python error: Segmentation fault'
const REMOTE =
  'torch.distributed.DistBackendError: NCCL error: ncclRemoteError: remote process exited or there was a network error'
const XID_79 = 'NVRM: Xid (PCI:0000:9b:00): 79, pid=4121, name=python3, GPU has fallen off the bus.'
const VALUE_ERROR = 'ValueError: rank 3 has a batch of 7'
const CLOSING = 'W1126 api.py:897] Sending process 812 closing signal SIGTERM'
const END = '[after training is done] datetime: 2026-11-26 08:00:00'
const report = (exit: number): Said[] => [
  [61_000, `E1126 api.py:869] failed (exitcode: 1) local_rank: 1 (pid: 72) of binary: /usr/bin/python3`],
  [61_000, 'Root Cause (first observed failure):'],
  [61_000, '[0]:'],
  [61_000, '  rank      : 0 (local_rank: 0)'],
  [61_000, `  exitcode  : ${exit} (pid: 71)`],
]

const stepped = { hasStepped: true }
const fell: Worker = {
  said: [
    [60_300, REMOTE],
    [60_400, CLOSING],
  ],
  endedAt: 61_000,
}

const ROWS: readonly [why: string, is: string, workers: readonly Worker[], over?: Partial<FailedGang>][] = [
  ['the earliest beginning counts, and not the loudest', 'cuda-oom of 1', [fell, { said: [[60_000, OOM]] }, fell]],
  [
    'a symptom that was told first yields to a cause that is told at the same time',
    'cuda-oom of 1',
    [{ said: [[59_000, REMOTE]] }, { said: [[60_000, OOM]] }],
  ],
  [
    'a cause long after a symptom is another story',
    'collective-timeout',
    [{ said: [[20_000, timeout(7)]] }, { said: [[60_000, OOM]] }],
  ],
  [
    'what was said before the last step was survived',
    'not-identified',
    [
      {
        said: [
          [10_000, OOM],
          [60_000, 'step 7'],
        ],
      },
    ],
  ],
  [
    'also where another worker tells of the step',
    'not-identified',
    [{ said: [[10_000, OOM]] }, { said: [[60_000, 'step 7']] }],
  ],
  [
    'a step that was printed while another rank failed takes nothing away',
    'cuda-oom of 0',
    [{ said: [[60_000, OOM]] }, { said: [[60_200, 'step 7']] }],
  ],
  [
    'hardware counts for more than what anybody says of it',
    'gpu-fault of 1',
    [{ said: [[59_000, OOM]] }, { said: [[60_000, XID_79]] }],
  ],
  [
    'an Xid of another day tells nothing',
    'killed of 0',
    [{ said: [[0, XID_79]], exit: signal('SIGKILL'), endedAt: 90_000_000 }],
  ],
  [
    'a page fault of the program with a reset after it is the hardware',
    'gpu-fault of 0',
    [
      {
        said: [
          [60_000, 'NVRM: Xid (PCI:0000:18:00): 13, pid=1'],
          [60_100, 'NVRM: Xid (PCI:0000:18:00): 109, pid=1'],
        ],
      },
    ],
  ],
  [
    'memory that is missing at the start is a broken GPU',
    'gpu-fault of 0',
    [{ said: [[5_000, 'RuntimeError: CUDA error: out of memory']] }],
  ],
  [
    'memory that is missing later is the program',
    'cuda-oom of 0',
    [{ said: [[5_000, 'RuntimeError: CUDA error: out of memory']] }],
    stepped,
  ],

  [
    'the rank whose collectives lag did not come',
    'collective-timeout of 1',
    [{ said: [[60_000, timeout(9_612)]] }, { said: [[60_001, timeout(6_408)]] }, { said: [[60_002, timeout(9_612)]] }],
  ],
  [
    'of many that complain the silent one is suspect',
    'network of 2',
    [fell, fell, { endedAt: 90_000, exit: STOPPED }, fell],
  ],
  ['where two are silent nobody is accused', 'network', [fell, {}, {}, fell]],
  ['where one of two complains nobody is accused', 'network', [fell, {}]],

  [
    'a pod over its memory',
    'host-oom of 1',
    [
      fell,
      {
        exit: { ...signal('SIGKILL'), message: 'OOMKilled: it used more memory than its limit, or than its node has' },
      },
    ],
  ],
  [
    'a pod that was evicted',
    'evicted of 1',
    [
      fell,
      {
        exit: {
          ...signal('SIGTERM'),
          cause: 'evicted',
          message: 'Evicted: The node was low on resource: ephemeral-storage.',
        },
      },
    ],
  ],
  ['a kill that nobody confirms is not taken for memory', 'killed of 1', [fell, { exit: signal('SIGKILL') }]],
  ['a kill as a container tells it', 'killed of 0', [{ exit: code(137) }]],
  [
    'a kill that the kernel confirms',
    'host-oom of 0',
    [{ exit: signal('SIGKILL'), said: [[60_000, 'Out of memory: Killed process 71 (python3)']] }],
  ],
  ['a rank that torchrun saw killed, though its agent ends with 1', 'killed of 1', [fell, { said: report(-9) }]],
  ['a rank that torchrun saw crash', 'native-crash of 1', [fell, { said: report(-11) }]],
  [
    'an abort is what everybody does who gives up: the line above it counts',
    'device-assert of 0',
    [{ said: [[60_000, 'RuntimeError: CUDA error: device-side assert triggered']], exit: signal('SIGABRT') }],
  ],
  ['an abort with nothing above it', 'native-crash of 0', [{ exit: signal('SIGABRT') }]],
  [
    'an end that we asked for tells nothing',
    'not-identified',
    [{ exit: STOPPED, said: [[60_000, 'Received 15 death signal, shutting down workers']] }],
  ],
  ['an end by SIGTERM that we did not ask for', 'evicted of 0', [{ exit: code(143) }]],
  ['an interrupt', 'told-to-stop of 0', [{ exit: signal('SIGINT') }]],
  ['a command that is not found', 'cannot-start of 0', [{ exit: code(127) }]],
  ['a command that cannot be executed', 'cannot-start of 0', [{ exit: code(126) }]],
  ['a worker that could not be started', 'cannot-start of 0', [{ exit: { ...code(1), cause: 'could-not-start' } }]],
  [
    'a port that was taken, seen by a program that is not found later',
    'port-in-use of 0',
    [{ exit: code(127), said: [[60_000, 'OSError: [Errno 98] Address already in use']] }],
  ],
  [
    'Megatron that asks for another GPU, whatever it found',
    'node-suspect of 0',
    [{ exit: code(16), said: [[60_000, 'found NaN in local grad norm']] }],
  ],
  ['the same below torchrun', 'node-suspect of 0', [{ said: report(16) }]],
  ['Megatron whose result failed its validation', 'numerics of 0', [{ exit: code(17) }]],
  ['a launcher that asks not to be restarted', 'told-to-stop of 0', [{ exit: code(93) }]],

  [
    'a watchdog that gets stuck once training has ended',
    'after-the-end',
    [
      {
        said: [
          [10_000, END],
          [60_000, "ProcessGroupNCCL's watchdog got stuck for 480 seconds"],
        ],
      },
    ],
    stepped,
  ],
  [
    'a crash once training has ended',
    'after-the-end',
    [
      {
        said: [
          [10_000, END],
          [60_000, CRASH],
        ],
        exit: signal('SIGSEGV'),
      },
    ],
    stepped,
  ],
  [
    'an exception once training has ended',
    'not-identified of 0',
    [
      {
        said: [
          [10_000, END],
          [60_000, VALUE_ERROR],
        ],
      },
    ],
    stepped,
  ],
  [
    'a disk that is full when the last checkpoint is written',
    'storage-full of 0',
    [
      {
        said: [
          [10_000, END],
          [60_000, 'OSError: [Errno 28] No space left on device'],
        ],
      },
    ],
    stepped,
  ],

  [
    'an exception of all workers before the first step',
    'user-code of 0',
    [{ said: [[60_000, VALUE_ERROR]] }, { said: [[60_500, 'ValueError: rank 4 has a batch of 9']] }],
  ],
  ['an exception of one of them', 'not-identified of 0', [{ said: [[60_000, VALUE_ERROR]] }, fell]],
  [
    'an exception of all of whom nobody answered',
    'not-identified of 0',
    [
      { said: [[60_000, 'TimeoutError: the licence server']] },
      { said: [[60_500, 'TimeoutError: the licence server']] },
    ],
  ],
  [
    'two different exceptions',
    'not-identified of 0',
    [{ said: [[60_000, VALUE_ERROR]] }, { said: [[60_500, 'KeyError: 7']] }],
  ],
  ['an exception of all after a step', 'not-identified of 0', [{ said: [[60_000, VALUE_ERROR]] }], stepped],
  [
    'an exception after hours in which nobody told of steps',
    'not-identified of 0',
    [{ said: [[7_000_000, VALUE_ERROR]], endedAt: 7_000_000 }],
  ],
  [
    'an exception after an hour without the first step that would be told',
    'user-code of 0',
    [{ said: [[7_000_000, VALUE_ERROR]], endedAt: 7_000_000 }],
    { progressExpected: true },
  ],
  [
    'an exception of all at the start whose cause is known is what it is',
    'external-service of 0',
    [
      {
        said: [
          [60_000, VALUE_ERROR],
          [60_100, 'HTTPError: 503 Server Error: Service Unavailable'],
        ],
      },
    ],
  ],

  ['a gang that never started', 'never-started', [{ exit: code(127) }], { outcome: 'never-started' }],
  [
    'a child whose parent has died',
    'cuda-oom of 0',
    [
      {
        said: [
          [60_000, EMPTY],
          [60_100, OOM],
        ],
      },
    ],
  ],
  ['nothing at all', 'not-identified', [{}, {}]],
  [
    'an end that nobody saw',
    'not-identified',
    [{ exit: { ...code(0), kind: 'gone', cause: 'unknown' } }],
    { outcome: 'unknown' },
  ],
]
for (const [why, is, workers, over = {}] of ROWS) {
  void test(`${why}: ${is}`, () => assert.equal(told(verdictOf(workers, over)), is))
}

void test('the evidence is the culprit’s: its line, where it was raised, and none of its victims', () => {
  const oom: Said[] = [
    [60_000, 'Traceback (most recent call last):'],
    [60_000, '  File "/work/train.py", line 71, in <module>'],
    [60_000, '    loss.backward()'],
    [60_000, OOM],
    [60_100, OOM],
  ]
  const { evidence, culprit } = verdictOf([fell, { said: oom }, fell])
  assert.deepEqual(
    evidence.map(({ worker, text }) => [worker.slice(-2), text]),
    [
      ['-1', OOM],
      ['-1', '  File "/work/train.py", line 71, in <module>'.trim()],
      ['-1', OOM],
    ],
  )
  assert.deepEqual([culprit?.node, culprit?.nodeName], [nodeId('n1'), 'n1'])
})

void test('what is lost is the culprit of a lost node', () => {
  const workers = [{}, {}]
  assert.equal(told(verdictOf(workers, { outcome: 'node-lost' })), 'node-lost')
})
