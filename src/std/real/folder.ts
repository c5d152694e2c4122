/** A folder of the machine. A link, a pipe or a device with a log's name is never opened for longer than to see it. */
import { constants, createReadStream, createWriteStream } from 'node:fs'
import { lstat, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createZstdCompress, createZstdDecompress } from 'node:zlib'
import type { Folder, FolderFile } from '../folder.ts'

const chunkBytes = 256 * 1024
/** Without O_NONBLOCK the open of a pipe waits for its other end, for ever. */
const toRead = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
const toAppend = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW

/** What a missing file and a link in its place are told by. */
const isNoFile = (error: unknown): boolean =>
  ['ENOENT', 'ELOOP', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? '')

const listed = async (directory: string, name: string): Promise<FolderFile[]> => {
  try {
    const facts = await lstat(join(directory, name))
    return facts.isFile() ? [{ name, bytes: facts.size, changedMs: facts.mtimeMs }] : []
  } catch (error) {
    // Renamed or removed since the folder was read.
    if (isNoFile(error)) return []
    throw error
  }
}

const namesIn = async (directory: string): Promise<readonly string[]> => {
  try {
    return (await readdir(directory)).toSorted()
  } catch (error) {
    if (isNoFile(error)) return []
    throw error
  }
}

async function* plainRange(path: string, from: number): AsyncGenerator<Uint8Array, void> {
  let handle
  try {
    handle = await open(path, toRead)
  } catch (error) {
    if (isNoFile(error)) return
    throw error
  }
  try {
    const facts = await handle.stat()
    if (!facts.isFile()) return
    for (let at = from; at < facts.size;) {
      const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, facts.size - at))
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, at)
      if (bytesRead === 0) return
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await handle.close()
  }
}

async function* unpackedRange(path: string, from: number): AsyncGenerator<Uint8Array, void> {
  let skip = from
  const unpack = createZstdDecompress()
  // The pipeline ends the reading when the consumer stops early; its error is the iteration's error.
  const packed = pipeline(plainRange(path, 0), unpack).catch(() => {})
  try {
    for await (const chunk of unpack as AsyncIterable<Uint8Array>) {
      if (chunk.length <= skip) skip -= chunk.length
      else {
        yield chunk.subarray(skip)
        skip = 0
      }
    }
  } finally {
    unpack.destroy()
    await packed
  }
}

const appendWhole = async (path: string, bytes: Uint8Array): Promise<number> => {
  const handle = await open(path, toAppend, 0o600)
  try {
    const before = (await handle.stat()).size
    try {
      await handle.writeFile(bytes)
    } catch (error) {
      await handle.truncate(before)
      throw error
    }
    return before + bytes.length
  } finally {
    await handle.close()
  }
}

/** @throws Error when a name would lead out of the folder: names are made by us, so that is a bug. */
export const realFolder = (directory: string): Folder => {
  const at = (name: string): string => {
    if (name !== basename(name) || name.startsWith('.')) throw new Error(`${JSON.stringify(name)} is no name of a file`)
    return join(directory, name)
  }
  return {
    list: async () => (await Promise.all((await namesIn(directory)).map((name) => listed(directory, name)))).flat(),
    append: (name, bytes) => appendWhole(at(name), bytes),
    rename: (from, to) => rename(at(from), at(to)),
    remove: (name) => rm(at(name), { force: true }),
    compress: async (from, to) => {
      const temporary = `${at(to)}.tmp`
      await rm(temporary, { force: true })
      try {
        await pipeline(
          createReadStream(at(from)),
          createZstdCompress(),
          createWriteStream(temporary, { flags: 'wx', mode: 0o600, flush: true }),
        )
        await rename(temporary, at(to))
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
    },
    read: (name, from) => (name.endsWith('.zst') ? unpackedRange(at(name), from) : plainRange(at(name), from)),
  }
}
