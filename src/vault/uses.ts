/**
 * Which versions are in use right now: from before a call is signed until its answer has ended. The proof that a
 * version has drained.
 */
import type { CredentialVersion } from './port.ts'

export interface Uses {
  /** The version is in use until the returned function is called. */
  begin(credential: CredentialVersion): () => void
  count(credential: CredentialVersion): number
}

export const openUses = (left: (credential: CredentialVersion) => void): Uses => {
  const counts = new Map<string, number>()
  const keyOf = ({ name, version }: CredentialVersion): string => `${name}@${version}`
  return {
    begin: (credential) => {
      const key = keyOf(credential)
      counts.set(key, (counts.get(key) ?? 0) + 1)
      let ended = false
      return () => {
        if (ended) return
        ended = true
        const rest = counts.get(key)! - 1
        if (rest > 0) counts.set(key, rest)
        else {
          counts.delete(key)
          left(credential)
        }
      }
    },
    count: (credential) => counts.get(keyOf(credential)) ?? 0,
  }
}
