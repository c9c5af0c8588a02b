import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { FailureKind } from '../../../domain/failure.ts'
import { FAILURE_KINDS } from '../../../domain/failure.ts'
import { LOG_LINE_CHARS_PARSED_MAX } from '../../../domain/limits.ts'
import { verdictOf } from './fixture.ts'
import { rowOf } from './patterns.ts'

/** Lines as the libraries print them; the names in them are ours. */
const LINES: Partial<Record<FailureKind, readonly string[]>> = {
  'gpu-fault': [
    'kernel: NVRM: Xid (PCI:0000:9b:00): 79, pid=4121, name=python3, GPU has fallen off the bus.',
    'NVRM: Xid (PCI:0000:41:00): 119, pid=77, name=python3, Timeout after 6s of waiting for RPC response from GPU0 GSP!',
    'NVRM: Xid (PCI:0000:41:00): 149, NETIR_LINK_EVT Fatal XC0 i0 Link 08 (0x021a 0x0 0x0)',
    'NVRM: GPU at PCI:0000:9b:00: GPU has fallen off the bus.',
    'nvidia-nvswitch3: SXid (PCI:0000:c5:00.0): 20034, Fatal, Link 30 LTSSM Fault Up',
    'RuntimeError: CUDA error: uncorrectable NVLink error detected during the execution',
    'RuntimeError: CUDA error: out of memory',
    'RuntimeError: CUDA error: all CUDA-capable devices are busy or unavailable',
    'RuntimeError: No CUDA GPUs are available',
    'NVRM: RmInitAdapter failed! (0x26:0xffff:1290)',
  ],
  ecc: [
    'RuntimeError: CUDA error: uncorrectable ECC error encountered',
    'NVRM: Xid (PCI:0000:18:00): 48, pid=912, name=python3, DBE (double bit error) ECC Error 0x9',
    'NVRM: Xid (PCI:0000:18:00): 95, pid=912, name=python3, Uncontained: SRAM',
  ],
  'gpu-contained': [
    'NVRM: Xid (PCI:0000:18:00): 94, pid=912, name=python3, Contained: SM (0x1)',
    'NVRM: Xid (PCI:0000:18:00): 63, pid=<unknown>, Row Remapper: New row marked for remapping',
    'NVRM: Xid (PCI:0000:41:00): 149, NETIR_LINK_EVT Nonfatal XC0 i0 Link 08 (0x021a 0x0 0x0)',
  ],
  'illegal-access': [
    '[rank5]:[E1126 ProcessGroupNCCL.cpp:1414] [PG 0 Rank 5] Process group watchdog thread terminated with exception: CUDA error: an illegal memory access was encountered',
    'RuntimeError: CUDA error: unspecified launch failure',
    '[default3]:  what():  CUDA error: unknown error',
    'NVRM: Xid (PCI:0000:18:00): 31, pid=912, name=python3, Ch 00000008, intr 10000000. MMU Fault: ENGINE GRAPHICS',
    'RuntimeError: CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx( handle, opa, opb, m, n, k)`',
  ],
  'device-assert': [
    'RuntimeError: CUDA error: device-side assert triggered',
    '../aten/src/ATen/native/cuda/Indexing.cu:1290: indexSelectLargeIndex: block: [12,0,0], thread: [31,0,0] Assertion `srcIndex < srcSelectDimSize` failed.',
  ],
  'cuda-oom': [
    '[rank3]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB. GPU 3 has a total capacity of 79.11 GiB',
    'torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 79.15 GiB total capacity)',
    'RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`',
    'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.00 GiB. Process 71 has 79.02 GiB memory in use. Of the allocated memory 77.00 GiB is allocated by PyTorch',
    "n0:71:90 [2] transport/p2p.cc:140 NCCL WARN Cuda failure 2 'out of memory'",
  ],
  'gpu-occupied': [
    'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 6.00 MiB is free. Process 71 has 60.02 GiB memory in use. Including non-PyTorch memory, this process has 19.00 GiB memory in use.',
  ],
  'node-suspect': ['RuntimeError: The node network is breakdown.'],
  numerics: [
    "RuntimeError: Rank 3, node n0, device 3, iteration 812: Unexpected result nan (message='found NaN in local forward loss calculation')",
    'Exception: Current loss scale already at minimum - cannot decrease scale anymore. Exiting run.',
    'AssertionError: Loss or gradient norm is not finite on at least one rank at step 12',
    "RuntimeError: Function 'MmBackward0' returned nan values in its 0th output.",
    'RuntimeError: The total norm of order 2.0 for gradients from `parameters` is non-finite, so it cannot be clipped.',
  ],
  'collective-timeout': [
    '[rank1]:[E1126 ProcessGroupNCCL.cpp:632] [Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=4100, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600031 milliseconds before timing out.',
    "[rank0]:[F1126 ProcessGroupNCCL.cpp:1250] [PG 0 Rank 0] ProcessGroupNCCL's watchdog got stuck for 480 seconds without making progress in monitoring enqueued collectives.",
    'RuntimeError: [../third_party/gloo/gloo/transport/tcp/unbound_buffer.cc:84] Timed out waiting 1800000ms for recv operation to complete',
    'RuntimeError: Rank 2 failed to pass monitoredBarrier in 30000 ms',
  ],
  network: [
    'n0:71:90 [0] transport/net_ib.cc:1380 NCCL WARN NET/IB : Got completion from peer 10.1.2.3<41234> with status=12 opcode=0 len=0 vendor err 129',
    'torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:1970, remote process exited or there was a network error, NCCL version 2.21.5',
    'ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely.',
    'n0:71:88 [0] NCCL WARN NET/IB : mlx5_0:1 Got async event : port error',
    'RuntimeError: connect: No route to host',
  ],
  'nccl-config': [
    'n0:71:71 [0] bootstrap.cc:45 NCCL WARN Bootstrap : no socket interface found',
    'n0:71:90 [0] init.cc:943 NCCL WARN Duplicate GPU detected : rank 1 and rank 0 both on CUDA device 3b000',
  ],
  rendezvous: [
    'RuntimeError: connect() timed out. Original timeout was 1800000 ms.',
    'torch.distributed.elastic.rendezvous.api.RendezvousTimeoutError',
    'torch.distributed.DistStoreError: Timed out after 601 seconds waiting for clients. 1/2 clients joined.',
    'torch.distributed.DistNetworkError: The client socket has timed out after 60000ms while trying to connect to (n0, 29500).',
    'torch.distributed.elastic.rendezvous.api.RendezvousConnectionError: The connection to the C10d store has failed. See inner exception for details.',
  ],
  'port-in-use': [
    'torch.distributed.DistNetworkError: The server socket has failed to listen on any local network address. port: 29500, useIpv6: false, code: -98, name: EADDRINUSE, message: address already in use',
    'OSError: [Errno 98] Address already in use',
  ],
  'host-oom': [
    'kernel: oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=cri,mems_allowed=0-1',
    'kernel: Memory cgroup out of memory: Killed process 812 (python3) total-vm:812345kB',
    'RuntimeError: DataLoader worker (pid 3121) is killed by signal: Killed.',
    'RuntimeError: [enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: not enough memory: you tried to allocate 1073741824 bytes.',
    'numpy.core._exceptions._ArrayMemoryError: Unable to allocate 12.0 GiB for an array',
    'MemoryError',
  ],
  'shared-memory': [
    "RuntimeError: DataLoader worker (pid 3121) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory. Please try to raise your shared memory limit.",
    'RuntimeError: unable to write to file </torch_3121_1883232_0>: No space left on device (28)',
    'n0:71:90 [0] NCCL WARN Error while creating shared memory segment /dev/shm/nccl-Abc123 (size 9637888)',
  ],
  'data-loader': [
    'RuntimeError: DataLoader timed out after 120 seconds',
    'RuntimeError: DataLoader worker (pid(s) 3121, 3122) exited unexpectedly',
  ],
  'storage-full': [
    'OSError: [Errno 28] No space left on device',
    "OSError: [Errno 122] Disk quota exceeded: '/ckpt/iter_0000500/mp_rank_00'",
  ],
  'storage-io': [
    'RuntimeError: [enforce fail at inline_container.cc:603] . PytorchStreamWriter failed writing file data/91: file write failed',
    'RuntimeError: [enforce fail at inline_container.cc:424] . unexpected pos 1088 vs 982',
    "OSError: [Errno 5] Input/output error: '/data/shard-7'",
    "OSError: [Errno 116] Stale file handle: '/ckpt'",
  ],
  'checkpoint-corrupt': [
    'RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory',
    'EOFError: Ran out of input',
    'RuntimeError: unexpected EOF, expected 812 more bytes. The file might be corrupted.',
    'safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge',
    '_pickle.UnpicklingError: invalid load key',
  ],
  'external-service': [
    'huggingface_hub.errors.HfHubHTTPError: 504 Server Error: Gateway Time-out for url: https://hub.example/api/models/x',
    "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='hub.example', port=443): Max retries exceeded with url: /api",
    'socket.gaierror: [Errno -3] Temporary failure in name resolution',
    "OSError: We couldn't connect to 'https://hub.example' to load this file",
  ],
  'native-crash': [
    'Fatal Python error: Segmentation fault',
    'kernel: python3[812]: segfault at 0 ip 00007f0c sp 00007ffd error 4 in libnccl.so.2[7f0c+1000]',
    'double free or corruption (!prev)',
  ],
  'told-to-stop': [
    'KeyboardInterrupt',
    'torch.distributed.elastic.multiprocessing.api.SignalException: Process 41 got signal: 2',
  ],
  evicted: [
    'W1126 agent/server/api.py:704] Received 15 death signal, shutting down workers',
    'slurmstepd: error: *** JOB 812 ON n0 CANCELLED AT 2026-11-26T08:00:00 DUE TO PREEMPTION ***',
  ],
  'user-code': [
    "ModuleNotFoundError: No module named 'apex'",
    'train.py: error: unrecognized arguments: --lr-rate',
    '{"message": {"message": "ValueError: no such preset: tiny", "extraInfo": {"timestamp": "1790000000"}}}',
    'my_package.config.ConfigError: no tokenizer',
  ],
}

