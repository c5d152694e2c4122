/**
 * One agent in this process, from its seat to its end. It has at most one attempt in hand; what its old self still
 * does after the end is no longer heard.
 *
 *   seat ─▶ starting ─ start() ─▶ live ⇄ an attempt in hand      live, starting ─ stray error ─▶ broken (= gone, told)
 *                                  └─ unseat, drain ─▶ leaving ─ stop() ─▶ gone
 */
import { bounds, cutBytes, type Log, type Rest, type Run, type Seat } from '../wire/wire.ts'
import { Attempt, decide, type Ending } from './attempt.ts'
import type { AgentContext, UpstreamFetch } from './context.ts'
import type { Agent } from './define.ts'
import { reportOf } from './errors.ts'
import type { Pace } from './pace.ts'
import type { HostPorts } from './ports.ts'
import type { Requests, Taken } from './requests.ts'
import type { Living, Runner } from './runner.ts'
import { TaskContext, type TaskTools } from './task-context.ts'
import { TaskFailure } from './task-failure.ts'

export interface FibreTools {
  readonly runner: Runner
  readonly ports: HostPorts
  readonly requests: Requests
  readonly pace: Pace
  /** Called when the agent has no attempt in hand (any more). */
  readonly free: () => void
}

/** Unasked lines are dropped while the sitter is this far behind; requests are bounded by the attempts in hand. */
const mostPendingBytes = 1_048_576
const firstRetryMs = 500
const longestRetryMs = 10_000
/** The time that `stop` has before the agent is gone anyway. */
const stopWithinMs = 1_000
/** An answer that no repetition changes: somebody else owns the attempt. */
const disowned: ReadonlySet<unknown> = new Set(['stale', 'not-found', 'not-your-agent'])

export class Fibre {
  readonly agent: string
  readonly seat: Seat
  readonly #tools: FibreTools
  readonly #life = new AbortController()
  readonly #context: AgentContext
  readonly #living: Living
  readonly #taskTools: TaskTools
  #state: 'starting' | 'live' | 'leaving' | 'gone' = 'starting'
  /** Calls what it is given, under the agent's name: a stack printed from outside shows whose code it was. */
  readonly #named: <Value>(work: () => Value) => Value
  /** The next work: given while `start` was running, or while the last ending was being told. */
  #held: Run | undefined
  /** Its end, once it has begun. */
  #left: Promise<void> | undefined
  #attempt: Attempt | undefined

