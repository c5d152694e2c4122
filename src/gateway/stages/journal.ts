/**
 * Durable before the first byte leaves, and before a secret is opened: one row per call, one fsync per turn. A grant
 * that stands there already is never sent again, and a key that is bound to one account goes by no other: whatever was
 * chosen before, this decides.
 */
import { assert, asFailure, formatCost } from '../../std/std.ts'
import type { CallInHand, Stage } from '../call.ts'
import type { JournalCall } from '../ports.ts'
import { kindOfCall } from '../vacancies.ts'
import { mode } from './mode.ts'
import { keyOf } from './route.ts'

/** Its key, and the account with which that is to stay. */
const boundOf = (call: CallInHand): Pick<JournalCall, 'key' | 'account' | 'members'> => {
  const { credentialRule: rule } = call
  const key = call.credential === null ? null : keyOf(call)
  if (key === null || rule === null) return { key }
  return { key, account: rule.scope?.account ?? null, members: [...rule.pool, rule.name] }
}

/** The row of a call as far as it is known; stages before `route` leave gaps that the asking fills. */
export const rowOf = (call: CallInHand, nowMs: number): JournalCall => ({
  grant: call.grant?.grant ?? null,
  subject: call.subject,
  agent: call.agent,
  cell: call.seat?.cell ?? null,
  upstream: call.upstreamName,
  method: call.method,
  path: call.plain?.path ?? '',
  hash: call.grant?.hash ?? null,
  credential: call.credential?.name ?? null,
  version: call.credential?.version ?? null,
  epoch: call.epoch,
  begunMs: nowMs,
  waitedMs: call.waitedMs,
  host: call.upstream?.host ?? null,
  decision: call.decision,
  ...boundOf(call),
  reserved: call.reservation === null ? null : formatCost(call.reservation.most),
})

const elsewhere =
  'another call with this idempotency-key went by another account meanwhile: asked for again, this one does, too'
const againMs = 1_000
/** The sitter writes thousands a second, once it can. */
const behindRetryMs = 5_000

export const journal: Stage = async (call, room) => {
  if (call.credential !== null) {
    if (room.uses.behind())
      return {
        code: 'audit-behind',
        message: 'too many uses of secrets are not in the audit log yet: nothing was sent',
        ...(call.grant === null && { retryAfterMs: behindRetryMs, waitsFor: kindOfCall(call) }),
      }
    call.decision = 'allowed'
  }
  call.begunMs = room.clock.wallMs()
  let number: Awaited<ReturnType<typeof room.journal.begin>>
  try {
    number = await room.journal.begin(rowOf(call, call.begunMs))
  } catch (error) {
    // No use was written, so the refusal that follows must not be told as one.
    call.decision = null
    return { code: asFailure(error).code, message: 'the gate could not write its journal, so nothing was sent' }
  }
  assert(number !== 'spent', 'a grant that is in hand was spent by somebody else')
  if (number === 'elsewhere') {
    call.decision = null
    return { code: 'credential-unavailable', message: elsewhere, retryAfterMs: againMs }
  }
  call.journal = number
  if (call.decision !== null) room.uses.added()
  // A freeze or a stricter mode may have come while the journal was written; nothing has left yet.
  return room.frozen()
    ? { code: 'frozen', message: 'the swarm was frozen before this call was sent' }
    : mode(call, room)
}
