/**
 * Looks at the swarm once a second and remembers the last samples. It survives the sitter: while nobody answers, what
 * is known grows old and says so; a new epoch is a sitter that was restarted.
 */
import { sleep } from '../../std/std.ts'
import type { BatchDescription, SwarmView } from '../api.ts'
import type { Api } from './client.ts'
import type { Freshness, Sample } from './progress.ts'
import { Refusal } from './refusal.ts'
import type { Surroundings } from './surroundings.ts'

export interface Monitor {
  /** Oldest first; empty until the first answer. At most 30: the rate needs ten seconds of them. */
  readonly samples: readonly Sample[]
  freshness(): Freshness
  /** Sitters that came after the one that answered first. */
  readonly sitterRestarts: number
  /** The batch to look at from now on. */
  follow(batch: string): void
  /** Reads now. Rejects when nobody answers. */
  read(): Promise<Sample>
  /** Reads every second until the signal aborts. */
  run(signal: AbortSignal): Promise<void>
}

const readEveryMs = 1_000
const readWithinMs = 5_000
const mostSamples = 30
/** One answer that is late is no restart: what is older than this is shown as old. */
const staleAfterMs = 2_500

/** `api` is asked anew for each look: a restarted sitter may have another address. */
export const monitorSwarm = (world: Surroundings, api: () => Api): Monitor => {
  const { clock } = world
  const samples: Sample[] = []
  let batch: string | undefined
  let epoch: number | undefined
  let sitterRestarts = 0
  let refusedSinceMs: number | null = null
  const keep = (sample: Sample): void => {
    if (epoch !== undefined && sample.view.epoch > epoch) sitterRestarts += 1
    epoch = Math.max(epoch ?? 0, sample.view.epoch)
    samples.push(sample)
    if (samples.length > mostSamples) samples.shift()
    refusedSinceMs = null
  }
  const read = async (): Promise<Sample> => {
    const asked = batch
    const door = api()
    const [view, description] = await Promise.all([
      door.get<SwarmView>('/api/v1/swarm', {}, readWithinMs),
      asked === undefined ? null : door.get<BatchDescription>(`/api/v1/batches/${asked}`, {}, readWithinMs),
    ])
    const sample = { readMs: clock.monoMs(), view, batch: description }
    // Samples from before the batch count other tasks: a rate over both would be an invention.
    if ((samples.at(-1)?.batch ?? null) === null && description !== null) samples.length = 0
    keep(sample)
    return sample
  }
  return {
    samples,
    get sitterRestarts() {
      return sitterRestarts
    },
    freshness: () => {
      const last = samples.at(-1)
      const lastMs = last === undefined ? 0 : clock.monoMs() - last.readMs
      if (refusedSinceMs === null && lastMs <= staleAfterMs) return { kind: 'live' }
      return { kind: 'silent', forMs: clock.monoMs() - (refusedSinceMs ?? last?.readMs ?? clock.monoMs()), lastMs }
    },
    follow: (id) => {
      batch = id
    },
    read,
    run: async (signal) => {
      while (!signal.aborted) {
        try {
          await read()
        } catch (error) {
          // A refusal in words is the sitter's answer and no silence, but it brings no numbers either: both make the
          // view old.
          refusedSinceMs ??= clock.monoMs()
          if (error instanceof Refusal && error.problem.status === 401) throw error
        }
        await sleep(clock, readEveryMs, signal)
      }
    },
  }
}
