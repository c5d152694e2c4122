/** The secret as the value of a header of the vendor's own, like `X-Api-Key`. */
import type { Signer } from './signer.ts'

export const header = (name: string): Signer => ({
  needsBody: false,
  sign: ({ query }, secret) => ({ query, headers: [[name, secret]], secrets: [secret] }),
})
