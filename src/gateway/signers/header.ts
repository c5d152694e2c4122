/** The secret as the value of a header of the vendor's own, like `X-Api-Key`. */
import { textFault } from './form.ts'
import type { Signer } from './signer.ts'

export const header = (name: string): Signer => ({
  needsBody: false,
  form: 'one line of visible ASCII characters, up to 8192',
  fault: (secret) => textFault(secret, { spaces: true }),
  sign: ({ query }, secret) => ({ query, headers: [[name, secret]], secrets: [secret] }),
})
