/** `Authorization: Bearer <secret>` (RFC 6750). */
import type { Signer } from './signer.ts'

export const bearer: Signer = {
  needsBody: false,
  sign: ({ query }, secret) => ({ query, headers: [['authorization', `Bearer ${secret}`]], secrets: [secret] }),
}
