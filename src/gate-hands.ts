/**
 * By whom the gate's process reaches its machine, and as whom it runs: by itself, as who started it; or, started by
 * root, by a porter that stays root, as a user that is nobody else's.
 */
import { realKeyFiles, runWith } from './gate-outside.ts'
import { becomeUser, seeUser, staysBecause, userNow, type GateUser } from './gate-user.ts'
import type { OpenDoor } from './gateway/gateway.ts'
import { startHeir } from './heir.ts'
import { userNumbersOf } from './model/users.ts'
import { openPorter, type Porter } from './porter.ts'
import { realDisk, realProc } from './std/real/real.ts'
import type { Clock, Disk } from './std/std.ts'
import type { KeyFiles, RunCommand } from './vault/vault.ts'

export interface Hands {
  readonly disk: Disk
  readonly keyFiles: KeyFiles
  readonly run: RunCommand
  /** Undefined: the gate makes the cells' sockets itself. */
  readonly openDoor: OpenDoor | undefined
  heir(): Promise<void>
  user(): GateUser
  /** When all is open that only the user of before may open. Gives what holds from then on. */
  changeUser(): GateUser
  /** Nothing more can be reached. */
  onGone(listener: () => void): void
  close(): void
}

const own = (dataDirectory: string, clock: Clock, why: string): Hands => ({
  disk: realDisk(),
  keyFiles: realKeyFiles(),
  run: runWith(realProc(), clock, process.env),
  openDoor: undefined,
  heir: async () => startHeir(dataDirectory),
  user: () => userNow(why),
  changeUser: () => userNow(why),
  onGone: () => {},
  close: () => {},
})

/** Null = it has changed; else why the kernel let it not, with nothing changed that matters. */
const change = (uid: number): string | null => {
  try {
    becomeUser(uid)
    return null
  } catch (error) {
    // Half of it done is no state to go on in: the watch starts another gate, and its log says why.
    if (process.getuid?.() !== 0 || process.getgid?.() !== 0) throw error
    return `the kernel refuses it another user: ${(error as Error).message}`
  }
}

/**
 * Starts root's porter before it is known whether the gate changes its user: it takes as long to start as the gate
 * takes to load its code. Undefined = there will be none.
 */
export const beginHands = (dataDirectory: string): Promise<Porter> | undefined => {
  if (process.getuid?.() !== 0) return undefined
  const begun = openPorter(dataDirectory)
  begun.catch(() => {
    /* told to whoever wants it */
  })
  return begun
}

/** Rejects when a porter is wanted and cannot be started. */
export const openHands = async (ask: {
  readonly dataDirectory: string
  readonly swarm: string
  readonly clock: Clock
  readonly begun?: Promise<Porter> | undefined
}): Promise<Hands> => {
  const { dataDirectory, swarm, clock, begun } = ask
  const { gate } = userNumbersOf(swarm)
  const stays = staysBecause(seeUser(), gate)
  if (stays !== null) {
    begun?.then(
      (porter) => porter.close(),
      () => {
        /* it is not needed */
      },
    )
    return own(dataDirectory, clock, stays)
  }
  const porter = await (begun ?? openPorter(dataDirectory))
  let why: string | null = 'it is just opening'
  return {
    ...porter,
    user: () => userNow(why),
    changeUser: () => {
      why = change(gate)
      return userNow(why)
    },
  }
}
