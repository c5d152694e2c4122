/**
 * What a verb is: its words, and its deed. Verbs are loaded when they are used, so that `sitter --help` loads none of
 * them.
 */
import { failure, parseDuration } from '../../std/std.ts'
import type { Api } from './client.ts'
import type { Printer } from './printer.ts'
import type { Surroundings } from './surroundings.ts'

export interface Invocation {
  /** Arguments in the order of the verb's declaration; what was left away is undefined. */
  readonly arguments: readonly (string | undefined)[]
  readonly options: OptionReader
  readonly world: Surroundings
  readonly printer: Printer
  /** Finds the sitter; rejects `no-sitter` when there is none. */
  readonly api: () => Promise<Api>
  /** Aborts when the person pressed Ctrl-C. */
  readonly interrupted: AbortSignal
}

/** Resolves with the exit code. */
export type Deed = (invocation: Invocation) => Promise<number>

export interface Verb {
  /** `task add` */
  readonly path: string
  readonly group: 'Run' | 'Look' | 'Work' | 'Money' | 'Evidence' | 'Secrets'
  readonly summary: string
  readonly alias?: string
  /** As commander writes them: `<id>` or `[config]`. */
  readonly parameters?: readonly (readonly [name: string, what: string])[]
  readonly options?: readonly (readonly [flags: string, what: string])[]
  /** Lines as a person types them, without the leading `sitter`. */
  readonly examples: readonly string[]
  /**
   * What stands on stdout with `--json`, as a type: names of interfaces that docs/cli.md spells out, `Item` lists as
   * `List<Item>`, a line of a stream as `lines of Item`.
   */
  readonly gives: string
  /** What its exit codes mean beside the usual ones. */
  readonly exits?: Readonly<Record<number, string>>
  /** It handles Ctrl-C itself. */
  readonly ownsInterrupt?: true
  /** Not for people: what stands in no help. */
  readonly hidden?: true
  readonly load: () => Promise<Deed>
}

export interface OptionReader {
  flag(name: string): boolean
  /** Values of an option that takes several; empty when it was not given. */
  list(name: string): readonly string[]
  text(name: string): string | undefined
  /** Milliseconds. Throws `usage` when it is no duration. */
  duration(name: string): number | undefined
  /** A whole number from 0. Throws `usage`. */
  whole(name: string): number | undefined
}

export const optionReader = (values: Readonly<Record<string, unknown>>): OptionReader => {
  const text = (name: string): string | undefined => {
    const value = values[name]
    return typeof value === 'string' ? value : undefined
  }
  return {
    flag: (name) => values[name] === true || typeof values[name] === 'string',
    text,
    list: (name) => {
      const value = values[name]
      return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : []
    },
    duration: (name) => {
      const value = text(name)
      if (value === undefined) return undefined
      const ms = parseDuration(value)
      if (ms === undefined)
        throw failure('usage', `--${name} ${JSON.stringify(value)} is no duration: write it like 30s, 5m or 2h`)
      return ms
    },
    whole: (name) => {
      const value = text(name)
      if (value === undefined) return undefined
      if (!/^[0-9]{1,9}$/.test(value)) throw failure('usage', `--${name} ${JSON.stringify(value)} is no whole number`)
      return Number(value)
    },
  }
}

export type VerbOptions = NonNullable<Verb['options']>
/** Options that several verbs share. */
export const dryRun: VerbOptions = [['--dry-run', 'say what would be done, and do nothing']]
export const limit: VerbOptions = [['--limit <n>', 'at most this many (default: all)']]
export const wait: VerbOptions = [
  ['--wait [within]', 'wait for the end, at most this long (default 10m); exit 124 when it is over'],
]

/** Options of every verb, before it or behind it. */
export const everywhere: VerbOptions = [
  ['--json', 'JSON alone on stdout (one document; NDJSON for streams)'],
  ['--data-dir <dir>', "the swarm's data directory (SITTER_DATA_DIR; default .sitter here or above)"],
  ['--url <url>', 'address of the sitter (SITTER_URL)'],
  ['--token <token>', 'token to show (SITTER_TOKEN; default: the operator token)'],
  ['--no-color', 'no colours (NO_COLOR)'],
  ['-q, --quiet', 'no messages; lists print ids alone'],
  ['-y, --yes', 'answer questions with yes'],
]

export const id = (what: string): readonly [string, string] => ['<id>', what]
