/**
 * Looks for secrets in the clear: in the configuration's file and its values (which may have come from the
 * environment), in `.env`, and in the code of agents with what it imports from beside it. What is found is refused with
 * file and line, and with the way out.
 */
import { basename, resolve } from 'node:path'
import { Failure, type Disk } from '../std/std.ts'
import { formatPath, type Path } from './faults.ts'
import { namedBeside, pathsIn, type OneOf } from './imports.ts'
import { allowed, suspicion, suspectsIn } from './secrets.ts'
import type { AgentType } from './types.ts'

export interface ScanOptions {
  readonly disk: Disk
  readonly file: string
  readonly raw: unknown
  readonly baseDirectory: string
  readonly agents: readonly AgentType[]
}

/** Files that are looked at; an agent with more of its own is a program of its own, and told to be one. */
const mostFiles = 500
const longestFile = 1_048_576
/** Addresses with a password belong there, and are hidden wherever they are shown. */
const mayHold = new Set(['store', 'bus', 'alerts'])

const textIn = async (disk: Disk, path: string): Promise<string | undefined> => {
  try {
    const text = await disk.readTextIfThere(path)
    return text?.includes('\0') ? undefined : text
  } catch {
    return undefined // not readable by us, so it is not ours to tell of
  }
}

interface Read {
  readonly texts: ReadonlyMap<string, string>
  /** What was not looked at, and why. */
  readonly notLooked: readonly string[]
}

/** Code of agents, and what it imports from beside it. */
const filesOf = async ({ disk, file, baseDirectory, agents }: ScanOptions): Promise<Read> => {
  const texts = new Map<string, string>()
  const notLooked: string[] = []
  const wanted: OneOf[] = [[file], ...agents.flatMap(({ run }) => programFiles(run, baseDirectory)).map((one) => [one])]
  const seen = new Map<string, string | undefined>()
  const read = async (path: string): Promise<string | undefined> => {
    if (!seen.has(path)) seen.set(path, await textIn(disk, path))
    return seen.get(path)
  }
  for (let next = wanted.shift(); next !== undefined; next = wanted.shift()) {
    let path: string | undefined
    let text: string | undefined
    for (const one of next) if (text === undefined) [path, text] = [one, await read(one)]
    if (path === undefined || text === undefined || texts.has(path)) continue
    if (texts.size >= mostFiles) {
      notLooked.push(`agents have over ${mostFiles} files: ${path} and others were not looked through for secrets`)
      break
    }
    if (text.length > longestFile) {
      seen.set(path, undefined)
      notLooked.push(`${path} is longer than ${longestFile} characters: it was not looked through for secrets`)
      continue
    }
    texts.set(path, text)
    wanted.push(...namedBeside(path, text))
  }
  return { texts, notLooked }
}

const programFiles = (run: AgentType['run'], baseDirectory: string): readonly string[] => {
  if (run.module !== undefined) return [resolve(baseDirectory, run.module)]
  // `python3 agents/a.py`, `sh -c 'exec ./a.sh'`.
  const words = run.command ?? run.exec
  return words.flatMap((word) => [word, ...pathsIn(word)]).map((word) => resolve(baseDirectory, word))
}

interface Value {
  readonly path: Path
  readonly value: string
}
const valuesIn = (raw: unknown, path: Path = []): readonly Value[] => {
  if (typeof raw === 'string') return [{ path, value: raw }]
  if (typeof raw !== 'object' || raw === null || (path.length === 1 && mayHold.has(String(path[0])))) return []
  return Object.entries(raw).flatMap(([name, value]) => valuesIn(value, [...path, name]))
}

const ofValues = ({ raw, file }: ScanOptions, texts: ReadonlyMap<string, string>): readonly string[] => {
  const { notSecrets = [] } = raw as { readonly notSecrets?: readonly string[] }
  const text = texts.get(file) ?? ''
  return valuesIn(raw).flatMap(({ path, value }) => {
    const why = mayHold.has(String(path[0])) ? undefined : suspicion(String(path.at(-1)), value)
    // What stands in the file is told with its line.
    if (why === undefined || text.includes(value) || notSecrets.includes(formatPath(path))) return []
    return [`${formatPath(path)}: ${why}, out of the environment`]
  })
}

/** Of a `.env` what the record's address or an alert needs is in its place. */
const ofEnvironmentFile = async ({ disk, raw, baseDirectory }: ScanOptions): Promise<readonly string[]> => {
  const text = await textIn(disk, resolve(baseDirectory, '.env'))
  if (text === undefined) return []
  const fits = [...mayHold].map((part) => JSON.stringify((raw as Readonly<Record<string, unknown>>)[part] ?? '')).join()
  const lines = text.split(/\r?\n/)
  return suspectsIn(text)
    .filter(({ line }) => !fits.includes(lines[line - 1]!.replace(/^[^=]*=["']?/, '').replace(/["']?\s*$/, '')))
    .map(({ line, why }) => `.env:${line}: ${why}`)
}

/**
 * Gives what was not looked at, for a warning. @throws Failure `secret-in-clear` with every place at once; never with
 * the text that stands there.
 */
export const refuseSecrets = async (options: ScanOptions): Promise<readonly string[]> => {
  const { raw, file } = options
  const { texts, notLooked } = await filesOf(options)
  const { notSecrets = [] } = raw as { readonly notSecrets?: readonly string[] }
  const spared = new Set(
    valuesIn(raw).flatMap(({ path, value }) => (notSecrets.includes(formatPath(path)) ? [value] : [])),
  )
  const isSpared = (line: string): boolean => [...spared].some((value) => line.includes(value))
  const faults = [
    ...[...texts].flatMap(([path, text]) => {
      const lines = text.split(/\r?\n/)
      return suspectsIn(text)
        .filter(({ line }) => path !== file || !isSpared(lines[line - 1]!))
        .map(({ line, why }) => `${path}:${line}: ${why}`)
    }),
    ...ofValues(options, texts),
    ...(await ofEnvironmentFile(options)),
  ]
  if (faults.length === 0) return notLooked
  const shown = faults.slice(0, 50)
  throw new Failure(
    'secret-in-clear',
    `${basename(file)}: ${faults.length === 1 ? 'a text looks' : `${faults.length} texts look`} like a secret in the ` +
      `clear\n${shown.map((fault) => `  ${fault}`).join('\n')}`,
    {
      facts: {
        faults: JSON.stringify(shown),
        wayOut:
          'sitter vault set <name> puts it into the vault, and the upstream names it; have its provider replace it. ' +
          `If it is none: the comment ${allowed} on its line, or its path in notSecrets`,
      },
    },
  )
}
