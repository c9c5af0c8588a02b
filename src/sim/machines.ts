// The machines of the simulated cluster: what each has, when its word does not reach us, and which of them are gone for good.
import type { NodeSeen } from '../ports/cluster.ts'
import type { Silence } from './checkers/blind.ts'
import type { Timeline } from './timeline.ts'

export type ClusterShape = { readonly nodes: number; readonly slots: number }

export type Machine = { slots: number; foreign: number; condition: NodeSeen['condition'] }

export class Machines {
  readonly silences: Silence[] = []
  readonly #timeline: Timeline
  readonly #machines = new Map<string, Machine>()
  readonly #silent = new Map<string, Silence>()
  /** Turned off, and their nodes deleted, until another machine is heard by their name. */
  readonly #removed = new Set<string>()

  constructor(timeline: Timeline, shape: ClusterShape) {
    this.#timeline = timeline
    for (let index = 0; index < shape.nodes; index += 1)
      this.#machines.set(`node-${index}`, { slots: shape.slots, foreign: 0, condition: { kind: 'ready' } })
  }

  names(): string[] {
    return [...this.#machines.keys()]
  }

  heard(): NodeSeen[] {
    return [...this.#machines]
      .filter(([name]) => !this.#silent.has(name))
      .map(([name, machine]) => ({ name, gpuModel: 'simulated', declared: true, ...machine }))
  }

  change(node: string, change: Partial<Machine>): void {
    const machine = this.#machines.get(node)
    if (machine !== undefined) this.#machines.set(node, { ...machine, ...change })
  }

  /** False where it was so already. */
  silence(node: string, silent: boolean): boolean {
    const open = this.#silent.get(node)
    if (silent === (open !== undefined)) return false
    if (open === undefined) {
      const silence = { node, from: this.#timeline.now(), to: Infinity }
      this.silences.push(silence)
      this.#silent.set(node, silence)
    } else {
      open.to = this.#timeline.now()
      this.#silent.delete(node)
      this.#removed.delete(node)
    }
    return true
  }

  isSilent(node: string): boolean {
    return this.#silent.has(node)
  }

  remove(node: string): void {
    this.#removed.add(node)
  }

  isRemoved(node: string): boolean {
    return this.#removed.has(node)
  }
}
