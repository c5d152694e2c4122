/**
 * What a secret has to look like, checked when a person sets it: the gate says what is wrong before it keeps it, not
 * the upstream at the first call. A fault never shows a part of the secret.
 */

/** What is wrong with it; undefined = nothing. */
export type Fault = string | undefined

const longest = 8_192

/** Visible characters of one line, with spaces inside where `spaces`. */
export const textFault = (text: string, { spaces = false }: { readonly spaces?: boolean } = {}): Fault => {
  if (text === '') return 'it is empty'
  if (text.length > longest) return `it is longer than ${longest} characters`
  if (/[\r\n]/.test(text)) return 'it has more than one line'
  if (/^\s|\s$/.test(text)) return 'a space stands before or after it'
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  if (/[\x00-\x1f\x7f]/.test(text)) return 'it has control characters'
  if (/[^\x20-\x7e]/.test(text)) return 'it has characters that are not ASCII'
  return !spaces && text.includes(' ') ? 'it has a space inside' : undefined
}

/** `first:second`, both there. */
export const partsFault = (text: string, options?: Parameters<typeof textFault>[1]): Fault => {
  const fault = textFault(text, options)
  if (fault !== undefined) return fault
  const at = text.indexOf(':')
  if (at < 0) return 'it has no colon'
  if (at === 0) return 'nothing stands before its colon'
  return at === text.length - 1 ? 'nothing stands after its colon' : undefined
}
