// What every cluster does, whichever it is: one suite for the local cluster, the simulated one and Kubernetes. It knows the port and
// nothing else; what a worker is to do is said in words that each of them can carry out.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AttemptId, WorkerId } from '../../src/domain/ids.ts'
import type { AttemptPlan } from '../../src/domain/plan.ts'
import { durationMs, epochMs } from '../../src/domain/units.ts'
import type { Cluster, WorkerSeen } from '../../src/ports/cluster.ts'
import { Fault } from '../../src/ports/fault.ts'
import { pause } from '../parts/plimsoll.ts'

export type Work =
  /** Ends by itself after a while: well, or with the worker `failing` going wrong. */
  | { readonly kind: 'ends'; readonly failing?: number }
  /** Goes on until it is asked to end, and then obeys. */
  | { readonly kind: 'stays' }

export type Subject = {
  readonly cluster: Cluster
  readonly now: () => number
  /** Another process of the same control plane, on the same cluster. */
  again(): Promise<Cluster>
  plan(work: Work, workers: number): AttemptPlan
  /** Lets this much of its time pass. */
  pass(ms: number): Promise<void>
  /** The codes of a worker that goes wrong by itself, and of its neighbour. */
  readonly codes: { readonly bad: number; readonly neighbour: number }
  /** What the first and the last line of the first worker are, of work that ends. */
  readonly lines: { readonly first: RegExp; readonly last: RegExp }
}

const WAIT_MS = 60_000
const GRACE = durationMs(20_000)

