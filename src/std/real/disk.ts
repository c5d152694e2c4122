/** The machine's files. */
import { access, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Disk } from '../disk.ts'

const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

/** Two writes of one file at a time must not share their temporary file. */
let temporaries = 0

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

const swept = new Set<string>()
/** Beyond it they are forgotten, and looked at once more. */
const mostSwept = 1_000

/** Whoever is killed in the middle of a write leaves its temporary file: the next writer takes it away. */
const sweep = async (path: string): Promise<void> => {
  if (swept.has(path)) return
  if (swept.size >= mostSwept) swept.clear()
  swept.add(path)
  const folder = dirname(path)
  const start = `${basename(path)}.`
  for (const name of await readdir(folder).catch(() => [])) {
    const [, pid] = name.startsWith(start) ? (/^(\d+)-\d+\.tmp$/.exec(name.slice(start.length)) ?? []) : []
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(folder, name), { force: true }).catch(() => undefined)
  }
}

const syncDirectory = async (path: string): Promise<void> => {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** More than any configuration or note of ours has. */
const mostTextBytes = 64 * 1024 * 1024

/** A device has no end; a pipe is how a shell hands over what it does not write to a disk. */
const readPlain = async (path: string): Promise<string> => {
  const handle = await open(path, 'r')
  try {
    const found = await handle.stat()
    if (found.isCharacterDevice() || found.isBlockDevice()) throw new Error('it is a device, and no plain file')
    if (found.size > mostTextBytes) throw new Error(`it has more than ${mostTextBytes} bytes`)
    return await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}

export const realDisk = (): Disk => ({
  readText: (path) => readFile(path, 'utf8'),
  readTextIfThere: async (path) => {
    try {
      return await readPlain(path)
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
    await sweep(path)
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
