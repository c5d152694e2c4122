/**
 * A whole swarm in virtual time: sitters that follow each other over one record, a gate, a bank, hosts of agents, a
 * client, and faults of a seed. Two phases: faults, then everything heals and must converge. What must not happen is
 * looked for all the time (watching.ts) and at the end (verdict.ts).
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { parseAgent } from '../../src/model/model.ts'
import type { Committed } from '../../src/store/store.ts'
import { Timeline } from '../worlds/timeline.ts'
import { Client } from './client.ts'
import { Dependants } from './dependants.ts'
import { beginFaults } from './faults.ts'
import { WorldGate } from './gate.ts'
import { Machine } from './machine.ts'
import { WorldNet } from './net.ts'
import { Provider } from './provider.ts'
import { Mates } from './mates.ts'
import { newFolder, type DiskState } from './record.ts'
import { planOf, WorldSitter, type Plan } from './sitter.ts'
import { Times } from './times.ts'
import { judge } from './verdict.ts'
import { Watching } from './watching.ts'
import { weatherOf, type Scale, type Weather } from './weather.ts'

const hourMs = 3_600_000
/** Probes come up to 6.6 h apart. */
const healWithinMs = 30 * hourMs
const lookEveryMs = 900_000
const mostTrace = 80

export interface Figures {
  readonly seed: number
  readonly hash: string
  readonly events: number
  readonly virtualHours: number
  readonly tasks: number
  readonly payments: number
  readonly sitters: number
  readonly hosts: number
  readonly quarantines: number
}
export interface Outcome {
  readonly figures: Figures
  /** Empty = every promise was kept. */
  readonly violations: readonly string[]
  readonly trace: readonly string[]
}

export class World {
  readonly timeline = new Timeline()
  readonly weather: Weather
  readonly plan: Plan
  readonly net: WorldNet
  readonly machine: Machine
  readonly provider: Provider
  readonly gate: WorldGate
  readonly client: Client
  readonly watching: Watching
  readonly disk: DiskState = { fullSinceMs: null, slowMs: 0, unknown: null, deadly: null }
  readonly folder = newFolder()
  sitter: WorldSitter | undefined
  sitters = 0
  readonly times: Times
  readonly mates: Mates
  readonly dependants: Dependants
  atNextClaim: (() => void) | undefined
  readonly violations: string[] = []
  readonly #mends: (() => void)[] = []
  readonly #hash = createHash('sha256')
  readonly #trace: string[] = []

  constructor(scale: Scale) {
    this.weather = weatherOf(scale)
    this.plan = planOf(this.weather)
    const { timeline, weather } = this
    this.times = new Times(timeline, (what) => this.violated(what))
    this.net = new WorldNet(timeline, weather)
    const violated = (what: string): void => this.violated(what)
    this.mates = new Mates(this.plan.groups['desk']!)
    this.dependants = new Dependants(this.plan.agents, violated)
    this.machine = new Machine({
      timeline,
      weather,
      net: this.net,
      times: this.times,
      mates: this.mates,
      dependants: this.dependants,
      violated,
    })
    this.provider = new Provider(timeline, weather, { violated, log: (line) => this.log(line) })
    this.gate = new WorldGate({
      timeline,
      weather,
      net: this.net,
      provider: this.provider,
      times: this.times,
      violated,
    })
    this.client = new Client(this)
    this.watching = new Watching(this)
  }

