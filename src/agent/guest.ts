/**
 * What runs inside of each machine of a `vm` cell beside the agent's own code: the context that a pool host gives, made
 * of messages to the host; timers, `console` and `AbortController`, which the language does not have. Nothing here is a
 * boundary: an agent may take it apart, and harms itself alone. It holds everything that a snapshot has to carry.
 */
import type { AgentContext, Context, FailOptions, FetchInit, Lock, Logger, UpstreamAnswer } from './context.ts'
import { agentOf, readPayload, type Agent, type Task } from './define.ts'
import type { Asked, Told, ToGuest, ToHost } from './messages.ts'
import { TaskFailure } from './task-failure.ts'

export { defineAgent } from './define.ts'
export { TaskFailure }

declare const swarmsitterTell: (text: string) => string
const told = swarmsitterTell
const { stringify, parse } = JSON
const say = (message: ToHost): string => told(stringify(message))

// ── what the language lacks ──

type Fire = () => void
const timers = new Map<number, { readonly fire: Fire; readonly everyMs: number | null }>()
let lastTimer = 0
const later = (fire: Fire, delay: unknown, isRepeated: boolean): number => {
  const delayMs = Math.max(isRepeated ? 1 : 0, Number(delay) || 0)
  const id = (lastTimer += 1)
  say({ do: 'timer', id, delayMs })
  timers.set(id, { fire, everyMs: isRepeated ? delayMs : null })
  return id
}
const noTimer = (id: unknown): void => {
  if (timers.delete(id as number)) say({ do: 'no-timer', id: id as number })
}
const elapsed = (id: number): void => {
  const timer = timers.get(id)
  if (timer === undefined) return
  if (timer.everyMs === null) timers.delete(id)
  else say({ do: 'timer', id, delayMs: timer.everyMs })
  timer.fire()
}

