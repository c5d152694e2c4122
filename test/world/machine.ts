/**
 * The machine of a world: processes with pids and start times, of which only hosts of agents are looked into. What a
 * host did and what was done to it is kept here, outside of everything that is tested: whether a kill hit a healthy one
 * is judged by this history alone.
 */
import type { Child, Disk, Proc, ProcessEnd, ProcessIdentity, SpawnOptions } from '../../src/std/std.ts'
import { WorldProcess, type Timeline } from '../worlds/timeline.ts'
import { Host } from './host.ts'
import type { WorldNet } from './net.ts'
import type { Dependants } from './dependants.ts'
import type { Mates } from './mates.ts'
import { Parts } from './parts.ts'
import type { Times } from './times.ts'
import type { Weather } from './weather.ts'

/**
 * Once ill, a host counts as ill this long after the next challenge: what was decided meanwhile may come late, and that
 * an agent forgot its attempt only a challenge can tell.
 */
const illForMs = 90_000

/**
 * Also those that come before the hold: ten deaths are one cause, and while they are counted others are being started.
 * Two causes may follow each other here: what ended the agents, and that none of their hosts comes up. Then twenty
 * restarts, at most, of those that go first.
 */
const barredWindowMs = 120_000
const mostBarredStarts = 40

export class HostProcess {
  readonly identity: ProcessIdentity
  readonly process: WorldProcess
  readonly host: Host
  /** Why it is not healthy, as long as that lasts; and until when it counts as ill after that. */
  readonly ills = new Map<string, number>()
  readonly ended = Promise.withResolvers<ProcessEnd>()
  /** It takes this long to die of a SIGKILL. */
  killTakesMs: number
  #dying = false
  readonly #machine: Machine

  constructor(machine: Machine, identity: ProcessIdentity, options: SpawnOptions) {
    const { timeline, weather, net } = machine
    this.#machine = machine
    this.identity = identity
    this.process = new WorldProcess(timeline, `host ${identity.pid}`, 'boot')
    this.killTakesMs = weather.chance(20) ? 500 + weather.random.next() * 8_000 : 1 + weather.random.next() * 4
    this.host = new Host({
      env: options.env,
      process: this.process,
      net,
      weather,
      history: machine.history,
      ill: (why, lasts) => this.ill(why, lasts),
      exit: (code) => this.end({ code, signal: null }),
    })
  }

  /** Not healthy for this reason: from now on and for `illForMs` more, or without an end. */
  ill(why: string, lasts: 'for-good' | 'just-now' = 'for-good'): void {
    const untilMs = this.process.timeline.monoMs + this.#machine.weather.heartbeatMs + illForMs
    this.ills.set(why, lasts === 'for-good' ? Infinity : untilMs)
  }
  get illness(): string | undefined {
    const nowMs = this.process.timeline.monoMs
    return [...this.ills].find(([, untilMs]) => untilMs >= nowMs)?.[0]
  }

