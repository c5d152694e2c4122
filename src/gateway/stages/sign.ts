/** Opens the secret, for this call alone. Smallest form: bearer. Place of the other signers and of OAuth refresh. */
import { asFailure } from '../../std/std.ts'
import type { Stage } from '../call.ts'

export const sign: Stage = (call, room) => {
  if (call.credential === null) return undefined
  try {
    call.secret = room.vault.reveal(call.credential)
  } catch (error) {
    const { code, message } = asFailure(error)
    return { code, message }
  }
  return undefined
}
