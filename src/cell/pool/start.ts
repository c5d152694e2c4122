/**
 * Starts a pool host, behind its walls where it has some. Then the process that was started is the wall: who is to be
 * asked where its loop is lives behind it, and what it left behind lies on a disk that ends with it.
 */
import { chmod } from 'node:fs/promises'
import type { Proc, SpawnOptions } from '../../std/std.ts'
import type { Reaper } from '../process/reaper.ts'
import { lastEndOf, type WalledChild, type Walls } from '../walls.ts'
import { readEvidence } from './testimony.ts'

export const socketsOf = ({ sitterSocket, gateSocket }: Walls): Pick<Walls, 'sitterSocket' | 'gateSocket'> => ({
  sitterSocket,
  gateSocket,
})

const interrupt = (pid: number): void => {
  try {
    process.kill(pid, 'SIGINT')
  } catch {
    // It has ended.
  }
}

export const spawnHost = async (
  { proc, reaper }: { readonly proc: Proc; readonly reaper: Reaper },
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
  const { usage, home } = walls
  const { pid } = child.identity
  // Inside of walls all ends with their process 1. Elsewhere what a host started must be ended when we are gone.
  const isReaped = usage === undefined && walls.group !== null
  if (isReaped) await reaper.add(pid, walls.group)
  let evidence: string | undefined
  return {
    ...child,
    ended: child.ended.then((end) => {
      if (home) evidence = readEvidence(home.call(walls))
      if (isReaped) reaper.remove(pid)
      return lastEndOf(walls, end)
    }),
    kill: (name) => {
      // The wall itself would end of it, and take with it who is to speak.
      const program = name === 'SIGINT' && usage ? usage.call(walls).pid : null
      if (program !== null) interrupt(program)
      else if (name !== 'SIGKILL' || walls.kill?.(pid) !== true) child.kill(name)
    },
    ...(walls.memoryBytes && { memoryBytes: () => walls.memoryBytes!() }),
    ...(usage && { usage: () => usage.call(walls) }),
    ...(home && { evidence: () => evidence }),
  }
}
