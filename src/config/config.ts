/** Front door of configuration. */
export { applyConfig, hashConfig, readApplied, type AppliedConfig } from './applied.ts'
export { explainPath, readPath, type Explanation } from './explain.ts'
export type { Environment } from './env.ts'
export { loadConfig, type LoadedConfig, type LoadOptions } from './load.ts'
export { parseConfig } from './parse.ts'
export { hidePasswords, withoutPasswords } from './passwords.ts'
export { formatChange, planChange, type ConfigChange, type ConfigPlan, type PlannedConfig } from './plan.ts'
export { whyNotFresh } from './rehearsed.ts'
export { covers, parsePattern, parseRoute, type Route } from './route.ts'
export type { SwarmInput } from './schema.ts'
export type * from './types.ts'
export { refuseBroken, tryAgents, typesWithNewCode, type Trial, type TrialPorts } from './trials.ts'
export {
  openVersions,
  startVersion,
  type Applied,
  type ApplyTerms,
  type Candidate,
  type ConfigVersions,
} from './versions.ts'
