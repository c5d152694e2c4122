/** The machine's files. */
import { access, appendFile, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Disk } from '../disk.ts'

const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

const syncDirectory = async (path: string): Promise<void> => {
  const handle = await open(path, 'r')
  try { await handle.sync() } finally { await handle.close() }
}

export const realDisk = (): Disk => ({
  readText: (path) => readFile(path, 'utf8'),
  readTextIfThere: async (path) => {
    try { return await readFile(path, 'utf8') } catch (error) { if (isAbsent(error)) return undefined; throw error }
  },
  writeWhole: async (path, text, mode) => {
    const temporary = `${path}.${process.pid}.tmp`
    const handle = await open(temporary, 'w', mode)
    try { await handle.writeFile(text); await handle.sync() } finally { await handle.close() }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  },
  append: (path, text) => appendFile(path, text, { flush: true }),
  makeDirectory: async (path, mode) => { await mkdir(path, { recursive: true, mode }) },
  list: async (path) => {
    try { return (await readdir(path)).toSorted() } catch (error) { if (isAbsent(error)) return []; throw error }
  },
  exists: async (path) => {
    try { await access(path); return true } catch (error) { if (isAbsent(error)) return false; throw error }
  },
  remove: (path) => rm(path, { recursive: true, force: true }),
  rename: (from, to) => rename(from, to),
})
