/** Starts a pool host, behind its walls where it has some. */
import { chmod } from 'node:fs/promises'
import type { Proc, SpawnOptions } from '../../std/std.ts'
import { lastEndOf, type WalledChild, type Walls } from '../walls.ts'

export const socketsOf = ({ sitterSocket, gateSocket }: Walls): Pick<Walls, 'sitterSocket' | 'gateSocket'> => ({
  sitterSocket,
  gateSocket,
})

export const spawnHost = async (
  proc: Proc,
  walls: Walls | undefined,
  options: SpawnOptions & { readonly sitterSocket: string; readonly writable?: string },
): Promise<WalledChild> => {
  const { sitterSocket, writable, ...plain } = options
  if (walls === undefined) return proc.spawn(plain)
  // The socket's folder is 0700 and belongs to whoever may connect.
  await chmod(sitterSocket, 0o666)
  const { command, args, cwd, env, give, onPrivateLine } = walls.wrap({
    words: [plain.command, ...plain.args],
    directory: plain.cwd,
    ...(writable !== undefined && { writable }),
  })
  const child = await proc.spawn({
    ...plain,
    command,
    args,
    cwd,
    env: { ...plain.env, ...env },
    ...(give && { give }),
    ...(onPrivateLine && { onPrivateLine, dieWithParent: false }),
  })
  return {
    ...child,
    ended: child.ended.then((end) => lastEndOf(walls, end)),
    ...(walls.memoryBytes && { memoryBytes: () => walls.memoryBytes!() }),
  }
}
