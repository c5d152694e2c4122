/** `Authorization: Basic …` (RFC 7617): the secret is `user:password`. */
import { partsFault } from './form.ts'
import { partsOf, type Signer } from './signer.ts'

export const basic: Signer = {
  needsBody: false,
  form: 'user:password',
  fault: (secret) => partsFault(secret, { spaces: true }),
  sign: ({ query }, secret) => {
    const [, password] = partsOf(secret, 'user:password')
    const token = Buffer.from(secret).toString('base64')
    return { query, headers: [['authorization', `Basic ${token}`]], secrets: [token, password] }
  },
}
