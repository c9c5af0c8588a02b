// 500 people who watch while eight runs train, first with their streams alone and then with the page Now open: what the API takes for everybody
// else, and how much memory that needs.
import { Agent, request } from 'node:http'
import { Home, pause, until } from '../test/parts/plimsoll.ts'
import { fillDay, fillSteps } from './fill.ts'
import { api, clientOf, quantile, rss, startTraining, timesOf } from './parts.ts'
import type { Result } from './run.ts'

const VIEWERS = 500
/** People with rights of their own: who may see the same may share what is sent, and not everybody may. */
const PEOPLE = 10
const ENDED = 2_000
const TRAINING = 8
const ASKED = 200
/** Questions come from many pages, not one after the other as fast as they are answered. */
const PAUSE_MS = 20

export async function viewers(): Promise<Result> {
  const home = new Home()
  const ends: (() => void)[] = []
  try {
    await home.up()
    await fillDay(home.path, ENDED)
    await fillSteps(home.path)
    const ids = await startTraining(home, TRAINING, [0.5])
    const ask = api(home)
    const questions = [
      () => ask('GET', '/table?limit=200&sort=created&order=desc'),
      () => ask('GET', '/table?limit=200&state=succeeded,failed,cancelled&sort=created&order=desc&offset=1000'),
      ...ids.flatMap((id) => [
        () => ask('GET', `/runs/${id}`),
        () => ask('GET', `/runs/${id}/series?points=2000`),
        () => ask('GET', `/runs/${id}/statement`),
        () => ask('GET', `/runs/${id}/events?limit=500`),
      ]),
    ]
    const asked = async (count: number): Promise<number[]> => {
      const times: number[] = []
      for (let index = 0; index < count; index += 1) {
        times.push(...(await timesOf(1, async () => questions[(index * 7) % questions.length]?.())))
        await pause(PAUSE_MS)
      }
      return times
    }
    await asked(questions.length)
    const alone = await asked(ASKED)
    const tokens: string[] = []
    for (let index = 0; index < PEOPLE; index += 1) {
      const body = { name: `viewer-${index}`, subject: `viewer-${index}`, role: 'admin' }
      tokens.push((await ask<{ secret: string }>('POST', '/tokens', body)).secret)
    }
    const heard = Array.from({ length: VIEWERS }, () => 0)
    for (let index = 0; index < VIEWERS; index += 1) {
      const topics = index % 2 === 0 ? 'runs' : `runs,run:${ids[index % ids.length] ?? ''}`
      ends.push(
        watch(clientOf(home).url, tokens[index % PEOPLE] ?? '', topics, (events) => {
          heard[index] = (heard[index] ?? 0) + events
        }),
      )
    }
    await until('every viewer has heard of a run', () => heard.every((events) => events > 2))
    const before = heard.reduce((sum, each) => sum + each, 0)
    const begin = performance.now()
    const samples = await asked(ASKED)
    const aSecond = ((heard.reduce((sum, each) => sum + each, 0) - before) / (performance.now() - begin)) * 1_000
    const now = lookAtNow(clientOf(home).url, tokens)
    ends.push(now.end)
    await until('everybody has read all of Now', () => now.answers() > VIEWERS * NOW.length)
    const [answersBefore, nowBegin] = [now.answers(), performance.now()]
    const onNow = await asked(ASKED)
    const nowASecond = ((now.answers() - answersBefore) / (performance.now() - nowBegin)) * 1_000
    if (now.refused() > 0) throw new Error(`${now.refused()} questions of Now were not answered`)
    const resident = rss(home) ?? Number.NaN
    const baseline = quantile(alone, 0.99)
    return {
      work: `${VIEWERS} open streams of ${PEOPLE} people, ${aSecond.toFixed(0)} events a second, ${TRAINING} runs that print two steps a second: ${ASKED} questions of pages to the API; then all with Now open, ${nowASecond.toFixed(0)} questions a second`,
      unit: 'ms',
      samples: onNow,
      ours: quantile(onNow, 0.99),
      baseline,
      baselineIs: 'p99 of the same questions with nobody watching',
      rssMiB: resident,
      figures: [
        { name: 'API p99 with their streams', ours: quantile(samples, 0.99), unit: 'ms', limit: 100 },
        { name: 'API p99 with Now open as well', ours: quantile(onNow, 0.99), unit: 'ms', limit: 100 },
        {
          name: 'streams over nobody',
          ours: quantile(samples, 0.99) / baseline,
          unit: 'times',
          limit: null,
        },
        {
          name: 'Now over nobody',
          ours: quantile(onNow, 0.99) / baseline,
          unit: 'times',
          limit: null,
        },
        { name: 'resident memory of Node', ours: resident, unit: 'MiB', limit: 400 },
      ],
    }
  } finally {
    for (const end of ends) end()
    await home.remove()
  }
}

