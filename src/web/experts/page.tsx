// Which expert of which layer gets too much or nothing, since which step?
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useMemo, useRef } from 'react'
import { Refused } from '../api/ask.ts'
import type { Experts, Show } from '../api/documents.ts'
import { expertsQuery } from '../api/queries.ts'
import { int } from '../format/numbers.ts'
import { Empty, Reading, Refusal } from '../parts/bits.tsx'
import { useWords, whole } from '../parts/search.ts'
import { isAlive, useShow } from '../run/use-run.ts'
import { Frames } from './frames.ts'
import { HeatPanel } from './heat-panel.tsx'
import { OneExpert } from './history.tsx'
import { Dead, Hot, Measures } from './lists.tsx'
import { useShown, View } from './view.ts'

export function ExpertsTab() {
  const show = useShow()
  const search = useWords()
  const attempt = whole(search.attempt)
  const experts = useQuery(expertsQuery(show.id, attempt, whole(search.set), isAlive(show)))
  if (experts.data === undefined) {
    if (experts.isPending) return <Reading what="expert load" />
    if (experts.error instanceof Refused && experts.error.status === 404) return <NoExperts />
    return <Refusal error={experts.error} />
  }
  if (experts.data.frames === 0) return <NoExperts />
  return (
    <Loads key={`${experts.data.run} ${experts.data.attempt} ${experts.data.set}`} show={show} experts={experts.data} />
  )
}

function NoExperts() {
  return (
    <div className="panel">
      <Empty title="No expert load was reported">
        <p>
          Expert load is how many tokens went to each expert of each layer in a step. Megatron’s own lines do not carry
          it: add the reporter to the training script, and it appears here, step by step.
        </p>
        <pre className="mono">import plimsoll_reporter</pre>
        <p>A dense model has no experts, and nothing is missing then.</p>
      </Empty>
    </div>
  )
}

/** The heat map of so few layers is low: beside the lists there is room below it. */
const LOW_LAYERS_MAX = 16

type LoadsProps = { readonly show: Show; readonly experts: Experts }

