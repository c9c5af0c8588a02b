// The queue `look` on BullMQ, on PostgreSQL or on Redis: sends and receives messages that say "look at this loop", and keeps one timer
// for each loop. What the rules are for (they were found by trying):
// - concurrency 1: with more, jobs that came due together met a deadlock in BullMQ's SQL;
// - jobs are removed when they end and ten events are kept: nobody reads either;
// - short locks: a message whose worker was killed is given to the next one after lock + check, by default up to a minute;
// - one connection for adding, one for taking, one that listens: three in all, which stay open (a new one costs more than a message).
import { setTimeout as pause } from 'node:timers/promises'
import type { Job } from 'bullmq'
import { createPostgresBackend, createRedisBackend, runMigrations, withBackend } from 'bullmq'
import { Client } from 'pg'

export type Connection = {
  readonly host?: string
  readonly port?: number
  readonly user?: string
  readonly database?: string
  readonly password?: string
  readonly connectionString?: string
}

export type Line = {
  add(loop: string): Promise<void>
  /** Repairs the timer of a loop. */
  schedule(loop: string, everyMs: number): Promise<void>
  close(): Promise<void>
}

export type Sender = {
  /** Nothing happens where a message of that id waits already. */
  add(loop: string, id: string): Promise<void>
  close(): Promise<void>
}

export type Receiver = {
  /** A message has arrived; it is completed as soon as this returns. */
  message(loop: string, from: 'ring' | 'timer'): void
  /** The queue has let go of a ring's message. */
  completed(loop: string): void
  error(error: Error): void
}

export class QueueFault extends Error {
  readonly code: 'queue-url' | 'queue-driver-missing' | 'queue-unreachable'
  readonly whatToDo: string
  readonly retryable = false

  constructor(code: QueueFault['code'], message: string, whatToDo: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'QueueFault'
    this.code = code
    this.whatToDo = whatToDo
  }
}

const QUEUE = 'look'
const SCHEMA = 'bullmq'
const RETRY_MS = 250
const LOCK_MS = 5_000
const CONNECT_MS_MAX = 5_000
const READY_MS_MAX = 10_000
const CLOSE_MS_MAX = 2_000

const JOB = { removeOnComplete: true, removeOnFail: true } as const
const QUEUE_OPTIONS = { defaultJobOptions: JOB, streams: { events: { maxLen: 10 } } } as const
const WORKER_OPTIONS = {
  concurrency: 1,
  autorun: false,
  lockDuration: LOCK_MS,
  stalledInterval: LOCK_MS,
  maxStalledCount: 10,
  runRetryDelay: RETRY_MS,
  removeOnComplete: { count: 0 },
  removeOnFail: { count: 0 },
} as const

/** How often each loop's timer comes, in milliseconds. */
export type Timers = ReadonlyMap<string, number>

export async function openLine(
  connection: Connection,
  redisUrl: string | null,
  timers: Timers,
  receiver: Receiver,
): Promise<Line> {
  return redisUrl === null ? openOnPostgres(connection, timers, receiver) : openOnRedis(redisUrl, timers, receiver)
}

/** The way of a process that only sends: no worker, so that it takes no message from those who look. */
export async function openSender(
  connection: Connection,
  redisUrl: string | null,
  failed: (error: Error) => void,
): Promise<Sender> {
  const queue = redisUrl === null ? await queueOnPostgres(connection) : queueOnRedis(redisUrl)
  queue.on('error', failed)
  const ready = await endsWithin(READY_MS_MAX, queue.waitUntilReady()).catch((cause: unknown) => {
    throw driverMissing(cause)
  })
  if (!ready) {
    await endsWithin(CLOSE_MS_MAX, queue.disconnect())
    throw unreachable()
  }
  return {
    async add(loop, id) {
      await queue.add(loop, {}, { ...JOB, jobId: id })
    },
    async close() {
      if (!(await endsWithin(CLOSE_MS_MAX, queue.close()))) await endsWithin(CLOSE_MS_MAX, queue.disconnect())
    },
  }
}

/** Makes the queue's own tables, or migrates them. */
export async function migrateQueue(connection: Connection): Promise<void> {
  const client = new Client({ ...connection, connectionTimeoutMillis: CONNECT_MS_MAX })
  // A connection that breaks also breaks the migration, whose error is the one that counts.
  client.on('error', () => undefined)
  try {
    await client.connect()
    await runMigrations(client, SCHEMA)
  } finally {
    await client.end().catch(() => undefined)
  }
}

function poolOf(connection: Connection) {
  return {
    ...connection,
    schema: SCHEMA,
    max: 1,
    idleTimeoutMillis: 0,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_MS_MAX,
    application_name: 'plimsoll queue',
    // A wake-up need not survive a crash of the database: it does not wait for the disk, which would be most of its time.
    options: '-c synchronous_commit=off',
  }
}

async function queueOnPostgres(connection: Connection): Promise<AnyQueue> {
  await migrateQueue(connection)
  const { Queue } = withBackend(createPostgresBackend)
  return new Queue(QUEUE, { connection: poolOf(connection), ...QUEUE_OPTIONS })
}

async function openOnPostgres(connection: Connection, timers: Timers, receiver: Receiver): Promise<Line> {
  const queue = await queueOnPostgres(connection)
  const { Worker } = withBackend(createPostgresBackend)
  const pool = poolOf(connection)
  const worker = new Worker(QUEUE, (job) => receive(job, receiver), { connection: pool, ...WORKER_OPTIONS })
  return begin(queue, worker, timers, receiver)
}

