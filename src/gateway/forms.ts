/**
 * The forms in which a secret may come back, as sequences of alternatives: each character raw, percent-encoded, as a
 * JSON escape, also of a JSON text inside another, as HTML writes it, or any mix of them; all of it in base64 or
 * base64url at each of the three alignments that it has inside a longer text, wrapped or not; and in hex. Matching
 * follows all alternatives at once, byte by byte, so that a match may begin in one chunk and end in another.
 */

/** Each element is matched by any one of its alternatives. */
export type Form = readonly (readonly Buffer[])[]

/** Shorter secrets are words that stand in texts by chance. */
export const shortestSecret = 6

const buffers = (texts: readonly string[]): readonly Buffer[] => [...new Set(texts)].map((text) => Buffer.from(text))

const letters: Readonly<Record<string, string>> = { '\n': 'n', '\r': 'r', '\t': 't', '"': '"', '\\': '\\', '/': '/' }
const entities: Readonly<Record<string, readonly string[]>> = {
  '&': ['&amp;'],
  '<': ['&lt;'],
  '>': ['&gt;'],
  '"': ['&quot;', '&#34;'],
  "'": ['&#39;', '&apos;'],
}

/** A JSON escape as it stands in a JSON text that is a string of another one. */
const insideJson = (escape: string): readonly string[] => {
  const written = escape.replaceAll('\\', '\\\\').replaceAll('"', '\\"')
  return written.includes('/') ? [written, written.replaceAll('/', '\\/')] : [written]
}

const escapesOf = (char: string): readonly string[] => {
  const hex = char.charCodeAt(0).toString(16).padStart(2, '0')
  const forms = [hex, hex.toUpperCase()]
  const letter = letters[char]
  const short = letter === undefined ? [] : [`\\${letter}`]
  const json = [...forms.map((two) => `\\u00${two}`), ...short]
  // A JSON text in an address.
  const inAddress = short.map(encodeURIComponent).flatMap((one) => [one, one.toLowerCase()])
  return [
    ...forms.flatMap((two) => [`%${two}`, `%25${two}`, `\\x${two}`]),
    ...json,
    ...json.flatMap(insideJson),
    ...inAddress,
    ...(entities[char] ?? []),
    // As a form writes it.
    ...(char === ' ' ? ['+'] : []),
  ]
}

const rawForm = (secret: string): Form => [...secret].map((char) => buffers([char, ...escapesOf(char)]))

const base64Texts = (char: string): readonly string[] => {
  if (char === '+') return ['+', '-', ...escapesOf('+')]
  return char === '/' ? ['/', '_', ...escapesOf('/')] : [char]
}

const lineBreaks = ['', '\n', '\r\n', '\\n', '\\r\\n']

/** The characters of a base64 text that only the secret decides, when `before` bytes stand before it in its group. */
const base64Form = (secret: Buffer, before: number): Form => {
  const whole = Buffer.concat([Buffer.alloc(before), secret, Buffer.alloc(3)]).toString('base64')
  const first = Math.ceil((8 * before) / 6)
  const end = Math.floor((8 * (before + secret.length)) / 6)
  return Array.from(whole.slice(first, end), (char, index) =>
    buffers(base64Texts(char).flatMap((text) => (index === 0 ? [text] : lineBreaks.map((line) => line + text)))),
  )
}

const hexForm = (secret: Buffer): Form =>
  [...secret.toString('hex')].map((digit) => buffers([digit, digit.toUpperCase()]))

export const formsOf = (secret: string): readonly Form[] => {
  if (secret.length < shortestSecret) return []
  const bytes = Buffer.from(secret)
  return [rawForm(secret), ...[0, 1, 2].map((before) => base64Form(bytes, before)), hexForm(bytes)]
}

/**
 * Where a match that begins at `start` ends; 0 = there is none; negative = as far as the bytes go it may become one,
 * and that many elements, and one more, are there.
 */
export const matchAt = (bytes: Buffer, start: number, form: Form): number => {
  let ends = [start]
  // A way that the bytes do not reach the end of stays possible beside ways that go on.
  let runsOut = 0
  for (const [index, alternatives] of form.entries()) {
    const next: number[] = []
    for (const at of ends) {
      for (const alternative of alternatives) {
        const end = at + alternative.length
        if (end <= bytes.length) {
          if (bytes.compare(alternative, 0, alternative.length, at, end) === 0 && !next.includes(end)) next.push(end)
        } else if (bytes.compare(alternative, 0, bytes.length - at, at, bytes.length) === 0) runsOut = -index - 1
      }
    }
    if (next.length === 0) return runsOut
    ends = next
  }
  return Math.max(...ends)
}
