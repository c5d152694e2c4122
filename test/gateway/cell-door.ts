/** A cell's door at a gate, for tests of agents' own calls. */
import { connect } from 'node:net'
import { join } from 'node:path'
import type { GateLink } from '../../src/gatelink/gatelink.ts'

const listens = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })

/** The door is announced without an answer, so it is tried until somebody listens. */
export const untilOpen = async (path: string): Promise<void> => {
  while (!(await listens(path))) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** A door for these agents of one type; resolves with its path when it is open. */
export const openDoor = async (
  { link, directory }: { readonly link: GateLink; readonly directory: string },
  agents: readonly string[],
  upstreams: readonly string[] = ['bank'],
): Promise<string> => {
  const type = agents[0]!.split('/')[0]!
  const socketPath = join(directory, `${type}.sock`)
  link.openCell({ cell: `cel_${type}`, socketPath, type, agents, upstreams })
  await untilOpen(socketPath)
  return socketPath
}
