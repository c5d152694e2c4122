/** One secret that is rotated, as the rotations hold it, and what they are given. */
import type { Cancel, Clock, Random } from '../../std/std.ts'
import type { MachineRow, SecretRow } from '../../store/store.ts'
import type { CredentialRule, CredentialVersion, Vault } from '../port.ts'
import type { Uses } from '../uses.ts'
import type { Cycle, Fact } from './cycle.ts'
import type { Neighbour } from './plan.ts'
import type { Deeds, RotatorPorts, TestFact } from './rotators.ts'

export type Log = (level: 'info' | 'warn' | 'error', message: string, fields?: Readonly<Record<string, string>>) => void

export interface RotationsOptions {
  readonly vault: Vault
  readonly uses: Uses
  readonly clock: Clock
  readonly random: Random
  readonly saved: readonly MachineRow[]
  readonly ports: RotatorPorts
  readonly log: Log
  /** What requests of a rotation are signed with: the version itself, or what it stands for. */
  readonly secretFor: (credential: { readonly name: string; readonly version: number }) => Promise<string>
  /** Tries a version of what an OAuth server takes: a grant's own secret, or that of its client. */
  readonly prove: (credential: CredentialVersion) => Promise<TestFact>
  /** Whether what goes out with a secret of this name are tokens that it stands for. */
  readonly isByTokens: (name: string) => boolean
}

/** A fact, and the new versions that it is about. */
export interface Sealed {
  readonly fact: Fact
  readonly add: readonly SecretRow[]
}

export interface Member {
  readonly name: string
  rule: CredentialRule
  deeds: Deeds | null
  cycle: Cycle
  busy: boolean
  /** Since the deed began: it is looked at again after it. */
  woken: boolean
  cancel: Cancel
  /** One fact after the other. */
  turn: Promise<unknown>
}
export const newMember = (known: Pick<Member, 'name' | 'rule' | 'deeds' | 'cycle'>): Member => ({
  ...known,
  busy: false,
  woken: false,
  cancel: () => {},
  turn: Promise.resolve(),
})

/** What the others of its pool are at. */
export const neighboursOf = ({ name, rule }: Member, members: ReadonlyMap<string, Member>): readonly Neighbour[] =>
  rule.pool.flatMap((other) => {
    const cycle = other === name ? undefined : members.get(other)?.cycle
    const busy = cycle !== undefined && cycle.phase !== 'idle' && cycle.phase !== 'person'
    return cycle === undefined ? [] : [{ busy, doneMs: cycle.doneMs }]
  })

/** Secrets of OAuth clients that are no credentials of the configuration by themselves. */
export const clientsOf = (rules: readonly CredentialRule[]): readonly CredentialRule[] => {
  const known = new Set(rules.flatMap(({ name, pool }) => [name, ...pool]))
  const clients = rules.flatMap(({ signing }) =>
    signing?.kind === 'oauth' && signing.oauth.clientSecret !== null ? [signing.oauth.clientSecret] : [],
  )
  return [...new Set(clients)].filter((name) => !known.has(name)).map((name) => ({ name, pool: [] }))
}

/** Whether what a live call shows of this version decides anything. */
export const isOnTrial = ({ phase, next, proven }: Cycle, version: number): boolean =>
  next === version && (phase === 'canary' || (phase === 'draining' && !proven))
