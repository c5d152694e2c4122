/**
 * Text from outside, made safe to read: what would be invisible, or would turn the reading order around, is shown by
 * its number. Markup never needs care here, for text is only ever text.
 */
const hidden = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029]/gu

const numbered = (letter: string): string =>
  `\u27e8U+${letter.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}\u27e9`

export const visible = (text: string): string => text.replaceAll(hidden, numbered)

/** As `visible`, for blocks: line ends and tabs keep their meaning. */
export const visibleLines = (text: string): string =>
  text
    .replaceAll('\r\n', '\n')
    .replaceAll(hidden, (letter) => (letter === '\n' || letter === '\t' ? letter : numbered(letter)))

/** JSON text as it can be edited: letters that cannot be seen stand as their escapes, which mean the same. */
export const escaped = (json: string): string =>
  json.replaceAll(hidden, (letter) =>
    letter === '\n'
      ? letter
      : [...Array(letter.length).keys()]
          .map((at) => `\\u${letter.charCodeAt(at).toString(16).padStart(4, '0')}`)
          .join(''),
  )

const deepest = 64

/** JSON in lines, without reading its numbers: 9007199254740993 and 12.10 stay what they are. */
export const indented = (json: string): string => {
  let depth = 0
  const line = (): string => `\n${'  '.repeat(Math.min(depth, deepest))}`
  return json.replaceAll(/"(?:[^"\\]|\\.)*"|[{[]\s*[}\]]|[{}[\],:]|\s+/g, (token) => {
    if (token === '{' || token === '[') {
      depth += 1
      return `${token}${line()}`
    }
    if (token === '}' || token === ']') {
      depth = Math.max(0, depth - 1)
      return `${line()}${token}`
    }
    if (token === ',') return `,${line()}`
    if (token === ':') return ': '
    return token.trim()
  })
}
