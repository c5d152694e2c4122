/**
 * In which line of a configuration's text a value stands. The text is not run and not parsed: objects and lists that
 * are written out are followed from the outermost one, with what is between quotes and in comments skipped. Where a
 * value is made by code, the line is that of the last key that is written out.
 */
import type { ConfigFault, Path } from './faults.ts'

const opens = '{[('
const closes = '}])'
const quotes = '\'"`'

/** The end of what begins here and is no code: a text or a comment; `at` itself when it is code. */
const afterText = (text: string, at: number): number => {
  const sign = text[at]!
  if (quotes.includes(sign)) {
    let end = at + 1
    while (end < text.length && text[end] !== sign) end += text[end] === '\\' ? 2 : 1
    return end + 1
  }
  if (text.startsWith('//', at)) {
    const end = text.indexOf('\n', at)
    return end < 0 ? text.length : end
  }
  if (!text.startsWith('/*', at)) return at
  const end = text.indexOf('*/', at + 2)
  return end < 0 ? text.length : end + 2
}

/** Skips blanks and comments. */
const codeFrom = (text: string, from: number): number => {
  let at = from
  for (;;) {
    while (/\s/.test(text[at] ?? '')) at += 1
    const after = quotes.includes(text[at] ?? ' ') ? at : afterText(text, at)
    if (after === at || at >= text.length) return at
    at = after
  }
}

/** Where each part of what is opened here begins, and its key when it has one. Parts end at commas of its own level. */
const partsOf = (text: string, open: number): readonly { readonly at: number; readonly key: string | undefined }[] => {
  const parts: { at: number; key: string | undefined }[] = []
  let depth = 0
  let isFresh = true
  for (let at = open + 1; at < text.length;) {
    if (isFresh) {
      at = codeFrom(text, at)
      const key = /^(?:(['"])(.{1,200}?)\1|([\w$]+))\s*:/.exec(text.slice(at, at + 220))
      if (!closes.includes(text[at] ?? '}')) parts.push({ at, key: key?.[2] ?? key?.[3] })
      isFresh = false
    }
    const after = afterText(text, at)
    if (after > at) {
      at = after
      continue
    }
    const sign = text[at]!
    if (opens.includes(sign)) depth += 1
    else if (closes.includes(sign)) {
      if (depth === 0) return parts
      depth -= 1
    } else if (sign === ',' && depth === 0) isFresh = true
    at += 1
  }
  return parts
}

const lineAt = (text: string, at: number): number => text.slice(0, at).split('\n').length

/** The line (from 1) of the value at a path, or of the nearest thing around it; undefined where nothing is found. */
export const lineOf = (text: string, path: Path): number | undefined => {
  const start = /(?:defineSwarm\s*\(|export\s+default)\s*(?=\{)|^\s*(?=\{)/.exec(text)
  if (start === null) return undefined
  let open = codeFrom(text, start.index + start[0].length)
  let found: number | undefined
  for (const part of path) {
    if (text[open] !== '{' && text[open] !== '[') break
    const parts = partsOf(text, open)
    const here = typeof part === 'number' ? parts[part] : parts.find(({ key }) => key === String(part))
    if (here === undefined) break
    found = here.at
    open = here.key === undefined ? here.at : codeFrom(text, text.indexOf(':', afterText(text, here.at)) + 1)
  }
  return found === undefined ? undefined : lineAt(text, found)
}

/** A path as faults write it: `agents.settler.upstreams[0]`, `tasks["my task"].agent`. */
const pathOf = (text: string): Path =>
  [...text.matchAll(/\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([^.[\]]+)/g)].map(([, index, quoted, name]) =>
    index === undefined ? (quoted === undefined ? name! : (JSON.parse(quoted) as string)) : Number(index),
  )

const lineOfFault = ({ path }: ConfigFault, text: string): number | undefined => {
  if (!path.startsWith("env('")) return lineOf(text, pathOf(path))
  const at = text.indexOf(path.slice(0, -1))
  return at < 0 ? undefined : lineAt(text, at)
}

/** The same faults with the lines where they stand, as far as the text shows them. */
export const withLines = (faults: readonly ConfigFault[], text: string): readonly ConfigFault[] =>
  faults.map((fault) => {
    const line = lineOfFault(fault, text)
    return line === undefined ? fault : { ...fault, line }
  })
