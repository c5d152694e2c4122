/**
 * Reads what an agent sent: an untyped value in, a typed one or a message that names the field out. By hand and
 * without imports at run time, because every pool host loads this room and a schema library would cost it more memory
 * than its agents. Only known fields are copied, so nothing that a sender adds travels on.
 */
import type { ErrorReport, FailedPolicy, PartDone, WaitReason } from '../model/model.ts'
import {
  bounds,
  type Beat,
  type Broken,
  type Fail,
  type Hello,
  type LockFree,
  type LockRenew,
  type LockTake,
  type Log,
  type Park,
  type Settle,
  type SettlementAsk,
  type StateGet,
  type StatePut,
  type TaskAdd,
  type Woken,
} from './agent.ts'

export type Checked<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly message: string }

/** Bounds of single fields, in UTF-16 units unless the name says bytes. */
const longest = { id: 200, text: 1_000, message: 4_096 } as const
const most = { agents: 10_000, tasks: 1_000, open: 10_000, after: 100 } as const
const longestRetryMs = 366 * 86_400_000
const longestDelayMs = 10 * 365 * 86_400_000
const latestMs = 8_640_000_000_000_000

/** Every reason once: a reason that the model gains or loses fails to compile here. */
const waitReasons: Readonly<Record<WaitReason, true>> = {
  rate: true,
  quota: true,
  credential: true,
  approval: true,
  maintenance: true,
  signal: true,
  retry: true,
}
const failedPolicies: Readonly<Record<FailedPolicy, true>> = { cancel: true, run: true, block: true }
const levels: Readonly<Record<Log['level'], true>> = { debug: true, info: true, warn: true, error: true }

/** Thrown inside this file only: the first wrong field ends a check. */
class Wrong extends Error {}
const wrong = (field: string, why: string): Wrong => new Wrong(`${field}: ${why}`)

type Fields = Readonly<Record<string, unknown>>

const checked = <Value>(read: () => Value): Checked<Value> => {
  try {
    return { ok: true, value: read() }
  } catch (error) {
    if (error instanceof Wrong) return { ok: false, message: error.message }
    throw error
  }
}

const fieldsOf = (value: unknown, name: string): Fields => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(name, 'must be an object')
  return value as Fields
}

/** Own fields only: `__proto__` and friends of the prototype are never read. */
const at = (fields: Fields, name: string): unknown => (Object.hasOwn(fields, name) ? fields[name] : undefined)

// eslint-disable-next-line no-control-regex -- control characters are what is refused
const control = /[\u0000-\u001f\u007f]/

const id = (value: unknown, name: string): string => {
  if (typeof value !== 'string') throw wrong(name, 'must be text')
  if (value.length === 0) throw wrong(name, 'must not be empty')
  if (value.length > longest.id) throw wrong(name, `may have ${longest.id} characters`)
  if (control.test(value) || !value.isWellFormed()) throw wrong(name, 'must be printable text')
  return value
}
const text = (value: unknown, name: string): string => {
  if (typeof value !== 'string') throw wrong(name, 'must be text')
  if (value.length > longest.text) throw wrong(name, `may have ${longest.text} characters`)
  if (!value.isWellFormed()) throw wrong(name, 'must be well-formed Unicode')
  return value
}
const whole = (value: unknown, name: string, low: number, high: number): number => {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < low || value > high) {
    throw wrong(name, `must be a whole number from ${low} to ${high}`)
  }
  return value
}
const number = (value: unknown, name: string, low: number, high: number): number => {
  if (typeof value !== 'number' || !(value >= low && value <= high))
    throw wrong(name, `must be a number from ${low} to ${high}`)
  return value
}
const list = <Item>(
  value: unknown,
  name: string,
  most: number,
  read: (item: unknown, name: string) => Item,
): readonly Item[] => {
  if (!Array.isArray(value)) throw wrong(name, 'must be a list')
  if (value.length > most) throw wrong(name, `may have ${most} items`)
  return value.map((item, index) => read(item, `${name}[${index}]`))
}

