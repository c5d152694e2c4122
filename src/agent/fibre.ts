/**
 * One agent in this process, from its seat to its end. It has at most one attempt in hand; what its old self still does after the end is
 * no longer heard.
 *
 *   seat ─▶ starting ─ start() ─▶ live ⇄ an attempt in hand      live, starting ─ stray error ─▶ broken (= gone, told)
 *                                  └─ unseat, drain ─▶ leaving ─ stop() ─▶ gone
 */
import { bounds, cutBytes, type Log, type Run, type Seat } from '../wire/wire.ts'
import { contextOf, decide, newAttempt, type Attempt, type Ending } from './attempt.ts'
import type { AgentContext } from './context.ts'
import type { Agent } from './define.ts'
import { reportOf, TaskFailure } from './errors.ts'
import type { HostPorts } from './host.ts'
import type { Pace } from './pace.ts'
import type { Requests } from './requests.ts'

export interface FibreTools {
  readonly definition: Agent
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
  #state: 'starting' | 'live' | 'leaving' | 'gone' = 'starting'
  /** Given while `start` was still running. */
  #held: Run | undefined
  #attempt: Attempt | undefined

  constructor(seat: Seat, tools: FibreTools) {
    this.agent = seat.agent
    this.seat = seat
    this.#tools = tools
    this.#context = this.#makeContext()
  }