type Listener = (event: { readonly type: 'abort'; readonly target: Signal }) => void
type Listening = Listener | { readonly handleEvent: Listener }
class Signal {
  aborted = false
  reason: unknown = undefined
  onabort: Listener | null = null
  readonly #listeners = new Map<Listening, boolean>()
  addEventListener(type: string, listener: Listening, options?: { readonly once?: boolean } | boolean): void {
    if (type === 'abort') this.#listeners.set(listener, typeof options === 'object' && options.once === true)
  }
  removeEventListener(_type: string, listener: Listening): void {
    this.#listeners.delete(listener)
  }
  throwIfAborted(): void {
    if (this.aborted) throw this.reason
  }
  static abort(signal: Signal, reason: unknown): void {
    if (signal.aborted) return
    signal.aborted = true
    signal.reason = reason ?? new DOMException('This operation was aborted', 'AbortError')
    const event = { type: 'abort', target: signal } as const
    const all = [...signal.#listeners.keys()]
    signal.#listeners.clear()
    signal.onabort?.(event)
    for (const listener of all)
      if (typeof listener === 'function') listener(event)
      else listener.handleEvent(event)
  }
}
class Controller {
  readonly signal = new Signal()
  abort(reason?: unknown): void {
    Signal.abort(this.signal, reason)
  }
}

const shown = (value: unknown): string => {
  if (typeof value === 'string') return value
  if (value instanceof Error) return value.stack === undefined ? String(value) : `${String(value)}\n${value.stack}`
  try {
    return stringify(value) ?? String(value)
  } catch {
    return String(value)
  }
}
const print =
  (level: string) =>
  (...values: readonly unknown[]): void =>
    void say({ do: 'log', level, message: values.map(shown).join(' ').slice(0, 16_384) })

Object.assign(globalThis, {
  setTimeout: (fire: (...values: unknown[]) => void, delay?: unknown, ...values: unknown[]) =>
    later(() => fire(...values), delay, false),
  setInterval: (fire: (...values: unknown[]) => void, delay?: unknown, ...values: unknown[]) =>
    later(() => fire(...values), delay, true),
  setImmediate: (fire: (...values: unknown[]) => void, ...values: unknown[]) => later(() => fire(...values), 0, false),
  clearTimeout: noTimer,
  clearInterval: noTimer,
  clearImmediate: noTimer,
  AbortController: Controller,
  AbortSignal: Signal,
  console: {
    debug: print('debug'),
    log: print('info'),
    info: print('info'),
    warn: print('warn'),
    error: print('error'),
  },
})

// ── errors on their way ──

const property = (thrown: object, name: string): unknown => {
  try {
    return (thrown as Readonly<Record<string, unknown>>)[name]
  } catch {
    return undefined
  }
}
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value.slice(0, 16_000) : undefined)
const amount = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)
const toldOf = (thrown: unknown): Told => {
  if (typeof thrown !== 'object' || thrown === null)
    return { name: 'Error', message: `${typeof thrown} was thrown: ${String(thrown).slice(0, 4_000)}` }
  const message = text(property(thrown, 'message')) ?? 'an object without a message was thrown'
  const name = text(property(thrown, 'name')) ?? 'Error'
  return {
    name,
    message,
    // The engine's stack has no first line.
    stack: `${name}: ${message}\n${text(property(thrown, 'stack')) ?? ''}`.slice(0, 16_000),
    code: text(property(thrown, 'code')),
    kind: text(property(thrown, 'kind')),
    status: amount(property(thrown, 'status')),
    retryAfterMs: amount(property(thrown, 'retryAfterMs')),
    waitsFor: text(property(thrown, 'waitsFor')),
    partial: property(thrown, 'partial') as Told['partial'],
  }
}
const failureOf = ({ name, message, code, kind, status, retryAfterMs, waitsFor }: Told): Error => {
  const failure = new TaskFailure(message, {
    ...(code !== undefined && { code }),
    ...(kind !== undefined && { kind }),
    ...(status !== undefined && { status }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(waitsFor !== undefined && { waitsFor }),
  })
  return Object.defineProperty(failure, 'name', { value: name })
}

// ── the context ──

interface Answering {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}
const answering = new Map<number, Answering>()
let lastAsked = 0
const ask = <Value>(attempt: string | null, what: Asked, ...values: readonly unknown[]): Promise<Value> =>
  new Promise((resolve, reject) => {
    const id = (lastAsked += 1)
    say({ do: 'ask', id, attempt, what, with: values })
    answering.set(id, { resolve: resolve as (value: unknown) => void, reject })
  })

const bytesOf = (latin1: string): Uint8Array => Uint8Array.from(latin1, (char) => char.charCodeAt(0))
const latin1Of = (bytes: Uint8Array): string => Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')

const fetchFor =
  (attempt: string | null): AgentContext['fetch'] =>
  async (upstream, path, init: FetchInit = {}) => {
    const { body } = init
    const sent = body instanceof Uint8Array ? { ...init, body: undefined, bytes: latin1Of(body) } : init
    interface Head {
      readonly id: number
      readonly status: number
      readonly ok: boolean
      readonly headers: Readonly<Record<string, string>>
    }
    const { id, ...head } = await ask<Head>(attempt, 'fetch', upstream, path, sent)
    const whole = (): Promise<string> => ask<string>(attempt, 'text', id)
    return {
      ...head,
      text: whole,
      json: async () => parse(await whole()) as unknown,
      body: {
        async *[Symbol.asyncIterator]() {
          for (;;) {
            const part = await ask<string | null>(attempt, 'body', id)
            if (part === null) return
            yield bytesOf(part)
          }
        },
      },
    } satisfies UpstreamAnswer
  }

const log: Logger = Object.fromEntries(
  ['debug', 'info', 'warn', 'error'].map((level) => [
    level,
    (message: unknown, fields?: unknown) =>
      void say({ do: 'log', level, message: String(message), ...(fields !== undefined && { fields }) }),
  ]),
) as unknown as Logger

/** A machine passes text, one call at a time, and can be put away as it is: an open connection is neither. */
const noSocket: AgentContext['socket'] = async () => {
  const message =
    'agents of a vm cell open no WebSockets: give their type cell pool, or a program in process or sandbox'
  throw new TaskFailure(message, { code: 'unknown-method', kind: 'permanent' })
}

const life = new Controller()
let own: AgentContext | undefined
const ownContext = (agent: string, config: unknown): AgentContext =>
  (own ??= {
    agent,
    config: config as AgentContext['config'],
    signal: life.signal as unknown as AbortSignal,
    log,
    fetch: fetchFor(null),
    socket: noSocket,
  })

const attempts = new Map<string, Controller>()

const contextOf = (task: Context['task'], signal: Signal): Context => {
  const { attempt } = task
  const held = (first: { readonly name: string; readonly fence: number; readonly leaseMs: number }): Lock => ({
    ...first,
    renew: async (leaseMs = first.leaseMs) => {
      await ask(attempt, 'renew', first.name, first.fence, leaseMs)
    },
    free: () => ask(attempt, 'free', first.name, first.fence),
  })
  return {
    ...own!,
    signal: signal as unknown as AbortSignal,
    fetch: fetchFor(attempt),
    task,
    settle: (payment) => ask(attempt, 'settle', payment),
    addTask: (added) => ask(attempt, 'addTask', added),
    state: {
      get: (name) => ask(attempt, 'state.get', name),
      put: (name, value, version) => ask(attempt, 'state.put', name, value, version),
    },
    lock: async (name, leaseMs) => held(await ask(attempt, 'lock', name, leaseMs)),
    progress: (words) => void say({ do: 'progress', attempt, text: String(words) }),
    park: (reason, until): never => {
      say({ do: 'park', attempt, reason, ...(until !== undefined && { until }) })
      throw Object.defineProperty(new Error(`parked: ${reason}`), 'name', { value: 'Park' })
    },
    fail: (message: string, options?: FailOptions): never => {
      throw new TaskFailure(message, options)
    },
  }
}

// ── the agent ──

let agent: Agent | undefined

const ended = (attempt: string | null, value: unknown): void => {
  let words: string
  try {
    words = stringify({ do: 'ended', attempt, value } satisfies ToHost)
  } catch (cause) {
    throw new TaskFailure('the result has no JSON form', { kind: 'permanent', cause })
  }
  try {
    told(words)
  } catch (cause) {
    const message = `the result is not taken: ${toldOf(cause).message}`
    throw new TaskFailure(message, { code: 'too-large', kind: 'permanent', cause })
  }
}
const failed = (attempt: string | null, thrown: unknown): void =>
  void say({ do: 'ended', attempt, error: toldOf(thrown) })

const perform = async (facts: Context['task'], payload: unknown): Promise<void> => {
  const controller = new Controller()
  attempts.set(facts.attempt, controller)
  try {
    const task = agent!.tasks[facts.type] as Task<never>
    let read = payload as never
    try {
      if (typeof task !== 'function') read = await readPayload(task.parse, payload)
    } catch (error) {
      const message = `payload: ${toldOf(error).message}`
      throw new TaskFailure(message, { code: 'invalid', kind: 'permanent', cause: error })
    }
    const ctx = contextOf(facts, controller.signal)
    ended(facts.attempt, await (typeof task === 'function' ? task : task.run)(ctx, read))
  } catch (error) {
    failed(facts.attempt, error)
  } finally {
    attempts.delete(facts.attempt)
  }
}

const living = async (verb: 'start' | 'stop', ctx: AgentContext): Promise<void> => {
  try {
    await agent![verb]?.(ctx)
    ended(null, null)
  } catch (error) {
    failed(null, error)
  }
}

const hear = (words: string): void => {
  const message = parse(words) as ToGuest
  if (message.is === 'run') void perform(message.task as Context['task'], message.payload)
  else if (message.is === 'timer') elapsed(message.id)
  else if (message.is === 'answer') {
    const waiting = answering.get(message.id)
    answering.delete(message.id)
    if (message.error === undefined) waiting?.resolve(message.value)
    else waiting?.reject(failureOf(message.error))
  } else if (message.is === 'abort') {
    const controller = message.attempt === null ? life : attempts.get(message.attempt)
    controller?.abort(failureOf(message.why))
  } else void living(message.is, ownContext(message.agent, message.config))
}

/** Called once, with what the agent's module exports. */
export const serve = (module: Readonly<Record<string, unknown>>, path: string): void => {
  agent = agentOf(module, path)
  Object.defineProperty(globalThis, 'swarmsitterHear', { value: hear })
  delete (globalThis as { swarmsitterTell?: unknown }).swarmsitterTell
  say({ do: 'ready', tasks: Object.keys(agent.tasks) })
}
