/** Errors as a person needs them: what, why, the way out; and as a script needs them: an exit code. */
import { join } from 'node:path'
import { codes, Failure, type Code } from '../../std/std.ts'
import type { Problem } from '../api.ts'
import type { Printer } from './printer.ts'
import { Interrupted } from './surroundings.ts'
import { plain, safeJson } from './text.ts'

/** The API said no, with a problem document. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.detail)
    this.problem = problem
  }
}

/** What to do about the codes that people meet at a prompt; docs/errors.md has all of them at length. */
const waysOut: Partial<Record<Code, string>> = {
  'no-sitter':
    'start it with `sitter up`, or say where it is: --data-dir <dir> (SITTER_DATA_DIR), or --url with --token',
  unauthorized:
    'the token is not (or no longer) valid: leave --token away to use the operator token of the data directory',
  forbidden: "this token's role may not do this: use a token whose role may",
  'not-found': 'check the name or id: `sitter ps`, `sitter task ls` and `sitter settlement ls` list what there is',
  'already-running': 'one swarm runs on one data directory: use it, or stop it first with `sitter down`',
  'port-taken': 'end the program that listens there, or choose another port for it in the configuration',
  'place-taken': 'see whose it is and remove it, or take a data directory with a path of at most 41 bytes',
  'config-unreadable':
    'correct the file where it is named, or give the path: `sitter up <config>`, or run it where swarm.config.ts lies',
  'config-invalid': 'correct what is listed and start again; nothing was changed',
  'file-invalid': 'correct the rows listed and give the whole file again; nothing of it was taken, nothing was paid',
  'fresh-refused': 'a record that paid through a real provider is never thrown away; use another --data-dir',
  'key-missing': "put the vault's key back where it was; without it the sealed secrets cannot be opened",
  'key-wrong': 'use the key that this data directory was made with',
  'wrong-node': 'run `npm ci` (without --omit=optional): it brings the right Node along',
  overloaded: 'try again later',
  invalid: 'correct what is named and ask again; nothing was done',
  conflict: 'look at it again: its state does not allow this, or has changed meanwhile',
  'too-large': 'give less at once, or use the verb that streams (`sitter export`, `sitter task import`)',
  'too-many-attempts': 'wait, and check the token',
  'wrong-host': 'use the address that `sitter up` printed',
  'first-try-unknown': 'look at what it was about before you do it again',
  'unknown-task-type': '`sitter config show` lists the task types under `tasks`',
  'unknown-dependency': '`sitter task ls` lists the tasks there are',
  'unknown-channel': '`sitter channel ls` lists the channels there are',
  'task-exists-with-different': 'the key is taken by another payload: use another key, or leave it as it is',
  'settlement-exists-with-different': 'the reference is taken by another payment: use another reference',
  'version-conflict': 'read it again and decide anew',
  'lock-held': 'wait until its holder lets go, or its lease ends',
  'amount-invalid': 'write amounts like "12.34 EUR", with the digits that the currency has',
  'payment-invalid': 'correct reference, payee or memo as it is named; nothing was paid',
  'gate-lost': 'the watch starts the gate again: try in a moment, and look at `sitter logs gate`',
  'disk-full': 'make room on the disk; writes go on by themselves then',
  'record-unreachable': 'look at the server of the record; the sitter connects again by itself',
  'record-closed': 'the sitter is stopping: start it with `sitter up`',
  frozen: 'nothing goes out until `sitter thaw`',
  bug: 'this is a bug of Swarmsitter: please report it with what you did and the lines of `sitter logs`',
  'timed-out': 'it may still happen: look again before you repeat it',
  'record-unknown': 'whether it was written is not known: look at the record before you repeat it',
  'audit-broken': 'keep a copy of the data directory as evidence, then compare it with a backup or an anchor',
  'ledger-unbalanced': 'keep a copy of the data directory as evidence, and pay nothing until it is explained',
}

export interface Explained {
  readonly code: string
  readonly what: string
  /** Each fault of a list as a line; empty when the error is no list. */
  readonly faults: readonly string[]
  /** How many faults there are; the list may be shorter. */
  readonly faultCount: number
  readonly wayOut: string | null
  readonly exit: number
}

const exitByStatus = (status: number): number => {
  if (status === 401 || status === 403) return 5
  if (status === 404) return 3
  if (status === 409) return 6
  if (status === 429 || status === 502 || status === 503) return 75
  return status >= 400 && status < 500 ? 2 : 1
}

const isCode = (code: string): code is Code => Object.hasOwn(codes, code)

const quoted = (value: unknown): string => (typeof value === 'string' ? JSON.stringify(value) : String(value))