async function openOnRedis(redisUrl: string, timers: Timers, receiver: Receiver): Promise<Line> {
  const connection = redisConnection(redisUrl)
  try {
    const queue = queueOnRedis(redisUrl)
    const { Worker } = withBackend(createRedisBackend)
    const options = { connection, prefix: 'plimsoll', ...WORKER_OPTIONS }
    const worker = new Worker(QUEUE, (job) => receive(job, receiver), options)
    return await begin(queue, worker, timers, receiver)
  } catch (cause) {
    throw driverMissing(cause)
  }
}

function queueOnRedis(redisUrl: string): AnyQueue {
  const { Queue } = withBackend(createRedisBackend)
  return new Queue(QUEUE, { connection: redisConnection(redisUrl), prefix: 'plimsoll', ...QUEUE_OPTIONS })
}

/** The driver is loaded when the queue is made, and the answer comes when one waits for it. */
function driverMissing(cause: unknown): unknown {
  if (!(cause instanceof Error && cause.message.includes("'ioredis' package"))) return cause
  const whatToDo = 'Install it beside Plimsoll (npm install ioredis@5), or remove queue.url to use PostgreSQL.'
  const message = 'queue.url names a Redis, and its driver is not installed'
  return new QueueFault('queue-driver-missing', message, whatToDo, cause)
}

/** Blocking commands of a worker must wait for ever, so the number of tries has no limit: BullMQ insists on it. */
function redisConnection(redisUrl: string) {
  const url = URL.canParse(redisUrl) ? new URL(redisUrl) : null
  if (url === null || (url.protocol !== 'redis:' && url.protocol !== 'rediss:')) {
    throw new QueueFault(
      'queue-url',
      'queue.url is no address of a Redis',
      'Write redis://host:6379/0, or remove queue.url to use PostgreSQL.',
    )
  }
  return {
    host: url.hostname,
    port: url.port === '' ? 6379 : Number(url.port),
    db: url.pathname.length > 1 ? Number(url.pathname.slice(1)) : 0,
    maxRetriesPerRequest: null,
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
    ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
  }
}

/** What is used of BullMQ's two classes, whose types differ by backend. */
type AnyQueue = {
  on(event: 'error', listener: (error: Error) => void): unknown
  waitUntilReady(): Promise<unknown>
  add(name: string, data: object, options: object): Promise<unknown>
  upsertJobScheduler(
    id: string,
    repeat: { every: number },
    template: { name: string; data: object; opts: object },
  ): Promise<unknown>
  removeJobScheduler(id: string): Promise<unknown>
  close(): Promise<void>
  disconnect(): Promise<void>
}
type AnyWorker = {
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'completed', listener: (job: Pick<Job, 'name' | 'repeatJobKey'>) => void): unknown
  waitUntilReady(): Promise<unknown>
  run(): Promise<void>
  close(): Promise<void>
  disconnect(): Promise<void>
}

async function begin(queue: AnyQueue, worker: AnyWorker, timers: Timers, receiver: Receiver): Promise<Line> {
  queue.on('error', (error) => receiver.error(error))
  worker.on('error', (error) => receiver.error(error))
  worker.on('completed', (job) => {
    if (job.repeatJobKey === undefined) receiver.completed(job.name)
  })
  const close = async (): Promise<void> => {
    const closing = Promise.all([worker.close(), queue.close()])
    if (await endsWithin(CLOSE_MS_MAX, closing)) return
    // The driver of Redis says good-bye only once it is connected again. Nothing that is left there is needed.
    await endsWithin(CLOSE_MS_MAX, Promise.all([worker.disconnect(), queue.disconnect()]))
  }
  const schedule = async (loop: string, everyMs: number): Promise<void> => {
    await queue.upsertJobScheduler(loop, { every: everyMs }, { name: loop, data: {}, opts: JOB })
  }
  try {
    // The driver of Redis tries for ever, and somebody who has just started us wants to know.
    if (!(await endsWithin(READY_MS_MAX, Promise.all([queue.waitUntilReady(), worker.waitUntilReady()])))) {
      throw unreachable()
    }
    // Made anew, a timer comes at once and then on its grid; one that was left would keep the rest of its old period. All before the
    // worker begins: it is not told of a timer that is made while it waits, and would find it seconds late.
    for (const [loop, everyMs] of timers) {
      await queue.removeJobScheduler(loop)
      await schedule(loop, everyMs)
    }
  } catch (error) {
    await close().catch(() => undefined)
    throw error
  }
  worker.run().catch((error: unknown) => receiver.error(error instanceof Error ? error : new Error(String(error))))
  // One id for each loop, so that a queue without a worker holds one message and not a thousand. It is also this process's own: the
  // message of a killed process is locked until its lock ends, and would swallow ours of the same name.
  const own = crypto.randomUUID()
  const add = async (loop: string): Promise<void> => {
    await queue.add(loop, {}, { ...JOB, jobId: `${loop}-${own}` })
  }
  return { add, schedule, close }
}

const unreachable = (): QueueFault =>
  new QueueFault(
    'queue-unreachable',
    `the queue of wake-ups did not answer within ${READY_MS_MAX / 1_000} s`,
    'See that it runs and that its address is right.',
  )

/** False when it takes longer; whatever becomes of it then is nobody's any more. */
async function endsWithin(boundMs: number, work: Promise<unknown>): Promise<boolean> {
  const bound = new AbortController()
  const late = pause(boundMs, false, { signal: bound.signal }).catch(() => false)
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    bound.abort()
    work.catch(() => undefined)
  }
}

async function receive(job: Pick<Job, 'name' | 'repeatJobKey'>, receiver: Receiver): Promise<void> {
  receiver.message(job.name, job.repeatJobKey === undefined ? 'ring' : 'timer')
}
