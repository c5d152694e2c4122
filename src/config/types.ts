/**
 * The applied configuration's types are nouns of the model, so that every room can take its part of them as an
 * argument.
 */
export type {
  AgentRun,
  AgentType,
  AlertTarget,
  Channel,
  Credential,
  DegradeRule,
  Health,
  Probe,
  Rehearsal,
  RehearsalFault,
  RestartPolicy,
  SwarmConfig,
  TaskType,
  Upstream,
  UpstreamLimit,
} from '../model/model.ts'
