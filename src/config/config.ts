/** Front door of configuration. */
export { applyConfig, hashConfig, readApplied, type AppliedConfig } from './applied.ts'
export { processEnvironment, type Environment } from './env.ts'
export { loadConfig, type LoadedConfig, type LoadOptions } from './load.ts'
export { parseConfig } from './parse.ts'
export { covers, parsePattern, parseRoute, type Route } from './route.ts'
export type { SwarmInput } from './schema.ts'
export type * from './types.ts'
