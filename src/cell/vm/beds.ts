/**
 * Snapshots of agents that live nowhere, in the sitter's data directory: one file an agent, which goes when the agent
 * wakes or is no more. Not synced: one that a lost machine cut short is found out by its hash, and its agent begins
 * anew, as after any loss.
 */
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { formatAgent, parseAgent } from '../../model/model.ts'
import { failure } from '../../std/std.ts'
import type { Sleeper } from '../port.ts'

export interface BedsAsk {
  readonly directory: string
  /** All of them together. */
  readonly mostBytes: number
}

export interface Beds {
  /** @throws Failure `disk-full` when there is no room within the bound. */
  put(sleeper: Pick<Sleeper, 'agent' | 'snapshot'>): Promise<void>
  /** Undefined when there is none: the agent begins anew. */
  get(agent: string): Promise<Uint8Array | undefined>
  remove(agent: string): Promise<void>
  /** Removes those of all others; returns how many. */
  keep(agents: ReadonlySet<string>): Promise<number>
  readonly bytes: number
}

const suffix = '.asleep'
const fileOf = (agent: string): string => {
  const name = parseAgent(agent)
  if (name === undefined) throw failure('invalid', `${agent} is not the name of an agent`)
  return `${formatAgent(name).replace('/', '.')}${suffix}`
}
const agentOf = (file: string): string => file.slice(0, -suffix.length).replace('.', '/')

const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

const write = async (path: string, bytes: Uint8Array): Promise<void> => {
  const file = await open(path, 'w', 0o600)
  try {
    await file.writeFile(bytes)
  } finally {
    await file.close()
  }
}

/** What an earlier sitter left counts; half-written files go. */
const look = async (directory: string): Promise<Map<string, number>> => {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const sizes = new Map<string, number>()
  for (const name of await readdir(directory)) {
    if (name.endsWith(suffix)) sizes.set(agentOf(name), (await stat(join(directory, name))).size)
    else if (name.endsWith('.new')) await rm(join(directory, name), { force: true })
  }
  return sizes
}

export const openBeds = async ({ directory, mostBytes }: BedsAsk): Promise<Beds> => {
  const sizes = await look(directory)
  const total = (): number => [...sizes.values()].reduce((sum, size) => sum + size, 0)
  const remove = async (agent: string): Promise<void> => {
    sizes.delete(agent)
    await rm(join(directory, fileOf(agent)), { force: true })
  }
  return {
    put: async ({ agent, snapshot }) => {
      const others = total() - (sizes.get(agent) ?? 0)
      if (others + snapshot.length > mostBytes)
        throw failure('disk-full', `agents that sleep may take ${mostBytes} bytes, and ${others} are taken`)
      const path = join(directory, fileOf(agent))
      sizes.set(agent, snapshot.length)
      try {
        await write(`${path}.new`, snapshot)
        await rename(`${path}.new`, path)
      } catch (error) {
        await remove(agent)
        throw error
      }
    },
    get: async (agent) => {
      try {
        const file = await open(join(directory, fileOf(agent)), 'r')
        try {
          return await file.readFile()
        } finally {
          await file.close()
        }
      } catch (error) {
        if (isAbsent(error)) return undefined
        throw error
      }
    },
    remove,
    keep: async (agents) => {
      const others = [...sizes.keys()].filter((agent) => !agents.has(agent))
      for (const agent of others) await remove(agent)
      return others.length
    },
    get bytes() {
      return total()
    },
  }
}
