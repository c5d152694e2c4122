/**
 * Takes the credential's version of this moment into use, until the call has ended: while calls waited for limits it
 * may have been rotated, and a version that somebody uses is not revoked.
 */
import type { Stage } from '../call.ts'
import { unavailable } from './route.ts'

export const pin: Stage = (call, room) => {
  if (call.credential === null) return undefined
  const pinned = room.vault.pin(call.credential)
  if (pinned === undefined) {
    const message = `${call.credential.name} has no active version any more: sitter vault set ${call.credential.name}`
    return unavailable(call, message)
  }
  call.credential = pinned.credential
  call.release = pinned.release
  return undefined
}
