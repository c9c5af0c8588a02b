// 500 people who watch while eight runs train: what the API takes for everybody else, and how much memory that needs.
import { request } from 'node:http'
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
    const resident = rss(home) ?? Number.NaN
    return {
      work: `${VIEWERS} open streams of ${PEOPLE} people, ${aSecond.toFixed(0)} events a second, ${TRAINING} runs that print two steps a second: ${ASKED} questions of pages to the API`,
      unit: 'ms',
      samples,
      ours: quantile(samples, 0.99),
      baseline: quantile(alone, 0.99),
      baselineIs: 'p99 of the same questions with nobody watching',
      rssMiB: resident,
      figures: [
        { name: 'API p99', ours: quantile(samples, 0.99), unit: 'ms', limit: 100 },
        { name: 'resident memory of Node', ours: resident, unit: 'MiB', limit: 400 },
      ],
    }
  } finally {
    for (const end of ends) end()
    await home.remove()
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
