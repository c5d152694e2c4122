/**
 * What the sitter does about credentials that renew themselves in the gate: it wakes people in time, and brings what
 * happened there, also to budgets, into the record, each note once by its number, at least once over a crash.
 */
import type { GateLink } from './gatelink/gatelink.ts'
import type { Condition } from './record/record.ts'
import { every, type Clock } from './std/std.ts'
import type { Store } from './store/store.ts'

const dayMs = 86_400_000
const awayMs = 120_000

/** What holds of the gate's credentials; nothing while the gate is away, which is a condition of its own. */
export const credentialConditions = async (gatelink: GateLink, clock: Clock): Promise<readonly Condition[]> => {
  if (gatelink.gateId === null) return []
  const { renewals, fallbacks } = await gatelink.vaultList()
  const nowMs = clock.wallMs()
  const away = fallbacks.flatMap((one): Condition[] => {
    const { credential, account, fallback, fallbackAccount, by, sinceMs, why } = one
    // A secret that rests for half a minute and is taken again is an event, and wakes nobody.
    if (by !== fallback || sinceMs === null || nowMs - sinceMs < awayMs) return []
    return [
      {
        key: `credential-fallback/${credential}`,
        severity: 'warning',
        title: `calls of credential ${credential} go by ${fallback}, of another account: ${why}`,
        facts: { credential, account, fallback, fallbackAccount, sinceMs },
        proposed: `sitter vault status; then sitter vault set for a secret that ${credential} can use`,
      },
    ]
  })
  const own = renewals.flatMap(({ name, credential, concern, ending }): Condition[] => {
    const facts = { credential, name }
    const near = (ending?.toldDays ?? []).filter((days) => ending!.endsMs - nowMs <= days * dayMs)
    const isTold = concern === null || concern.wakesMs > nowMs || (concern.isDue && near.length > 0)
    const waits: Condition[] = isTold
      ? []
      : [
          {
            key: `credentials/${name}`,
            severity: concern.severity,
            title: `credential ${name} ${concern.what}`,
            facts,
            proposed: concern.wayOut,
          },
        ]
    // Each bound is told once, when it is passed, and all are over when the credential is replaced.
    const ends = near.map((days): Condition => ({
      key: `credential-ends/${name}/${days}d`,
      severity: days <= 3 ? 'critical' : 'warning',
      title: `credential ${name} ${ending!.what} in ${days === 1 ? 'a day' : `${days} days`} or less`,
      facts: { ...facts, endsMs: ending!.endsMs, days },
      proposed: `sitter vault status; then sitter vault rotate ${name}, or set a new secret by hand`,
    }))
    return [...waits, ...ends]
  })
  return [...own, ...away]
}

export interface RenewalNotesOptions {
  readonly gatelink: GateLink
  readonly store: Pick<Store, 'transact'>
  readonly clock: Clock
  readonly onFault: (error: unknown) => void
}

const lookEveryMs = 2_000
const loud = [
  'credential.tampered',
  'credential.quarantined',
  'credential.refused',
  'credential.left',
  'credential.compromised',
  'credential.not-accepted',
  'credential.mint-unknown',
  'budget.warned',
  'budget.spent',
]

/** Takes the notes of the gate into events and audit entries until it is stopped. */
export const openRenewalNotes = ({ gatelink, store, clock, onFault }: RenewalNotesOptions): { stop(): void } => {
  let after = 0
  let gate: string | null = null
  let busy = false
  const look = async (): Promise<void> => {
    if (gatelink.gateId === null) return
    // Another gate.db counts from one again.
    if (gate !== gatelink.gateId) after = 0
    gate = gatelink.gateId
    const notes = await gatelink.vaultNotes(after)
    if (notes.length === 0) return
    const wallMs = clock.wallMs()
    await store.transact([
      {
        kind: 'events.add',
        with: {
          wallMs,
          events: notes.map(({ kind, subject, message, number, wallMs: atMs }) => ({
            kind,
            level: loud.includes(kind) ? ('warn' as const) : ('info' as const),
            subject,
            message: `${subject}: ${message}`,
            facts: { number, atMs },
          })),
        },
      },
      {
        kind: 'audit.append',
        with: {
          wallMs,
          entries: notes.map(({ kind, subject, message, number }) => ({
            actor: 'gate',
            action: kind,
            object: subject,
            decision: 'done' as const,
            facts: { message, number },
          })),
        },
      },
    ])
    after = notes.at(-1)!.number
  }
  const stop = every(clock, lookEveryMs, () => {
    if (busy) return
    busy = true
    void look()
      .catch(onFault)
      .finally(() => {
        busy = false
      })
  })
  return { stop }
}
