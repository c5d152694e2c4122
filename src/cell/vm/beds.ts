/**
 * Snapshots of agents that live nowhere, in the sitter's data directory: one file an agent, which goes when the agent
 * wakes or is no more. A file means nothing without its hash, which is in the record: what was cut short, changed, or
 * left over from another sleep is not given out. Not synced: what a lost machine took costs its agent what it knew.
 */
import { createHash } from 'node:crypto'
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

/** What is asked for one agent happens in the order in which it was asked for. */
export interface Beds {
  /** Gives the hash without which `get` gives nothing. @throws Failure `disk-full` when there is no room. */
  put(sleeper: Pick<Sleeper, 'agent' | 'snapshot'>): Promise<string>
  /** @throws Error that says why there is none. */
  get(agent: string, hash: string): Promise<Uint8Array>
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

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

const write = async (path: string, bytes: Uint8Array): Promise<void> => {
  const file = await open(path, 'w', 0o600)
  try {
    await file.writeFile(bytes)
  } finally {
    await file.close()
  }
}

const read = async (path: string): Promise<Uint8Array> => {
  try {
    const file = await open(path, 'r')
    try {
      return await file.readFile()
    } finally {
      await file.close()
    }
  } catch (error) {
    throw isAbsent(error) ? new Error('its snapshot is not there', { cause: error }) : error
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

/** One after the other for each name. */
const inOrder = () => {
  const last = new Map<string, Promise<unknown>>()
  return <Value>(name: string, work: () => Promise<Value>): Promise<Value> => {
    const before = last.get(name)
    const done = before === undefined ? work() : before.then(work, work)
    last.set(name, done)
    const forget = (): void => {
      if (last.get(name) === done) last.delete(name)
    }
    done.then(forget, forget)
    return done
  }
}

export const openBeds = async ({ directory, mostBytes }: BedsAsk): Promise<Beds> => {
  const sizes = await look(directory)
  let bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0)
  const inTurn = inOrder()
  const resize = (agent: string, size: number): void => {
    bytes += size - (sizes.get(agent) ?? 0)
    if (size === 0) sizes.delete(agent)
    else sizes.set(agent, size)
  }
  const remove = async (agent: string): Promise<void> => {
    resize(agent, 0)
    await rm(join(directory, fileOf(agent)), { force: true })
  }
  const put = async ({ agent, snapshot }: Pick<Sleeper, 'agent' | 'snapshot'>): Promise<string> => {
    const path = join(directory, fileOf(agent))
    const others = bytes - (sizes.get(agent) ?? 0)
    if (others + snapshot.length > mostBytes)
      throw failure('disk-full', `agents that sleep may take ${mostBytes} bytes, and ${others} are taken`)
    resize(agent, snapshot.length)
    try {
      await write(`${path}.new`, snapshot)
      await rename(`${path}.new`, path)
    } catch (error) {
      await rm(`${path}.new`, { force: true }).catch(() => {
        /* the next sitter removes it */
      })
      await remove(agent)
      throw error
    }
    return hashOf(snapshot)
  }
  return {
    put: (sleeper) => inTurn(sleeper.agent, () => put(sleeper)),
    get: (agent, hash) =>
      inTurn(agent, async () => {
        const found = await read(join(directory, fileOf(agent)))
        if (hashOf(found) !== hash) throw new Error('its snapshot is damaged, or of another sleep')
        return found
      }),
    remove: (agent) => inTurn(agent, () => remove(agent)),
    keep: async (agents) => {
      const others = [...sizes.keys()].filter((agent) => !agents.has(agent))
      for (const agent of others) await remove(agent)
      return others.length
    },
    get bytes() {
      return bytes
    },
  }
}
