/**
 * From a file on disk to a config that was checked whole: evaluate it (or read its JSON), parse it, look whether its
 * modules exist.
 */
import { basename, dirname, extname, resolve } from 'node:path'
import { Failure, type Disk } from '../std/std.ts'
import { processEnvironment, withEnvFile, type Environment } from './env.ts'
import { evaluateConfig, type Evaluated, type EvaluationPorts } from './evaluation.ts'
import { configInvalid, faultAt, show, type ConfigFault } from './faults.ts'
import { valueAt } from './issues.ts'
import { inspectConfig } from './parse.ts'
import { withLines } from './place.ts'
import { refuseSecrets } from './scan.ts'
import type { SwarmConfig } from './types.ts'

export interface LoadOptions extends EvaluationPorts {
  /** Absolute path of `swarm.config.ts`, `.js` or `.json`. */
  readonly file: string
  /** The process's own when absent; `.env` beside the config is read below it. */
  readonly environment?: Environment
}
export interface LoadedConfig {
  readonly file: string
  /** The user's value as plain JSON: what is kept, compared and shown. */
  readonly raw: unknown
  readonly baseDirectory: string
  readonly config: SwarmConfig
  /** Files that were not looked through for secrets, and why: for a warning. */
  readonly notLooked?: readonly string[]
}

const modules = ['.ts', '.mts', '.js', '.mjs']

const unreadable = (file: string, why: string, cause?: unknown): Failure =>
  new Failure('config-unreadable', `${file}: ${why}`, { facts: { file }, ...(cause === undefined ? {} : { cause }) })

const readIfThere = async (disk: Disk, file: string): Promise<string | undefined> => {
  try {
    return await disk.readTextIfThere(file)
  } catch (error) {
    throw unreadable(file, error instanceof Error ? error.message : String(error), error)
  }
}

const readJson = (file: string, text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw unreadable(file, `it is not JSON: ${error instanceof Error ? error.message : String(error)}`, error)
  }
}

const readRaw = async (options: LoadOptions, baseDirectory: string): Promise<Evaluated & { text: string }> => {
  const { file, disk } = options
  const kind = extname(file)
  if (kind !== '.json' && !modules.includes(kind))
    throw unreadable(file, `a config ends in .json, ${modules.join(', ')}, ${basename(file)} does not`)
  const text = await readIfThere(disk, file)
  if (text === undefined)
    throw unreadable(
      file,
      'there is no such file; name a swarm.config.ts, .js or .json, as in `sitter up path/to/swarm.config.ts`',
    )
  if (kind === '.json') return { value: readJson(file, text), unset: [], text }
  const environment = withEnvFile(
    options.environment ?? processEnvironment(),
    await readIfThere(disk, resolve(baseDirectory, '.env')),
  )
  return { ...(await evaluateConfig(options, file, environment)), text }
}

/** Modules that agents run and that are not there. */
const missingModules = async (disk: Disk, raw: unknown, baseDirectory: string): Promise<readonly ConfigFault[]> => {
  const agents = valueAt(raw, ['agents'])
  const names = typeof agents === 'object' && agents !== null ? Object.keys(agents) : []
  const faults = await Promise.all(
    names.map(async (name) => {
      const path = ['agents', name, 'run', 'module']
      const module = valueAt(raw, path)
      if (typeof module !== 'string' || module.includes('\0') || module.trim() === '') return []
      return (await disk.exists(resolve(baseDirectory, module)))
        ? []
        : [faultAt(path, show(module), `a file that exists, from ${baseDirectory}`)]
    }),
  )
  return faults.flat()
}

interface Given {
  readonly raw: unknown
  readonly baseDirectory: string
  readonly file: string
  /** Of the file, where its lines are to be told. */
  readonly text?: string
  /** Variables that are not set: what an empty text in their place is no good for is their fault. */
  readonly unset?: readonly ConfigFault[]
}

/** Checks a value whole: schema, references, and modules that must be there. @throws Failure `config-invalid`. */
export const checkRaw = async (disk: Disk, given: Given): Promise<SwarmConfig> => {
  const { raw, baseDirectory, file, text, unset = [] } = given
  const inspected = inspectConfig(raw, baseDirectory)
  const found = [...inspected.faults, ...(await missingModules(disk, raw, baseDirectory))]
  const faults = [...unset, ...(unset.length === 0 ? found : found.filter((fault) => fault.found !== '""'))]
  if (inspected.config === null || faults.length > 0)
    throw configInvalid(text === undefined ? faults : withLines(faults, text), file)
  return inspected.config
}

/**
 * Loads and checks a config.
 * @throws Failure `config-unreadable` (no such file, syntax error with file and line, not evaluated in time), or
 * `config-invalid` with every fault at once; `secret-in-clear` when a text in it, or in agents' code, looks like one.
 */
export const loadConfig = async (options: LoadOptions): Promise<LoadedConfig> => {
  const file = resolve(options.file)
  const baseDirectory = dirname(file)
  const { value: raw, unset, text } = await readRaw({ ...options, file }, baseDirectory)
  const config = await checkRaw(options.disk, { raw, baseDirectory, file, text, unset })
  const { disk } = options
  const notLooked = await refuseSecrets({ disk, file, raw, baseDirectory, agents: Object.values(config.agents) })
  return { file, raw, baseDirectory, config, notLooked }
}
