/**
 * What must hold all the time: looked at with every commit, and every quarter of an hour. Two looks are where they see
 * more: starts of what cannot come up (the governor) in machine.ts, probes of breakers in gate.ts; who was seated when is
 * kept in mates.ts, and who may be started at all in dependants.ts. Modes and freezing are not in a world.
 */
import { formatAgent, isTaskEnd, parseAgent, type TaskStateName } from '../../src/model/model.ts'
import type { Claimed, Committed } from '../../src/store/store.ts'
import { progressEveryMs } from './sitter.ts'
import type { World } from './world.ts'

/** Late by so much, after the longest wait that a task or a payment of a world may have. */
const lateMs = 900_000
/** What a probe may come after its time: other probes, slow hosts, sitters that were down for minutes. */
const probeSlackMs = 900_000
/** Looks that lie further apart than this had a machine between them that stood still. */
const stillFromMs = 60_000

/** A sitter is blind after two proofs and a half; so much later it knows, however late its timers are. */
const surelyBlindMs = 4 * progressEveryMs

interface Quarantined {
  readonly dueMs: number
}

export class Watching {
  readonly #world: World
  quarantines = 0
  /** Losses that an agent was charged with (monotonic). */
  readonly #losses = new Map<string, number[]>()
  readonly #quarantined = new Map<string, Quarantined>()
  /** Breakers that were found without a probe when they were looked at last. */
  #forgotten: ReadonlySet<string> = new Set()
  /** When agents were looked at last (monotonic). */
  #lookedMs = 0
  /** When the sitter's own beat was last in its record (monotonic). */
  #provenMs = 0
  /** Audit entries as they were once told: the chain must still have them at the end. */
  readonly anchors: { readonly seq: number; readonly hash: string }[] = []

  constructor(world: World) {
    this.#world = world
    world.machine.fallsWithMate = (agent) => {
      const { places } = world.mates.group
      const others = places.filter((one) => one !== agent)
      return places.includes(agent) && this.#states(others).some((state) => state !== 'idle' && state !== 'busy')
    }
    world.machine.sitterIsBlind = () => {
      const { sitter, timeline } = world
      return sitter?.ready === true && timeline.monoMs - Math.max(this.#provenMs, sitter.readyMs) > surelyBlindMs
    }
  }

  committed(lists: readonly Committed[]): void {
    for (const { command, value } of lists) {
      if (command.kind === 'agents.save')
        for (const { type, number, state } of command.with.rows)
          this.#world.dependants.saved(formatAgent({ type, number }), state)
      if (command.kind === 'host.beat') this.#provenMs = this.#world.timeline.monoMs
      if (command.kind === 'tasks.claim' || command.kind === 'tasks.submit')
        for (const one of (value as { readonly claimed: readonly Claimed[] }).claimed) this.#claimed(one)
      if (command.kind === 'events.add') for (const event of command.with.events) this.#event(event)
    }
  }

  /** A task is given out again: no older attempt of it may still be taken for one that is in hand. */
  #claimed({ task, attempt }: Claimed): void {
    const { sitter, machine } = this.#world
    for (const { host, identity } of machine.hosts.values()) {
      for (const { run, told } of host.open.values()) {
        if (run.task !== task || run.attempt === attempt || told) continue
        // Who was unseated is fenced off: what it still says is refused, until it has read that it is to go.
        if (sitter?.ready === true && sitter.fleet.view(parseAgent(run.agent)!)?.attempt !== run.attempt) continue
        this.#world.violated(`${attempt} begins while ${run.attempt} still runs in pid ${identity.pid}`)
      }
    }
  }

  #event({ kind, subject, facts }: { kind: string; subject: string; facts: Readonly<Record<string, unknown>> }): void {
    if (kind === 'task.died' && facts['reason'] === 'deadline') this.#world.times.diedOfDeadline(subject)
    if (kind === 'agent.quarantined') this.quarantines += 1
    // The second way out is for what nobody has thought of: who needs it was forgotten by the first.
    if (kind === 'agent.overdue') this.#world.violated(`${subject} was not tried at its time`)
    if (kind === 'cell.lost') this.#cellLost(facts)
    if (kind === 'agent.released') this.#losses.delete(subject)
    if (kind !== 'agent.lost' || typeof facts['state'] !== 'string') return
    const { monoMs } = this.#world.timeline
    const { max, withinMs } = Object.values(this.#world.plan.agents)[0]!.restart
    // A minute less than the window: between a loss and its commit lies a slow disk.
    const recent = [...(this.#losses.get(subject) ?? []), monoMs].filter((atMs) => atMs > monoMs - withinMs + 60_000)
    this.#losses.set(subject, recent)
    if (recent.length > max && !['quarantined', 'paused', 'stopped'].includes(facts['state']))
      this.#world.violated(`${subject} was lost ${recent.length} times in ${withinMs} ms and is ${facts['state']}`)
  }

  /** Who cannot see itself does not call others silent. */
  #cellLost({ pid, killedFor }: Readonly<Record<string, unknown>>): void {
    const blindly = this.#world.machine.endedBlindly.delete(Number(pid))
    if (blindly && typeof killedFor === 'string' && killedFor.startsWith('silent'))
      this.#world.violated(`pid ${Number(pid)} was ended by a sitter that did not see its own beats: ${killedFor}`)
  }

  /** What of it works. */
  #states(agents: readonly string[]): readonly string[] {
    const { sitter } = this.#world
    return agents.map(
      (agent) => (sitter?.ready ? sitter.fleet.view(parseAgent(agent)!)?.state : undefined) ?? 'unknown',
    )
  }

