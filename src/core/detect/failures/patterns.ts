// What frameworks, drivers and kernels print when something breaks, one row a pattern: the next one costs one row. The first row that
// matches a line counts, so the special ones stand before the general ones. No pattern repeats a repetition, so each is linear in the line.
//
// Sources: pytorch/pytorch (c10/cuda, torch/csrc/distributed/c10d, torch/utils/data, caffe2/serialize, torch/distributed/elastic), NVIDIA/nccl
// (src/bootstrap.cc, src/transport/net_ib, docs "Troubleshooting"), the CUDA runtime's list of errors, NVIDIA's catalogue of Xids as
// leptonai/gpud has it, Megatron-LM (rerun_state_machine.py, training.py), torchtitan (trainer.py), DeepSpeed (loss_scaler.py), kernel.org
// (mm/oom_kill.c), Python's errno and faulthandler, huggingface_hub and urllib3.
import type { FailureKind } from '../../../domain/failure.ts'
import { xidKind } from './xid.ts'

/**
 * - `gpu`: evidence of broken hardware, which counts for more than what anybody says of the consequences.
 * - `cause`: what begins a failure.
 * - `exception`: a Python exception that no row knows.
 * - `symptom`: what those see who wait for the one that failed; it counts when nothing else is found near it.
 */
export type Tier = 'gpu' | 'cause' | 'exception' | 'symptom'

export type Row = {
  readonly kind: FailureKind
  readonly tier: Tier
  readonly match: RegExp
  /** Who prints it complains about others: the culprit is the one that does not. */
  readonly blamesOthers?: true
  /** Also printed by those whom we end: of them it tells nothing. */
  readonly unlessStopped?: true
  /** Means something else once training has begun: only before the first step. */
  readonly onlyEarly?: true
}

const gpu = (kind: FailureKind, match: RegExp): Row => ({ kind, tier: 'gpu', match })
const cause = (kind: FailureKind, match: RegExp, over: Partial<Row> = {}): Row => ({
  kind,
  tier: 'cause',
  match,
  ...over,
})
const symptom = (kind: FailureKind, match: RegExp, over: Partial<Row> = { blamesOthers: true }): Row => ({
  kind,
  tier: 'symptom',
  match,
  ...over,
})

