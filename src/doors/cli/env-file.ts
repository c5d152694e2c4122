/**
 * Reads a `.env` as other tools write it: `NAME=value`, quoted or not, quoted over several lines, with comments. Unlike
 * Node's own reader it says what it does not understand, by line, for a secret that was cut would be set.
 */
export interface EnvFile {
  readonly variables: readonly { readonly name: string; readonly value: string; readonly line: number }[]
  /** Lines from 1. */
  readonly faults: readonly { readonly line: number; readonly why: string }[]
}

const assignment = /^\s*(?:export\s+)?([A-Za-z0-9_][A-Za-z0-9._-]{0,126})\s*=[^\S\n]*/
const escapes: Readonly<Record<string, string>> = { '\\n': '\n', '\\r': '\r', '\\"': '"', '\\\\': '\\' }

/** What stands from a quote on: its value, and how many characters it takes; undefined when it is not closed. */
const quoted = (rest: string): { readonly value: string; readonly length: number } | undefined => {
  // Only double quotes know escapes.
  const [whole, double, single, back] = /^(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|`([^`]*)`)/s.exec(rest) ?? []
  if (whole === undefined) return undefined
  const value = double?.replace(/\\[nr"\\]/g, (one) => escapes[one]!) ?? single ?? back ?? ''
  return { value, length: whole.length }
}

/** Bare: up to a comment, which has a blank before it; a `#` inside a word is a part of it. */
const bare = (line: string): string => line.replace(/(?:^|\s)#.*$/, '').trim()

const isNothing = (line: string): boolean => /^\s*(?:#.*)?$/.test(line)

export const readEnvFile = (text: string): EnvFile => {
  const variables: EnvFile['variables'][number][] = []
  const faults: EnvFile['faults'][number][] = []
  let rest = text.replaceAll('\r\n', '\n')
  let line = 1
  const take = (length: number): string => {
    const taken = rest.slice(0, length)
    line += taken.split('\n').length - 1
    rest = rest.slice(length)
    return taken
  }
  const takeLine = (): string => take(rest.includes('\n') ? rest.indexOf('\n') + 1 : rest.length).replace(/\n$/, '')
  const add = (name: string, value: string, at: number): void => {
    if (variables.some((one) => one.name === name)) faults.push({ line: at, why: 'a name stands twice' })
    else variables.push({ name, value, line: at })
  }
  while (rest !== '') {
    const at = line
    const first = rest.split('\n', 1)[0]!
    const [head, name] = assignment.exec(first) ?? []
    if (isNothing(first)) takeLine()
    else if (head === undefined || name === undefined) {
      takeLine()
      faults.push({ line: at, why: 'no NAME=value' })
    } else {
      take(head.length)
      const inQuotes = /^["'`]/.test(rest) ? quoted(rest) : null
      if (inQuotes === null) add(name, bare(takeLine()), at)
      else if (inQuotes === undefined) {
        takeLine()
        faults.push({ line: at, why: 'a quote that is not closed' })
      } else {
        take(inQuotes.length)
        if (isNothing(takeLine())) add(name, inQuotes.value, at)
        else faults.push({ line: at, why: 'something stands after the closing quote' })
      }
    }
  }
  return { variables, faults }
}
