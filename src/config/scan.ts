/**
 * Looks for secrets in the clear: in the configuration's file and its values (which may have come from the
 * environment), in `.env`, and in the code of agents with what it imports from beside it. What is found is refused with
 * file and line, and with the way out.
 */
import { basename, dirname, resolve } from 'node:path'
import { Failure, type Disk } from '../std/std.ts'
import { formatPath, type Path } from './faults.ts'
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
const imports = /(?:from\s+|import\s*\(?\s*|require\s*\(\s*)["'](\.{1,2}\/[^"']{1,500})["']/g

const textIn = async (disk: Disk, path: string): Promise<string | undefined> => {
  try {
    const text = await disk.readTextIfThere(path)
    return text === undefined || text.length > longestFile || text.includes('\0') ? undefined : text
  } catch {
    return undefined // not readable by us, so it is not ours to tell of
  }
}

/** Code of agents, and what it imports from beside it. */
const filesOf = async ({ disk, file, baseDirectory, agents }: ScanOptions): Promise<ReadonlyMap<string, string>> => {
  const texts = new Map<string, string>()
  const wanted = [file, ...agents.flatMap(({ run }) => programFiles(run, baseDirectory))]
  for (let path = wanted.shift(); path !== undefined && texts.size < mostFiles; path = wanted.shift()) {
    if (texts.has(path)) continue
    const text = await textIn(disk, path)
    if (text === undefined) continue
    texts.set(path, text)
    for (const [, name] of text.matchAll(imports)) wanted.push(resolve(dirname(path), name!))
  }
  return texts
}

const programFiles = (run: AgentType['run'], baseDirectory: string): readonly string[] => {
  if (run.module !== undefined) return [resolve(baseDirectory, run.module)]
  // The words of a command that may be files: `python3 agents/a.py`.
  const words = run.command ?? run.exec
  return words.filter((word) => /[./]/.test(word) && !word.startsWith('-')).map((word) => resolve(baseDirectory, word))
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

/** @throws Failure `secret-in-clear` with every place at once; never with the text that stands there. */
export const refuseSecrets = async (options: ScanOptions): Promise<void> => {
  const { raw, file } = options
  const texts = await filesOf(options)
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
  if (faults.length === 0) return
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
