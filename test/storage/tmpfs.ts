/** A small disk that can be filled and freed: a tmpfs of a given size. Needs the right to mount. */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SmallDisk {
  readonly path: string
  /** Leaves no byte free. */
  fill(): void
  /** Takes everything away that `fill` wrote. */
  free(): void
  freeBytes(): number
  unmount(): void
}

/** Mounts at `path`, a directory that is there; by default at a new one. */
export const mountDisk = (megabytes: number, path = mkdtempSync(join(tmpdir(), 'sitter-disk-'))): SmallDisk => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'tmpfs', path], { stdio: 'pipe' })
  const ballast = join(path, 'ballast')
  return {
    path,
    fill: () => {
      const handle = openSync(ballast, 'a')
      try {
        for (const bytes of [1_048_576, 4_096]) {
          const block = Buffer.alloc(bytes, 1)
          for (;;) {
            try {
              if (writeSync(handle, block) < bytes) break
            } catch (error) {
              if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
              break
            }
          }
        }
      } finally {
        closeSync(handle)
      }
    },
    free: () => rmSync(ballast, { force: true }),
    freeBytes: () => {
      const { bavail, bsize } = statfsSync(path)
      return bavail * bsize
    },
    unmount: () => {
      execFileSync('umount', ['-l', path], { stdio: 'pipe' })
      rmSync(path, { recursive: true, force: true })
    },
  }
}

/** Why this machine cannot mount a tmpfs, or undefined when it can. Tests say it in their titles. */
export const cannotMount: string | undefined = (() => {
  try {
    mountDisk(1).unmount()
    return undefined
  } catch (error) {
    return `cannot mount a tmpfs: ${(error as Error).message.split('\n')[0]}`
  }
})()

export const skipped = cannotMount === undefined ? '' : ` [NOT TESTED HERE: ${cannotMount}]`
