/**
 * Whoever uses the swarm from outside: gives tasks with keys and believes only answers, and now and then, as a person,
 * orders agents about, cancels, and redrives. What it gave and was not answered it gives again under the same keys.
 */
import type { AgentOrder } from '../../src/fleet/fleet.ts'
import { formatAgent, parseAgent } from '../../src/model/model.ts'
import { asFailure, between } from '../../src/std/std.ts'
import type { TaskAsk } from '../../src/work/work.ts'
import type { World } from './world.ts'

const patienceMs = 10_000
const orders: readonly AgentOrder[] = ['pause', 'stop', 'quarantine', 'resume', 'start']
/** What a person may be told when it asks at a bad moment. */
const untimely: ReadonlySet<string> = new Set([
  'conflict',
  'not-found',
  'disk-full',
  'stale',
  'record-unknown',
  'overloaded',
])

export class Client {
  readonly #world: World
  /** Keys whose tasks were answered, with the ids. */
  readonly acked = new Map<string, string>()
  readonly unanswered = new Set<string>()
  #index = 0

  constructor(world: World) {
    this.#world = world
  }

  /** Tasks of one kind each minute or so, in batches. */
  begin(): void {
    const { timeline, weather } = this.#world
    const next = (): void => {
      if (weather.healed) return
      this.give()
      timeline.after(weather.random.next() * 2 * weather.batchEveryMs, next)
    }
    timeline.after(10_000, next)
  }

  give(): void {
    const { weather, times, plan } = this.#world
    const { random, scale } = weather
    const most = Math.max(8, Math.round(scale.agents / 8))
    const type = (['pay', 'pay', 'count', 'file'] as const)[between(random, 0, 3)]!
    const earlier = [...this.acked.values()].at(-1)
    const asks = Array.from({ length: type === 'file' ? 1 : between(random, 1, most) }, (): TaskAsk => {
      const index = (this.#index += 1)
      const payload = { kind: type === 'pay' ? 'pay' : 'plain', index, workMs: between(random, 50, 40_000), left: 4 }
      return {
        type,
        payload,
        key: `k${index}`,
        ...(random.next() < 0.1 ? { delayMs: between(random, 1_000, 600_000) } : {}),
        ...(random.next() < 0.1 && earlier !== undefined ? { after: [earlier], onFailed: 'run' as const } : {}),
      }
    })
    for (const { key, delayMs = 0 } of asks) {
      this.unanswered.add(key!)
      times.given(key!, delayMs, plan.tasks[type]!.deadlineMs)
    }
    this.#submit(asks)
  }

  #submit(asks: readonly TaskAsk[]): void {
    const { timeline } = this.#world
    let answered = false
    this.#world.toSitter((sitter) => {
      sitter.work.submit(asks).then(
        (answers) => {
          answered = true
          for (const [at, { id }] of answers.entries()) this.#took(asks[at]!.key!, id)
        },
        (error: unknown) => this.#refused(error),
      )
    })
    timeline.after(patienceMs, () => {
      if (!answered) this.#submit(asks)
    })
  }

  #took(key: string, id: string): void {
    const before = this.acked.get(key)
    if (before !== undefined && before !== id) this.#world.violated(`key ${key} is task ${before} and task ${id}`)
    this.acked.set(key, id)
    this.#world.times.taken(key, id)
    this.unanswered.delete(key)
  }

  #refused(error: unknown): void {
    const { code } = asFailure(error)
    if (!untimely.has(code)) this.#world.violated(`a person was told ${(error as Error).stack}`)
  }

  /** A person does something. */
  meddle(): void {
    const { random } = this.#world.weather
    const what = between(random, 0, 8)
    this.#world.toSitter((sitter) => {
      const agents = sitter.fleet.list()
      const agent = parseAgent(agents[between(random, 0, agents.length - 1)]!.id)!
      const by = { actor: 'operator:ann', reason: 'because' }
      this.#world.mates.meddled(formatAgent(agent), this.#world.timeline.monoMs)
      if (what === 5) this.#world.dependants.meddled(agent.type)
      // What was its cell's only agent ends with it.
      for (const one of this.#world.machine.list) {
        if (one.host.seats.size === 1 && one.host.seats.has(formatAgent(agent)))
          one.ill('a person ordered it', 'just-now')
      }
      const ids = [...this.acked.values()]
      const task = ids[between(random, 0, ids.length - 1)]
      if (task !== undefined && what === 8) this.#world.times.redriven(task)
      const done: Promise<unknown> =
        what < 5
          ? sitter.fleet.order(orders[what]!, [agent], by)
          : what === 5
            ? sitter.fleet.restart([agent], 'operator:ann')
            : what === 6
              ? sitter.fleet.unquarantine([agent], 'operator:ann')
              : task === undefined
                ? Promise.resolve()
                : sitter.work.move(task, what === 7 ? 'cancel' : 'redrive', 'operator:ann')
      done.catch((error: unknown) => this.#refused(error))
    })
  }

  /** Takes back what persons ordered: nobody stays where only a person gets it out. */
  undo(): void {
    this.#world.toSitter((sitter) => {
      for (const { id, exit, state } of sitter.fleet.list()) {
        if (exit?.kind !== 'owner') continue
        const agent = parseAgent(id)!
        const by = { actor: 'operator:ann', reason: 'enough' }
        this.#world.mates.meddled(id, this.#world.timeline.monoMs)
        const done: Promise<unknown> =
          state === 'quarantined'
            ? sitter.fleet.unquarantine([agent], by.actor)
            : sitter.fleet.order(state === 'paused' ? 'resume' : 'start', [agent], by)
        done.catch((error: unknown) => this.#refused(error))
      }
    })
  }
}