  constructor(seat: Seat, tools: FibreTools) {
    this.agent = seat.agent
    this.seat = seat
    this.#tools = tools
    this.#context = this.#makeContext()
    this.#taskTools = {
      requests: tools.requests,
      fetch: (ask) => this.#fetch(ask),
      progress: (text) => this.#unasked('beat', { progress: cutBytes(String(text), 1_000) }),
    }
    this.#named = { [this.agent]: <Value>(work: () => Value): Value => work() }[this.agent]!
    this.#living = tools.runner.live({
      seat,
      within: (work) => this.#within(work),
      broken: (error) => this.broken(error),
      tell: (method, params) => this.#notify(method, params),
    })
  }

  get #definition(): Agent {
    return this.#living.agent
  }
  get live(): boolean {
    return this.#state === 'live'
  }
  get gone(): boolean {
    return this.#state === 'gone'
  }
  /** Attempts in hand: at most one that runs or is being told, and the next. */
  get inHand(): readonly string[] {
    return [this.#attempt?.run, this.#held].flatMap((run) => (run === undefined ? [] : [run.attempt]))
  }
  #hasInHand(attempt: string): boolean {
    return this.#attempt?.run.attempt === attempt || this.#held?.attempt === attempt
  }

  start(): void {
    const { start } = this.#definition
    if (start === undefined) {
      this.#state = 'live'
      return
    }
    const begin = async (): Promise<void> => {
      await start(this.#context)
    }
    const live = (): void => {
      if (this.#state !== 'starting') return
      this.#state = 'live'
      if (this.#held !== undefined) this.#perform(this.#held)
    }
    this.#within(begin).then(live, (error: unknown) => this.broken(error))
  }

  /**
   * Takes work; what it cannot take fails as `transient` and says why. Work may come in the same breath as the answer
   * to the last ending, before that answer has taken effect here: then it is next.
   */
  run(run: Run): void {
    if (this.#hasInHand(run.attempt)) return
    if (this.#state === 'leaving' || this.#state === 'gone') this.refuse(run, `${this.agent} is leaving`, 'overloaded')
    else if (this.#state === 'live' && this.#attempt === undefined) this.#perform(run)
    else if (this.#held === undefined && this.#attempt?.decided !== false) this.#held = run
    else this.refuse(run, `${this.agent} still has ${this.inHand.join(' and ')} in hand`, 'conflict')
  }

  refuse(run: Run, message: string, code: string): void {
    this.#fail(run, new TaskFailure(message, { kind: 'transient', code }))
  }

  cancel(attempt: string, why: string): void {
    const reason = new TaskFailure(why, { kind: 'interrupted' })
    if (this.#attempt?.run.attempt === attempt) this.#attempt.abort.abort(reason)
    if (this.#held?.attempt !== attempt) return
    this.#fail(this.#held, reason)
    this.#held = undefined
    this.#tools.free()
  }

  /** An error that no promise of an attempt carries: the work in hand fails with it, and the agent lives no more. */
  broken(error: unknown): void {
    if (this.gone) return
    if (this.#attempt?.decided === false) this.#fail(this.#attempt.run, error)
    if (this.#held !== undefined) this.#fail(this.#held, error)
    const report = reportOf(error)
    this.#notify('agent.broken', { error: report })
    this.end(`${this.agent} is broken: ${report.message}`)
  }

  /** Gives up the attempt in hand, runs `stop` and ends; asked again, it is the same end that is waited for. */
  leave(why: string): Promise<void> {
    if (this.gone) return Promise.resolve()
    this.#left ??= this.#leave(why)
    return this.#left
  }

  async #leave(why: string): Promise<void> {
    this.#state = 'leaving'
    this.#drop(why)
    const { ports } = this.#tools
    const stop = this.#within(async () => {
      await this.#definition.stop?.(this.#context)
    }).catch((error: unknown) => this.log('error', `stop failed: ${reportOf(error).message}`))
    await Promise.race([
      stop,
      new Promise<void>((resolve) => {
        ports.clock.timer(stopWithinMs, resolve)
      }),
    ])
    this.end(why)
  }

  end(why: string): void {
    this.#drop(why)
    if (this.gone) return
    this.#state = 'gone'
    this.#life.abort(new TaskFailure(why, { kind: 'interrupted' }))
    this.#living.end?.()
  }

  /** Puts the agent away, or gets it back. @throws TaskFailure where agents cannot be put away. */
  async rest(verb: 'sleep' | 'wake', how: Rest): Promise<object> {
    const { sleep, wake } = this.#living
    if (sleep === undefined || wake === undefined)
      throw new TaskFailure(`${this.agent} cannot sleep in a cell of this kind`, { code: 'unknown-method' })
    const isGiven = verb === 'sleep' && how.give === true
    if (!this.live || (isGiven && this.inHand.length > 0))
      throw new TaskFailure(`${this.agent} is not live, or has work in hand`, { code: 'conflict' })
    const rested = await this.#within(() => (verb === 'sleep' ? sleep(how) : wake()))
    if (isGiven) this.end(`${this.agent} sleeps elsewhere`)
    return rested
  }

  log(level: Log['level'], message: unknown, fields?: Readonly<Record<string, unknown>>): void {
    let written: string | undefined
    try {
      written = fields === undefined ? undefined : JSON.stringify(fields)
    } catch {
      written = '{"cut":"fields without a JSON form"}'
    }
    if (written !== undefined && written.length > bounds.logLineBytes)
      written = `{"cut":"${written.length} characters of fields left out"}`
    const more = written === undefined ? {} : { fields: JSON.parse(written) as object }
    this.#unasked('log', { level, message: cutBytes(String(message), bounds.logLineBytes), ...more })
  }

  #perform(run: Run): void {
    this.#held = undefined
    const attempt = new Attempt(run)
    this.#attempt = attempt
    const ctx = new TaskContext(attempt, this.#context, this.#taskTools)
    const ending = this.#within(() => decide(this.#definition, attempt, ctx))
    // What follows is the host's own, and not in the agent's name.
    if (ending instanceof Promise) void ending.then((decided) => this.#ended(attempt, decided))
    else this.#ended(attempt, ending)
  }

  #ended(attempt: Attempt, ending: Ending): void {
    if (this.#attempt !== attempt) return
    attempt.decided = true
    attempt.closeSockets()
    this.#tell(attempt.run.attempt, ending, () => this.#over(attempt))
  }

  /** The sitter has taken the ending. */
  #over(attempt: Attempt): void {
    if (this.#attempt !== attempt) return
    this.#attempt = undefined
    if (this.#held === undefined) this.#tools.free()
    else this.#perform(this.#held)
  }

  #fail(run: Run, error: unknown): void {
    this.#tell(run.attempt, { method: 'fail', params: { error: reportOf(error) } }, () => {})
  }

  /** Tells an ending until the sitter has taken it, or has said that it is not ours to tell. */
  #tell(attempt: string, ending: Ending, over: () => void, delayMs = firstRetryMs): void {
    const { requests, ports } = this.#tools
    const taken: Taken = (error) => {
      if (error === undefined) return over()
      const { kind, code, retryAfterMs, message } = error
      if (kind === 'transient' || kind === 'unknown' || retryAfterMs !== undefined) {
        const nextMs = Math.min(delayMs * 2, longestRetryMs)
        ports.clock.timer(Math.max(delayMs, retryAfterMs ?? 0), () => this.#tell(attempt, ending, over, nextMs))
      } else if (ending.method === 'fail' || disowned.has(code)) {
        this.log('warn', `the sitter did not take ${ending.method} of ${attempt}: ${message}`)
        over()
      } else {
        this.#tell(attempt, { method: 'fail', params: { error: reportOf(error, 'permanent') } }, over)
      }
    }
    const who = { agent: this.agent, attempt }
    if (ending.method === 'done') requests.done(who, ending.text, taken)
    else requests.put(ending.method, { ...who, ...ending.params }, taken)
  }

  #drop(why: string): void {
    this.#held = undefined
    const attempt = this.#attempt
    this.#attempt = undefined
    attempt?.giveUp(why)
    this.#tools.free()
  }

  #within<Value>(work: () => Value): Value {
    return this.#tools.ports.within(this, () => this.#named(work))
  }

  #notify(method: string, params: object): void {
    this.#tools.ports.send({ jsonrpc: '2.0', method, params: { agent: this.agent, ...params } })
  }

  #unasked(method: 'log' | 'beat', params: object): void {
    const { ports, pace } = this.#tools
    if (this.gone || ports.pendingBytes() > mostPendingBytes) return
    const { admitted, dropped } = pace.admit(ports.clock.monoMs())
    if (!admitted) return
    if (dropped > 0)
      this.#notify('log', { level: 'warn', message: `${dropped} log lines or beats were dropped: too many at once` })
    this.#notify(method, params)
  }

  #fetch(ask: Omit<Parameters<UpstreamFetch>[0], 'agent' | 'epoch'>): ReturnType<UpstreamFetch> {
    return this.#tools.ports.fetch({ agent: this.agent, epoch: this.seat.epoch, ...ask })
  }

  #makeContext(): AgentContext {
    const say =
      (level: Log['level']) =>
      (message: string, fields?: Readonly<Record<string, unknown>>): void =>
        this.log(level, message, fields)
    const signalNow = (): AbortSignal => this.#attempt?.abort.signal ?? this.#life.signal
    return {
      agent: this.agent,
      config: this.seat.config,
      signal: this.#life.signal,
      log: { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') },
      fetch: (upstream, path, init = {}) => this.#fetch({ attempt: null, upstream, path, init, signal: signalNow() }),
      socket: async (path, init = {}) => {
        const attempt = this.#attempt
        const who = { agent: this.agent, epoch: this.seat.epoch, attempt: attempt?.run.attempt ?? null }
        const socket = await this.#tools.ports.socket({ ...who, path, init, signal: signalNow() })
        attempt?.holds(socket)
        return socket
      },
    }
  }
}
