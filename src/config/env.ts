/**
 * The environment of a configuration: the process's own variables over those of `.env` beside the config. The only
 * place that looks at the process's environment for it.
 */
import { parseEnv } from 'node:util'

export type Environment = Readonly<Record<string, string>>

/** A copy of this process's environment. */
export const processEnvironment = (): Environment => {
  const all: Record<string, string> = Object.create(null)
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) all[name] = value
  return all
}

/** What the process has wins over what the file says, as with every other reader of `.env`. */
export const withEnvFile = (own: Environment, fileText: string | undefined): Environment => {
  const all: Record<string, string> = Object.create(null)
  const file = fileText === undefined ? {} : parseEnv(fileText)
  for (const [name, value] of Object.entries(file)) if (value !== undefined) all[name] = value
  return Object.assign(all, own)
}

/**
 * The variable in which the loader hands the child what its config has asked for; nothing else of the environment
 * reaches it.
 */
export const grantedVariable = 'SWARMSITTER_GRANTED'

/** In the child: the variables that were granted to this config. */
export const grantedEnvironment = (): Environment => {
  const all: Record<string, string> = Object.create(null)
  return Object.assign(all, JSON.parse(process.env[grantedVariable] ?? '{}') as Environment)
}
