// What a run runs, in a few lines of its spec: the Config tab has all of it.
import type { RunSpec } from '../../domain/spec.ts'
import { int } from '../format/numbers.ts'
import { visible } from '../format/visible.ts'

/** A spec of an older version may lack parts. */
type Spec = Partial<Pick<RunSpec, 'command' | 'source' | 'checkpoints' | 'restart'>>

export function WhatRuns({ spec }: { readonly spec: unknown }) {
  if (typeof spec !== 'object' || spec === null) return null
  const { command, source, checkpoints, restart } = spec as Spec
  return (
    <>
      {command === undefined ? null : (
        <>
          <dt>Command</dt>
          <dd className="mono small command" title={visible(command.join(' '))}>
            {visible(command.join(' '))}
          </dd>
        </>
      )}
      {source === undefined || source === null ? null : (
        <>
          <dt>Source</dt>
          <dd>
            commit <span className="mono small">{visible(source.commit.slice(0, 12))}</span>
            {source.dirty ? ', with changes that were not committed' : ''}
          </dd>
        </>
      )}
      {checkpoints === undefined ? null : (
        <>
          <dt>Checkpoints</dt>
          <dd>{checkpointsOf(checkpoints)}</dd>
        </>
      )}
      {restart === undefined ? null : (
        <>
          <dt>Starts again</dt>
          <dd>
            {int(restart.infrastructure)} × after infrastructure, {int(restart.unknown)} × after unknown,{' '}
            {int(restart.user)} × after user
          </dd>
        </>
      )}
    </>
  )
}

function checkpointsOf({ path, everySteps }: NonNullable<Spec['checkpoints']>): string {
  const often = everySteps === null || everySteps === undefined ? '' : `every ${int(everySteps)} steps, `
  return `${often}in ${path === null || path === undefined ? 'a folder of its own' : visible(path)}`
}