/** Text of at most `bytes` UTF-8 bytes; the rest is cut off at a character's border. */
export const cutBytes = (value: string, bytes: number): string => {
  if (value.length * 3 <= bytes || Buffer.byteLength(value) <= bytes) return value.toWellFormed()
  const raw = Buffer.from(value.slice(0, bytes))
  let end = Math.min(bytes, raw.length)
  while (end > 0 && (raw[end]! & 0xc0) === 0x80) end -= 1
  return raw.toString('utf8', 0, end)
}
const cut = (value: unknown, name: string, bytes: number): string => {
  if (typeof value !== 'string') throw wrong(name, 'must be text')
  return cutBytes(value, bytes)
}

const withoutPrototypes = (key: string, inner: unknown): unknown => (key === '__proto__' ? undefined : inner)

/** A free JSON value as text of at most a frame's size, without keys that could reach a prototype. */
const jsonText = (value: unknown, name: string): string | undefined => {
  const written = JSON.stringify(value) as string | undefined
  if (written === undefined) return undefined
  // A UTF-16 unit has three bytes at most, so that short texts need not be counted.
  if (written.length * 3 > bounds.frameBytes && Buffer.byteLength(written) > bounds.frameBytes)
    throw wrong(name, `may have ${bounds.frameBytes} bytes`)
  return written.includes('"__proto__"') ? JSON.stringify(JSON.parse(written, withoutPrototypes)) : written
}
const json = (value: unknown, name: string): unknown => {
  const written = jsonText(value, name)
  return written === undefined ? undefined : JSON.parse(written)
}

/** What was done is evidence and may be cut; what is left is the next try's payload, and whole or wrong. */
const partDone = (value: unknown): PartDone => {
  const fields = fieldsOf(value, 'error.partial')
  const rest = json(at(fields, 'rest'), 'error.partial.rest')
  if (rest === undefined) throw wrong('error.partial.rest', 'must say what is left to do')
  const done = jsonText(at(fields, 'done'), 'error.partial.done')
  if (done === undefined) return { rest }
  const kept = cutBytes(done, bounds.doneBytes)
  return { done: kept.length === done.length ? JSON.parse(done) : kept, rest }
}

const errorReport = (value: unknown): ErrorReport => {
  const fields = fieldsOf(value, 'error')
  const partial = at(fields, 'partial')
  const stack = at(fields, 'stack')
  const code = at(fields, 'code')
  const status = at(fields, 'status')
  const kind = at(fields, 'kind')
  const retryAfterMs = at(fields, 'retryAfterMs')
  const waitsFor = at(fields, 'waitsFor')
  return {
    name: cut(at(fields, 'name'), 'error.name', longest.id),
    message: cut(at(fields, 'message'), 'error.message', longest.message),
    ...(stack === undefined ? {} : { stack: cut(stack, 'error.stack', bounds.stackBytes) }),
    ...(code === undefined ? {} : { code: id(code, 'error.code') }),
    ...(status === undefined ? {} : { status: whole(status, 'error.status', 100, 999) }),
    ...(kind === undefined ? {} : { kind: id(kind, 'error.kind') }),
    ...(retryAfterMs === undefined
      ? {}
      : { retryAfterMs: number(retryAfterMs, 'error.retryAfterMs', 0, longestRetryMs) }),
    ...(waitsFor === undefined ? {} : { waitsFor: id(waitsFor, 'error.waitsFor') }),
    ...(partial === undefined || partial === null ? {} : { partial: partDone(partial) }),
  }
}

export const checkHello = (params: unknown): Checked<Hello> =>
  checked(() => {
    const fields = fieldsOf(params, 'hello')
    return {
      protocol: whole(at(fields, 'protocol'), 'protocol', 0, 1_000_000),
      agents: list(at(fields, 'agents'), 'agents', most.agents, id),
      tasks: list(at(fields, 'tasks'), 'tasks', most.tasks, id),
      version: id(at(fields, 'version'), 'version'),
      open: list(at(fields, 'open'), 'open', most.open, (item, name) => {
        const one = fieldsOf(item, name)
        return {
          attempt: id(at(one, 'attempt'), `${name}.attempt`),
          epoch: whole(at(one, 'epoch'), `${name}.epoch`, 0, Number.MAX_SAFE_INTEGER),
        }
      }),
    }
  })

