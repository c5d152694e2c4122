/**
 * Secrets that a host was shown of late. It may say back any of them, not only the one of the call that it answers:
 * beside the version of now the one before it is good until it is ended, and so are others of a pool.
 */
import type { Clock } from '../std/std.ts'

export interface ShownSecrets {
  /** It is shown these now. Gives all that must not come back from it; the same list as long as it holds the same. */
  add(host: string, secrets: readonly string[]): readonly string[]
  of(host: string): readonly string[]
}

/** What was not shown for so long is forgotten, and so is what is older than so many others: each is looked for. */
const keptMs = 3_600_000
const mostOfHost = 6

const nothing: readonly string[] = []

interface Shown {
  readonly secrets: readonly string[]
  usedMs: number
}
interface OfHost {
  readonly shown: Map<string, Shown>
  all: readonly string[]
}

const forget = ({ shown }: OfHost, nowMs: number): boolean => {
  const before = shown.size
  for (const [key, { usedMs }] of shown) if (nowMs - usedMs > keptMs) shown.delete(key)
  for (const key of shown.keys()) if (shown.size > mostOfHost) shown.delete(key)
  return shown.size < before
}

export const openShownSecrets = (clock: Pick<Clock, 'monoMs'>): ShownSecrets => {
  const hosts = new Map<string, OfHost>()
  return {
    add: (host, secrets) => {
      if (secrets.length === 0) return secrets
      const nowMs = clock.monoMs()
      const kept = hosts.get(host) ?? { shown: new Map<string, Shown>(), all: [] }
      const key = secrets.join('\n')
      const known = kept.shown.get(key)
      // The last one is the one that was used last.
      kept.shown.delete(key)
      kept.shown.set(key, { secrets: known?.secrets ?? secrets, usedMs: nowMs })
      // In an order of their own: another one would be another table of forms (scrubber.ts).
      if (forget(kept, nowMs) || known === undefined)
        kept.all = [...new Set([...kept.shown.values()].flatMap((one) => one.secrets))].toSorted()
      hosts.set(host, kept)
      return kept.all
    },
    of: (host) => hosts.get(host)?.all ?? nothing,
  }
}
