/**
 * Finds the configuration, and the sitter: `run/api.json` ({url, pid}) and `run/operator.token` in the data directory.
 * The file's token goes only to the address that the file itself names: `--url` elsewhere needs its own `--token`, so
 * that no stranger is handed the operator's.
 */
import { dirname, join, relative, resolve } from 'node:path'
import { failure } from '../../std/std.ts'
import type { Door } from './client.ts'
import type { Surroundings } from './surroundings.ts'
import type { OptionReader } from './verb.ts'

const configNames = ['swarm.config.ts', 'swarm.config.js', 'swarm.config.json']

/** The configuration's absolute path. Rejects `config-unreadable` when it is not there. */
export const configFile = async (world: Surroundings, given: string | undefined): Promise<string> => {
  const candidates =
    given === undefined ? configNames.map((name) => join(world.directory, name)) : [resolve(world.directory, given)]
  for (const path of candidates) if (await world.disk.exists(path)) return path
  const what =
    given === undefined
      ? `there is no ${configNames.join(', ')} in ${world.directory}`
      : `there is no file ${candidates[0]!}`
  throw failure('config-unreadable', what)
}

/** The directory that a flag or the environment names, absolute; undefined when neither does. */
export const namedDataDirectory = (world: Surroundings, options: OptionReader): string | undefined => {
  const named = options.text('dataDir') ?? world.env['SITTER_DATA_DIR']
  return named === undefined || named === '' ? undefined : resolve(world.directory, named)
}

/** `.sitter` here or in the nearest folder above, as git does it. */
export const nearestDataDirectory = async (world: Surroundings): Promise<string | undefined> => {
  for (let folder = world.directory; ; folder = dirname(folder)) {
    const candidate = join(folder, '.sitter')
    if (await world.disk.exists(candidate)) return candidate
    if (dirname(folder) === folder) return undefined
  }
}

/** How a person gives this directory to another verb: nothing when it would be found anyway. */
export const dataDirectoryFlag = async (world: Surroundings, directory: string): Promise<string> => {
  if ((await nearestDataDirectory(world)) === directory) return ''
  const near = relative(world.directory, directory)
  return ` --data-dir ${near.startsWith('..') || near === '' ? directory : near}`
}

const isLocalUrl = (value: unknown): value is string => typeof value === 'string' && /^https?:\/\//.test(value)

const readApiFile = async (
  world: Surroundings,
  directory: string,
): Promise<{ readonly url: string; readonly pid: number } | undefined> => {
  const text = await world.disk.readTextIfThere(join(directory, 'run', 'api.json'))
  if (text === undefined) return undefined
  try {
    const { url, pid } = JSON.parse(text) as { url?: unknown; pid?: unknown }
    if (isLocalUrl(url) && typeof pid === 'number') return { url, pid }
  } catch {
    // Told below: a file that is no JSON and one without an address mean the same to the caller.
  }
  throw failure('no-sitter', `${join(directory, 'run', 'api.json')} holds no address`)
}

/** The sitter that runs on a data directory: its process lives. Undefined when none does. */
export const runningSitter = async (
  world: Surroundings,
  directory: string,
): Promise<{ readonly pid: number; readonly port: number } | undefined> => {
  const file = await readApiFile(world, directory).catch(() => undefined) // unreadable: nobody says that it runs
  if (file === undefined || world.proc.startTime(file.pid) === undefined) return undefined
  return { pid: file.pid, port: Number(new URL(file.url).port) }
}

const originOf = (url: string): string => {
  try {
    return new URL(url).origin
  } catch (error) {
    throw failure('usage', `--url ${JSON.stringify(url)} is no address: write it like http://127.0.0.1:7700`, {
      cause: error,
    })
  }
}

/**
 * Address and token. Rejects `no-sitter` (nobody runs there, and where was looked) or `unauthorized` (no token is
 * known).
 */
export const locate = async (world: Surroundings, options: OptionReader): Promise<Door> => {
  const givenUrl = options.text('url') ?? world.env['SITTER_URL']
  const givenToken = options.text('token') ?? world.env['SITTER_TOKEN']
  if (givenUrl !== undefined && givenToken !== undefined) return { url: originOf(givenUrl), token: givenToken }
  const named = namedDataDirectory(world, options)
  const directory = named ?? (await nearestDataDirectory(world))
  if (directory === undefined) {
    if (givenUrl !== undefined)
      throw failure('unauthorized', `no token for ${originOf(givenUrl)}: give --token, or --data-dir of its swarm`)
    throw failure('no-sitter', `no sitter answers: there is no .sitter directory in ${world.directory} or above`)
  }
  const file = await readApiFile(world, directory)
  if (givenUrl === undefined && file === undefined)
    throw failure('no-sitter', `no sitter answers: none runs on ${directory}`)
  const url = originOf(givenUrl ?? file!.url)
  if (givenToken !== undefined) return { url, token: givenToken }
  if (file === undefined || originOf(file.url) !== url) {
    throw failure(
      'unauthorized',
      `no token for ${url}: the operator token of ${directory} belongs to another address; give --token`,
    )
  }
  const token = await world.disk.readTextIfThere(join(directory, 'run', 'operator.token'))
  if (token === undefined) throw failure('unauthorized', `there is no operator token in ${join(directory, 'run')}`)
  return { url, token: token.trim() }
}