const attemptOf = (fields: Fields): { readonly agent: string; readonly attempt: string } => ({
  agent: id(at(fields, 'agent'), 'agent'),
  attempt: id(at(fields, 'attempt'), 'attempt'),
})

/** `done` as it is taken: the result is text from here on, for the record keeps it so. */
export interface TakenDone {
  readonly agent: string
  readonly attempt: string
  readonly resultText: string | null
}

export const checkDone = (params: unknown): Checked<TakenDone> =>
  checked(() => {
    const fields = fieldsOf(params, 'done')
    const resultText = jsonText(at(fields, 'result'), 'result') ?? null
    return { agent: id(at(fields, 'agent'), 'agent'), attempt: id(at(fields, 'attempt'), 'attempt'), resultText }
  })

export const checkFail = (params: unknown): Checked<Fail> =>
  checked(() => {
    const fields = fieldsOf(params, 'fail')
    return { ...attemptOf(fields), error: errorReport(at(fields, 'error')) }
  })

export const checkBroken = (params: unknown): Checked<Broken> =>
  checked(() => {
    const fields = fieldsOf(params, 'agent.broken')
    return { agent: id(at(fields, 'agent'), 'agent'), error: errorReport(at(fields, 'error')) }
  })

export const checkWoken = (params: unknown): Checked<Woken> =>
  checked(() => {
    const fields = fieldsOf(params, 'agent.woken')
    const anew = at(fields, 'anew')
    const tookMs = at(fields, 'tookMs')
    if (anew !== null && typeof anew !== 'string') throw wrong('anew', 'must be text or null')
    if (typeof tookMs !== 'number' || !Number.isFinite(tookMs)) throw wrong('tookMs', 'must be a number of ms')
    return { agent: id(at(fields, 'agent'), 'agent'), tookMs, anew: anew === null ? null : anew.slice(0, longest.text) }
  })

export const checkPark = (params: unknown): Checked<Park> =>
  checked(() => {
    const fields = fieldsOf(params, 'park')
    const reason = at(fields, 'reason')
    const until = at(fields, 'until')
    if (typeof reason !== 'string' || !Object.hasOwn(waitReasons, reason)) {
      throw wrong('reason', `must be one of ${Object.keys(waitReasons).join(' ')}`)
    }
    return {
      ...attemptOf(fields),
      reason: reason as WaitReason,
      ...(until === undefined || until === null ? {} : { until: number(until, 'until', 0, latestMs) }),
    }
  })

export const checkSettle = (params: unknown): Checked<Settle> =>
  checked(() => {
    const fields = fieldsOf(params, 'settle')
    const channel = at(fields, 'channel')
    const memo = at(fields, 'memo')
    return {
      ...attemptOf(fields),
      reference: id(at(fields, 'reference'), 'reference'),
      payee: id(at(fields, 'payee'), 'payee'),
      amount: id(at(fields, 'amount'), 'amount'),
      currency: id(at(fields, 'currency'), 'currency'),
      ...(channel === undefined || channel === null ? {} : { channel: id(channel, 'channel') }),
      ...(memo === undefined || memo === null ? {} : { memo: text(memo, 'memo') }),
    }
  })

export const checkSettlement = (params: unknown): Checked<SettlementAsk> =>
  checked(() => {
    const fields = fieldsOf(params, 'settlement')
    const channel = at(fields, 'channel')
    return {
      ...attemptOf(fields),
      reference: id(at(fields, 'reference'), 'reference'),
      ...(channel === undefined || channel === null ? {} : { channel: id(channel, 'channel') }),
    }
  })

const failedPolicy = (value: unknown): FailedPolicy => {
  if (typeof value === 'string' && Object.hasOwn(failedPolicies, value)) return value as FailedPolicy
  throw wrong('onFailed', `must be one of ${Object.keys(failedPolicies).join(' ')}`)
}

