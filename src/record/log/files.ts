/**
 * The log's files. One is written, `swarm.ndjson`; at its bound it becomes `swarm-00000001.ndjson` with the next
 * number, and then its zstd. Names are made of these numbers alone: nothing that anybody says is part of a path.
 */
import type { Folder, FolderFile } from '../../std/std.ts'

export const activeName = 'swarm.ndjson'
const rotated = /^swarm-([0-9]{8})\.ndjson(\.zst)?$/
const unfinished = /^swarm-[0-9]{8}\.ndjson\.zst\.tmp$/

export interface LogFile extends FolderFile {
  /** Its place in the order of all files; the one that is written has the highest. */
  readonly number: number
  readonly packed: boolean
}

export const rotatedName = (number: number): string => `swarm-${String(number).padStart(8, '0')}.ndjson`

/**
 * The log's files, oldest first, the one that is written last (with no bytes when it is not there). Of one that is
 * there plain and packed (a crash between packing and removing) the plain one counts.
 */
export const logFiles = (files: readonly FolderFile[]): readonly LogFile[] => {
  const byNumber = new Map<number, LogFile>()
  for (const file of files) {
    const [, digits, packed] = rotated.exec(file.name) ?? []
    if (digits === undefined) continue
    const one = { ...file, number: Number(digits), packed: packed !== undefined }
    if (!one.packed || !byNumber.has(one.number)) byNumber.set(one.number, one)
  }
  const old = [...byNumber.values()].toSorted((a, b) => a.number - b.number)
  const active = files.find(({ name }) => name === activeName) ?? { name: activeName, bytes: 0, changedMs: 0 }
  return [...old, { ...active, number: (old.at(-1)?.number ?? 0) + 1, packed: false }]
}

/** Names of the oldest files that must go so that all together keep the bound; the newest old one gives the numbers. */
export const overBound = (files: readonly LogFile[], totalBytes: number): readonly string[] => {
  let bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const gone: string[] = []
  for (const file of files.slice(0, -2)) {
    if (bytes <= totalBytes) break
    bytes -= file.bytes
    gone.push(file.name)
  }
  return gone
}

const removeOver = async (folder: Folder, totalBytes: number): Promise<void> => {
  for (const name of overBound(logFiles(await folder.list()), totalBytes)) await folder.remove(name)
}

/**
 * Removes the oldest over the bound and what a crash left half packed, and packs what is plain. Removing comes first:
 * a disk that is too full to pack is still freed.
 */
export const tidy = async (folder: Folder, totalBytes: number): Promise<void> => {
  const listed = await folder.list()
  for (const { name } of listed) if (unfinished.test(name)) await folder.remove(name)
  await removeOver(folder, totalBytes)
  for (const file of logFiles(await folder.list()).slice(0, -1)) {
    if (file.packed) continue
    await folder.compress(file.name, `${file.name}.zst`)
    await folder.remove(file.name)
  }
  await removeOver(folder, totalBytes)
}
