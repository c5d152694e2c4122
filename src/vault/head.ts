/**
 * What the sealed rows are, under a key: a list of all of them with a tag each. Whoever edits, removes, adds or swaps
 * rows of gate.db without the KEK is found, and the row is named. How often they were changed is also kept outside the
 * data directory, so that an older copy of gate.db is told from the newest.
 *
 * What cannot be told: an older copy put back together with the file outside; and where that file was lost, or cannot
 * be written, nothing at all (`outside: unknown`).
 */
import { createHash, createHmac } from 'node:crypto'
import type { SecretRow } from '../store/store.ts'
import { canonicalJson, failure, type Disk } from '../std/std.ts'
import { derivedKey, type Kek } from './sealing.ts'

type Line = readonly [name: string, version: number, tag: string]
interface Head {
  readonly changes: number
  readonly rows: readonly Line[]
  readonly mac: string
}

export interface HeadFault {
  readonly name: string
  readonly version: number
  readonly fault: 'changed' | 'removed' | 'added'
}

const named = (name: string, version: number): string => `${name}@${version}`

const macOf = (key: Uint8Array, value: unknown): string =>
  createHmac('sha256', key).update(canonicalJson(value)).digest('hex').slice(0, 32)

const lineOf = (key: Uint8Array, row: SecretRow): Line => {
  const sealed = createHash('sha256').update(row.sealed).digest('hex')
  const { name, version, state, fingerprint, setMs, actor } = row
  return [name, version, macOf(key, ['row', name, version, state, sealed, fingerprint, setMs, actor])]
}

const headKey = (kek: Kek): Buffer => derivedKey(kek, 'head 2')

/** A row that was found tampered with stays so, whatever is changed beside it: its tag fits nothing. */
const neverFits = 'tampered '

export const makeHead = (
  { kek, faults }: { readonly kek: Kek; readonly faults: readonly HeadFault[] },
  rows: readonly SecretRow[],
  changes: number,
): string => {
  const key = headKey(kek)
  const doubtful = new Set(faults.map(({ name, version }) => named(name, version)))
  const good = rows.filter((row) => !doubtful.has(named(row.name, row.version)))
  const lines = [
    ...good.map((row) => lineOf(key, row)),
    ...faults.map(({ name, version, fault }): Line => [name, version, `${neverFits}${fault}`]),
  ]
  const head: Head = { changes, rows: lines, mac: macOf(key, ['head', kek.vaultId, changes, lines]) }
  key.fill(0)
  return canonicalJson(head)
}

const parse = (text: string): Head | undefined => {
  try {
    const head = JSON.parse(text) as Head
    return Array.isArray(head.rows) && typeof head.mac === 'string' ? head : undefined
  } catch {
    return undefined // no head of ours, which is what the caller asks
  }
}

const damaged = (why: string): Error =>
  failure('vault-damaged', `gate.db was changed by somebody who has not the vault's key: ${why}; nothing was changed`)

/**
 * Rows that are not what the head says. @throws Failure `vault-damaged` when the head itself is not ours: then nothing
 * can be said of any row.
 */
export const checkHead = (
  kek: Kek,
  rows: readonly SecretRow[],
  { changes, text }: { readonly changes: number; readonly text: string },
): readonly HeadFault[] => {
  // Made before there was a head: the file outside tells whether it may be (below).
  if (text === '' && changes === 0) return []
  const head = parse(text)
  const key = headKey(kek)
  try {
    if (head === undefined || head.mac !== macOf(key, ['head', kek.vaultId, head.changes, head.rows]))
      throw damaged('the head of its secrets is not ours')
    const found = new Map(rows.map((row) => [named(row.name, row.version), lineOf(key, row)[2]]))
    const faults: HeadFault[] = []
    for (const [name, version, tag] of head.rows) {
      const is = found.get(named(name, version))
      found.delete(named(name, version))
      if (tag.startsWith(neverFits))
        faults.push({ name, version, fault: tag.slice(neverFits.length) as HeadFault['fault'] })
      else if (is !== tag) faults.push({ name, version, fault: is === undefined ? 'removed' : 'changed' })
    }
    for (const row of rows)
      if (found.has(named(row.name, row.version))) faults.push({ name: row.name, version: row.version, fault: 'added' })
    if (faults.length === 0 && head.changes !== changes)
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
  let turn: Promise<void> = Promise.resolve()
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
    check: async ({ changes, text }) => {
      const said = await disk.readTextIfThere(path).catch(() => undefined) // unreadable says as little as absent
      const outside = said === undefined ? undefined : readOutside(said)
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
      turn = turn.then(() => write(head))
      return turn
    },
    settled: () => turn,
  }
}