  signal(signal: string, byFleet: boolean): void {
    if (!this.process.alive) return
    if (byFleet && !this.#dying && !this.#machine.sitterIsEnding()) this.#judge(signal)
    if (signal === 'SIGSTOP') this.process.stop()
    else if (signal === 'SIGCONT') this.process.goOn()
    else if (signal === 'SIGKILL' || !this.process.stopped) this.#die(signal)
  }

  /** The fleet ends it: was it healthy? */
  #judge(signal: string): void {
    if (this.#machine.sitterIsBlind()) this.#machine.endedBlindly.add(this.identity.pid)
    if (this.host.isEmpty || this.illness !== undefined) return
    if ([...this.host.seats.keys()].every((agent) => this.#machine.fallsWithMate(agent))) return
    const { pid } = this.identity
    this.#machine.violated(`a healthy host (pid ${pid}, ${this.host.seatCount} agents) was ended with ${signal}`)
  }

  #die(signal: string): void {
    if (this.#dying) return
    this.#dying = true
    // It goes on with what it does until it is gone: a kill is not the end.
    this.process.timeline.after(this.killTakesMs, () => this.end({ code: null, signal }))
  }

  end(end: ProcessEnd): void {
    if (!this.process.alive) return
    this.#dying = true
    this.process.end()
    this.#machine.gone(this)
    this.ended.resolve(end)
  }
}

/** What the tested rooms cannot see: written by the fakes themselves, read by the invariants. */
export interface History {
  /** Attempts that their agent said were done, with the result that it gave. */
  readonly done: Map<string, string>
  readonly times: Times
  readonly parts: Parts
  readonly mates: Mates
  readonly dependants: Dependants
}

export class Machine {
  readonly timeline: Timeline
  readonly weather: Weather
  readonly net: WorldNet
  readonly hosts = new Map<number, HostProcess>()
  readonly history: History
  #pid = 1_000
  spawned = 0
  readonly violated: (what: string) => void
  sitterIsEnding: () => boolean = () => false
  /** One of its group is lost, and it is to be started after that. */
  fallsWithMate: (agent: string) => boolean = () => false
  /** Its own beats have not been in its record for so long that it knows. */
  sitterIsBlind: () => boolean = () => false
  /** Hosts that were ended by one that was blind, by pid; that is no fault but where it was for their silence. */
  readonly endedBlindly = new Set<number>()
  /** When hosts of a type that does not come up were started (monotonic). */
  readonly barredStarts: number[] = []

  constructor(ask: {
    timeline: Timeline
    weather: Weather
    net: WorldNet
    times: Times
    mates: Mates
    dependants: Dependants
    violated: (what: string) => void
  }) {
    this.timeline = ask.timeline
    this.weather = ask.weather
    this.net = ask.net
    this.violated = ask.violated
    const { times, mates, dependants, violated } = ask
    this.history = { done: new Map(), times, parts: new Parts(violated), mates, dependants }
  }

  get list(): HostProcess[] {
    return [...this.hosts.values()]
  }
  gone(host: HostProcess): void {
    this.hosts.delete(host.identity.pid)
  }

  /** Processes as one sitter sees them: its own children die with it. */
  of(sitter: WorldProcess): Proc {
    const children = new Set<HostProcess>()
    sitter.onEnd(() => {
      for (const child of children) {
        // Most are killed with their sitter; some live on until they notice, or until they are swept.
        if (this.weather.chance(100)) child.ill('its sitter died')
        else child.end({ code: null, signal: 'SIGKILL' })
      }
    })
    return {
      spawn: async (options) => {
        if (this.weather.chance(5)) throw new Error('spawn EAGAIN')
        const child = this.#spawn(options)
        children.add(child)
        return this.#childOf(child, sitter, () => children.delete(child))
      },
      startTime: (pid) => this.hosts.get(pid)?.identity.startTime,
      killExactly: (identity) => {
        const host = this.hosts.get(identity.pid)
        if (host?.identity.startTime !== identity.startTime) return false
        host.end({ code: null, signal: 'SIGKILL' })
        return true
      },
      residentBytes: (pid) => (this.hosts.has(pid) ? 50_000_000 : undefined),
      state: (pid) => {
        const host = this.hosts.get(pid)
        return host && (host.process.stopped ? 'T' : 'S')
      },
      openFiles: (pid) => (this.hosts.has(pid) ? { open: 20, most: 1_024 } : undefined),
      oomKills: () => 0,
      effort: () => undefined,
    }
  }

  #spawn(options: SpawnOptions): HostProcess {
    this.#pid += 1
    this.spawned += 1
    this.#countBarred(options)
    if (options.env['SITTER_STANDBY'] === undefined) this.history.dependants.started(options.env['SITTER_MODULE'] ?? '')
    const identity = { pid: this.#pid, startTime: `${this.#pid}${Math.round(this.timeline.monoMs)}` }
    const host = new HostProcess(this, identity, options)
    this.hosts.set(identity.pid, host)
    return host
  }

  /** Of a cause that ends whoever is started few are tried, however many wait. */
  #countBarred({ env }: SpawnOptions): void {
    const { barred } = this.weather
    if (![...barred].some((type) => env['SITTER_MODULE']?.includes(type))) return
    const { monoMs } = this.timeline
    const starts = this.barredStarts
    starts.push(monoMs)
    while (starts[0]! < monoMs - barredWindowMs) starts.shift()
    if (starts.length > mostBarredStarts)
      this.violated(`${starts.length} hosts were started in ${barredWindowMs} ms of a cause that ends each of them`)
  }

  /** The end of a child reaches its sitter as an event of the sitter's. */
  #childOf(child: HostProcess, sitter: WorldProcess, over: () => void): Child {
    const ended = Promise.withResolvers<ProcessEnd>()
    void child.ended.promise.then((end) => {
      over()
      this.timeline.at(this.timeline.monoMs, { owner: sitter, kind: 'arrival', fire: () => ended.resolve(end) })
    })
    return {
      identity: child.identity,
      ended: ended.promise,
      closed: ended.promise.then(() => undefined),
      tell: () => {},
      kill: (signal) => child.signal(signal, true),
      killGroup: (signal) => child.signal(signal, true),
    }
  }
}

/** Nothing of a world lies on a disk but its record. */
export const noDisk: Disk = {
  readText: async () => '',
  readTextIfThere: async () => undefined,
  writeWhole: async () => {},
  append: async () => {},
  makeDirectory: async () => {},
  list: async () => [],
  exists: async () => false,
  remove: async () => {},
  rename: async () => {},
}
