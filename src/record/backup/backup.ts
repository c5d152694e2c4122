/**
 * A copy of a swarm that runs: its record, the gate's database and the configurations that were applied, each
 * consistent in itself. The record is copied before the gate's journal, so that no open payment request of the copied
 * record is missing in the copied journal. The folder appears under its name when it is whole, and not before.
 *
 * What is not in it: the vault's key (the secrets in the copy stay sealed), the operator's token, logs, and the
 * rehearsal banks.
 */
import { dirname, join } from 'node:path'
import { Failure, type Disk } from '../../std/std.ts'
import { copyDatabase, type CopiedFile } from '../../store/store.ts'
import { verifyRecordFile, type AuditVerdict } from '../audit/verify.ts'

export interface BackupAsk {
  readonly disk: Disk
  /** The data directory. */
  readonly data: string
  /** The folder to make; it must not be there. */
  readonly target: string
  readonly version: string
  readonly atMs: number
}

export interface Backup {
  readonly target: string
  readonly version: string
  readonly atMs: number
  readonly files: readonly (CopiedFile & { readonly path: string })[]
  /** What following the copied audit chain came to. */
  readonly audit: AuditVerdict
}

const ownerOnly = 0o700

const copyConfigs = async ({ disk, data }: BackupAsk, into: string): Promise<void> => {
  for (const name of await disk.list(join(data, 'config'))) {
    const text = await disk.readTextIfThere(join(data, 'config', name))
    if (text === undefined) continue
    await disk.makeDirectory(join(into, 'config'), ownerOnly)
    await disk.writeWhole(join(into, 'config', name), text, 0o600)
  }
}

/** @throws Failure `not-found` without a record, `conflict` when the target is there, `audit-broken`. */
export const backup = async (ask: BackupAsk): Promise<Backup> => {
  const { disk, data, target, version, atMs } = ask
  if (!(await disk.exists(join(data, 'swarm.db'))))
    throw new Failure('not-found', `there is no record in ${data}: no swarm.db`)
  if (await disk.exists(target)) throw new Failure('conflict', `${target} is there already: nothing was written`)
  const partial = `${target}.partial`
  await disk.remove(partial)
  await disk.makeDirectory(dirname(target), 0o755)
  await disk.makeDirectory(join(partial, 'gate'), ownerOnly)
  try {
    const files: (CopiedFile & { path: string })[] = []
    for (const path of ['swarm.db', 'gate/gate.db']) {
      if (await disk.exists(join(data, path)))
        files.push({ path, ...(await copyDatabase(join(data, path), join(partial, path))) })
    }
    await copyConfigs(ask, partial)
    const audit = await verifyRecordFile(join(partial, 'swarm.db'))
    const made: Backup = { target, version, atMs, files, audit }
    if (!audit.ok)
      throw new Failure('audit-broken', `the record is broken at audit entry ${audit.firstBad}: ${audit.why}`)
    await disk.writeWhole(join(partial, 'manifest.json'), `${JSON.stringify(made, null, 2)}\n`, 0o600)
    await disk.rename(partial, target)
    return made
  } catch (error) {
    await disk.remove(partial)
    throw error
  }
}