export function clusterSuite(name: string, open: () => Promise<Subject>): void {
  const it = (what: string, body: (subject: Subject) => Promise<void>): void =>
    void test(`${name}: ${what}`, async () => body(await open()))

  async function until<Value>(subject: Subject, what: string, look: () => Promise<Value | null>): Promise<Value> {
    const end = subject.now() + WAIT_MS
    for (;;) {
      const found = await look()
      if (found !== null) return found
      assert.ok(subject.now() < end, `${what}: not within ${WAIT_MS} ms`)
      await subject.pass(50)
    }
  }

  const of = async (cluster: Cluster, plan: AttemptPlan): Promise<WorkerSeen[]> => {
    const { workers } = await cluster.observe()
    const mine = new Set<string>(plan.workers.map(({ id }) => id))
    return workers.filter(({ worker }) => mine.has(worker))
  }

  async function seen<Phase extends WorkerSeen['phase']>(
    subject: Subject,
    worker: WorkerId,
    phase: Phase,
    cluster = subject.cluster,
  ): Promise<WorkerSeen & { phase: Phase }> {
    return until(subject, `${worker} to be ${phase}`, async () => {
      const found = (await cluster.observe()).workers.find((each) => each.worker === worker)
      return found?.phase === phase ? (found as WorkerSeen & { phase: Phase }) : null
    })
  }

  /** As the loop does it: launch is called until no worker waits for it. */
  async function start(subject: Subject, plan: AttemptPlan, cluster = subject.cluster): Promise<void> {
    await until(subject, `${plan.attempt} to start`, async () => {
      await cluster.launch(plan, null, null)
      const workers = await of(cluster, plan)
      return (workers.length === plan.workers.length && workers.every(({ phase }) => phase !== 'waiting')) || null
    })
  }

  async function endAll(
    subject: Subject,
    plan: AttemptPlan,
    graceMs = GRACE,
    cluster = subject.cluster,
  ): Promise<void> {
    await until(subject, `${plan.attempt} to end`, async () => {
      await cluster.end({ attempt: plan.attempt, graceMs, askedAt: epochMs(subject.now()) })
      return (await of(cluster, plan)).every(({ phase }) => phase === 'exited' || phase === 'gone') || null
    })
  }

  async function clear(subject: Subject, attempt: AttemptId): Promise<void> {
    // What somebody changed meanwhile is asked for again, as the loop does.
    await until(subject, `${attempt} to be forgotten`, async () => {
      try {
        await subject.cluster.forget(attempt)
        return true
      } catch (error) {
        if (error instanceof Fault && error.retryable) return null
        throw error
      }
    })
    await until(subject, `nothing to be left of ${attempt}`, async () => {
      const { workers } = await subject.cluster.observe()
      return workers.every(({ worker }) => !worker.startsWith(`${attempt}-`)) || null
    })
  }

  it('its nodes are ready, with slots of a model', async ({ cluster, now }) => {
    const { nodes, observedAt } = await cluster.observe()
    assert.ok(nodes.length > 0)
    for (const node of nodes) {
      assert.ok(node.slots > 0 && node.foreign >= 0 && node.foreign <= node.slots && node.gpuModel !== '')
      assert.equal(node.condition.kind, 'ready')
    }
    assert.ok(observedAt <= now() && observedAt > now() - 10_000)
  })

  it('a node that is there is not said to be gone', async ({ cluster }) => {
    const { nodes } = await cluster.observe()
    const gone = (await cluster.goneNodes?.(new Set(nodes.map((node) => node.name)))) ?? new Map<string, string>()
    assert.deepEqual([...gone], [])
  })

  it('a gang starts whole, and who launches it again, or from another process, starts nothing twice', async (subject) => {
    const plan = subject.plan({ kind: 'stays' }, 4)
    const other = await subject.again()
    await Promise.all([start(subject, plan), start(subject, plan, other)])
    const begun = new Map<WorkerId, number>()
    for (const { id } of plan.workers) begun.set(id, (await seen(subject, id, 'running')).startedAt)
    await subject.cluster.launch(plan, null, null)
    await other.launch(plan, null, null)
    await subject.pass(500)
    for (const { id } of plan.workers) {
      const again = await seen(subject, id, 'running', other)
      assert.ok(Math.abs(again.startedAt - (begun.get(id) ?? 0)) <= 1_000, 'it is the same process')
    }
    assert.equal((await of(subject.cluster, plan)).length, 4)
    await endAll(subject, plan)
    await clear(subject, plan.attempt)
  })

  it('a worker that ends tells its code and when, and the others are left alone', async (subject) => {
    const before = subject.now()
    const plan = subject.plan({ kind: 'ends', failing: 1 }, 2)
    await start(subject, plan)
    const [good, bad] = plan.workers
    assert.ok(good !== undefined && bad !== undefined)
    const failed = await seen(subject, bad.id, 'exited')
    assert.deepEqual([failed.exit, failed.cause], [{ kind: 'code', code: subject.codes.bad }, 'itself'])
    const ended = await seen(subject, good.id, 'exited')
    assert.deepEqual([ended.exit, ended.cause], [{ kind: 'code', code: subject.codes.neighbour }, 'itself'])
    for (const { startedAt, endedAt } of [failed, ended]) {
      assert.ok(startedAt !== null && startedAt >= before - 1_000 && endedAt >= startedAt && endedAt <= subject.now())
    }
    await clear(subject, plan.attempt)
  })

  it('an end ends all of it, was asked for, and nothing starts after it', async (subject) => {
    const plan = subject.plan({ kind: 'stays' }, 2)
    await start(subject, plan)
    for (const { id } of plan.workers) await seen(subject, id, 'running')
    await endAll(subject, plan)
    for (const worker of await of(subject.cluster, plan)) {
      assert.ok(worker.phase === 'exited')
      assert.equal(worker.cause, 'stop')
    }
    await subject.cluster.launch(plan, null, null)
    await subject.pass(1_500)
    assert.ok((await of(subject.cluster, plan)).every(({ phase }) => phase === 'exited' || phase === 'gone'))
    await clear(subject, plan.attempt)
  })

  it('what was asked to end right after its launch never runs for long, and an end of nothing is none', async (subject) => {
    const never = subject.plan({ kind: 'stays' }, 1)
    await subject.cluster.end({ attempt: never.attempt, graceMs: GRACE, askedAt: epochMs(subject.now()) })
    const plan = subject.plan({ kind: 'stays' }, 2)
    await subject.cluster.launch(plan, null, null)
    await endAll(subject, plan)
    await subject.pass(1_500)
    await endAll(subject, plan)
    assert.ok((await of(subject.cluster, plan)).every(({ phase }) => phase === 'exited' || phase === 'gone'))
    await clear(subject, plan.attempt)
  })

  it('the deadline ends what nobody asked to end', async (subject) => {
    const plan = subject.plan({ kind: 'stays' }, 1)
    await start(subject, plan)
    const [worker] = plan.workers
    assert.ok(worker !== undefined)
    await seen(subject, worker.id, 'running')
    await until(subject, 'the deadline to be taken', async () =>
      subject.cluster.deadline(plan.attempt, epochMs(subject.now() + 3_000)).then(
        () => true,
        () => null,
      ),
    )
    const ended = await seen(subject, worker.id, 'exited')
    assert.equal(ended.cause, 'deadline')
    await clear(subject, plan.attempt)
  })

  it('what lives is not forgotten; what is forgotten is gone, and may be forgotten again', async (subject) => {
    const plan = subject.plan({ kind: 'stays' }, 1)
    await start(subject, plan)
    const [worker] = plan.workers
    assert.ok(worker !== undefined)
    await seen(subject, worker.id, 'running')
    await assert.rejects(subject.cluster.forget(plan.attempt))
    await seen(subject, worker.id, 'running')
    await endAll(subject, plan)
    await clear(subject, plan.attempt)
    await subject.cluster.forget(plan.attempt)
    const log = await subject.cluster.readLog(worker.id, 0, 1_000)
    assert.deepEqual([log.bytes.length, log.open], [0, false])
  })

  it('a log is read on by anybody from where it was read to, and its tail is its end', async (subject) => {
    const plan = subject.plan({ kind: 'ends' }, 1)
    await start(subject, plan)
    const [worker] = plan.workers
    assert.ok(worker !== undefined)
    await seen(subject, worker.id, 'exited')
    const whole = await readAll(subject.cluster, worker.id, 1 << 20)
    const lines = whole.split('\n')
    for (const line of lines.slice(0, -1)) assert.match(line, /^\d{4}-\d\d-\d\dT[\d:.]+\S* std(out|err) [FP] /)
    assert.match(lines[0] ?? '', subject.lines.first)
    assert.match(lines.at(-2) ?? '', subject.lines.last)
    assert.equal(lines.at(-1), '')
    // Two readers, a line at a time, and each goes on where the other was.
    const clusters = [await subject.again(), await subject.again()]
    let text = ''
    let at: { offset: number; mark: string | null } = { offset: 0, mark: null }
    for (let turn = 0; turn < 50; turn += 1) {
      const cluster = clusters[turn % 2] ?? subject.cluster
      const slice = await cluster.readLog(worker.id, at.offset, 1, at.mark)
      text += Buffer.from(slice.bytes).toString()
      at = { offset: slice.nextOffset, mark: slice.mark ?? null }
      if (slice.bytes.length === 0 && !slice.open) break
    }
    assert.equal(text, whole)
    const tail = await subject.cluster.readLog(worker.id, -1_000, 1_000)
    assert.ok(whole.endsWith(Buffer.from(tail.bytes).toString()) && tail.bytes.length > 0)
    await clear(subject, plan.attempt)
  })

  async function readAll(cluster: Cluster, worker: WorkerId, bytesMax: number): Promise<string> {
    let text = ''
    let at: { offset: number; mark: string | null } = { offset: 0, mark: null }
    for (let turn = 0; turn < 100; turn += 1) {
      const slice = await cluster.readLog(worker, at.offset, bytesMax, at.mark)
      text += Buffer.from(slice.bytes).toString()
      at = { offset: slice.nextOffset, mark: slice.mark ?? null }
      if (slice.bytes.length > 0) continue
      if (!slice.open) return text
      // Its last bytes may be on their way still, though its end was seen.
      await pause(100)
    }
    assert.fail(`the log of ${worker} has no end`)
  }
}
