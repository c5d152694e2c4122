/** `backup`: a copy of the swarm's data while it runs. It reads the files, as `logs` does, and needs no sitter. */
import { join, resolve, sep } from 'node:path'
import { failure } from '../../std/std.ts'
import { onlyDry } from './asking.ts'
import { namedDataDirectory, nearestDataDirectory } from './locate.ts'
import { facts } from './story.ts'
import { at, count, counted, plain } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

const dataDirectory = async ({ world, options }: Invocation): Promise<string> => {
  const directory = namedDataDirectory(world, options) ?? (await nearestDataDirectory(world))
  if (directory !== undefined && (await world.disk.exists(directory))) return directory
  throw failure('not-found', `there is no data directory ${directory ?? `.sitter in ${world.directory} or above`}`, {
    facts: { wayOut: 'say where it is: --data-dir <dir> (SITTER_DATA_DIR)' },
  })
}

/** `2026-11-28T16-02-11Z`: no colon, which other file systems do not take. */
const stamp = (wallMs: number): string => at(wallMs).replaceAll(':', '-')

export const backup: Deed = async (invocation) => {
  const { printer, world } = invocation
  const data = await dataDirectory(invocation)
  const atMs = world.clock.wallMs()
  const target = resolve(world.directory, invocation.arguments[0] ?? `sitter-backup-${stamp(atMs)}`)
  if (`${target}${sep}`.startsWith(`${data}${sep}`))
    throw failure('usage', `${target} lies in the data directory itself`, {
      facts: { wayOut: 'give a folder elsewhere, best on another disk' },
    })
  const { readApplied } = await import('../../config/config.ts')
  const store = (await readApplied(world.disk, data)).config.store
  if (store !== 'embedded')
    throw failure('usage', 'this record lies in PostgreSQL, which has its own backup', {
      facts: { wayOut: 'pg_dump --schema=swarmsitter copies it; the gate’s part is in gate/ of the data directory' },
    })
  if (onlyDry(invocation, `copy ${join(data, 'swarm.db')} to ${target}`, { verb: 'backup', data, target })) return 0
  const { backup: copy } = await import('../../record/record.ts')
  const made = await copy({ disk: world.disk, data, target, version: world.version, atMs })
  printer.show(made, () => [
    printer.quiet ? plain(target) : `copied to ${plain(target)}`,
    ...(printer.quiet
      ? []
      : facts([
          ...made.files.map(({ path, bytes, sha256 }) => [path, `${count(bytes)} bytes, sha256 ${sha256}`] as const),
          ['audit', `verified: ${counted(made.audit.entries, 'entry', 'entries')}, head ${made.audit.head}`],
        ])),
  ])
  printer.note('the vault’s key is not in it: keep that elsewhere, or the secrets cannot be opened')
  return 0
}
