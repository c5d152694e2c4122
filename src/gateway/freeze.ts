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
  /** The word of a person, by the link. Looks at the file, and answers whether it is frozen now. */
  say(frozen: boolean): Promise<boolean>
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
  const read = async (): Promise<typeof file> => {
    try {
      return (await disk.exists(path)) ? 'there' : 'absent'
    } catch {
      return 'unreadable' /* what cannot be read is taken for yes */
    }
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
    file = await read()
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
    say: async (value) => {
      said = value
      // A freeze holds before anything is awaited; a thaw only when the file is known to be gone.
      if (!value) file = await read()
      compare()
      return frozen()
    },
    stop,
  }
}
