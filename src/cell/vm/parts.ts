/** Snapshots on their way between a host and its sitter, in frames that are no larger than others. */
import type { AsleepPart } from '../../wire/wire.ts'

const partBytes = 180_000
/** A machine of the usual size makes one or two; at this many it is no snapshot any more. */
const mostParts = 1_000

/** Gives a snapshot in parts; returns how many there were. */
export const giveParts = (snapshot: Uint8Array, give: (part: Omit<AsleepPart, 'agent'>) => void): number => {
  const of = Math.max(1, Math.ceil(snapshot.length / partBytes))
  const bytes = Buffer.from(snapshot)
  for (let part = 0; part < of; part += 1)
    give({ part, of, text: bytes.toString('base64', part * partBytes, (part + 1) * partBytes) })
  return of
}

/** Puts parts together again, by agent; whoever takes a snapshot takes it away. */
export interface Gatherer {
  /** @throws Error when it is none of a snapshot that is under way. */
  add(agent: string, part: unknown): void
  take(agent: string): Uint8Array | undefined
}

export const gatherParts = (mostAgents: number): Gatherer => {
  const all = new Map<string, Buffer[]>()
  return {
    add: (agent, said) => {
      const { part, of, text } = Object(said) as Partial<AsleepPart>
      const before = part === 0 ? [] : all.get(agent)
      if (
        before === undefined ||
        part !== before.length ||
        typeof of !== 'number' ||
        of > mostParts ||
        part >= of ||
        typeof text !== 'string' ||
        (part === 0 && all.size >= mostAgents && !all.has(agent))
      )
        throw new Error('not the next part of a snapshot')
      all.set(agent, [...before, Buffer.from(text, 'base64')])
    },
    take: (agent) => {
      const parts = all.get(agent)
      all.delete(agent)
      return parts === undefined ? undefined : Buffer.concat(parts)
    },
  }
}