const ROWS: readonly Row[] = [
  gpu('ecc', /uncorrectable ECC error encountered/),
  gpu('gpu-fault', /fallen off the bus|GPU is lost|RmInitAdapter failed|uncorrectable NVLink error/i),
  gpu('gpu-fault', /\bSXid \([^)]{1,40}\): \d+, Fatal\b/),

  // torchtitan asserts on the device that a loss is finite: its words come with those of a device-side assert.
  cause('numerics', /(?:[Ll]oss|gradient norm) is not finite|found (?:NaN|Inf|nan|inf) in local\b/),
  cause('numerics', /Unexpected result (?:nan|inf|-inf)\b|returned nan values in its \d+th output/),
  cause('numerics', /loss scale already at minimum|Minimum loss scale reached/),
  cause('numerics', /The total norm (?:of order \S+ )?for gradients from .{0,40} is non-finite/),

  cause('device-assert', /device-side assert triggered|: block: \[\d+,\d+,\d+\], thread: .{0,60}Assertion /),
  cause(
    'illegal-access',
    /CUDA error: (?:an illegal (?:memory access|instruction)|misaligned address|invalid program counter|unspecified launch failure|hardware stack error|unknown error)/,
  ),
  cause('illegal-access', /CUBLAS_STATUS_EXECUTION_FAILED|Warp Illegal Address/),
  // A GPU that has no memory before anything was allocated is broken or not empty (BLOOM, chronicles of tr1).
  cause('gpu-fault', /CUDA error: out of memory/, { onlyEarly: true }),
  cause('gpu-fault', /CUDA-capable device\(s\) is\/are busy or unavailable|devices are busy or unavailable/),
  cause('gpu-fault', /No CUDA GPUs are available|no CUDA-capable device is detected|system not yet initialized/),
  // PyTorch tells of each process that has memory of the GPU; its own it calls so, or by a number of the host when it is in a container.
  cause('gpu-occupied', /Process \d+ has [\d.]+ [GM]iB memory in use\..{0,300}(?:this process|Process \d+) has /),
  cause('cuda-oom', /(?:CUDA|HIP) out of memory|OutOfMemoryError: CUDA|CUDA error: out of memory/),
  cause('cuda-oom', /CU(?:BLAS|DNN|SOLVER)_STATUS_ALLOC_FAILED|[Cc]uda failure (?:\d+ )?'out of memory'/),
  cause('cuda-oom', /RESOURCE_EXHAUSTED: Out of memory/),

  cause('host-oom', /oom-kill:constraint=|[Oo]ut of memory: Killed process|Killed process \d+|oom[-_]kill event/),
  cause('host-oom', /DataLoader worker \(pid[^)]{0,40}\) is killed by signal: Killed/),
  cause('host-oom', /DefaultCPUAllocator: (?:can't allocate|not enough) memory|\[Errno 12\] Cannot allocate memory/),
  cause('host-oom', /^(?:numpy\S{0,60}\.)?_?(?:Array)?MemoryError\b/),

  cause('shared-memory', /DataLoader worker \(pid[^)]{0,40}\) is killed by signal: Bus error/),
  cause(
    'shared-memory',
    /workers are out of shared memory|unable to (?:write to|open|resize) (?:file|shared memory object) <\/torch_/,
  ),
  cause(
    'shared-memory',
    /(?:creating|attaching) (?:to )?shared memory segment|\/dev\/shm\/nccl-\S{1,20}.{0,80}No space left/,
  ),
  cause('data-loader', /DataLoader timed out after|DataLoader worker .{0,400}(?:exited unexpectedly|is killed by)/),

  cause('storage-full', /No space left on device|Disk quota exceeded|\[Errno (?:28|122)\]/),
  cause('checkpoint-corrupt', /PytorchStreamReader failed|failed finding central directory|UnpicklingError\b/),
  cause('checkpoint-corrupt', /unexpected EOF, expected \d+ more bytes/),
  // An empty file; also what a child says whose parent has died.
  symptom('checkpoint-corrupt', /EOFError: Ran out of input/, {}),
  cause(
    'checkpoint-corrupt',
    /Error while deserializing header|(?:Incomplete|Invalid)\w{0,20} ?metadata.{0,20}safetensors/i,
  ),
  cause('storage-io', /PytorchStreamWriter failed|unexpected pos \d+ vs \d+|Input\/output error|Stale file handle/),
  cause('storage-io', /Transport endpoint is not connected|Remote I\/O error|Read-only file system/),

  cause('port-in-use', /EADDRINUSE|Address already in use/),
  cause('nccl-config', /no socket interface found|Duplicate GPU detected|ncclInvalid(?:Usage|Argument)/),
  cause(
    'nccl-config',
    /Failed to initialize any NET plugin|Mismatched NCCL version|Unable to find (?:address|interface) for/,
  ),
  cause('external-service', /Max retries exceeded|Temporary failure in name resolution|HTTP ?Error: (?:429|5\d\d)\b/i),
  cause(
    'external-service',
    /HfHubHTTPError: (?:429|5\d\d)|(?:429|5\d\d) (?:Server|Client) Error|couldn't connect to 'https?:/,
  ),
  cause(
    'external-service',
    /EndpointConnectionError|wandb\.errors\.\S{0,40}CommError|\b(?:Read|Connect)Timeout: HTTPS?Connection/,
  ),

  cause('node-suspect', /The node is a straggler and exits|The node network is breakdown|NodeCheckFailedError/),

  cause('told-to-stop', /^KeyboardInterrupt\b|SignalException: Process \d+ got signal: (?:1|2)$/, {
    unlessStopped: true,
  }),
  cause('told-to-stop', /Received (?:Signals\.SIGINT|SIGINT|2) death signal|Received SIGHUP death/, {
    unlessStopped: true,
  }),
  cause('evicted', /Received (?:Signals\.SIGTERM|SIGTERM|15) death signal|got signal: 15$/, { unlessStopped: true }),
  cause('evicted', /DUE TO PREEMPTION|CANCELLED AT \S{1,40} DUE TO (?:PREEMPTION|NODE FAILURE)/),

  symptom('collective-timeout', /caught collective operation timeout|watchdog got stuck for \d+ seconds/),
  symptom('collective-timeout', /Heartbeat monitor timed out|failed to pass monitoredBarrier/),
  symptom('collective-timeout', /Timed out waiting \d+ms for (?:recv|send|send\/recv) operation/),
  cause('network', /Got async(?:hronous)? (?:error )?event.{0,40}(?:port error|port down|catastrophic|fatal)/i),
  symptom('network', /NET\/IB ?:.{0,200}Got completion .{0,200}(?:status|error)[= ]\(?(?:4|10|11|12|13|129)\b/),
  symptom('network', /ncclRemoteError|ncclSystemError|remote process exited or there was a network error/),
  symptom('network', /No route to host|Network is unreachable|Connection reset by peer|Connection timed out/),
  symptom(
    'rendezvous',
    /Rendezvous(?:Timeout|Connection)Error|client socket has timed out after|connect\(\) timed out\. Original timeout/,
  ),
  symptom(
    'rendezvous',
    /waiting for clients|wait timeout after \d+ms|DistStoreError|addresses of .{0,200}cannot be retrieved/,
  ),
  symptom('network', /DistBackendError|DistNetworkError/),
  symptom('gpu-contained', /Contained ECC error|row remapping (?:pending|occurred)/i, {}),
  symptom('native-crash', /Fatal Python error: |Segmentation fault|segfault at |\*\*\* Process received signal/, {}),
  symptom('native-crash', /double free or corruption|free\(\): invalid|malloc\(\): |corrupted size vs/, {}),

  {
    kind: 'not-identified',
    tier: 'exception',
    match: /^(?:[A-Za-z_]\w{0,60}\.){0,8}[A-Z]\w{0,60}(?:Error|Exception|Exit)(?::|$)/,
  },
  // The form of argparse: `prog: error: message`.
  {
    kind: 'not-identified',
    tier: 'exception',
    match: /^[\w./-]{1,200}: error: (?:unrecognized|the following|argument|ambiguous|invalid)/,
  },
  // torchelastic's error file (torch/distributed/elastic/multiprocessing/errors), as it is or printed.
  {
    kind: 'not-identified',
    tier: 'exception',
    match: /"message": "(?:\w{1,60}\.){0,8}[A-Z]\w{0,60}(?:Error|Exception)[:(]/,
  },
]

/** Said by those whom a failure takes along, or advice that is printed with every failure: never where it began. */
const CASCADE: readonly RegExp[] = [
  /RendezvousClosedError|closing signal SIG|ChildFailedError|RendezvousGracefulExitError/,
  /Connection (?:closed|was likely closed)|Broken pipe|recvValue failed|Failed to recv, got 0 bytes/,
  /Got completion .{0,200}(?:status|error)[= ]\(?5\b/,
  /communicator was aborted|Received a (?:dump )?signal|taking the entire process down/,
  /to enable device-side assertions|For debugging consider passing|might be asynchronously reported/,
  // What is tried again has not failed.
  /\bRetrying\b|\bretrying in\b|will retry/i,
]

/** Nearly all lines match nothing: one look for all rows at once takes a sixth of the time of one look a row. */
const ANY = new RegExp(['\\bXid \\(', ...ROWS.map(({ match }) => match.source)].join('|'), 'i')

/** What its line begins, or null. `early`: no step was made yet. */
export function rowOf(line: string, early: boolean, stopped: boolean): Row | null {
  if (!ANY.test(line)) return null
  const xid = xidKind(line)
  if (xid !== null) return xid
  const row = ROWS.find(
    ({ match, onlyEarly, unlessStopped }) =>
      !(onlyEarly === true && !early) && !(unlessStopped === true && stopped) && match.test(line),
  )
  if (row === undefined) return null
  return CASCADE.some((each) => each.test(line)) ? null : row
}

/** What is printed once training has ended: by Megatron, Hugging Face's Trainer and torchtitan. */
export const END_OF_TRAINING =
  /\[after training is done\] datetime:|'train_runtime': |Training completed\. Do not forget|\bTraining completed$/
