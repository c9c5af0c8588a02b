// What made an attempt fail, whose fault that is, and what becomes of the run. The kinds are a closed list; how each is recognised stands
// in core/detect/failures, and docs/failures.md is made from this table. Actions follow the public practice of those who run such gangs:
// NVIDIA's catalogue of Xids and its Resiliency Extension (docs.nvidia.com/deploy/xid-errors, NVIDIA/nvidia-resiliency-ext), Megatron's rerun
// state machine (megatron/core/rerun_state_machine.py), torchelastic's error reports, and DLRover's and Aegis's reports on launches.
import type { WorkerExitSeen } from './exit.ts'
import type { NodeId, WorkerId } from './ids.ts'
import { AVOIDED_NODES_MAX } from './limits.ts'
import type { FailureClass, Outcome } from './reasons.ts'
import type { EpochMs } from './units.ts'
import { plusMs } from './units.ts'

/**
 * `restart-elsewhere`: the next attempt is not placed on the culprit's node. `no-restart`: the run fails, since the next attempt
 * would fail in the same way, whatever restarts are left; but a spec that asks for restarts after failures of class user gets them.
 */
export const FAILURE_DECISIONS = ['restart', 'restart-elsewhere', 'no-restart'] as const
export type FailureDecision = (typeof FAILURE_DECISIONS)[number]

export type FailureEntry = {
  /** The budget of restarts that it is taken from. */
  readonly fault: FailureClass
  readonly decision: FailureDecision
  readonly meaning: string
  readonly whatToTry: string
}

const entry = (fault: FailureClass, decision: FailureDecision, meaning: string, whatToTry: string): FailureEntry => ({
  fault,
  decision,
  meaning,
  whatToTry,
})