for (const [kind, lines] of Object.entries(LINES)) {
  for (const line of lines) {
    void test(`${kind}: ${line.slice(0, 90)}`, () => {
      const verdict = verdictOf([
        {
          said: [
            [60_000, 'a line before'],
            [60_000, line],
            [60_100, 'and one after'],
          ],
        },
      ])
      assert.equal(verdict.kind, kind)
      assert.equal(verdict.evidence[0]?.text, line.slice(0, 500))
    })
  }
}

void test('each kind is told by a line above, or by an exit or an outcome', () => {
  const others: readonly FailureKind[] = [
    'cannot-start',
    'never-started',
    'node-lost',
    'killed',
    'after-the-end',
    'not-identified',
  ]
  assert.deepEqual([...Object.keys(LINES), ...others].toSorted(), FAILURE_KINDS.toSorted())
})

const NOTHING: readonly string[] = [
  'torch.distributed.elastic.rendezvous.api.RendezvousClosedError',
  'W1126 multiprocessing/api.py:897] Sending process 812 closing signal SIGTERM',
  'n1:71:90 [0] misc/socket.cc:58 NCCL WARN socketProgress: Connection closed by remote peer n0<51234>',
  'n1:71:90 [0] transport/net_ib.cc NCCL WARN NET/IB : Got completion from peer 10.1.2.3<41234> with status=5 opcode=0 len=0 vendor err 249',
  'torch.distributed.elastic.multiprocessing.errors.ChildFailedError: ',
  'torch.distributed.DistNetworkError: Failed to recv, got 0 bytes. Connection was likely closed. Did the remote server shutdown or crash?',
  'Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.',
  'CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.',
  'To avoid data inconsistency, we are taking the entire process down.',
  "WARNING urllib3.connectionpool: Retrying (Retry(total=4)) after connection broken by 'Max retries exceeded'",
  'NVRM: Xid (PCI:0000:18:00): 45, pid=912, name=python3, Ch 00000008',
  'NVRM: Xid (PCI:0000:18:00): 154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)',
  'grad norm: nan | skipped iteration',
  'Traceback (most recent call last):',
]
for (const line of NOTHING) {
  void test(`nothing begins with: ${line.slice(0, 90)}`, () => {
    assert.equal(verdictOf([{ said: [[60_000, line]] }]).kind, 'not-identified')
  })
}

