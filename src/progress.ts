/**
 * The sitter's proof that it works, and does not merely live: every few seconds it writes into its record and reads
 * back what it wrote. Only then does the watch hear of progress, and only while it hears of it does the dead-man's ping
 * go out. A full disk, a record that does not answer, or a successor stops it; what can be named is named, for a sitter
 * that has a reason is not ended for it (decision 0041).
 */
import { every, Failure, type Cancel, type Clock } from './std/std.ts'
import type { Store } from './store/store.ts'

export interface ProgressOptions {
  readonly store: Pick<Store, 'transact' | 'read'>
  readonly clock: Clock
  readonly owner: string
  readonly epoch: number
  readonly everyMs?: number
  /** What was written is there. */
  readonly proven: () => void
  /** It was not, for a reason that a successor would meet as well. */
  readonly idle?: (why: string) => void
  /** Another sitter has taken over. */
  readonly deposed: (detail: string) => void
}

export const progressEveryMs = 5_000
/** Two proofs and a half: after this long without one a sitter is blind. */
const blindAfterProofs = 2.5
export const blindAfterMs = blindAfterProofs * progressEveryMs

/** Whether this sitter has lately read its own beat where it reads everything else. */
export interface Mirror {
  readonly proven: () => void
  readonly seesItself: () => boolean
}
/** `proven`: what else is told of each proof. */
export const openMirror = (clock: Clock, proven: () => void, everyMs = progressEveryMs): Mirror => {
  let seenMs = clock.monoMs()
  return {
    proven: () => {
      seenMs = clock.monoMs()
      proven()
    },
    seesItself: () => clock.monoMs() - seenMs <= blindAfterProofs * everyMs,
  }
}

/** SQLITE_BUSY and SQLITE_LOCKED. */
const isLocked = (thrown: unknown): boolean =>
  thrown instanceof Error && 'errcode' in thrown && [5, 6].includes(Number(thrown.errcode) & 0xff)

/** Why nothing could be proven, where another sitter could prove no more; undefined for everything else. */
const passingReason = (thrown: unknown): string | undefined => {
  if (isLocked(thrown)) return 'another program holds the record locked'
  const passes = thrown instanceof Failure && (thrown.code === 'disk-full' || thrown.code === 'record-unreachable')
  return passes ? thrown.message : undefined
}

/** Gives what ends it. */
export const openProgress = (options: ProgressOptions): Cancel => {
  const { store, clock, owner, epoch, everyMs = progressEveryMs, proven, idle, deposed } = options
  let busy = false
  const prove = async (): Promise<void> => {
    const wallMs = clock.wallMs()
    const [beat] = await store.transact([{ kind: 'host.beat', with: { owner, epoch, wallMs } }])
    if (!beat.ok) return deposed(beat.detail)
    const host = await store.read.host(owner)
    if (host?.epoch === epoch && host.beatMs === wallMs) proven()
  }
  return every(clock, everyMs, () => {
    // One that hangs is no progress; a second one beside it would be none either.
    if (busy) return
    busy = true
    prove()
      .catch((thrown: unknown) => {
        // No proof; without a reason silence is the word for that, and the watch ends who is silent so.
        const why = passingReason(thrown)
        if (why !== undefined) idle?.(why)
      })
      .finally(() => {
        busy = false
      })
  })
}