  /** All of a group work: then they were started in their order, however often one of them was lost. */
  #lookAtMates(): void {
    const { mates } = this.#world
    if (this.#states(mates.group.places).some((state) => state !== 'idle' && state !== 'busy')) return
    const found = mates.outOfOrder()
    if (found !== null) this.#world.violated(found)
  }

  look(): void {
    const { sitter } = this.#world
    this.#lookAtBreakers()
    if (sitter?.ready !== true || sitter.process.stopped) return
    this.#lookAtAgents()
    this.#lookAtMates()
    void this.#lookAtRecord()
  }

  /** Calls wait for a breaker that nobody probes: seen twice, for a machine that stood still finds all of them late. */
  #lookAtBreakers(): void {
    const forgotten = new Set(this.#world.gate.forgotten())
    for (const one of forgotten)
      if (this.#forgotten.has(one)) this.#world.violated(`nobody probes the breaker of ${one}`)
    this.#forgotten = forgotten
  }

  /** While the machine stands still nobody is tried: the time of a probe moves by as much. */
  #waitForTheMachine(nowMs: number): void {
    const stoodMs = nowMs - this.#lookedMs - stillFromMs
    this.#lookedMs = nowMs
    if (stoodMs <= 0) return
    for (const [name, { dueMs }] of this.#quarantined) this.#quarantined.set(name, { dueMs: dueMs + stoodMs })
  }

  #lookAtAgents(): void {
    const { sitter, timeline, machine } = this.#world
    this.#waitForTheMachine(timeline.monoMs)
    const nowMs = sitter!.clock.wallMs()
    const seen = new Set<string>()
    for (const view of sitter!.fleet.list()) {
      if (view.exit === null) this.#world.violated(`${view.id} is ${view.state} and has no way on`)
      this.#world.dependants.waits(view.id, view.type, view.exit?.what ?? '')
      if (view.state !== 'quarantined' || view.exit?.kind !== 'time') continue
      // Named by the time of its probe: when that failed, or was another's of its cell, there is a later one.
      const name = `${view.id} ${view.exit.at}`
      seen.add(name)
      const known = this.#quarantined.get(name)
      const inMs = Math.max(0, (view.exit.at ?? 0) - nowMs)
      if (known === undefined) this.#quarantined.set(name, { dueMs: timeline.monoMs + inMs + probeSlackMs })
      else if (timeline.monoMs > known.dueMs)
        this.#world.violated(`${view.id} is quarantined and got no probe at its time: ${view.reason}`)
    }
    for (const name of this.#quarantined.keys()) if (!seen.has(name)) this.#quarantined.delete(name)
    const { agents } = this.#world.weather.scale
    const bound = 2_000 + 40 * agents
    if (timeline.waiting > bound)
      this.#world.violated(`${timeline.waiting} timers and arrivals wait, more than ${bound}`)
    if (machine.hosts.size > 4 * agents + 20) this.#world.violated(`${machine.hosts.size} hosts live`)
  }

  /** Nothing that was due long ago is still undone, when nothing stands in its way. */
  async #lookAtRecord(): Promise<void> {
    const { sitter, disk } = this.#world
    const { read } = sitter!.store
    const head = await read.auditHead()
    if (head.seq > (this.anchors.at(-1)?.seq ?? 0) && this.anchors.length < 200) this.anchors.push(head)
    if (disk.fullSinceMs !== null) return
    const dueMs = await read.nextTaskDueMs()
    const nowMs = sitter!.clock.wallMs()
    if (dueMs !== null && dueMs < nowMs - lateMs)
      this.#world.violated(`a task was due ${nowMs - dueMs} ms ago and still waits`)
  }

  /** Nothing moves any more, and nothing has to. */
  async isQuiet(): Promise<boolean> {
    const { sitter, client } = this.#world
    if (sitter?.ready !== true || client.unanswered.size > 0) return false
    if (sitter.fleet.list().some(({ state }) => state !== 'idle')) return false
    const { read } = sitter.store
    const counts = await read.taskCounts()
    if (counts.some(({ state, count }) => count > 0 && !isTaskEnd(state as TaskStateName))) return false
    const ends = new Set(['settled', 'rejected', 'failed', 'cancelled', 'returned'])
    return (await read.settlementCounts()).every(({ state, count }) => count === 0 || ends.has(state))
  }
}
