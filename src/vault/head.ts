/**
 * What the sealed rows and the saved renewals are, under a key: a list of all of them with a tag each. Whoever edits,
 * removes, adds or swaps rows of gate.db without the KEK is found, and the row is named. How often they were changed is
 * also kept outside the data directory, so that an older copy of gate.db is told from the newest.
 *
 * What cannot be told: an older copy put back together with the file outside; and where that file was lost, or cannot
 * be written, nothing at all (`outside: unknown`).
 */
import { createHash, createHmac } from 'node:crypto'
import type { MachineRow, SecretRow } from '../store/store.ts'
import { canonicalJson, failure, type Disk } from '../std/std.ts'
import { derivedKey, type Kek } from './sealing.ts'

type Line = readonly [name: string, version: number, tag: string]
type MachineLine = readonly [kind: string, name: string, tag: string]
interface Head {
  readonly changes: number
  readonly rows: readonly Line[]
  /** Absent in heads from before renewals were under them: whatever renewals are there are believed, once. */
  readonly renewals?: readonly MachineLine[]
  readonly mac: string
}

export interface HeadFault {
  readonly name: string
  readonly version: number
  readonly fault: 'changed' | 'removed' | 'added'
}

/** A saved renewal that is not what was written last. */
export interface MachineFault {
  readonly kind: string
  readonly name: string
  readonly fault: HeadFault['fault']
}
/** What the head is over. */
export interface Covered {
  readonly secrets: readonly SecretRow[]
  readonly machines: readonly MachineRow[]
}
export interface HeadFaults {
  readonly secrets: readonly HeadFault[]
  readonly machines: readonly MachineFault[]
}
const noFaults: HeadFaults = { secrets: [], machines: [] }

const named = (name: string, version: number): string => `${name}@${version}`

const macOf = (key: Uint8Array, value: unknown): string =>
  createHmac('sha256', key).update(canonicalJson(value)).digest('hex').slice(0, 32)

const lineOf = (key: Uint8Array, row: SecretRow): Line => {
  const sealed = createHash('sha256').update(row.sealed).digest('hex')
  const { name, version, state, fingerprint, setMs, actor } = row
  return [name, version, macOf(key, ['row', name, version, state, sealed, fingerprint, setMs, actor])]
}

const machineLineOf = (key: Uint8Array, { kind, name, state }: MachineRow): MachineLine => [
  kind,
  name,
  macOf(key, ['renewal', kind, name, state]),
]
export const machineKey = ({ kind, name }: Pick<MachineRow, 'kind' | 'name'>): string => `${kind} ${name}`

const headMac = (key: Uint8Array, vaultId: string, { changes, rows, renewals }: Omit<Head, 'mac'>): string =>
  macOf(key, ['head', vaultId, changes, rows, ...(renewals === undefined ? [] : [renewals])])

const headKey = (kek: Kek): Buffer => derivedKey(kek, 'head 2')

/** A row that was found tampered with stays so, whatever is changed beside it: its tag fits nothing. */
const neverFits = 'tampered '

export const makeHead = (
  { kek, faults }: { readonly kek: Kek; readonly faults: HeadFaults },
  { secrets, machines }: Covered,
  changes: number,
): string => {
  const key = headKey(kek)
  const doubtful = new Set(faults.secrets.map(({ name, version }) => named(name, version)))
  const doubtfulMachines = new Set(faults.machines.map(machineKey))
  const good = secrets.filter((row) => !doubtful.has(named(row.name, row.version)))
  const goodMachines = machines.filter((row) => !doubtfulMachines.has(machineKey(row)))
  const rows = [
    ...good.map((row) => lineOf(key, row)),
    ...faults.secrets.map(({ name, version, fault }): Line => [name, version, `${neverFits}${fault}`]),
  ]
  const renewals = [
    ...goodMachines.map((row) => machineLineOf(key, row)),
    ...faults.machines.map(({ kind, name, fault }): MachineLine => [kind, name, `${neverFits}${fault}`]),
  ]
  const head: Head = { changes, rows, renewals, mac: headMac(key, kek.vaultId, { changes, rows, renewals }) }
  key.fill(0)
  return canonicalJson(head)
}

const parse = (text: string): Head | undefined => {
  try {
    const head = JSON.parse(text) as Head
    const isOurs = Array.isArray(head.rows) && typeof head.mac === 'string'
    return isOurs && (head.renewals === undefined || Array.isArray(head.renewals)) ? head : undefined
  } catch {
    return undefined // no head of ours, which is what the caller asks
  }
}

const damaged = (why: string): Error =>
  failure('vault-damaged', `gate.db was changed by somebody who has not the vault's key: ${why}; nothing was changed`, {
    facts: { wayOut: 'find out who writes there; restore gate.db and vault.json from one backup' },
  })

const faultIn = (tag: string, is: string | undefined): HeadFault['fault'] | null => {
  if (tag.startsWith(neverFits)) return tag.slice(neverFits.length) as HeadFault['fault']
  return is === tag ? null : is === undefined ? 'removed' : 'changed'
}

