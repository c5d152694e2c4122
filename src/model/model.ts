/** Front door of the model: the nouns, their states and legal transitions; no I/O, no clock. */
export {
  agentAfter,
  agentStates,
  formatAgent,
  modes,
  nextAgentState,
  parseAgent,
  type AgentEvent,
  type AgentRef,
  type AgentStateName,
  type Exit,
  type Mode,
} from './agent.ts'
export { agentTypeChanges, restartsFor, type AgentTypeChange, type Setting } from './change.ts'
export type { Coverage, Evidence } from './evidence.ts'
export type { Budget, BudgetOwner } from './budget.ts'
export type { Price, TokenRates, UsageRule } from './price.ts'
export type { AnswerClass, BreakerRule, ClassRule, Profile, RetryRule } from './profile.ts'
export { severities, type Severity } from './incident.ts'
export {
  agentTarget,
  channelTarget,
  modeLets,
  modePays,
  modeRank,
  stricter,
  swarmTarget,
  targetsOf,
  throttledShare,
  typeTarget,
  type ModeScope,
  type ModeTarget,
} from './mode.ts'
export {
  isSettlementEnd,
  mayBeSent,
  nextSettlementState,
  settlementAfter,
  settlementEvents,
  settlementStates,
  type SettlementEvent,
  type SettlementState,
} from './settlement.ts'
export {
  attemptId,
  failedPolicies,
  isTaskEnd,
  nextTaskState,
  parseAttemptId,
  taskAfter,
  taskStates,
  usualPriority,
  waitReasons,
  withRestVersion,
  type AttemptOutcome,
  type DeadReason,
  type ErrorReport,
  type FailedPolicy,
  type PartDone,
  type TaskEvent,
  type TaskState,
  type TaskStateName,
  type WaitReason,
} from './task.ts'
export { standbysWanted } from './standby.ts'
export type * from './credential.ts'
export type * from './swarm.ts'
