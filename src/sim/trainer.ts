// A trainer of the simulated cluster: it prints what Megatron prints, saves checkpoints, goes on from them, and fails or hangs where
// chance says so.
import type { WorkerId } from '../domain/ids.ts'
import type { AttemptPlan } from '../domain/plan.ts'
import type { SeededChance } from './chance.ts'
import type { Ear } from './reporting.ts'
import type { Timeline } from './timeline.ts'

/** What a run does in this world. */
export type Trainer = {
  readonly steps: number
  readonly stepMs: number
  readonly saveEvery: number
  /** The chance that an attempt fails on its way. */
  readonly failure: number
  /** The chance that it stands still on its way, until somebody or its deadline ends it. */
  readonly hang: number
}

export type TrainerOutside = {
  readonly timeline: Timeline
  readonly chance: SeededChance
  readonly durable: () => number
  readonly save: (step: number) => void
  readonly allLive: () => boolean
  readonly print: (worker: WorkerId, text: string) => void
  readonly exit: (code: number) => void
  /** What reports of it; nothing of that may keep it waiting. */
  readonly ear: Ear
  /** The next step will have been made by then; null: there is none. */
  readonly promise: (nextAt: number | null) => void
}

const SETUP_MS = 3_000

/** One attempt from its resume step to its end, a step at a time. */
export function train(plan: AttemptPlan, trainer: Trainer, outside: TrainerOutside): void {
  const { timeline, chance, durable, save, allLive, print, exit, ear, promise } = outside
  const first = plan.workers[0]?.id
  const last = plan.workers.at(-1)?.id
  if (first === undefined || last === undefined) return
  const resumed = durable()
  const stopAfter = (probability: number): number =>
    chance.happens(probability) ? resumed + chance.between(1, trainer.steps) : Infinity
  const failAt = stopAfter(trainer.failure)
  const hangAt = stopAfter(trainer.hang)
  const durably = (step: number): void => {
    if (!allLive()) return
    save(step)
    print(first, `  successfully saved checkpoint from iteration ${step} to /ckpt`)
    ear.saved(step)
  }
  const ends = (code: number): void => {
    promise(null)
    ear.ends(() => exit(code))
  }
  const next = (step: number): void => {
    const tookMs = trainer.stepMs + chance.between(0, Math.floor(trainer.stepMs / 10))
    promise(timeline.now() + tookMs)
    timeline.after(tookMs, () => {
      if (!allLive() || step >= hangAt) return promise(null)
      if (step >= failAt) return ends(1)
      print(
        last,
        ` [now] iteration ${step}/ ${trainer.steps} | consumed samples: ${step * 8} | elapsed time per iteration (ms): ${trainer.stepMs}.0 | global batch size: 8 | lm loss: 2.5E+00 | loss scale: 1.0 | number of skipped iterations: 0 | number of nan iterations: 0 |`,
      )
      ear.stepped(step, trainer.stepMs)
      const asked = ear.asked(step)
      if (asked !== null || step % trainer.saveEvery === 0) {
        print(first, `saving checkpoint at iteration ${step} to /ckpt in torch format`)
        const slowMs = asked?.slowMs ?? 0
        if (slowMs === 0) durably(step)
        else timeline.after(slowMs, () => durably(step))
      }
      if (asked?.exits === true) return ends(0)
      if (step >= trainer.steps) {
        print(first, '[after training is done] datetime: now')
        ear.done()
        return ends(0)
      }
      return next(step + 1)
    })
  }
  timeline.after(SETUP_MS, () => {
    if (resumed > 0) {
      print(first, `  successfully loaded checkpoint from /ckpt at iteration ${resumed}`)
      ear.resumed(resumed)
    }
    next(resumed + 1)
  })
}
