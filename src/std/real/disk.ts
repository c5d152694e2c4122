/** The machine's files. */
import { access, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Disk } from '../disk.ts'

const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

/** Two writes of one file at a time must not share their temporary file. */
let temporaries = 0

const syncDirectory = async (path: string): Promise<void> => {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

export const realDisk = (): Disk => ({
  readText: (path) => readFile(path, 'utf8'),
  readTextIfThere: async (path) => {
    try {
      return await readFile(path, 'utf8')
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    }
  },
  writeWhole: async (path, text, mode) => {
    temporaries += 1
    const temporary = `${path}.${process.pid}-${temporaries}.tmp`
    // What an earlier process of this pid left there could have another mode or owner: it is never written through.
    await rm(temporary, { force: true })
    try {
      const handle = await open(temporary, 'wx', mode)
      try {
        await handle.chmod(mode)
        await handle.writeFile(text)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
    await syncDirectory(dirname(path))
  },
  append: async (path, text) => {
    const handle = await open(path, 'a', 0o600)
    try {
      const isNew = (await handle.stat()).size === 0
      await handle.appendFile(text)
      await handle.sync()
      // A new file's name is durable only with its folder.
      if (isNew) await syncDirectory(dirname(path))
    } finally {
      await handle.close()
    }
  },
  makeDirectory: async (path, mode) => {
    await mkdir(path, { recursive: true, mode })
  },
  list: async (path) => {
    try {
      return (await readdir(path)).toSorted()
    } catch (error) {
      if (isAbsent(error)) return []
      throw error
    }
  },
  exists: async (path) => {
    try {
      await access(path)
      return true
    } catch (error) {
      if (isAbsent(error)) return false
      throw error
    }
  },
  remove: (path) => rm(path, { recursive: true, force: true }),
  rename: (from, to) => rename(from, to),
})
