/**
 * Text for terminals. What comes from outside (payees, error messages, log lines) is data: characters that move the
 * cursor, colour, hide or reorder text are shown as escapes, so that a payee's name cannot forge a line of a report.
 */
import { formatDuration } from '../../std/std.ts'

/** C0, DEL, C1, soft hyphen, bidi marks and isolates, zero-width, line separators, tags, lone surrogates. */
const dangerous = new RegExp(
  '[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f' +
    '\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}]|[\\ud800-\\udfff]',
  'gu',
)

/** One line, safe to print: dangerous characters become `\n`, `\t` or `\u{1b}`. */
export const plain = (text: string): string =>
  text.replace(dangerous, (found) => {
    if (found === '\n') return '\\n'
    if (found === '\t') return '\\t'
    if (found === '\r') return '\\r'
    return `\\u{${found.codePointAt(0)!.toString(16)}}`
  })

/** The colours that the printer itself makes. */
// oxlint-disable-next-line no-control-regex -- the escape is what is looked for
const ourColours = new RegExp('(\\u001b\\[(?:0|1|2|31|32|33)m)')

/** One line as `plain`, but for the colours that are ours: the last thing done to a text before it is printed. */
export const guarded = (text: string): string =>
  text
    .split(ourColours)
    .map((part, index) => (index % 2 === 1 ? part : plain(part)))
    .join('')

/** Several lines, each safe to print (stack traces, evidence). */
export const plainLines = (text: string): string[] => text.replace(/\r\n/g, '\n').split('\n').map(plain)

/** JSON text with the same characters as JSON escapes: the same document, and nothing that a terminal obeys. */
export const safeJson = (json: string): string =>
  json.replace(dangerous, (found) => {
    if (found === '\n' || found === '\t' || found === '\r') return found
    return Array.from(
      { length: found.length },
      (_, index) => `\\u${found.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join('')
  })

const wide = new RegExp(
  '[\\u1100-\\u115f\\u2e80-\\u303e\\u3041-\\ua4cf\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe30-\\ufe6f\\uff00-\\uff60' +
    '\\uffe0-\\uffe6]|\\p{Extended_Pictographic}',
  'u',
)
const nothing = /\p{M}/u

/** Columns that a terminal uses for a text that went through `plain`. */
export const displayWidth = (text: string): number => {
  // ASCII needs no look at each character; this is the usual case.
  if (/^[\u0020-\u007e]*$/.test(text)) return text.length
  let columns = 0
  for (const character of text) columns += nothing.test(character) ? 0 : wide.test(character) ? 2 : 1
  return columns
}

/** At most `columns` wide; what was cut is shown by `…`. */
export const fit = (text: string, columns: number): string => {
  if (displayWidth(text) <= columns) return text
  let kept = ''
  let used = 1
  for (const character of text) {
    used += displayWidth(character)
    if (used > columns) break
    kept += character
  }
  return `${kept}…`
}

/** 12345 → "12,345". */
export const count = (value: number): string => String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ',')

/** "1 agent", "2 agents". */
export const counted = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`

/** Time since a wall time, for people: "12 s", "4 m", "3 h", "9 d"; "–" when it never was. */
export const age = (nowMs: number, thenMs: number | null): string => {
  if (thenMs === null) return '–'
  const seconds = Math.max(0, Math.floor((nowMs - thenMs) / 1_000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} m`
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}

/** RFC 3339 in UTC to the second. */
export const at = (wallMs: number): string =>
  Temporal.Instant.fromEpochMilliseconds(Math.round(wallMs)).toString({ smallestUnit: 'second' })

export const duration = formatDuration

/** `{idle: 3, busy: 2}` → "3 idle · 2 busy", largest first; "none" when there is nothing. */
export const tally = (counts: Readonly<Record<string, number | undefined>>): string => {
  const parts = Object.entries(counts).filter((entry): entry is [string, number] => (entry[1] ?? 0) > 0)
  if (parts.length === 0) return 'none'
  return parts
    .toSorted((a, b) => b[1] - a[1])
    .map(([name, value]) => `${count(value)} ${plain(name)}`)
    .join(' · ')
}
