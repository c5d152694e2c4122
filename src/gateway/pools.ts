/**
 * Connections to one upstream, apart for each client certificate: what was opened as one is never used as another. A
 * certificate that nobody uses any more is forgotten with its connections.
 */
import type { Pool } from 'undici'
import type { Clock } from '../std/std.ts'
import type { ClientIdentity } from './signers/signers.ts'

export interface Pools {
  of(identity: ClientIdentity | undefined): Pool
  /** Ends all of them, and gives none any more. */
  end(how: (pool: Pool) => Promise<void>): Promise<void>
}

/** Longer than a call may take: what is closed then has none under way, and waits for it if it had. */
const unusedMs = 300_000

interface Kept {
  readonly pool: Pool
  usedMs: number
}

export const openPools = (clock: Clock, open: (identity: ClientIdentity | undefined) => Pool): Pools => {
  const plain = open(undefined)
  const byCertificate = new Map<string, Kept>()
  const closing = new Set<Promise<void>>()
  const prune = (nowMs: number): void => {
    for (const [certificate, { pool, usedMs }] of byCertificate) {
      if (nowMs - usedMs < unusedMs) continue
      byCertificate.delete(certificate)
      const closed = pool.close().catch(() => {
        /* what was under way has told its own end */
      })
      closing.add(closed)
      void closed.finally(() => closing.delete(closed))
    }
  }
  return {
    of: (identity) => {
      if (identity === undefined) return plain
      const nowMs = clock.monoMs()
      prune(nowMs)
      const kept = byCertificate.get(identity.certificate) ?? { pool: open(identity), usedMs: nowMs }
      kept.usedMs = nowMs
      byCertificate.set(identity.certificate, kept)
      return kept.pool
    },
    end: async (how) => {
      const all = [plain, ...[...byCertificate.values()].map(({ pool }) => pool)]
      byCertificate.clear()
      await Promise.all([...all.map(how), ...closing])
    },
  }
}
