/**
 * A disk whose power can be cut: a file system in a file, behind a loop device. The cut is the file system's own
 * shutdown, which stops without writing its journal: whatever was not flushed is gone. Needs the right to mount.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type FileSystem = 'ext4' | 'xfs'

export interface Image {
  readonly path: string
  /** Resolves when the power is off: every write fails from then on. */
  cut(): Promise<void>
  /** Power again: the file system is mounted anew, as a machine that starts would do it. Nobody may have files open. */
  restart(): void
  remove(): void
}

/** The least that mkfs.xfs takes; the file is sparse. */
const bytes = 320 * 1_048_576

// FS_IOC_SHUTDOWN with "no flush of the journal": one number for both file systems. Node has no ioctl.
const shutdown = `import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))`

export const mountImage = (kind: FileSystem): Image => {
  const place = mkdtempSync(join(tmpdir(), 'sitter-image-'))
  const [file, path] = [join(place, 'image'), mkdtempSync(join(place, 'disk-'))]
  const run = (command: string, ...words: string[]): void => {
    execFileSync(command, words, { stdio: 'pipe' })
  }
  const mount = (): void => run('mount', '-o', 'loop', file, path)
  try {
    writeFileSync(file, '')
    truncateSync(file, bytes)
    run(`mkfs.${kind}`, '-q', file)
    mount()
  } catch (error) {
    rmSync(place, { recursive: true, force: true })
    throw error
  }
  return {
    path,
    cut: async () => {
      const [code] = (await once(spawn('python3', ['-c', shutdown, path], { stdio: 'inherit' }), 'exit')) as [number]
      if (code !== 0) throw new Error(`the power of ${path} could not be cut`)
    },
    restart: () => {
      run('umount', path)
      mount()
    },
    remove: () => {
      run('umount', '-l', path)
      rmSync(place, { recursive: true, force: true })
    },
  }
}

/** Why this machine cannot cut the power of such a disk, or undefined when it can. */
export const cannotCut = async (kind: FileSystem): Promise<string | undefined> => {
  try {
    const image = mountImage(kind)
    try {
      await image.cut()
    } finally {
      image.remove()
    }
    return undefined
  } catch (error) {
    return `no power to cut on ${kind}: ${(error as Error).message.split('\n')[0]}`
  }
}