function Loads({ show, experts }: LoadsProps) {
  const search = useWords()
  const first = useRef(search)
  const { run, attempt, set } = experts
  const view = useMemo(() => {
    const layer = whole(first.current.layer) ?? worstLayer(experts)
    const expert = whole(first.current.expert) ?? 0
    return new View({
      step: Math.min(experts.lastStep, Math.max(experts.firstStep, whole(first.current.step) ?? experts.lastStep)),
      frame: null,
      error: null,
      cell: { layer: Math.min(experts.layers.length - 1, layer), expert: Math.min(experts.experts - 1, expert) },
      hover: null,
    })
    // A newer answer of the same attempt is no reason to go elsewhere.
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [run, attempt, set])
  const frames = useMemo(
    () =>
      new Frames(
        run,
        attempt,
        set,
        (frame) => view.change({ frame, error: null }),
        (error) => view.change({ error }),
      ),
    [run, attempt, set, view],
  )
  useEffect(() => () => frames.close(), [frames])
  useEffect(() => frames.want(view.shown().step), [frames, view])
  useFollow(view, frames, experts.lastStep)
  useAddress(view)
  const goTo = (step: number): void => {
    const next = Math.min(experts.lastStep, Math.max(experts.firstStep, Math.round(step)))
    if (next === view.shown().step) return
    view.change({ step: next })
    frames.want(next)
  }
  const low = experts.layers.length <= LOW_LAYERS_MAX
  const one = <OneExpert run={run} attempt={attempt} set={set} view={view} layers={experts.layers} low={low} />
  return (
    <>
      <p className="small dim experts-line">
        {int(experts.layers.length)} MoE layers × {int(experts.experts)} experts
        {experts.topK === null ? '' : `, top ${experts.topK}`} · attempt {attempt} · {int(experts.frames)} steps
        reported
      </p>
      <Sets experts={experts} />
      <Finding finding={experts.finding} />
      <Apart apart={experts.apart} />
      <FrameError view={view} />
      <div className="grid experts">
        <div className="c9 col heat-col">
          <HeatPanel show={show} experts={experts} view={view} onStep={goTo} />
          {low ? one : null}
        </div>
        <div className="c3 col">
          {low ? null : one}
          <Dead view={view} />
          <Hot view={view} />
          <Measures view={view} />
        </div>
      </div>
    </>
  )
}

/** Layers that are reported apart: those of other pipeline stages, and those with another number of experts. */
function Sets({ experts: { sets, set } }: { readonly experts: Experts }) {
  const navigate = useNavigate()
  if (sets.length < 2) return null
  const wrong = sets.some((each, index) => each.unconserved > 0 && index + 1 !== set)
  // A cell of one set is none of another.
  const choose = (chosen: string): void =>
    void navigate({
      to: '.',
      search: (before: Readonly<Record<string, string | undefined>>) => ({
        ...before,
        set: chosen,
        layer: undefined,
        expert: undefined,
      }),
    })
  return (
    <p className="small">
      <label>
        layers{' '}
        <select className="field" value={set} onChange={(event) => choose(event.target.value)}>
          {sets.map((each, index) => (
            // oxlint-disable-next-line react/no-array-index-key -- a set has no other name than its place
            <option key={index} value={index + 1}>
              {each.first === each.last ? each.first : `${each.first} to ${each.last}`}: {int(each.layers)} ×{' '}
              {int(each.experts)} experts{each.unconserved > 0 ? ', counts do not add up' : ''}
            </option>
          ))}
        </select>
      </label>{' '}
      <span className="dim">
        one of {int(sets.length)} sets of layers that are reported apart
        {wrong ? '; the counts of another one do not add up' : ''}
      </span>
    </p>
  )
}

/** About whoever counts: what is drawn below may be wrong. */
function Finding({ finding }: Pick<Experts, 'finding'>) {
  if (finding === null) return null
  return (
    <p role="status" className="callout warn-edge">
      The counts of {int(finding.steps)} {finding.steps === 1 ? 'step' : 'steps'} do not add up. The newest,{' '}
      {finding.text}. What to do: {finding.whatToDo}.
    </p>
  )
}

/** Frames that would leave all others no room. */
function Apart({ apart }: Pick<Experts, 'apart'>) {
  if (apart === null) return null
  const { from, to, frames } = apart
  return (
    <p role="status" className="callout warn-edge">
      {from === to
        ? `A frame says that it is of step ${int(to)}, and no other is near it`
        : `${int(frames)} frames say that they are of steps ${int(from)} to ${int(to)}, and no others are near them`}
      : left out here. What to do: look at how the script counts its steps.
    </p>
  )
}

function FrameError({ view }: { readonly view: View }) {
  const error = useShown(view, (shown) => shown.error)
  return error === null ? null : <Refusal error={error} />
}

/** Who looks at the newest step keeps looking at the newest step. */
function useFollow(view: View, frames: Frames, lastStep: number): void {
  const before = useRef(lastStep)
  useEffect(() => {
    if (lastStep > before.current && view.shown().step === before.current) {
      view.change({ step: lastStep })
      frames.want(lastStep)
    }
    before.current = lastStep
  }, [view, frames, lastStep])
}

const SETTLED_MS = 400

/** The address names the step and the cell once they stand still, so that a link shows the same. */
function useAddress(view: View): void {
  const navigate = useNavigate()
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null
    let said = ''
    const stop = view.subscribe(() => {
      const { step, cell } = view.shown()
      const now = `${step} ${cell.layer} ${cell.expert}`
      if (now === said) return
      said = now
      if (timer !== null) clearTimeout(timer)
      timer = setTimeout(() => {
        const search = (before: Readonly<Record<string, string | undefined>>) => ({
          ...before,
          step: String(step),
          layer: String(cell.layer),
          expert: String(cell.expert),
        })
        void navigate({ to: '.', search, replace: true, resetScroll: false })
      }, SETTLED_MS)
    })
    return () => {
      stop()
      if (timer !== null) clearTimeout(timer)
    }
  }, [view, navigate])
}

function worstLayer({ maxVio }: Experts): number {
  const last = maxVio.max.at(-1) ?? []
  return Math.max(0, last.indexOf(Math.max(...last)))
}