const secretFaults = (key: Uint8Array, head: Head, rows: readonly SecretRow[]): readonly HeadFault[] => {
  const found = new Map(rows.map((row) => [named(row.name, row.version), lineOf(key, row)[2]]))
  const faults: HeadFault[] = []
  for (const [name, version, tag] of head.rows) {
    const fault = faultIn(tag, found.get(named(name, version)))
    found.delete(named(name, version))
    if (fault !== null) faults.push({ name, version, fault })
  }
  for (const row of rows)
    if (found.has(named(row.name, row.version))) faults.push({ name: row.name, version: row.version, fault: 'added' })
  return faults
}

const machineFaults = (key: Uint8Array, head: Head, machines: readonly MachineRow[]): readonly MachineFault[] => {
  if (head.renewals === undefined) return []
  const found = new Map(machines.map((row) => [machineKey(row), machineLineOf(key, row)[2]]))
  const faults: MachineFault[] = []
  for (const [kind, name, tag] of head.renewals) {
    const fault = faultIn(tag, found.get(machineKey({ kind, name })))
    found.delete(machineKey({ kind, name }))
    if (fault !== null) faults.push({ kind, name, fault })
  }
  for (const { kind, name } of machines)
    if (found.has(machineKey({ kind, name }))) faults.push({ kind, name, fault: 'added' })
  return faults
}

/** Whether the head is from before renewals were under it: it is made anew at once. */
export const isFormerHead = (text: string): boolean => parse(text)?.renewals === undefined

/**
 * Rows that are not what the head says. @throws Failure `vault-damaged` when the head itself is not ours: then nothing
 * can be said of any row.
 */
export const checkHead = (
  kek: Kek,
  { secrets, machines }: Covered,
  { changes, text }: { readonly changes: number; readonly text: string },
): HeadFaults => {
  // Made before there was a head: the file outside tells whether it may be (below).
  if (text === '' && changes === 0) return noFaults
  const head = parse(text)
  const key = headKey(kek)
  try {
    if (head === undefined || head.mac !== headMac(key, kek.vaultId, head))
      throw damaged('the head of its secrets is not ours')
    const faults = { secrets: secretFaults(key, head, secrets), machines: machineFaults(key, head, machines) }
    const isWhole = faults.secrets.length === 0 && faults.machines.length === 0
    if (isWhole && head.changes !== changes)
      throw damaged(`its secrets were changed ${changes - head.changes} times without the vault`)
    return faults
  } finally {
    key.fill(0)
  }
}

/** The file outside: how often the rows of a vault had been changed when they were last written. */
export interface Outside {
  readonly path: string
  /** `unknown`: it was not there, or cannot be written, so that an older copy would not be noticed. */
  state(): 'kept' | 'unknown'
  /** There was nothing to compare with, and gate.db is not new: it may be an older copy that is used on purpose. */
  wasMissing(): boolean
  /** @throws Failure `vault-rolled-back`. */
  check(head: { readonly changes: number; readonly text: string }): Promise<void>
  /** Writes it; what cannot be written is told once by `onFault`. */
  keep(head: { readonly changes: number; readonly text: string }): Promise<void>
  /** Resolves when what was to be kept so far is kept, or could not be. */
  settled(): Promise<void>
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex')

const readOutside = (text: string): { changes: number; digest: string } | undefined => {
  try {
    const { changes, digest } = JSON.parse(text) as Record<string, unknown>
    if (typeof changes === 'number' && typeof digest === 'string') return { changes, digest }
  } catch {
    // Torn or no JSON: it says nothing, like an absent one.
  }
  return undefined
}

export const openOutside = (options: {
  readonly path: string
  readonly disk: Disk
  readonly onFault: (why: string) => void
}): Outside => {
  const { path, disk, onFault } = options
  let state: ReturnType<Outside['state']> = 'unknown'
  let told = false
  let missing = false
  let turn: Promise<void> = Promise.resolve()
  let newest: { readonly changes: number; readonly text: string } | undefined
  const write = async ({ changes, text }: { readonly changes: number; readonly text: string }): Promise<void> => {
    try {
      await disk.makeDirectory(path.slice(0, path.lastIndexOf('/')), 0o700)
      await disk.writeWhole(path, `${canonicalJson({ changes, digest: digestOf(text) })}\n`, 0o600)
      state = 'kept'
    } catch (error) {
      state = 'unknown'
      if (!told) onFault(error instanceof Error ? error.message : String(error))
      told = true
    }
  }
  return {
    path,
    state: () => state,
    wasMissing: () => missing,
    check: async ({ changes, text }) => {
      const said = await disk.readTextIfThere(path).catch(() => undefined) // unreadable says as little as absent
      const outside = said === undefined ? undefined : readOutside(said)
      missing = outside === undefined && changes > 0
      if (outside === undefined) return
      const isOther = changes === outside.changes && digestOf(text) !== outside.digest
      if (changes >= outside.changes && !isOther) return
      throw failure(
        'vault-rolled-back',
        `gate.db is an older copy: its secrets were changed ${outside.changes} times, this one knows of ${changes}; ` +
          'secrets that were revoked since may be in it. Nothing was changed',
        { facts: { wayOut: `put the newest gate.db back; or, if this one is to be used, remove ${path}` } },
      )
    },
    keep: (head) => {
      // Of what came while one was written, only the newest matters.
      if (newest === undefined) {
        turn = turn.then(() => {
          const last = newest!
          newest = undefined
          return write(last)
        })
      }
      newest = head
      return turn
    },
    settled: () => turn,
  }
}