export const checkTaskAdd = (params: unknown): Checked<TaskAdd> =>
  checked(() => {
    const fields = fieldsOf(params, 'task.add')
    const optional = <Value>(name: string, read: (value: unknown, name: string) => Value): Record<string, Value> => {
      const value = at(fields, name)
      return value === undefined || value === null ? {} : { [name]: read(value, name) }
    }
    return {
      ...attemptOf(fields),
      type: id(at(fields, 'type'), 'type'),
      key: id(at(fields, 'key'), 'key'),
      ...optional('payload', json),
      ...optional('priority', (value, name) => whole(value, name, 0, 9)),
      ...optional('delayMs', (value, name) => whole(value, name, 0, longestDelayMs)),
      ...optional('deadlineMs', (value, name) => whole(value, name, 1, longestDelayMs)),
      ...optional('after', (value, name) => list(value, name, most.after, id)),
      ...optional('onFailed', failedPolicy),
    }
  })

const named = (fields: Fields): StateGet => ({ ...attemptOf(fields), name: id(at(fields, 'name'), 'name') })
const leased = (fields: Fields): LockTake => ({
  ...named(fields),
  leaseMs: whole(at(fields, 'leaseMs'), 'leaseMs', 1, longestRetryMs),
})
const fence = (fields: Fields): number => whole(at(fields, 'fence'), 'fence', 0, Number.MAX_SAFE_INTEGER)

export const checkStateGet = (params: unknown): Checked<StateGet> => checked(() => named(fieldsOf(params, 'state.get')))

export const checkStatePut = (params: unknown): Checked<StatePut> =>
  checked(() => {
    const fields = fieldsOf(params, 'state.put')
    return {
      ...named(fields),
      value: json(at(fields, 'value') ?? null, 'value'),
      version: whole(at(fields, 'version'), 'version', 0, Number.MAX_SAFE_INTEGER),
    }
  })

export const checkLockTake = (params: unknown): Checked<LockTake> =>
  checked(() => leased(fieldsOf(params, 'lock.take')))

export const checkLockRenew = (params: unknown): Checked<LockRenew> =>
  checked(() => {
    const fields = fieldsOf(params, 'lock.renew')
    return { ...leased(fields), fence: fence(fields) }
  })

export const checkLockFree = (params: unknown): Checked<LockFree> =>
  checked(() => {
    const fields = fieldsOf(params, 'lock.free')
    return { ...named(fields), fence: fence(fields) }
  })

export const checkBeat = (params: unknown): Checked<Beat> =>
  checked(() => {
    const fields = fieldsOf(params, 'beat')
    const progress = at(fields, 'progress')
    const load = at(fields, 'load')
    return {
      agent: id(at(fields, 'agent'), 'agent'),
      ...(progress === undefined ? {} : { progress: cut(progress, 'progress', longest.text) }),
      ...(load === undefined ? {} : { load: number(load, 'load', 0, 1_000_000) }),
    }
  })

export const checkLog = (params: unknown): Checked<Log> =>
  checked(() => {
    const fields = fieldsOf(params, 'log')
    const level = at(fields, 'level')
    const extra = at(fields, 'fields')
    if (typeof level !== 'string' || !Object.hasOwn(levels, level))
      throw wrong('level', `must be one of ${Object.keys(levels).join(' ')}`)
    return {
      agent: id(at(fields, 'agent'), 'agent'),
      level: level as Log['level'],
      message: cut(at(fields, 'message'), 'message', bounds.logLineBytes),
      ...(extra === undefined ? {} : { fields: loggable(extra) }),
    }
  })

/** Fields of a log line; beyond the line's bound they are left out and the line says so. */
const loggable = (value: unknown): Readonly<Record<string, unknown>> => {
  const fields = json(fieldsOf(value, 'fields'), 'fields') as Fields
  const bytes = Buffer.byteLength(JSON.stringify(fields))
  return bytes > bounds.logLineBytes ? { cut: `${bytes} bytes of fields left out` } : fields
}
