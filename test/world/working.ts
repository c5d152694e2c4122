/** One attempt as a fake agent lives it: what it does, what it says, and what it gets wrong. */
import type { Run } from '../../src/wire/wire.ts'
import { between, type Cancel } from '../../src/std/std.ts'
import type { Host } from './host.ts'

export interface Working {
  readonly run: Run
  /** It has begun to say its end: as far as it goes, the attempt is over. */
  readonly told: boolean
  /** The sitter asks it to give up. */
  cancel(): void
  /** It has no agent any more. */
  leave(): void
}

export interface Payload {
  readonly kind: 'plain' | 'pay'
  readonly index: number
  readonly workMs: number
  /** Pieces of it that are left to do; of those that do not pay. */
  readonly left: number
}
/** Answers that no repetition changes. */
const disowned: ReadonlySet<unknown> = new Set(['stale', 'not-found', 'not-your-agent'])
const sayAgainMs = 2_000

type Fate =
  | 'works'
  | 'fails'
  | 'fails-for-good'
  | 'parks'
  | 'parts'
  | 'stuck'
  | 'deaf'
  | 'forgets'
  | 'breaks'
  | 'vanishes'

const fateOf = ({ ask: { weather } }: Host): Fate => {
  const { habits } = weather
  const fates: readonly [Fate, number][] = [
    ['fails', habits.fails],
    ['fails-for-good', habits.failsForGood],
    ['parks', habits.parks],
    ['parts', habits.parts],
    ['stuck', habits.stuck],
    ['deaf', habits.deaf],
    ['forgets', habits.forgets],
    ['breaks', habits.breaks],
    ['vanishes', habits.vanishes],
  ]
  return fates.find(([, perThousand]) => weather.chance(perThousand))?.[0] ?? 'works'
}

class Attempt implements Working {
  readonly run: Run
  told = false
  readonly #host: Host
  readonly #fate: Fate
  #over = false
  #timer: Cancel = () => {}

  constructor(host: Host, run: Run) {
    this.run = run
    this.#host = host
    this.#fate = fateOf(host)
    host.ask.history.times.begins(run)
    const { workMs, left } = run.payload as Payload
    host.ask.history.parts.begins(run.key, run.attempt, left)
    this.#after(workMs, () => this.#worked())
    if (this.#fate === 'deaf') host.ask.ill(`${run.agent} is deaf`, 'for-good')
  }

  get #isMine(): boolean {
    return !this.#over && this.#host.open.get(this.run.agent) === this
  }
  #after(delayMs: number, fire: () => void): void {
    this.#timer = this.#host.ask.process.clock.timer(delayMs, () => {
      if (this.#isMine) fire()
    })
  }

  #worked(): void {
    const { agent, attempt } = this.run
    const payload = this.run.payload as Payload
    switch (this.#fate) {
      case 'stuck':
      case 'deaf':
        return
      case 'fails':
        return this.#end('fail', { error: { name: 'Error', message: 'it did not work' } })
      case 'fails-for-good':
        return this.#end('fail', { error: { name: 'Error', message: 'never', kind: 'permanent' } })
      case 'parks':
        return this.#park(between(this.#host.ask.weather.random, 1_000, 300_000))
      case 'parts':
        return this.#part(payload)
      case 'forgets':
        this.#host.ask.ill(`${agent} forgot what it had in hand`, 'just-now')
        this.#host.drop(agent)
        return this.#late(agent, attempt)
      case 'vanishes':
        this.#host.vanish(agent)
        return this.#late(agent, attempt)
      case 'breaks':
        this.#host.notify('agent.broken', { agent, error: { name: 'Error', message: 'a stray error' } })
        this.#host.vanish(agent)
        return this.#late(agent, attempt)
      case 'works':
        return payload.kind === 'pay' ? this.#pay(payload) : this.#end('done', { result: { by: attempt } })
    }
  }

  /** Its old self goes on, and tells a result for an attempt that it does not have any more. */
  #late(agent: string, attempt: string): void {
    const { process, weather } = this.#host.ask
    for (const delayMs of [5, 1_000, between(weather.random, 2_000, 120_000)])
      process.clock.timer(delayMs, () =>
        this.#host.request('done', { agent, attempt, result: { by: attempt } }, () => {}),
      )
  }

  #pay(payload: Payload): void {
    const { agent, attempt } = this.run
    const params = {
      agent,
      attempt,
      reference: `R${payload.index}`,
      payee: `payee ${payload.index % 97}`,
      amount: `${1 + (payload.index % 500)}.25`,
      currency: 'XTS',
    }
    this.#host.request('settle', params, ({ result, error }) => {
      if (!this.#isMine) return
      if (error !== undefined) return this.#refused(error, () => this.#pay(payload))
      const { state } = result as { state: string }
      if (state === 'unknown') this.#end('park', { reason: 'approval' })
      else this.#end('done', { result: { by: attempt, state } })
    })
  }

  /** One piece is done; the others are tried again, or left to a person. */
  #part(payload: Payload): void {
    const left = payload.left - 1
    const kind = this.#host.ask.weather.chance(200) ? 'permanent' : 'transient'
    if (payload.kind === 'pay' || left < 1) return this.#end('done', { result: { by: this.run.attempt } })
    const partial = { done: { pieces: 1 }, rest: { ...payload, left } }
    this.#end('fail', { error: { name: 'Partly', message: 'one piece', kind, partial } }, () =>
      this.#host.ask.history.parts.told(this.run.key, this.run.attempt, left),
    )
  }

  /** It names a date by the machine's clock. */
  #park(delayMs: number): void {
    const { clock } = this.#host.ask.process
    const saidMs = clock.monoMs()
    const { times } = this.#host.ask.history
    const { kind } = this.run.payload as Payload
    this.#end('park', { reason: 'rate', until: clock.wallMs() + delayMs }, () => {
      // The end of a payment that an earlier attempt had asked for wakes its task before that.
      if (kind !== 'pay') times.parked(this.run, { saidMs, delayMs })
    })
  }

  /** Says its end until the sitter has taken it, or has said that it is not its to tell. */
  #end(method: 'done' | 'fail' | 'park', more: object, taken: () => void = () => {}): void {
    const { agent, attempt } = this.run
    this.told = true
    this.#host.request(method, { agent, attempt, ...more }, ({ error }) => {
      if (error === undefined) {
        taken()
        if (method === 'done') this.#host.ask.history.done.set(attempt, agent)
        if (this.#isMine) this.#host.drop(agent)
      } else if (this.#isMine) this.#refused(error, () => this.#end(method, more, taken))
    })
  }

  #refused(error: Readonly<Record<string, unknown>>, again: () => void): void {
    const { code, kind } = (error['data'] ?? {}) as { code?: string; kind?: string }
    if (disowned.has(code)) return this.#host.drop(this.run.agent)
    if (kind === 'transient' || kind === 'unknown') return this.#after(sayAgainMs, again)
    this.#end('fail', { error: { name: 'Refused', message: String(error['message']), kind: 'permanent' } })
  }

  cancel(): void {
    if (this.#fate === 'deaf' || !this.#isMine) return
    this.#timer()
    this.#end('fail', { error: { name: 'Cancelled', message: 'given up', kind: 'interrupted' } })
  }
  leave(): void {
    this.#over = true
    this.#timer()
  }
}

export const workOn = (host: Host, run: Run): Working => new Attempt(host, run)
