/** `Authorization: Bearer <secret>` (RFC 6750). */
import { textFault } from './form.ts'
import type { Signer } from './signer.ts'

export const bearer: Signer = {
  needsBody: false,
  form: 'one word of visible ASCII characters, up to 8192',
  fault: (secret) => textFault(secret),
  sign: ({ query }, secret) => ({ query, headers: [['authorization', `Bearer ${secret}`]], secrets: [secret] }),
}