export const FAILURES = {
  'gpu-fault': entry(
    'infrastructure',
    'restart-elsewhere',
    'a GPU or its links broke: a fatal Xid, a GPU off the bus, or one that has no memory at the very start',
    'cordon the node, look at dmesg there for Xid lines, and reset or replace the GPU before it is used again',
  ),
  ecc: entry(
    'infrastructure',
    'restart-elsewhere',
    'memory of a GPU has an error that could not be corrected',
    'cordon the node and reset its GPUs; if nvidia-smi -q shows pending or failed row remappings after that, have the GPU replaced',
  ),
  'gpu-contained': entry(
    'infrastructure',
    'restart',
    'a GPU had an error that it contained; it can go on once the process is started anew',
    'nothing now; drain the node and reset its GPUs if it happens there again within a day',
  ),
  'gpu-occupied': entry(
    'unknown',
    'restart-elsewhere',
    'GPU memory was short since other processes hold it',
    'look with nvidia-smi on the node for processes that nobody needs; if all are of this run, several ranks use one device (LOCAL_RANK)',
  ),
  'node-suspect': entry(
    'infrastructure',
    'restart-elsewhere',
    'the program asks for another machine, to tell a bad GPU from a bad program (Megatron, exit code 16; the node check of DLRover)',
    'read the line that names rank, node and device; if the next attempt goes on well, test that GPU before it is used again',
  ),
  'illegal-access': entry(
    'unknown',
    'restart-elsewhere',
    'a kernel touched memory that is not its own, or was ended by the GPU; a bad kernel or a bad GPU',
    'if it comes back at the same step on another node it is the program: run it with CUDA_LAUNCH_BLOCKING=1 and compute-sanitizer',
  ),
  'device-assert': entry(
    'user',
    'no-restart',
    'an assertion in a kernel failed, mostly an index that is out of range',
    'look for the first "Assertion ... failed" of the log; check token ids against the vocabulary, labels and positions',
  ),
  'cuda-oom': entry(
    'user',
    'no-restart',
    'the program needed more GPU memory than there is',
    'make the micro batch or the sequence smaller, recompute activations, or use more parallelism; with experts, look at their load',
  ),
  numerics: entry(
    'unknown',
    'restart',
    'a loss, a gradient or a result was not finite, or not what it should be',
    'look at the loss before it; go on from an earlier checkpoint, skip the data of that step, or lower the learning rate',
  ),
  'collective-timeout': entry(
    'unknown',
    'restart',
    'ranks waited for one that did not come to a collective operation',
    'look at the log of the rank that lags or said nothing, not at those that waited; it hung, was slow, or took another path',
  ),
  network: entry(
    'infrastructure',
    'restart',
    'the network between workers failed, or a peer was gone all at once',
    'look at the links of the peer that the line names: ibstat, counters of the switch, the log of the peer itself',
  ),
  'nccl-config': entry(
    'user',
    'no-restart',
    'NCCL or gloo cannot be set up like this',
    'check NCCL_SOCKET_IFNAME and NCCL_IB_HCA against ip addr on the node, that each rank has its own GPU, and that NCCL is of one version',
  ),
  rendezvous: entry(
    'infrastructure',
    'restart',
    'workers did not find each other in time',
    'look which worker is missing in the logs, and whether the others reach its address and port',
  ),
  'port-in-use': entry(
    'infrastructure',
    'restart',
    'a port was taken by another process of the node',
    'use $MASTER_PORT, which is drawn for each attempt, and not a fixed port; look with ss -ltnp for who has it',
  ),
  'host-oom': entry(
    'unknown',
    'restart',
    'memory of the machine, or of its container, was used up',
    'raise the memory of the pod or use fewer data workers; if it comes back after the same time, something leaks',
  ),
  'shared-memory': entry(
    'user',
    'no-restart',
    '/dev/shm is too small for what the data workers or NCCL put there',
    'give the container a larger /dev/shm, or use fewer data workers',
  ),
  'data-loader': entry(
    'unknown',
    'restart',
    'a data worker died or gave nothing in time',
    'look above for what the worker itself said; run with num_workers=0 to see its exception, and check the storage of the data',
  ),
  'storage-full': entry(
    'infrastructure',
    'no-restart',
    'a disk or a quota is full',
    'make room or raise the quota (df -h, df -i, lfs df), remove what is half written, then submit again',
  ),
  'storage-io': entry(
    'infrastructure',
    'restart',
    'a file could not be written or read, as checkpoints are',
    'look at the mount and the log of its server; check that the newest checkpoint is whole before it is used',
  ),
  'checkpoint-corrupt': entry(
    'unknown',
    'no-restart',
    'a checkpoint could not be read; each attempt would meet the same file',
    'move the newest checkpoint away so that the one before it is used, then submit again',
  ),
  'external-service': entry(
    'infrastructure',
    'restart',
    'a service outside the cluster did not answer',
    'try the address from the node; keep models and data on the cluster so that a run needs nobody else (HF_HUB_OFFLINE=1)',
  ),
  'user-code': entry(
    'user',
    'no-restart',
    'all workers failed with the same exception before their first step',
    'mend what the exception names, try it on one GPU, then submit again',
  ),
  'native-crash': entry(
    'unknown',
    'restart',
    'a process crashed outside Python (segmentation fault, abort)',
    'look above for the line before the crash; if it comes back on one node only, cordon that node; else gdb with a core file',
  ),
  'cannot-start': entry(
    'user',
    'no-restart',
    'the command of the run cannot be executed or is not there',
    'check command, image and workdir of the spec, and that the file may be executed',
  ),
  'never-started': entry(
    'infrastructure',
    'restart',
    'not all workers started in time',
    'plimsoll events shows what each worker waited for: an image, a volume, a node',
  ),
  'node-lost': entry(
    'infrastructure',
    'restart',
    'a node is not heard any more',
    'look at the machine itself; it is not used before it is heard again',
  ),
  evicted: entry(
    'infrastructure',
    'restart',
    'the cluster, or somebody outside, took a worker away',
    'look for who did (kubectl get events, drains, preemption, ephemeral storage); an eviction for storage comes back until there is more',
  ),
  killed: entry(
    'unknown',
    'restart',
    'a process was killed (SIGKILL), and nothing says by whom',
    'look at dmesg on the node for "Killed process": mostly it is memory',
  ),
  'told-to-stop': entry(
    'user',
    'no-restart',
    'it was told to stop, by hand (SIGINT, SIGHUP) or by its own launcher (exit code 93 of NVIDIA Resiliency Extension)',
    'nothing, if that was meant; else submit it again',
  ),
  'after-the-end': entry(
    'unknown',
    'restart',
    'training had ended; what failed came after it',
    'check that the last checkpoint is whole: the result is mostly there; a restart has nothing left to do and ends well',
  ),
  'not-identified': entry(
    'unknown',
    'restart',
    'no line and no exit says what it was',
    'read the log of the worker that ended first, from its last step on',
  ),
} as const satisfies Record<string, FailureEntry>

