/** What a look at the swarm means: is a promise broken, is something unwell, does something wait for a person. Pure. */
import type { Trouble } from '../../fleet/fleet.ts'
import type { AuditVerdict, LedgerCheck, StalledWork, SwarmView } from '../api.ts'
import { count, counted, plain } from './text.ts'

export interface Judgement {
  /** Broken promises: exit 1. */
  readonly broken: readonly string[]
  /** What is not as it should be, or cannot be known: exit 4. */
  readonly unwell: readonly string[]
  /** What waits for a person: exit 4. */
  readonly waiting: number
}

/** "4,998 agents of notifier cannot start: Cannot find package 'x'". */
export const troubleText = ({ type, count: number, starts, cause }: Trouble): string => {
  const agents = `${counted(number, 'agent')} of ${plain(type)}`
  return starts ? `${agents} cannot start: ${plain(cause)}` : `${agents} quarantined: ${plain(cause)}`
}

/** What keeps calls from upstreams: open breakers, and credentials that are not there. */
const outsideUnwell = (gate: SwarmView['gate']): string[] =>
  'unknown' in gate
    ? []
    : gate.upstreams.flatMap(({ name, breakers, unsigned }) => [
        ...(unsigned ? [`calls to ${plain(name)} have no credential: sitter vault status`] : []),
        ...breakers.map(
          ({ endpoint, state }) => `${plain(name)} fails: its breaker for ${plain(endpoint)} is ${state}`,
        ),
      ])

/** Whole parts of the swarm that are held back. Of single agents and types the list of modes tells. */
const modesUnwell = ({ modes }: SwarmView): string[] =>
  modes.items
    .filter(({ target, mode }) => mode !== 'active' && (target === 'swarm' || target.startsWith('channel:')))
    .map(({ target, mode, actor, reason }) => `${plain(target)} is ${mode} by ${plain(actor)}: ${plain(reason)}`)

/** "1 think task has nobody to do it: 3 agents of crasher quarantined". */
export const stalledText = ({ type, agentType, ready, states }: StalledWork): string => {
  const whose = Object.entries(states).map(
    ([state, some]) => `${counted(some, 'agent')} of ${plain(agentType)} ${state}`,
  )
  return `${counted(ready, 'task')} of ${plain(type)} ${ready === 1 ? 'has' : 'have'} nobody: ${whose.join(', ')}`
}

const unwellOf = (view: SwarmView): string[] => {
  const { fleet, gate } = view
  const { reporting, of } = fleet.coverage
  // Quarantined ones are told with their cause.
  const lost = (['unknown', 'suspect'] as const).filter((state) => (fleet.byState[state] ?? 0) > 0)
  return [
    ...('unknown' in gate ? [`the gate's state is unknown: ${plain(gate.unknown)}`] : []),
    ...('frozen' in gate && gate.frozen ? ['the gate is frozen: nothing goes out'] : []),
    ...('journalRefuses' in gate && gate.journalRefuses ? ['the gate cannot write its journal: nothing goes out'] : []),
    ...outsideUnwell(gate),
    ...modesUnwell(view),
    ...(reporting < of ? [`${count(reporting)} of ${counted(of, 'agent')} reporting`] : []),
    ...(fleet.admission.short === null ? [] : ['the host is short: no new cell starts']),
    ...fleet.troubles.map(troubleText),
    ...(view.stalled ?? []).map(stalledText),
    ...lost.map((state) => `${counted(fleet.byState[state]!, 'agent')} ${state}`),
  ]
}

const ledgerBroken = (ledger: LedgerCheck): string[] =>
  ledger.ok ? [] : [`the ledger does not balance: ${ledger.faults.map(plain).join('; ')}`]

/** For `status`: what one view shows; the audit is not looked at. */
export const judgeView = (view: SwarmView): Judgement => ({
  broken: ledgerBroken(view.ledger),
  unwell: unwellOf(view),
  waiting: view.person,
})

/** A check that was asked for at the end of a run: its answer, or why there is none. */
export type Checked<Value> = Value | { readonly unchecked: string }

/** For the end of a run: every check must hold; one that could not be made does not hold. */
export const judgeRun = (view: SwarmView, ledger: Checked<LedgerCheck>, audit: Checked<AuditVerdict>): Judgement => ({
  broken: [
    ...('unchecked' in ledger ? [`the ledger could not be checked: ${plain(ledger.unchecked)}`] : ledgerBroken(ledger)),
    ...('unchecked' in audit
      ? [`the audit could not be verified: ${plain(audit.unchecked)}`]
      : audit.ok
        ? []
        : [`the audit is broken at entry ${audit.firstBad ?? 'unknown'}: ${plain(audit.why ?? 'no reason given')}`]),
  ],
  // Agents that still start or restart do not matter to work that has ended.
  unwell: [],
  waiting: view.person,
})

export const exitOf = (judgement: Judgement): number => {
  if (judgement.broken.length > 0) return 1
  return judgement.unwell.length > 0 || judgement.waiting > 0 ? 4 : 0
}
