/** One secret that is rotated, as the rotations hold it. */
import type { Cancel } from '../../std/std.ts'
import type { SecretRow } from '../../store/store.ts'
import type { CredentialRule } from '../port.ts'
import type { Cycle, Fact } from './cycle.ts'
import type { Deeds } from './rotators.ts'

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

/** Whether what a live call shows of this version decides anything. */
export const isOnTrial = ({ phase, next, proven }: Cycle, version: number): boolean =>
  next === version && (phase === 'canary' || (phase === 'draining' && !proven))
