/**
 * One agent in a machine of its own, as its host sees it: the verbs of any agent, made of messages. What the agent does
 * to its machine ends the machine and its attempt, and nobody else's.
 *
 *   none ─ start ─▶ awake ⇄ asleep (its machine is a snapshot)      awake ─ slice, memory, crash, stray error ─▶ over
 *                     └───────────── end ─▶ over
 */
import {
  TaskFailure,
  type AgentContext,
  type Context,
  type HostPorts,
  type Living,
  type Place,
  type ToGuest,
  type ToHost,
} from '../../agent/agent.ts'
import { bounds as wireBounds, lineReader, type Asleep, type Rest, type Woken } from '../../wire/wire.ts'
import { answerTo, held, letGo, type Held } from './asks.ts'
import { brokenBy, failureOf, toldOf } from './errors.ts'
import { giveParts } from './parts.ts'
import type { Engine, Modules, Vm, VmBounds } from './port.ts'
import { pressed, readSnapshot, unpressed, writeSnapshot } from './snapshot.ts'
import { newTimers, type Timers } from './timers.ts'
import type { Turns } from './turns.ts'

export interface AgentTools {
  readonly engine: Engine
  readonly modules: Modules
  readonly tasks: readonly string[]
  readonly bounds: VmBounds
  readonly clock: HostPorts['clock']
  readonly turns: Turns
  readonly note: (agent: string | null) => void
  /** Snapshots that the sitter has given for agents that are going to be seated. */
  readonly given: (agent: string) => Uint8Array | undefined
}

/** What an agent says in one message goes on in a frame of ours: it fits, whatever it is. */
const messageBounds = { frameBytes: wireBounds.frameBytes - 4_096, jsonDepth: wireBounds.jsonDepth - 6 } as const
/** What a machine says in one turn; who says more is interrupted. */
const mostSaid = 2_000
const mostAsked = 1_000
/** A cell may send 1,000 frames a second: one agent that asks without end leaves most of them to the others. */
const asksPace = { perSecond: 200, burst: 400 } as const

interface Performing {
  readonly held: Held
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}
type Wanted<Name extends ToHost['do']> = Extract<ToHost, { readonly do: Name }>

class VmAgent {
  readonly #place: Place
  readonly #tools: AgentTools
  readonly #code: string
  readonly #timers: Timers
  readonly #read: (chunk: Uint8Array) => void
  #vm: Vm | undefined
  /** Its machine's memory, pressed, while it sleeps. */
  #asleep: Uint8Array | undefined
  #waking = false
  #over = false
  #isReady = false
  /** What has not been heard inside yet. */
  readonly #inbox: string[] = []
  /** By attempt; null = the agent's own start or stop. */
  readonly #performing = new Map<string | null, Performing>()
  #own: Held | undefined
  readonly #asking = new Set<number>()
  #said = 0
  #tokens: { left: number; atMs: number }

