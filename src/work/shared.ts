/**
 * What agents and people share through the record: values with versions, and locks. The bounds and names are checked
 * here, whoever asks.
 */
import { canonicalJson, Failure, remainingMs, type Clock } from '../std/std.ts'
import type { LockView, Page, PageAsk, Result, StateView, Store } from '../store/store.ts'
import type { LockAsk, LockHeld, LockHolder, LockStatus, SharedValue, StateAsk } from './port.ts'

const valueBytes = 256 * 1024
const namePattern = /^[\x21-\x7e]{1,200}$/
/** Shorter leases are over before the answer is; longer ones outlive whoever forgot them. */
export const leaseBounds = { leastMs: 100, mostMs: 24 * 3_600_000 } as const

interface SharedOptions {
  readonly store: Pick<Store, 'transact' | 'read'>
  readonly clock: Clock
}

const named = (name: string): string => {
  if (namePattern.test(name)) return name
  throw new Failure('invalid', 'a name has 1 to 200 visible ASCII characters')
}

const leased = (leaseMs: number): number => {
  if (Number.isSafeInteger(leaseMs) && leaseMs >= leaseBounds.leastMs && leaseMs <= leaseBounds.mostMs) return leaseMs
  throw new Failure('invalid', `a lease is ${leaseBounds.leastMs} to ${leaseBounds.mostMs} ms`)
}

const full = (result: Extract<Result<unknown>, { ok: false }>): Failure => new Failure('too-large', result.detail)

const valueOf = (view: StateView | undefined, name: string): SharedValue =>
  view === undefined
    ? { name, value: null, version: 0 }
    : { name, value: JSON.parse(view.value) as unknown, version: view.version }

export const readState = async ({ store }: SharedOptions, name: string): Promise<SharedValue> =>
  valueOf(await store.read.state(named(name)), name)

/** @throws Failure `version-conflict` when somebody else has written since the version that was read. */
export const putState = async ({ store, clock }: SharedOptions, ask: StateAsk, actor: string): Promise<SharedValue> => {
  const name = named(ask.name)
  const value = canonicalJson(ask.value ?? null)
  if (Buffer.byteLength(value) > valueBytes) throw new Failure('too-large', `a value may have ${valueBytes} bytes`)
  if (!Number.isSafeInteger(ask.version) || ask.version < 0)
    throw new Failure('invalid', 'version is the one that was read, 0 when there was none')
  const [result] = await store.transact([
    { kind: 'state.put', with: { name, value, expectVersion: ask.version, actor, wallMs: clock.wallMs() } },
  ])
  if (result.ok) return { name, value: ask.value ?? null, version: result.value.version }
  if (result.refusal !== 'stale') throw full(result)
  throw new Failure('version-conflict', `${name} is at version ${result.detail}, not ${ask.version}: read it again`, {
    facts: { version: Number(result.detail) },
  })
}

/** @throws Failure `lock-held`, with the time after which it may be free. */
export const takeLock = async ({ store, clock }: SharedOptions, ask: LockAsk, by: LockHolder): Promise<LockHeld> => {
  const name = named(ask.name)
  const leaseMs = leased(ask.leaseMs)
  const { holder, task } = by
  const [result] = await store.transact([
    { kind: 'lock.take', with: { name, holder, task, leaseMs, now: clock.stamp() } },
  ])
  if (!result.ok) throw full(result)
  const answer = result.value
  if (answer.taken) return { name, fence: answer.fence, leaseMs }
  throw new Failure('lock-held', `${name} is held by ${answer.holder} for ${Math.ceil(answer.leftMs)} ms more`, {
    retryAfterMs: Math.ceil(answer.leftMs),
    facts: { holder: answer.holder },
  })
}

/** @throws Failure `stale` when the lease is over, or the lock another's. */
export const renewLock = async (
  { store, clock }: SharedOptions,
  ask: LockAsk & { readonly fence: number },
  holder: string,
): Promise<LockHeld> => {
  const name = named(ask.name)
  const leaseMs = leased(ask.leaseMs)
  const [result] = await store.transact([
    { kind: 'lock.renew', with: { name, holder, fence: ask.fence, leaseMs, now: clock.stamp() } },
  ])
  if (!result.ok) throw new Failure('stale', result.detail)
  return { name, fence: ask.fence, leaseMs }
}

export const freeLock = async (
  { store }: SharedOptions,
  ask: { readonly name: string; readonly fence: number },
  holder: string,
): Promise<{ readonly freed: boolean }> => {
  const [result] = await store.transact([
    { kind: 'lock.free', with: { name: named(ask.name), holder, fence: ask.fence } },
  ])
  if (!result.ok) throw new Failure('conflict', result.detail)
  return result.value
}

/** Who has it now, as far as the clock says: a lease that is over is told as free. */
export const lockStatus = (view: LockView, clock: Clock): LockStatus => {
  const leftMs = remainingMs(clock.stamp(), view.set, view.leaseMs)
  return leftMs <= 0
    ? { name: view.name, held: false }
    : { name: view.name, held: true, holder: view.holder, fence: view.fence, leftMs, takenMs: view.takenMs }
}

export const listLocks = async (
  { store, clock }: { readonly store: Pick<Store, 'read'>; readonly clock: Clock },
  ask: PageAsk,
): Promise<Page<LockStatus>> => {
  const { items, next } = await store.read.locks(ask)
  return { items: items.map((view) => lockStatus(view, clock)), next }
}
