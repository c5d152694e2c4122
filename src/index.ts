/**
 * What a `swarm.config.ts` imports. Light on purpose: no import at run time, so that a config is evaluated in a tenth
 * of a second.
 *
 *   import { defineSwarm, env } from 'swarmsitter'
 *   export default defineSwarm({ name: 'payouts', agents: { … } })
 */
import type { SwarmInput } from './config/config.ts'

export type { SwarmInput } from './config/config.ts'

/** Types the config; gives it back as it is. It is checked, whole, when `sitter` loads it. */
export const defineSwarm = (config: SwarmInput): SwarmInput => config

type ReadVariable = (name: string, fallback?: string) => string

/**
 * The text of an environment variable, or of `.env` beside the config; `fallback` when it is unset or empty. Without
 * fallback an unset variable refuses the config by name. A config sees no other variables than those that it asks for
 * here.
 * @throws Error outside a config that `sitter` loads: there is nobody who could answer.
 */
export const env = (name: string, fallback?: string): string => {
  const read = (globalThis as { [key: symbol]: unknown })[Symbol.for('swarmsitter.env')] as ReadVariable | undefined
  if (read === undefined)
    throw new Error(`env('${name}') is answered only while sitter loads the config; give the value itself here`)
  return read(name, fallback)
}