  constructor(place: Place, tools: AgentTools) {
    this.#place = place
    this.#tools = tools
    this.#code = `${tools.modules.hash} ${JSON.stringify(place.seat.config)}`
    this.#timers = newTimers(tools.clock, (id) => this.#deliver({ is: 'timer', id }))
    this.#tokens = { left: asksPace.burst, atMs: tools.clock.monoMs() }
    this.#read = lineReader(messageBounds, {
      object: (message) => this.#heard(message as unknown as ToHost),
      refused: (_code, detail) => {
        throw new Error(detail)
      },
    })
  }

  living(): Living {
    const task = (ctx: Context, payload: unknown): Promise<unknown> => this.#perform(ctx, payload)
    return {
      agent: {
        tasks: Object.fromEntries(this.#tools.tasks.map((name) => [name, task])),
        start: (ctx) => this.#start(ctx),
        stop: (ctx) => this.#verb('stop', ctx),
      },
      end: () => this.#end(),
      sleep: (how) => this.#sleep(how),
      wake: () => this.#wakeNow(),
    }
  }

  // ── beginning and end ──

  async #start(ctx: AgentContext): Promise<void> {
    this.#own = held(ctx)
    const { seat } = this.#place
    if (seat.asleep !== undefined && (await this.#resume(seat.agent, seat.asleep))) return
    const { engine } = this.#tools
    const vm = await engine.create(this.#plan())
    if (this.#over) return vm.close()
    this.#vm = vm
    await this.#turn(() => vm.begin())
    if (!this.#isReady) throw new Error('the top of its module waits for something that takes time')
    await this.#verb('start', ctx)
  }

  /** As it was when it fell asleep, in another host perhaps. False = begin anew, which has been told. */
  async #resume(agent: string, sleptMs: number): Promise<boolean> {
    const beganMs = performance.now()
    const told = (anew: string | null): void => {
      const tookMs = Math.round((performance.now() - beganMs) * 10) / 10
      this.#place.tell('agent.woken', { tookMs, anew } satisfies Omit<Woken, 'agent'>)
    }
    try {
      const snapshot = this.#tools.given(agent)
      if (snapshot === undefined) throw new Error('its snapshot did not come')
      const { engine } = this.#tools
      const { timers, body } = readSnapshot(snapshot, { build: engine.build, code: this.#code })
      await this.#restore(body)
      for (const [id, leftMs] of timers) this.#timers.set(id, leftMs - sleptMs)
      told(null)
      return true
    } catch (error) {
      this.#vm?.close()
      this.#vm = undefined
      told((error as Error).message)
      return false
    }
  }

  async #restore(body: Uint8Array): Promise<void> {
    const vm = await this.#tools.engine.restore(unpressed(body), this.#plan())
    if (this.#over) vm.close()
    else this.#vm = vm
  }

  #plan(): Parameters<Engine['create']>[0] {
    const { bounds, modules } = this.#tools
    return { ...bounds, modules, tell: (text) => this.#told(text) }
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    this.#tools.turns.drop(this)
    this.#timers.stop()
    for (const { held } of this.#performing.values()) letGo(held)
    if (this.#own !== undefined) letGo(this.#own)
    this.#asleep = undefined
    this.#vm?.close()
    this.#vm = undefined
  }

  #fail(error: unknown): void {
    if (this.#over) return
    this.#end()
    this.#place.broken(brokenBy(error, this.#tools.bounds))
  }

  // ── what goes in ──

  #deliver(message: ToGuest): void {
    if (this.#over) return
    this.#inbox.push(JSON.stringify(message))
    if (this.#vm === undefined) void this.#wake()
    else this.#tools.turns.put(this, () => this.#hear())
  }

  #hear(): void {
    const text = this.#inbox[0]
    if (text === undefined || this.#over) return
    // It fell asleep meanwhile.
    if (this.#vm === undefined) return void this.#wake()
    this.#inbox.shift()
    const vm = this.#vm
    this.#within(() => vm.call('swarmsitterHear', text))
  }

  /** One turn of its machine; what goes wrong in it ends it. */
  #within(work: () => void): void {
    this.#said = 0
    this.#tools.note(this.#place.seat.agent)
    try {
      this.#place.within(work)
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#tools.note(null)
    }
  }

  /** Resolves after its turn; never when that ended it. */
  #turn(work: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.#tools.turns.put(this, () => {
        this.#within(work)
        if (!this.#over) resolve()
      })
    })
  }

  #verb(is: 'start' | 'stop', ctx: AgentContext): Promise<unknown> {
    const { agent, config } = ctx
    return this.#performed(null, held(ctx), { is, agent, config })
  }

  #perform(ctx: Context, payload: unknown): Promise<unknown> {
    const { task, signal } = ctx
    const { attempt } = task
    const abort = (): void => this.#deliver({ is: 'abort', attempt, why: toldOf(signal.reason) })
    signal.addEventListener('abort', abort, { once: true })
    return this.#performed(attempt, held(ctx), { is: 'run', task, payload }).finally(() =>
      signal.removeEventListener('abort', abort),
    )
  }

  async #performed(attempt: string | null, held: Held, message: ToGuest): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    this.#performing.set(attempt, { held, resolve, reject })
    this.#deliver(message)
    try {
      return await promise
    } finally {
      this.#performing.delete(attempt)
      letGo(held)
    }
  }

  // ── what comes out ──

  #told(text: string): string {
    if (this.#over) return ''
    this.#said += 1
    if (this.#said > mostSaid) {
      // It is stopped soon, not at once: until then nobody listens.
      this.#vm?.interrupt()
      return ''
    }
    this.#read(Buffer.from(`${text}\n`))
    return ''
  }

  #heard(message: ToHost): void {
    const { do: what } = message
    if (what === 'ready') this.#isReady = true
    else if (what === 'ask') this.#ask(message)
    else if (what === 'timer') this.#timers.set(Number(message.id), Number(message.delayMs))
    else if (what === 'no-timer') this.#timers.clear(Number(message.id))
    else if (what === 'log') this.#log(message)
    else this.#ofAttempt(message)
  }

  #log({ level, message, fields }: Wanted<'log'>): void {
    const log = this.#own?.ctx.log
    const say = log !== undefined && Object.hasOwn(log, level) ? log[level as keyof typeof log] : log?.info
    const isObject = typeof fields === 'object' && fields !== null
    say?.(String(message), isObject ? (fields as Record<string, unknown>) : undefined)
  }

  #ofAttempt(message: Wanted<'ended'> | Wanted<'progress'> | Wanted<'park'>): void {
    const performing = this.#performing.get(message.attempt)
    if (performing === undefined) return
    const { ctx } = performing.held
    if (message.do === 'ended') {
      if (message.error === undefined) performing.resolve(message.value)
      else performing.reject(failureOf(message.error))
    } else if (!('task' in ctx)) return
    else if (message.do === 'progress') ctx.progress(String(message.text))
    else if (message.do === 'park') {
      try {
        ctx.park(message.reason as never, message.until)
      } catch {
        /* the attempt remembers that it parked; inside, the same is thrown by the agent's own context */
      }
    }
  }

  #ask(asked: Wanted<'ask'>): void {
    const { id, attempt } = asked
    if (this.#asking.size >= mostAsked) throw new Error(`${mostAsked} requests of this agent wait already`)
    if (this.#asking.has(id) || !Number.isInteger(id)) throw new Error('each request has a number of its own')
    this.#asking.add(id)
    const held = attempt === null ? this.#own : this.#performing.get(attempt)?.held
    const answer = (): void => void this.#answer(asked, held)
    const delayMs = this.#paceMs()
    if (delayMs === 0) answer()
    else this.#tools.clock.timer(delayMs, answer)
  }

  /** How long a request has to wait for its turn: not at all, for most. */
  #paceMs(): number {
    const nowMs = this.#tools.clock.monoMs()
    const { left, atMs } = this.#tokens
    const tokens = Math.min(asksPace.burst, left + ((nowMs - atMs) * asksPace.perSecond) / 1_000) - 1
    this.#tokens = { left: tokens, atMs: nowMs }
    return tokens >= 0 ? 0 : Math.ceil((-tokens * 1_000) / asksPace.perSecond)
  }

  async #answer(asked: Wanted<'ask'>, held: Held | undefined): Promise<void> {
    const { id } = asked
    try {
      if (held === undefined) throw new TaskFailure('this attempt is over', { code: 'stale', kind: 'refused' })
      const values = Array.isArray(asked.with) ? asked.with : []
      const mostBytes = this.#tools.bounds.memoryBytes / 4
      const work = (): Promise<unknown> => answerTo(held, { ...asked, with: values }, mostBytes)
      const value = await this.#place.within(work)
      this.#deliver({ is: 'answer', id, value })
    } catch (error) {
      this.#deliver({ is: 'answer', id, error: toldOf(error) })
    } finally {
      this.#asking.delete(id)
    }
  }

  // ── sleep ──

  async #sleep({ give, leastMs = 0 }: Rest): Promise<Asleep> {
    if (this.#asleep === undefined) await this.#turn(() => this.#fallAsleep())
    const body = this.#asleep
    const busy = this.#performing.size + this.#asking.size + this.#inbox.length
    const left = this.#timers.left().map(([, leftMs]) => leftMs)
    const dueInMs = left.length === 0 ? null : Math.min(...left)
    if (body === undefined || (give === true && (busy > 0 || (dueInMs !== null && dueInMs < leastMs)))) {
      const timer = dueInMs === null ? 'no timer' : `a timer in ${Math.round(dueInMs)} ms`
      const message = `${this.#place.seat.agent} waits for ${busy} things here and has ${timer}: it is not given away`
      throw new TaskFailure(message, { code: 'conflict' })
    }
    const { build } = this.#tools.engine
    const snapshot = writeSnapshot({ build, code: this.#code, timers: this.#timers.left() }, body)
    const parts = give === true ? giveParts(snapshot, (part) => this.#place.tell('asleep.part', part)) : 0
    return {
      agent: this.#place.seat.agent,
      bytes: snapshot.length,
      build,
      dueInMs,
      waiting: this.#asking.size,
      parts,
    }
  }

  #fallAsleep(): void {
    const vm = this.#vm
    // Something came for it in the same breath: it is awake.
    if (vm === undefined || this.#inbox.length > 0) return
    this.#asleep = pressed(vm.snapshot())
    this.#vm = undefined
    vm.close()
  }

  async #wakeNow(): Promise<Woken> {
    const beganMs = performance.now()
    if (this.#asleep !== undefined) await this.#wake()
    return { agent: this.#place.seat.agent, tookMs: performance.now() - beganMs, anew: null }
  }

  /** Something has come for it. */
  async #wake(): Promise<void> {
    if (this.#asleep === undefined || this.#waking) return
    this.#waking = true
    try {
      await this.#restore(this.#asleep)
      this.#asleep = undefined
      for (const _ of this.#inbox) this.#tools.turns.put(this, () => this.#hear())
    } catch (error) {
      this.#fail(new TaskFailure(`it could not be woken: ${(error as Error).message}`, { code: 'vm-crashed' }))
    } finally {
      this.#waking = false
    }
  }
}

export const vmAgent = (place: Place, tools: AgentTools): Living => new VmAgent(place, tools).living()