/** What the page Now and the frame around it ask, and how often, in ms (src/web/now, src/web/api/operate). */
const NOW: readonly (readonly [everyMs: number, path: () => string])[] = [
  [10_000, () => '/counts'],
  [10_000, () => '/findings?open=true&limit=500'],
  [10_000, () => '/nodes'],
  [10_000, () => '/queue'],
  [30_000, () => '/budgets'],
  [30_000, () => `/ledger?by=project,account&from=${new Date(Date.now() - 60_000).toISOString()}`],
  [300_000, () => `/ledger?by=project,account&from=${new Date(Date.now() - 30 * 86_400_000).toISOString()}`],
  [60_000, () => '/table?state=admitted,starting,running,stopping&sort=gpus&order=desc&limit=500'],
  [60_000, () => '/table?state=failed&sort=ended&order=desc&limit=20'],
  [60_000, () => '/table?state=succeeded,failed,cancelled&sort=ended&order=desc&limit=8'],
]
/** They came within half a minute. */
const ARRIVE_MS = 30_000
const TICK_MS = 20

/** Everybody opens Now, one after the other, and leaves it open. */
function lookAtNow(url: string, tokens: readonly string[]) {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  let [answered, bad] = [0, 0]
  const ask = (path: string, token: string): void => {
    const asking = request(
      `${url}/api/v1${path}`,
      { agent, headers: { authorization: `Bearer ${token}` } },
      (response) => {
        response.resume()
        response.on('end', () => {
          if (response.statusCode === 200) answered += 1
          else bad += 1
        })
        response.on('error', () => {})
      },
    )
    asking.on('error', () => (bad += 1))
    asking.end()
  }
  const begin = performance.now()
  const due = Array.from({ length: VIEWERS }, (_, viewer) =>
    NOW.map(([everyMs, path]) => ({ at: begin + (viewer * ARRIVE_MS) / VIEWERS, everyMs, path, viewer })),
  ).flat()
  const timer = setInterval(() => {
    const now = performance.now()
    for (const each of due) {
      if (each.at > now) continue
      each.at += each.everyMs
      ask(each.path(), tokens[each.viewer % tokens.length] ?? '')
    }
  }, TICK_MS)
  return {
    answers: () => answered,
    refused: () => bad,
    end: () => {
      clearInterval(timer)
      agent.destroy()
    },
  }
}

/** Opens a stream and counts what it says; gives what closes it. */
function watch(url: string, token: string, topics: string, onEvents: (events: number) => void): () => void {
  const asking = request(
    `${url}/api/v1/stream?topics=${encodeURIComponent(topics)}`,
    { agent: false, headers: { authorization: `Bearer ${token}` } },
    (response) => {
      response.on('data', (bytes: Buffer) => onEvents(bytes.toString().split('\nevent: ').length - 1))
      // Whoever closes it does so on purpose.
      response.on('error', () => {})
    },
  )
  asking.on('error', () => {})
  asking.end()
  return () => asking.destroy()
}