  log(line: string): void {
    const said = `${Math.round(this.timeline.monoMs - 1_000_000)} ${line.slice(0, 300)}`
    this.#hash.update(said)
    this.#trace.push(said)
    if (this.#trace.length > 2 * mostTrace) this.#trace.splice(0, mostTrace)
  }
  violated(what: string): void {
    this.log(`VIOLATED ${what}`)
    this.violations.push(`${Math.round(this.timeline.monoMs - 1_000_000)} ms: ${what}`)
  }
  /** Called when the world heals. */
  mend(end: () => void): void {
    this.#mends.push(end)
  }

  /** Something from outside reaches the sitter, when there is one. */
  toSitter(deed: (sitter: WorldSitter) => void): void {
    const { sitter, timeline, weather } = this
    if (sitter === undefined) return
    const fire = (): void => {
      if (sitter.ready) deed(sitter)
    }
    timeline.at(timeline.monoMs + weather.travelMs(), { owner: sitter.process, kind: 'arrival', fire })
  }

  #startSitter(): void {
    const { timeline, weather, net, machine, plan, disk, times } = this
    this.sitters += 1
    const sitter = new WorldSitter({
      timeline,
      weather,
      net,
      machine,
      plan,
      disk,
      times,
      random: weather.random,
      recordPath: join(this.folder.path, 'swarm.db'),
      committed: (lists) => this.#committed(lists),
      violated: (what) => this.violated(what),
      log: (line) => this.log(line),
    })
    this.sitter = sitter
    this.dependants.begin((agent) => sitter.fleet?.view(parseAgent(agent)!)?.state)
    sitter.process.onEnd(() => {
      this.log('the sitter is dead')
      this.sitter = undefined
      const { random, healed } = weather
      const downMs = !healed && random.next() < 0.1 ? random.next() * 300_000 : 100 + random.next() * 2_000
      timeline.after(downMs, () => this.#startSitter())
    })
    timeline.soon(sitter.process, () => {
      sitter.open().then(
        () => this.log(`sitter ${sitter.epoch} is ready`),
        (error: unknown) => {
          if (!sitter.process.alive) return
          const { code, stack } = error as { code?: string; stack?: string }
          if (code !== 'record-unknown') this.violated(`a sitter could not open: ${stack}`)
          sitter.process.end()
        },
      )
    })
  }

  #committed(lists: readonly Committed[]): void {
    this.log(`commit ${lists.map(({ command }) => command.kind).join(' ')}`)
    for (const { command } of lists) {
      if (command.kind === 'tasks.claim') {
        this.atNextClaim?.()
        this.atNextClaim = undefined
      }
      if (command.kind !== 'events.add') continue
      for (const { level, message } of command.with.events) if (level !== 'info') this.log(`event ${message}`)
    }
    this.watching.committed(lists)
  }

  restartGate(how: 'kill' | 'lose'): void {
    if (this.gate.process === undefined) return
    this.gate[how]()
    this.timeline.after(200 + this.weather.random.next() * 20_000, () => void this.gate.start())
  }
  setFull(full: boolean): void {
    if (full === (this.disk.fullSinceMs !== null)) return
    this.disk.fullSinceMs = full ? this.timeline.wallMs : null
    const { sitter, timeline } = this
    if (sitter) timeline.soon(sitter.process, () => sitter.store.fullChanged())
  }

  async run(): Promise<Outcome> {
    const { timeline, weather } = this
    const rejected = (error: unknown): void => this.violated(`nobody heard: ${(error as Error).stack}`)
    process.on('unhandledRejection', rejected)
    try {
      await this.gate.start()
      this.#startSitter()
      this.client.begin()
      beginFaults(this)
      this.#look()
      const broken = (): boolean => this.violations.length > 0
      await timeline.run(timeline.monoMs + weather.scale.hours * hourMs, broken)
      if (!broken()) await this.#heal(broken)
      // What led to it is told by what follows.
      if (broken()) await timeline.run(timeline.monoMs + 10_000)
    } catch (error) {
      this.violated(`the world broke: ${(error as Error).stack}`)
    } finally {
      process.off('unhandledRejection', rejected)
      this.sitter?.process.onEnd(() => {})
      this.folder.remove()
    }
    return { figures: this.#figures(), violations: this.violations, trace: this.#trace.slice(-mostTrace) }
  }

  async #heal(broken: () => boolean): Promise<void> {
    const { timeline, weather } = this
    this.log('healing')
    weather.healed = true
    for (const end of this.#mends.splice(0)) end()
    Object.assign(this.disk, { slowMs: 0, unknown: null, deadly: null })
    Object.assign(this.provider.ailment, { limitsUntilMs: 0, sickUntilMs: 0 })
    const untilMs = timeline.monoMs + healWithinMs
    let round = 0
    while (timeline.monoMs < untilMs && !broken()) {
      this.client.undo()
      // Often at first, rarely when only the time of a probe is waited for.
      await timeline.run(Math.min(untilMs, timeline.monoMs + (round < 10 ? 60_000 : 900_000)), broken)
      round += 1
      if (!broken() && (await this.watching.isQuiet())) break
    }
    if (!broken()) await judge(this)
  }

  #look(): void {
    const { timeline } = this
    const look = (): void => {
      this.watching.look()
      timeline.after(lookEveryMs, look)
    }
    timeline.after(lookEveryMs, look)
  }

  #figures(): Figures {
    return {
      seed: this.weather.scale.seed,
      hash: this.#hash.copy().digest('hex').slice(0, 16),
      events: this.timeline.fired,
      virtualHours: Math.round((this.timeline.monoMs - 1_000_000) / 36_000) / 100,
      tasks: this.client.acked.size,
      payments: this.provider.log.length,
      sitters: this.sitters,
      hosts: this.machine.spawned,
      quarantines: this.watching.quarantines,
    }
  }
}