export type FailureKind = keyof typeof FAILURES
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of the table above
export const FAILURE_KINDS = Object.keys(FAILURES) as [FailureKind, ...FailureKind[]]

export type EvidenceLine = {
  readonly worker: WorkerId
  /** When it was printed; null: it is no line of a log. */
  readonly at: EpochMs | null
  readonly text: string
}

/** What a failure was, as far as it can be told. Who only fell because of it is neither culprit nor evidence. */
export type Verdict = {
  readonly kind: FailureKind
  readonly culprit: { readonly worker: WorkerId; readonly node: NodeId; readonly nodeName: string } | null
  /** The decisive line first. */
  readonly evidence: readonly EvidenceLine[]
}

/** A worker of a gang that has ended, as the books know it. */
export type EndedWorker = {
  readonly worker: WorkerId
  readonly node: NodeId
  readonly nodeName: string
  readonly isLost: boolean
  readonly exit: WorkerExitSeen | null
  readonly startedAt: EpochMs | null
  readonly endedAt: EpochMs | null
}

/** What tells a failure; whoever ends attempts is given it with the logs that it may read. */
export type Classify = (outcome: Outcome, workers: readonly EndedWorker[]) => Verdict

/** `cuda-oom: torch.OutOfMemoryError: ...`; null where there is nothing to say. What an exit says is told with the exit. */
export function verdictText({ kind, evidence: [first] }: Verdict): string | null {
  const line = first === undefined || first.at === null ? null : first.text
  if (kind === 'not-identified') return line
  return line === null ? kind : `${kind}: ${line}`
}

/** A node that the next attempts of a run are kept off, as long as another could hold them. */
export type AvoidedNode = {
  readonly node: NodeId
  readonly nodeName: string
  readonly until: EpochMs
  readonly kind: FailureKind
  readonly worker: WorkerId
}

/** NVIDIA's and others' rule for a GPU is "twice within 24 hours": by then it was mended, or told again. */
const BROKEN_MS = 24 * 3_600_000
/** Where the program is as likely, the next attempt elsewhere tells which it was. */
const DOUBTED_MS = 3_600_000

export const nodeToAvoid = ({ kind, culprit }: Verdict): NodeId | null =>
  FAILURES[kind].decision === 'restart-elsewhere' ? (culprit?.node ?? null) : null

/** The nodes that a run avoids after a failure: what has expired is forgotten, and of too many the oldest. */
export function avoidedAfter(
  avoided: readonly AvoidedNode[] | undefined,
  verdict: Verdict,
  at: EpochMs,
): readonly AvoidedNode[] {
  const kept = avoidedAt(avoided, at)
  const { kind, culprit } = verdict
  if (culprit === null || nodeToAvoid(verdict) === null) return kept
  const { node, nodeName, worker } = culprit
  const others = kept.filter((each) => each.node !== node)
  const until = plusMs(at, kind === 'illegal-access' ? DOUBTED_MS : BROKEN_MS)
  return [...others, { node, nodeName, worker, kind, until }].slice(-AVOIDED_NODES_MAX)
}

export const avoidedAt = (avoided: readonly AvoidedNode[] | undefined, now: EpochMs): readonly AvoidedNode[] =>
  (avoided ?? []).filter(({ until }) => until > now)

/** For people: which nodes, and after what. */
export const avoidedText = (avoided: readonly AvoidedNode[]): string =>
  avoided.map(({ nodeName, kind, worker }) => `${nodeName} (${kind} of worker ${worker})`).join(', ')
