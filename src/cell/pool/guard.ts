/**
 * What an agent's stray code does lands at that agent: errors from timers, microtasks and floating promises, console
 * lines, process.exit. Node keeps the async context through all of them, up to its handlers of last resort (tried on
 * 26.10).
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { format } from 'node:util'
import type { AgentHost } from '../../agent/agent.ts'

/** What nobody owns has broken the process, not one agent. EX_SOFTWARE. */
const strayExit = 70

export interface Guard {
  readonly within: <Value>(owner: object, work: () => Value) => Value
  /** The agent whose code runs now. */
  readonly running: () => string | null
  /** Ends the process at once; no handler of an agent's code runs any more. */
  readonly exit: (code: number) => never
}

const levels = { debug: 'debug', log: 'info', info: 'info', warn: 'warn', error: 'error' } as const

const guardConsole = (context: AsyncLocalStorage<object>, host: () => AgentHost | undefined): void => {
  for (const name of Object.keys(levels) as (keyof typeof levels)[]) {
    const print = console[name].bind(console)
    console[name] = (...values: unknown[]) => {
      const owner = context.getStore()
      if (owner === undefined || !host()?.printed(owner, levels[name], format(...values))) print(...values)
    }
  }
}

/** In an agent's name these throw; cell-mates must not die of a line that looks harmless in a program of one's own. */
const guardExit = (context: AsyncLocalStorage<object>): void => {
  const refuse = (what: string): void => {
    if (context.getStore() !== undefined)
      throw new Error(`${what} would end the other agents of this cell too: throw, or use ctx.fail`)
  }
  const exit = process.exit.bind(process)
  const abort = process.abort.bind(process)
  const kill = process.kill.bind(process)
  process.exit = (code) => {
    refuse('process.exit')
    return exit(code)
  }
  process.abort = () => {
    refuse('process.abort')
    return abort()
  }
  process.kill = (pid, signal) => {
    if (pid === process.pid && signal !== 0) refuse('process.kill of its own process')
    return kill(pid, signal)
  }
}

/** Installs the guards; `host` gives the host once it lives. */
export const guard = (host: () => AgentHost | undefined): Guard => {
  const context = new AsyncLocalStorage<object>()
  const leave = process.exit.bind(process)
  const exit = (code: number): never => {
    process.removeAllListeners('exit')
    return leave(code)
  }
  const stray = (error: unknown): void => {
    if (host()?.stray(context.getStore(), error)) return
    console.error('an error that belongs to no agent ends this cell:', error)
    exit(strayExit)
  }
  guardConsole(context, host)
  guardExit(context)
  process.on('uncaughtException', stray)
  process.on('unhandledRejection', stray)
  /** Entering a context that is there costs a third of making one, and makes no garbage. */
  const scopes = new WeakMap<object, ReturnType<typeof AsyncLocalStorage.snapshot>>()
  const scopeOf = (owner: object): ReturnType<typeof AsyncLocalStorage.snapshot> => {
    let scope = scopes.get(owner)
    if (scope === undefined) scopes.set(owner, (scope = context.run(owner, () => AsyncLocalStorage.snapshot())))
    return scope
  }
  return {
    within: (owner, work) => scopeOf(owner)(work),
    running: () => host()?.nameOf(context.getStore()) ?? null,
    exit,
  }
}
