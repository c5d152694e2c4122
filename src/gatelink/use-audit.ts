/**
 * Uses of secrets become audit entries, each once. The gate tells them at least once and in order; what was written
 * already is known by the chain itself: the number in its last such entry of that gate. It is looked for once, from the
 * chain's end backwards, when a sitter hears of a gate for the first time.
 */
import { Failure, type Clock } from '../std/std.ts'
import type { NewAudit, Store } from '../store/store.ts'
import type { Use } from '../wire/wire.ts'

export interface UseAudit {
  /** Resolves when all of them stand in the chain. Rejects with what the record throws. */
  take(gateId: string, uses: readonly Use[]): Promise<void>
}

const action = 'credential.use'
/** 2,000 entries are read and looked at in about 8 ms. */
const pageSize = 2_000
/** A use is written down after it was made; a clock that was set back in between is allowed a day. */
const slackMs = 86_400_000

interface Said {
  readonly ts?: unknown
  readonly action?: unknown
  readonly facts?: { readonly gate?: unknown; readonly journal?: unknown }
}

const read = (entry: string): Said => {
  try {
    return JSON.parse(entry) as Said
  } catch {
    return {} // tampered with: `audit verify` names it
  }
}

const numberIn = (entry: string, gateId: string): number | undefined => {
  if (!entry.includes(gateId) || !entry.includes(action)) return undefined
  const said = read(entry)
  const journal = said.action === action && said.facts?.gate === gateId ? said.facts.journal : undefined
  return typeof journal === 'number' ? journal : undefined
}

/** The highest number of this gate in the chain; 0 when there is none from `sinceMs` on. */
const lastWritten = async (store: Store, gateId: string, sinceMs: number): Promise<number> => {
  const { seq } = await store.read.auditHead()
  for (let to = seq; to > 0; to -= pageSize) {
    const from = Math.max(1, to - pageSize + 1)
    const rows = (await store.read.audit(from, to - from + 1)).toReversed()
    for (const { entry } of rows) {
      const journal = numberIn(entry, gateId)
      if (journal !== undefined) return journal
    }
    const { ts } = read(rows.at(-1)?.entry ?? '{}')
    if (typeof ts === 'number' && ts < sinceMs) return 0
  }
  return 0
}

const entryOf = (gateId: string, use: Use, attempt: string | null): NewAudit => {
  const { credential, version, agent, decision, journal, atMs, subject, cell, upstream, host, method } = use
  return {
    // For a settlement and without an agent the sitter asks (a query, a resend); all else is the gate's own.
    actor: agent !== null ? `agent:${agent}` : subject === null ? 'gate' : 'sitter',
    action,
    object: `${credential}@${version}`,
    decision,
    facts: { gate: gateId, journal, atMs, attempt, subject, cell, upstream, host, method },
  }
}

export const openUseAudit = (options: {
  readonly store: Store
  readonly clock: Clock
  /** What the agent has in hand now; the gate knows agents, not their attempts. */
  readonly attemptOf: (agent: string) => string | null
  /** Told when they could not be written; they are tried again. */
  readonly onFault: (error: unknown) => void
}): UseAudit => {
  const { store, clock, attemptOf, onFault } = options
  const written = new Map<string, number>()
  const append = async (gateId: string, uses: readonly Use[]): Promise<void> => {
    const known = written.get(gateId) ?? (await lastWritten(store, gateId, uses[0]!.atMs - slackMs))
    written.set(gateId, known)
    const fresh = uses.filter(({ journal }) => journal > known)
    if (fresh.length === 0) return
    const entries = fresh.map((use) => entryOf(gateId, use, use.agent === null ? null : attemptOf(use.agent)))
    const [result] = await store.transact([{ kind: 'audit.append', with: { wallMs: clock.wallMs(), entries } }])
    if (!result.ok) throw new Failure('record-closed', `uses of secrets were not written: ${result.detail}`)
    written.set(gateId, fresh.at(-1)!.journal)
  }
  /** One after the other, so that a lot that is told again on a new link finds what the one before has written. */
  let turn: Promise<unknown> = Promise.resolve()
  return {
    take: (gateId, uses) => {
      const done = turn.then(() => append(gateId, uses))
      turn = done.catch(onFault)
      return done
    },
  }
}
