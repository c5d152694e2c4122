/**
 * Since when the keys of an upstream's calls are kept for ever with the account by which they went: since its
 * credential names one. Of keys used before, nobody knows where they had their effect; they may come again for as long
 * as keys are repeated, and until then nothing that changes something goes by another account.
 *
 * An upstream that was never called has no such keys, by a gate.db that is as old as its swarm.
 */
import { asFailure, type Clock } from '../std/std.ts'
import type { Meter } from './meter.ts'
import type { CallJournal, CredentialRule, Log } from './ports.ts'

export interface KeptKeys {
  /** The upstreams that hold from now on. */
  take(upstreams: ReadonlyMap<string, { readonly credential: CredentialRule | null }>): void
  /** Calls may have been sent of which this gate.db knows nothing. */
  doubt(): void
  /** Until when keys may come again of which nothing is known, wall ms; null = all are known. */
  forgottenUntilMs(upstream: string): number | null
}

/** No provider that we know keeps a key for longer: repeated later, it would be done twice at one account, too. */
const repeatedForMs = 30 * 86_400_000
const place = 'keys-kept'

export const openKeptKeys = (options: {
  readonly clock: Clock
  readonly journal: Pick<CallJournal, 'meta' | 'setMeta'>
  readonly meter: Pick<Meter, 'figures'>
  readonly log: Log
}): KeptKeys => {
  const { clock, journal, meter, log } = options
  const since = new Map(Object.entries(JSON.parse(journal.meta(place) ?? '{}') as Record<string, number>))
  /** Whose calls may be under way, and are counted at their end. */
  const seen = new Set<string>()
  const isFresh = (name: string): boolean => !seen.has(name) && meter.figures(name).calls === 0

  // What could not be written is found missing by the next gate, which counts from its own beginning.
  const save = (): void => {
    journal.setMeta({ [place]: JSON.stringify(Object.fromEntries(since)) }).catch((error: unknown) => {
      log('error', 'since when keys are kept was not written', { code: asFailure(error).code })
    })
  }

  return {
    take: (upstreams) => {
      const before = JSON.stringify([...since])
      for (const [name, { credential }] of upstreams) {
        if (credential?.scope?.account == null) since.delete(name)
        else if (!since.has(name)) since.set(name, isFresh(name) ? 0 : clock.wallMs())
        seen.add(name)
      }
      if (JSON.stringify([...since]) !== before) save()
    },
    doubt: () => {
      for (const name of since.keys()) since.set(name, clock.wallMs())
      save()
    },
    forgottenUntilMs: (upstream) => {
      const untilMs = (since.get(upstream) ?? clock.wallMs()) + repeatedForMs
      return untilMs <= clock.wallMs() ? null : untilMs
    },
  }
}