/** One fault as text: a sentence as it is, a row's fault as "line 3, amount: found …: why". */
const faultText = (fault: unknown): string => {
  if (typeof fault !== 'object' || fault === null) return String(fault)
  const { line, path, field, found, expected, why, nearest } = fault as Readonly<
    Record<string, string | number | null | undefined>
  >
  const known = (value: string | number | null | undefined): value is string | number =>
    value !== undefined && value !== null && value !== ''
  const where = [known(line) ? `line ${line}` : '', field ?? path ?? ''].filter(known).join(', ')
  const said = [
    known(found) ? `found ${quoted(found)}` : '',
    known(expected) ? `expected ${expected}` : '',
    why ?? '',
    known(nearest) ? `did you mean ${nearest}?` : '',
  ]
  return [where, ...said].filter(known).join(': ')
}

/**
 * The list of faults in the facts: as a list, as JSON text of one (facts are flat), or as lines; empty when there is
 * none.
 */
const faultsOf = (facts: Readonly<Record<string, unknown>> | undefined): string[] => {
  const told = facts?.['faults'] ?? facts?.['errors']
  if (Array.isArray(told)) return told.map(faultText)
  if (typeof told !== 'string') return []
  try {
    const faults: unknown = JSON.parse(told)
    return Array.isArray(faults) ? faults.map(faultText) : [told]
  } catch {
    return [told] // one fault as a sentence
  }
}

/** The first line says what; further lines are the faults, unless the facts list them. */
const split = (
  message: string,
  facts: Readonly<Record<string, unknown>> | undefined,
): Pick<Explained, 'what' | 'faults' | 'faultCount'> => {
  const [what = '', ...more] = message.split('\n')
  const listed = faultsOf(facts)
  // One fault that is the message itself need not stand twice.
  const isSame = listed.length === 1 && listed[0] === what
  const faults = isSame
    ? []
    : listed.length > 0
      ? listed
      : more.map((line) => line.trim()).filter((line) => line !== '')
  const told = facts?.['count']
  return { what, faults, faultCount: typeof told === 'number' ? Math.max(told, faults.length) : faults.length }
}

/** A thrown thing as what, why and the way out. */
export const explain = (thrown: unknown): Explained => {
  if (thrown instanceof Interrupted)
    return { code: 'interrupted', what: 'interrupted', faults: [], faultCount: 0, wayOut: null, exit: 130 }
  if (thrown instanceof Refusal) {
    const { code, detail, facts, status, title } = thrown.problem
    const told = facts?.['wayOut']
    const wayOut = typeof told === 'string' ? told : isCode(code) ? (waysOut[code] ?? null) : null
    const request = code === 'bug' && typeof facts?.['request'] === 'string' ? ` (request ${facts['request']})` : ''
    return {
      code,
      ...split(`${detail || title}${request}`, facts),
      wayOut,
      exit: isCode(code) ? codes[code].exit : exitByStatus(status),
    }
  }
  if (thrown instanceof Failure) {
    const told = thrown.facts['wayOut']
    const wayOut = typeof told === 'string' ? told : (waysOut[thrown.code] ?? null)
    return { code: thrown.code, ...split(thrown.message, thrown.facts), wayOut, exit: codes[thrown.code].exit }
  }
  const what = thrown instanceof Error ? thrown.message : String(thrown)
  return {
    code: 'bug',
    what,
    faults: [],
    faultCount: 0,
    wayOut: 'this is a bug of Swarmsitter: please report it with what you did',
    exit: 1,
  }
}

/** Of this installation: people run the command anywhere. */
const errorsPage = join(import.meta.dirname, '..', '..', '..', 'docs', 'errors.md')

/** Faults beyond this are counted, not printed: twenty show the pattern, ten thousand hide it. */
const mostFaults = 20

export const errorLines = (explained: Explained, paint: Printer['paint']): string[] => {
  const shown = explained.faults.slice(0, mostFaults)
  const hidden = explained.faultCount - shown.length
  return [
    `${paint('red', 'error')} [${plain(explained.code)}]: ${plain(explained.what)}`,
    ...shown.map((fault) => `  - ${plain(fault)}`),
    ...(hidden > 0 ? [`  … and ${hidden} more`] : []),
    ...(explained.wayOut === null ? [] : [`  way out: ${plain(explained.wayOut)}`]),
    `  more: ${errorsPage}, ${plain(explained.code)}`,
  ]
}

/**
 * Prints an error to stderr (as one JSON line with `--json`) and gives its exit code. `help` is the way out of wrong
 * usage that names none.
 */
export const printError = (printer: Printer, thrown: unknown, help?: string): number => {
  const known = explain(thrown)
  const wayOut = known.wayOut ?? (known.code === 'usage' && help !== undefined ? help : null)
  const explained = { ...known, wayOut }
  if (explained.code === 'interrupted') {
    printer.warn('')
    return explained.exit
  }
  if (printer.json) printer.warn(safeJson(JSON.stringify({ error: explained })))
  else for (const line of errorLines(explained, printer.paintMessage)) printer.warn(line)
  return explained.exit
}
