/** The runner of `vm` cells: its agents' code runs in machines, and never in this process. */
import type { HostPorts, Runner } from '../../agent/agent.ts'
import { vmAgent } from './agent.ts'
import { linkModules } from './link.ts'
import { gatherParts, type Gatherer } from './parts.ts'
import type { Engine, Modules, VmBounds } from './port.ts'
import { quickEngine } from './quickjs.ts'
import { turns } from './turns.ts'

export interface VmRunner extends Runner {
  /** Snapshots that the sitter gives, for agents that are seated after them. */
  readonly given: Gatherer
}

export interface RunnerPorts {
  readonly clock: HostPorts['clock']
  /** Where stripped text is kept. */
  readonly kept?: string | undefined
  /** Told whose machine runs, and when none does any more. */
  readonly note: (agent: string | null) => void
}

/** Snapshots that wait for the seat of their agent. */
const mostGiven = 1_000

/** A machine that begins once and is thrown away: what the module is, before there is an agent. */
const tasksOf = async (engine: Engine, modules: Modules, bounds: VmBounds): Promise<readonly string[]> => {
  let tasks: readonly string[] | undefined
  const vm = await engine.create({
    ...bounds,
    modules,
    tell: (text) => {
      const said = JSON.parse(text) as { readonly do: string; readonly tasks: readonly string[] }
      if (said.do === 'ready') ({ tasks } = said)
      return ''
    },
  })
  try {
    vm.begin()
  } finally {
    vm.close()
  }
  if (!Array.isArray(tasks)) throw new Error('the top of the module waits for something that takes time')
  return tasks.map(String)
}

/** @throws when the module cannot be one of a vm cell, with the way out. */
export const vmRunner = async (
  module: string,
  bounds: VmBounds,
  { clock, kept, note }: RunnerPorts,
): Promise<VmRunner> => {
  const engine = quickEngine()
  const modules = await linkModules(engine, module, kept)
  const tasks = await tasksOf(engine, modules, bounds)
  const given = gatherParts(mostGiven)
  const tools = { engine, modules, tasks, bounds, clock, note, turns: turns(), given: given.take }
  return { tasks, live: (place) => vmAgent(place, tools), given }
}
