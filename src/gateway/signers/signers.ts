/** The signer of each kind of credential. */
import type { Signing } from '../../model/model.ts'
import { basic } from './basic.ts'
import { bearer } from './bearer.ts'
import { ed25519, hmac } from './binance.ts'
import { header } from './header.ts'
import { mtls } from './mtls.ts'
import { query } from './query.ts'
import { sigv4 } from './sigv4.ts'
import type { Signer } from './signer.ts'

export type { ClientIdentity, Signed } from './signer.ts'

/** When a secret ends by what stands in it, wall ms of the calendar; null = it does not say. */
export const secretEnd = (signing: Signing, secret: string): number | null => signerOf(signing).endsMs?.(secret) ?? null

/** How the secret of a kind of credential looks, and what is wrong with one. Of OAuth grants the vault knows. */
export const secretFault = (
  signing: Exclude<Signing, { readonly kind: 'oauth' }>,
  secret: string,
): { readonly form: string; readonly fault: string } | undefined => {
  const { form, fault } = signerOf(signing)
  const found = fault(secret)
  return found === undefined ? undefined : { form, fault: found }
}

export const signerOf = (signing: Signing): Signer => {
  switch (signing.kind) {
    // What is sent of an OAuth grant is its access token.
    case 'bearer':
    case 'oauth':
      return bearer
    case 'basic':
      return basic
    case 'header':
      return header(signing.header)
    case 'query':
      return query(signing.parameter)
    case 'hmac':
      return hmac(signing.keyHeader, signing.windowMs)
    case 'ed25519':
      return ed25519(signing.keyHeader, signing.windowMs)
    case 'mtls':
      return mtls
    case 'sigv4':
      return sigv4(signing.region, signing.service)
  }
}
