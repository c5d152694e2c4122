/**
 * A step of a settlement as one list of commands: state, ledger, audit entry, event and the task it wakes commit
 * together.
 */
import { settlementAfter, type SettlementEvent } from '../model/model.ts'
import type { Command, NewTransfer, SettlementView } from '../store/store.ts'
import type { Step } from './decide.ts'
import { post, release } from './ledger.ts'

/** Who or what led to the step, for the audit log. */
export interface By {
  readonly actor: string
  readonly why: string
}

const past: Record<SettlementEvent, string> = {
  hold: 'held',
  approve: 'approved',
  reserve: 'reserved',
  submit: 'submitted',
  settle: 'settled',
  accept: 'accepted',
  reject: 'rejected',
  lose: 'unknown',
  'not-sent': 'not-sent',
  absent: 'absent',
  'give-up': 'failed',
  cancel: 'cancelled',
  return: 'returned',
}

const transfersOf = (settlement: SettlementView, step: Step): readonly NewTransfer[] => {
  if (step.ledger === null) return []
  return step.ledger === 'post' ? post(settlement) : release(settlement)
}

const movesOf = (settlement: SettlementView, step: Step, event: SettlementEvent, wallMs: number): Command[] => {
  const { reason, nextMs, person, providerReference } = step
  const tries = step.untried ? -1 : 0
  const move = (from: SettlementView['state'], what: SettlementEvent): Command => ({
    kind: 'settlement.move',
    with: { settlement: settlement.id, from, event: what, reason, nextMs, person, tries, providerReference, wallMs },
  })
  const first = move(settlement.state, event)
  return step.followedBy === undefined
    ? [first]
    : [first, move(settlementAfter(settlement.state, event), step.followedBy)]
}

/** Every step is audited; an event is written only where a person may want to look. */
interface Telling {
  readonly name: string
  readonly by: By
  readonly wallMs: number
}

const told = (
  settlement: SettlementView,
  step: Step,
  { name, by, wallMs }: Telling,
): { audit: Command; event: Command } => {
  const facts = {
    reference: settlement.reference,
    channel: settlement.channel,
    from: settlement.state,
    reason: step.reason ?? '',
    evidence: by.why,
    provider: step.providerReference ?? settlement.providerReference ?? '',
  }
  const level = step.person || name === 'settlement.failed' ? 'error' : 'warn'
  const message = `${settlement.reference}: ${step.reason ?? name}`
  const entry = { actor: by.actor, action: name, object: settlement.id, decision: 'done', facts } as const
  const event = { kind: name, level, subject: settlement.id, message, facts } as const
  return {
    audit: { kind: 'audit.append', with: { wallMs, entries: [entry] } },
    event: { kind: 'events.add', with: { wallMs, events: [event] } },
  }
}

const wait = (settlement: SettlementView, step: Step, wallMs: number): Command => ({
  kind: 'settlement.wait',
  with: {
    settlement: settlement.id,
    from: settlement.state,
    reason: step.reason,
    nextMs: step.nextMs,
    person: step.person,
    absences: step.absences,
    wallMs,
  },
})

const wake = (task: string, wallMs: number): Command => ({
  kind: 'task.move',
  with: { task, event: { event: 'wake' }, orNothing: true, wallMs },
})

export const stepCommands = (settlement: SettlementView, step: Step, by: By, wallMs: number): Command[] => {
  if (step.event === null) {
    const waiting = wait(settlement, step, wallMs)
    if (!step.person || settlement.person) return [waiting]
    const { audit, event } = told(settlement, step, { name: 'settlement.waits', by, wallMs })
    return [waiting, audit, ...(step.quiet ? [] : [event])]
  }
  const name = `settlement.${past[step.followedBy ?? step.event]}`
  const { audit, event } = told(settlement, step, { name, by, wallMs })
  const quiet = step.quiet === true || name === 'settlement.settled' || (name === 'settlement.not-sent' && !step.person)
  const ended = step.ledger !== null
  return [
    ...movesOf(settlement, step, step.event, wallMs),
    ...transfersOf(settlement, step).map((transfer): Command => ({
      kind: 'ledger.transfer',
      with: { transfer, wallMs },
    })),
    audit,
    ...(quiet ? [] : [event]),
    ...(ended && settlement.task !== null ? [wake(settlement.task, wallMs)] : []),
  ]
}

/** What must be durable before a due settlement is sent or asked about (again). */
export interface Due {
  readonly settlement: SettlementView
  readonly grant: string
  readonly number: number
  readonly kind: 'pay' | 'query'
  readonly request: string
  readonly hash: string
  readonly gateId: string
}

export const dueCommands = (due: Due, wallMs: number): Command[] => {
  const { settlement, grant, number, kind, request, hash, gateId } = due
  const { id, state, reason, person, absences } = settlement
  const move: Command =
    state === 'reserved'
      ? {
          kind: 'settlement.move',
          with: {
            settlement: id,
            from: state,
            event: 'submit',
            reason,
            nextMs: null,
            person: false,
            tries: 1,
            providerReference: null,
            wallMs,
          },
        }
      : {
          kind: 'settlement.wait',
          with: { settlement: id, from: state, reason, nextMs: null, person, absences, wallMs },
        }
  const intent = { settlement: id, number, grant, kind, request, hash, gateId }
  const action = kind === 'pay' ? 'settlement.sent-again' : 'settlement.asked'
  const facts = { grant, number, why: reason ?? '', hash }
  return [
    move,
    { kind: 'intent.write', with: { wallMs, intent } },
    {
      kind: 'audit.append',
      with: { wallMs, entries: [{ actor: 'sitter', action, object: id, decision: 'allowed', facts }] },
    },
  ]
}
