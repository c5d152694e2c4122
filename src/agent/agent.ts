/**
 * Front door of the SDK, exported as `swarmsitter/agent`: `defineAgent` for the people who write agents, `agentHost`
 * for the process that runs them. It loads next to nothing, because every pool host loads it.
 */
export { defineAgent, type Agent, type AgentDefinition, type Schema, type Task, type TaskFunction } from './define.ts'
export type {
  AgentContext,
  Context,
  FailOptions,
  FetchInit,
  Lock,
  Logger,
  NewTask,
  Payment,
  SharedState,
  SocketEnd,
  SocketInit,
  TaskFacts,
  UpstreamAnswer,
  UpstreamSocket,
} from './context.ts'
export { TaskFailure } from './task-failure.ts'
export { agentHost, hostOf, type AgentHost } from './host.ts'
export { plainRunner, type Living, type Place, type Runner } from './runner.ts'
export type { HostPorts } from './ports.ts'
export type { OpenSocket, UpstreamFetch } from './context.ts'
export type { Asked, Told, ToGuest, ToHost } from './messages.ts'
export type { LockHeld, SettleAnswer, StateValue, TaskAdded } from '../wire/wire.ts'
