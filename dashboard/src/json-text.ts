/** JSON that a person wrote, judged without changing it. Pure. */

const stringsAndNumbers = /"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*/g
const numberParts = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/

/** A number by its digits and their place, so that 12.10 and 1.21e1 are the same; undefined when it is none. */
const valueOf = (token: string): string | undefined => {
  const [, sign, whole, fraction = '', exponent = '0'] = numberParts.exec(token) ?? []
  if (whole === undefined) return undefined
  const digits = `${whole}${fraction}`.replace(/^0+/, '')
  const kept = digits.replace(/0+$/, '')
  return kept === '' ? '0' : `${sign}${kept}e${Number(exponent) - fraction.length + digits.length - kept.length}`
}

/** What is wrong with it, as a sentence; null when it may be sent. */
export const jsonFault = (text: string): string | null => {
  try {
    JSON.parse(text)
  } catch (error) {
    return error instanceof Error ? `This is not JSON yet: ${error.message}` : 'This is not JSON yet.'
  }
  const rounded = [...text.matchAll(stringsAndNumbers)]
    .map(([token]) => token)
    .find((token) => !token.startsWith('"') && valueOf(token) !== valueOf(String(Number(token))))
  return rounded === undefined
    ? null
    : `${rounded.slice(0, 40)} would be stored as ${String(Number(rounded))}: put it in quotes to keep its digits.`
}
