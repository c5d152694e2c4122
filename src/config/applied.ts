/**
 * The applied config on disk, `<dataDir>/config/current.json`: what was loaded once is what sitter and gate run, though
 * the user's file changes meanwhile. It carries the hash of the raw value, so that a damaged file is refused and not
 * run.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { canonicalJson, Failure, type Disk } from '../std/std.ts'
import type { LoadedConfig } from './load.ts'
import { parseConfig } from './parse.ts'

export interface AppliedConfig extends LoadedConfig {
  /** SHA-256 hex of the raw value's canonical JSON. */
  readonly hash: string
  /** Its number in the record; null when `up` brought it and no sitter has recorded it yet. */
  readonly version: number | null
}

const placeOf = (dataDirectory: string): string => join(dataDirectory, 'config', 'current.json')

export const hashConfig = (raw: unknown): string => createHash('sha256').update(canonicalJson(raw)).digest('hex')

/** Writes the loaded config as the applied one; a crash leaves the old or the new. Rejects with the disk's error. */
export const applyConfig = async (
  disk: Disk,
  dataDirectory: string,
  loaded: LoadedConfig,
  version: number | null = null,
): Promise<AppliedConfig> => {
  const hash = hashConfig(loaded.raw)
  await disk.makeDirectory(join(dataDirectory, 'config'), 0o700)
  const { file, raw, baseDirectory, config } = loaded
  await disk.writeWhole(
    placeOf(dataDirectory),
    `${JSON.stringify({ file, baseDirectory, hash, version, raw }, null, 2)}\n`,
    0o600,
  )
  return { file, raw, baseDirectory, config, hash, version }
}

/**
 * Reads the applied config again. @throws Failure `config-unreadable` (absent, damaged), `config-invalid` (another
 * version's).
 */
export const readApplied = async (disk: Disk, dataDirectory: string): Promise<AppliedConfig> => {
  const place = placeOf(dataDirectory)
  const unreadable = (why: string, cause?: unknown): Failure =>
    new Failure('config-unreadable', `${place}: ${why}`, {
      facts: { file: place },
      ...(cause === undefined ? {} : { cause }),
    })
  const text = await disk.readTextIfThere(place)
  if (text === undefined) throw unreadable('no config was applied yet; `sitter up <config>` applies one')
  let kept: Partial<Record<'file' | 'baseDirectory' | 'hash' | 'version' | 'raw', unknown>> | null
  try {
    kept = JSON.parse(text) as typeof kept
  } catch (error) {
    throw unreadable('it is damaged: not JSON', error)
  }
  const { file, baseDirectory, hash, raw } = kept ?? {}
  const version = typeof kept?.version === 'number' ? kept.version : null
  if (typeof file !== 'string' || typeof baseDirectory !== 'string' || typeof hash !== 'string' || raw === undefined) {
    throw unreadable('it is damaged: a part is missing')
  }
  if (hashConfig(raw) !== hash)
    throw unreadable('it is damaged: its hash does not fit; `sitter up <config>` applies one anew')
  return { file, baseDirectory, hash, version, raw, config: parseConfig(raw, baseDirectory) }
}
