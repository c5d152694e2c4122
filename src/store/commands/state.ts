/**
 * Commands of what agents share: values with versions, and locks with fencing numbers. Both may be sent again after a
 * lost answer: the same put by the same actor, and the same take by the same holder, are answered as at first.
 */
import type { Stamp } from '../../std/std.ts'
import type { Defined } from './result.ts'

/**
 * Writes a value where the version is still the expected one; 0 = there is none yet. Refused `stale` with the version
 * that is there as detail; `illegal` when the record holds as many names as it takes.
 */
export type StatePut = Defined<
  'state.put',
  {
    readonly name: string
    /** JSON text, at most 256 KiB. */
    readonly value: string
    readonly expectVersion: number
    readonly actor: string
    readonly wallMs: number
  },
  { readonly version: number }
>

/**
 * A lease on a name. It is held until its time is over: by the monotonic clock within one boot, by the wall clock
 * after it, never longer than the lease. The fence grows with each new holder of any lock; what the lock protects must
 * refuse a lower one.
 */
export type LockTake = Defined<
  'lock.take',
  {
    readonly name: string
    /** An attempt, or a client's own name. */
    readonly holder: string
    /** The holder's task: a newer attempt of it takes over from an older one at once, with a new fence. */
    readonly task: string | null
    readonly leaseMs: number
    readonly now: Stamp
  },
  LockAnswer
>
export type LockAnswer =
  | { readonly taken: true; readonly fence: number; readonly leftMs: number }
  | { readonly taken: false; readonly holder: string; readonly leftMs: number }

/** A new lease from now on. Refused `stale` when it is over already, or somebody else has the lock. */
export type LockRenew = Defined<
  'lock.renew',
  {
    readonly name: string
    readonly holder: string
    readonly fence: number
    readonly leaseMs: number
    readonly now: Stamp
  },
  { readonly leftMs: number }
>

/** Gives it back; `freed: false` when it was not this holder's (any more), and nothing changes. */
export type LockFree = Defined<
  'lock.free',
  { readonly name: string; readonly holder: string; readonly fence: number },
  { readonly freed: boolean }
>

export type StateCommand = StatePut | LockTake | LockRenew | LockFree
