/** The sitter's half of a talk with one program, as docs/protocol.md has it: what it is told, asked and answered. */
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../../std/std.ts'
import { protocolVersion } from '../../wire/wire.ts'
import { endings, type Said } from './faults.ts'
import { short, type Heard, type Mailbox } from './mailbox.ts'

export const agent = 'check/0001'

export interface Answer {
  /** Undefined when none came in time; `instead` says what did. */
  readonly heard: Heard | undefined
  readonly askedMs: number
  readonly instead: string
}

const isEnding = (frame: Said, attempt: string): boolean =>
  endings.has(String(frame['method'])) && (frame['params'] as Said | null | undefined)?.['attempt'] === attempt

export const sameEnding = (one: Heard, other: Heard): boolean =>
  one.frame['method'] === other.frame['method'] && isDeepStrictEqual(one.frame['params'], other.frame['params'])

/** What an answer lists as `open`, attempts of this agent only; undefined when it is no such list. */
export const openIn = (heard: Heard | undefined): readonly string[] | undefined => {
  const open = (heard?.frame['result'] as Said | null | undefined)?.['open']
  if (!Array.isArray(open)) return undefined
  const ids = open.map((one: unknown) => {
    const { agent: who, attempt } = (one ?? {}) as Said
    return who === agent && typeof attempt === 'string' ? attempt : undefined
  })
  return ids.every((id) => id !== undefined) ? ids : undefined
}

export class Talk {
  readonly box: Mailbox
  readonly #clock: Clock
  readonly epoch: number
  #asked = 0

  constructor(box: Mailbox, clock: Clock, epoch: number) {
    this.box = box
    this.#clock = clock
    this.epoch = epoch
  }

  nowMs(): number {
    return this.#clock.monoMs()
  }

  /** The first frame, whatever it is, or the hello of a later connection. */
  greeting(first: boolean, withinMs: number): Promise<Heard | undefined> {
    return this.box.next((frame) => first || frame['method'] === 'hello', withinMs)
  }

  welcome(hello: Heard): void {
    const seats = [{ agent, epoch: this.epoch, mode: 'active', config: {} }]
    const result = { protocol: protocolVersion, sitter: 'swarmsitter check', seats }
    this.box.send({ id: hello.frame['id'], result })
  }

  /** Sends a request; the function that comes back waits for its answer. */
  ask(method: string, params: object): (withinMs: number) => Promise<Answer> {
    const id = (this.#asked += 1)
    const askedMs = this.nowMs()
    this.box.send({ id, method, params })
    return async (withinMs) => {
      const heard = await this.box.next((frame) => frame['id'] === id && frame['method'] === undefined, withinMs)
      return { heard, askedMs, instead: heard === undefined ? this.box.instead(askedMs) : short(heard.frame) }
    }
  }

  /** A challenge; `right` when it was answered as it should, whatever is open. */
  async ping(withinMs: number): Promise<Answer & { readonly right: boolean; readonly open: readonly string[] }> {
    const nonce = `nonce-${this.#asked + 1}`
    const answer = await this.ask('ping', { nonce })(withinMs)
    const pong = (answer.heard?.frame['result'] ?? {}) as Said
    const open = openIn(answer.heard)
    const right = pong['nonce'] === nonce && isDeepStrictEqual(pong['agents'], [agent]) && open !== undefined
    return { ...answer, right, open: open ?? [] }
  }

  run(attempt: string, work: { readonly type: string; readonly payload: unknown }): void {
    const rest = { task: `tsk_of_${attempt}`, number: 1, deadline: null, key: `key-${attempt}` }
    this.box.send({ method: 'run', params: { agent, attempt, ...work, ...rest } })
  }

  cancel(attempt: string): void {
    this.box.send({ method: 'cancel', params: { agent, attempt, reason: 'the check cancels it' } })
  }

  /** The end that lies there, not taken yet. */
  endingOf(attempt: string): Heard | undefined {
    return this.box.find((frame) => isEnding(frame, attempt))
  }

  ending(attempt: string, withinMs: number): Promise<Heard | undefined> {
    return this.box.next((frame) => isEnding(frame, attempt), withinMs)
  }

  take(end: Heard): void {
    this.box.send({ id: end.frame['id'], result: null })
  }

  refuse(end: Heard, data: { readonly code: string; readonly kind: string; readonly retryAfterMs?: number }): void {
    this.box.send({ id: end.frame['id'], error: { code: -32000, message: `${data.code}: asks the check`, data } })
  }
}
