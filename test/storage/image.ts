/**
 * A disk whose power can be cut: a file system in a file, behind a loop device. The cut is the file system's own
 * shutdown, which stops without writing its journal: whatever was not flushed is gone. Needs the right to mount.
 *
 * Who writes there has to stand still before the cut: an fsync that is under way in that moment may come back without
 * an error, though its transaction was dropped (ext4; in 4 of 40 cuts with synchronous=FULL as well).
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type FileSystem = 'ext4' | 'xfs'

export interface Image {
  /** Where it is mounted; another place after a restart. */
  readonly path: string
  /** Resolves when the power is off: every write fails from then on. */
  cut(): Promise<void>
  /**
   * Power again: what the disk held is mounted anew. That is a copy of it, because walls that others are just building
   * may keep the old mount alive, and with it the cut.
   */
  restart(): void
  remove(): void
}

/** The least that mkfs.xfs takes; the file is sparse. */
const bytes = 320 * 1_048_576

// FS_IOC_SHUTDOWN with "no flush of the journal": one number for both file systems. Node has no ioctl.
const shutdown = `import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))`

const run = (command: string, ...words: string[]): void => {
  execFileSync(command, words, { stdio: 'pipe' })
}

export const mountImage = (kind: FileSystem): Image => {
  const place = mkdtempSync(join(tmpdir(), 'sitter-image-'))
  let file = join(place, 'image')
  let path: string | undefined
  const mount = (): void => {
    const at = mkdtempSync(join(place, 'disk-'))
    // xfs refuses a copy beside the disk that it was copied from.
    run('mount', '-o', kind === 'xfs' ? 'loop,nouuid' : 'loop', file, at)
    path = at
  }
  const unmount = (): void => {
    if (path !== undefined) run('umount', '-l', path)
    path = undefined
  }
  const remove = (): void => {
    unmount()
    rmSync(place, { recursive: true, force: true })
  }
  try {
    writeFileSync(file, '')
    truncateSync(file, bytes)
    run(`mkfs.${kind}`, '-q', file)
    mount()
  } catch (error) {
    remove()
    throw error
  }
  return {
    get path() {
      return path!
    },
    cut: async () => {
      const [code] = (await once(spawn('python3', ['-c', shutdown, path!], { stdio: 'inherit' }), 'exit')) as [number]
      if (code !== 0) throw new Error(`the power of ${path} could not be cut`)
    },
    restart: () => {
      unmount()
      run('cp', '--sparse=always', file, `${file}-anew`)
      file = `${file}-anew`
      mount()
    },
    remove,
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
