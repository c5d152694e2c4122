/**
 * The audit entry before a deed whose room writes none of its own into the record (the gate's vault, the assembly's
 * stop, exports). When it cannot be written the deed is not done. Every other room audits what it is told with the
 * actor that it is given.
 */
import { Failure, type Facts } from '../../std/std.ts'
import type { Ask } from './route.ts'

/** Resolves when the entry `allowed` is durable. @throws what the record throws. */
export const auditAllowed = async (ask: Ask, action: string, object: string, facts: Facts = {}): Promise<void> => {
  const entry = { actor: ask.actor, action, object, decision: 'allowed', facts: { ...facts, request: ask.id } } as const
  const [result] = await ask.rooms.store.transact([
    { kind: 'audit.append', with: { wallMs: ask.rooms.clock.wallMs(), entries: [entry] } },
  ])
  if (!result.ok) throw new Failure('record-closed', `the audit entry was refused: ${result.detail}`)
}
