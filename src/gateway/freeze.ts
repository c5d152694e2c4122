/**
 * The big red switch. Frozen = somebody said so (kept over restarts), or the file FROZEN is there, or whether it is
 * there cannot be told. The file is looked at every 200 ms, so that a freeze works with a dead or hung sitter too.
 */
import { every, type Clock, type Disk } from '../std/std.ts'

const lookMs = 200
/**
 * Looks that may pass without an answer of the disk before that counts as unreadable; one stall of our own loop is
 * one look.
 */
const patience = 5

export interface Freezer {
  frozen(): boolean
  /** The word of a person, by the link. Answers whether it is frozen now: a file may still say so. */
  say(frozen: boolean): boolean
  stop(): void
}

/** Resolves after the first look. `changed` is told when it becomes frozen or thawed. */
export const openFreezer = async (options: {
  readonly clock: Clock
  readonly disk: Disk
  readonly path: string
  readonly said: boolean
  readonly changed: (frozen: boolean, why: string) => void
}): Promise<Freezer> => {
  const { clock, disk, path, changed } = options
  let said = options.said
  let file: 'absent' | 'there' | 'unreadable' = 'unreadable'
  let looking = false
  let missed = 0
  let was: boolean | undefined

  const frozen = (): boolean => said || file !== 'absent'
  const compare = (): void => {
    const now = frozen()
    if (was !== undefined && was !== now) changed(now, said ? 'said' : file)
    was = now
  }
  const look = async (): Promise<void> => {
    if (looking) {
      missed += 1
      if (missed >= patience) {
        file = 'unreadable'
        compare()
      }
      return
    }
    looking = true
    try {
      file = (await disk.exists(path)) ? 'there' : 'absent'
    } catch {
      file = 'unreadable' /* what cannot be read is taken for yes */
    }
    looking = false
    missed = 0
    compare()
  }
  await look()
  const stop = every(clock, lookMs, () => {
    void look()
  })
  return {
    frozen,
    say: (value) => {
      said = value
      compare()
      return frozen()
    },
    stop,
  }
}
