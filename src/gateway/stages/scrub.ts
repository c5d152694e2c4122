/**
 * Keeps secrets and sessions from coming back. Smallest form: cookies and hop-by-hop headers go, the secret itself is
 * blotted out of headers and of granted answers. Place of the scrubber that knows escaped forms and reads streams.
 */
import type { CallInHand } from '../call.ts'
import { blot, incoming, type HeaderPairs } from '../headers.ts'

export const scrubHead = (call: CallInHand, headers: HeaderPairs): HeaderPairs => incoming(headers, call.secret)

/** A cut body may end in a part of the secret, so as many characters fewer are kept. */
export const scrubText = (call: CallInHand, text: string, cut: boolean): string => {
  const blotted = blot(text, call.secret)
  return cut && call.secret !== null ? blotted.slice(0, Math.max(0, blotted.length - call.secret.length)) : blotted
}