  get live(): boolean { return this.#state === 'live' }
  get gone(): boolean { return this.#state === 'gone' }
  /** The attempt in hand, begun or not. */
  get inHand(): string | undefined { return (this.#attempt?.run ?? this.#held)?.attempt }

  start(): void {
    const { start } = this.#tools.definition
    if (start === undefined) { this.#state = 'live'; return }
    const begin = async (): Promise<void> => { await start(this.#context) }
    const live = (): void => {
      if (this.#state !== 'starting') return
      this.#state = 'live'
      if (this.#held !== undefined) this.#perform(this.#held)
    }
    this.#within(begin).then(live, (error: unknown) => this.broken(error))
  }

  /** Takes work; what it cannot take fails as `transient` and says why. */
  run(run: Run): void {
    if (this.inHand === run.attempt) return
    if (this.inHand !== undefined) return this.refuse(run, `${this.agent} still has ${this.inHand} in hand`, 'conflict')
    if (this.#state === 'starting') this.#held = run
    else if (this.#state === 'live') this.#perform(run)
    else this.refuse(run, `${this.agent} is leaving`, 'overloaded')
  }

  refuse(run: Run, message: string, code: string): void {
    const error = reportOf(new TaskFailure(message, { kind: 'transient', code }))
    void this.#tell(run.attempt, { method: 'fail', params: { error } }, () => true)
  }

  cancel(attempt: string, reason: string): void {
    if (this.#attempt?.run.attempt === attempt) this.#attempt.abort.abort(new TaskFailure(reason, { kind: 'interrupted' }))
  }

  /** An error that no promise of an attempt carries: the attempt in hand fails with it, and the agent lives no more. */
  broken(error: unknown): void {
    if (this.gone) return
    const report = reportOf(error)
    if (this.inHand !== undefined) void this.#tell(this.inHand, { method: 'fail', params: { error: report } }, () => true)
    this.#notify('agent.broken', { error: report })
    this.end(`${this.agent} is broken: ${report.message}`)
  }

  /** Gives up the attempt in hand, runs `stop` and ends. */
  async leave(why: string): Promise<void> {
    if (this.#state === 'leaving' || this.gone) return
    this.#state = 'leaving'
    this.#drop(why)
    const { definition, ports } = this.#tools
    const stop = this.#within(async () => { await definition.stop?.(this.#context) })
      .catch((error: unknown) => this.log('error', `stop failed: ${reportOf(error).message}`))
    await Promise.race([stop, new Promise<void>((resolve) => { ports.clock.timer(stopWithinMs, resolve) })])
    this.end(why)
  }

  end(why: string): void {
    this.#drop(why)
    this.#state = 'gone'
    this.#life.abort(new TaskFailure(why, { kind: 'interrupted' }))
  }

  log(level: Log['level'], message: unknown, fields?: Readonly<Record<string, unknown>>): void {
    let written: string | undefined
    try { written = fields === undefined ? undefined : JSON.stringify(fields) } catch { written = '{"cut":"fields without a JSON form"}' }
    if (written !== undefined && written.length > bounds.logLineBytes) written = `{"cut":"${written.length} characters of fields left out"}`
    const more = written === undefined ? {} : { fields: JSON.parse(written) as object }
    this.#unasked('log', { level, message: cutBytes(String(message), bounds.logLineBytes), ...more })
  }

  #perform(run: Run): void {
    this.#held = undefined
    const attempt = newAttempt(run)
    this.#attempt = attempt
    const { definition, requests } = this.#tools
    const progress = (text: string): void => this.#unasked('beat', { progress: cutBytes(String(text), 1_000) })
    const ctx = contextOf(attempt, this.#context, { requests, progress })
    const over = async (): Promise<void> => {
      const ending = await this.#within(() => decide(definition, attempt, ctx))
      await this.#tell(run.attempt, ending, () => this.#attempt === attempt)
      if (this.#attempt !== attempt) return
      this.#attempt = undefined
      this.#tools.free()
    }
    void over()
  }

  /** Tells an ending until the sitter has taken it, or has said that it is not ours to tell. */
  async #tell(attempt: string, ending: Ending, wanted: () => boolean): Promise<void> {
    const { requests, ports } = this.#tools
    for (let delayMs = firstRetryMs; wanted(); delayMs = Math.min(delayMs * 2, longestRetryMs)) {
      try {
        await requests.ask(ending.method, { agent: this.agent, attempt, ...ending.params })
        return
      } catch (error) {
        const { kind, code, retryAfterMs, message } = error as TaskFailure
        if (kind === 'transient' || kind === 'unknown' || retryAfterMs !== undefined) {
          const waitMs = Math.max(delayMs, retryAfterMs ?? 0)
          await new Promise<void>((resolve) => { ports.clock.timer(waitMs, resolve) })
        } else if (ending.method === 'fail' || disowned.has(code)) {
          return this.log('warn', `the sitter did not take ${ending.method} of ${attempt}: ${message}`)
        } else {
          return this.#tell(attempt, { method: 'fail', params: { error: reportOf(error, 'permanent') } }, wanted)
        }
      }
    }
  }

  #drop(why: string): void {
    this.#held = undefined
    const attempt = this.#attempt
    this.#attempt = undefined
    attempt?.abort.abort(new TaskFailure(why, { kind: 'interrupted' }))
    this.#tools.free()
  }

  #within<Value>(work: () => Value): Value { return this.#tools.ports.within(this, work) }

  #notify(method: string, params: object): void {
    this.#tools.ports.send({ jsonrpc: '2.0', method, params: { agent: this.agent, ...params } })
  }

  #unasked(method: 'log' | 'beat', params: object): void {
    const { ports, pace } = this.#tools
    if (this.gone || ports.pendingBytes() > mostPendingBytes) return
    const { admitted, dropped } = pace.admit(ports.clock.monoMs())
    if (!admitted) return
    if (dropped > 0) this.#notify('log', { level: 'warn', message: `${dropped} log lines or beats were dropped: too many at once` })
    this.#notify(method, params)
  }

  #makeContext(): AgentContext {
    const say = (level: Log['level']) => (message: string, fields?: Readonly<Record<string, unknown>>): void => this.log(level, message, fields)
    const signalNow = (): AbortSignal => this.#attempt?.abort.signal ?? this.#life.signal
    return {
      agent: this.agent,
      config: this.seat.config,
      signal: this.#life.signal,
      log: { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') },
      fetch: (upstream, path, init = {}) => this.#tools.ports.fetch({ agent: this.agent, upstream, path, init, signal: signalNow() }),
    }
  }
}
