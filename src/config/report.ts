/**
 * What the evaluating child tells the loader: one JSON report on stdout, in marked lines short enough for the line
 * bound of a child's output, so that whatever else the config prints cannot be taken for it. ASCII only: a cut inside a
 * character would corrupt it.
 */
export interface Report {
  /** Every variable that the config asked for, in order; `needed` = without a default. */
  readonly asked: readonly { readonly name: string; readonly needed: boolean }[]
  /** The default export as JSON, when it was evaluated. */
  readonly value?: unknown
  /** Values that JSON cannot carry; they would be lost without a word. */
  readonly strange?: readonly { readonly path: readonly (string | number)[]; readonly found: string }[]
  /** Why it was not evaluated. `at` = file:line when known. */
  readonly error?: {
    readonly name: string
    readonly message: string
    readonly at: string | null
    readonly denied: string | null
  }
}

const mark = 'swarmsitter:'
const partLength = 8_000
/** Ten times a config that overrides every one of 5,000 agents by name. */
const mostCharacters = 4_000_000

const ascii = (text: string): string =>
  text.replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

export const toLines = (report: Report): string => {
  const text = ascii(JSON.stringify(report))
  const lines: string[] = []
  for (let start = 0; start < text.length; start += partLength)
    lines.push(`${mark}+${text.slice(start, start + partLength)}\n`)
  return `${lines.join('')}${mark}.\n`
}

/** Gathers lines; gives the report at its end mark, `too-large` when it grew beyond the bound. */
export const reportReader = (): ((line: string) => Report | 'too-large' | undefined) => {
  let text = ''
  return (line) => {
    if (line.startsWith(`${mark}+`)) text += line.slice(mark.length + 1)
    if (text.length > mostCharacters) return 'too-large'
    return line === `${mark}.` ? (JSON.parse(text) as Report) : undefined
  }
}
