/** Where a cycle goes on that was not ended by the gate that began it. Pure. */
import { freshCycle, type Cycle } from './cycle.ts'

/** Somebody else wrote where it stands: what is known of its keys is not believed, and a person looks. */
export const tamperedCycle = (nowMs: number): Cycle => ({
  ...freshCycle(nowMs, null),
  phase: 'person',
  why: "where it stood was changed in gate.db without the vault's key",
})

/**
 * A machine that was left by a killed gate: a mint may have been asked for, so it is looked for. Everything else is
 * harmless to do again, and so is a mint that the provider answers with the same secret.
 */
export const afterRestart = (cycle: Cycle, sameAnswer: boolean): Cycle =>
  cycle.phase === 'minting' && cycle.asked && !sameAnswer
    ? { ...cycle, phase: 'looking', asked: false, why: 'the gate ended while a new version was being made' }
    : cycle