void test('no line takes long, whatever it repeats', () => {
  const parts = [
    'Error',
    'A.',
    'a.a',
    'DataLoader worker (pid',
    'NET/IB : Got completion ',
    'Xid (',
    '<',
    ': error: ',
    'status=',
    '-',
    '0',
    '"message": "',
    'Connection closed',
  ]
  const from = performance.now()
  for (const part of parts)
    rowOf(part.repeat(LOG_LINE_CHARS_PARSED_MAX).slice(0, LOG_LINE_CHARS_PARSED_MAX), true, false)
  // A quadratic pattern takes seconds for one of them.
  assert.ok(performance.now() - from < 500)
})

void test('safety: whatever is printed, there is a verdict with evidence that can be stored', () => {
  const said = fc.array(fc.tuple(fc.nat(100_000), fc.string({ unit: 'binary', maxLength: 600 })), { maxLength: 8 })
  fc.assert(
    fc.property(fc.array(said, { minLength: 1, maxLength: 3 }), (workers) => {
      const { kind, evidence } = verdictOf(workers.map((lines) => ({ said: lines })))
      assert.ok(FAILURE_KINDS.includes(kind) && evidence.length <= 5)
      for (const { text } of evidence) assert.ok(text.isWellFormed() && text.length <= 500 && !text.includes('\u0000'))
    }),
  )
})
