/** Looks into a config as its author wrote it, tolerant of every fault in it. */
import { faultAt, nearest, show, type ConfigFault, type Path } from './faults.ts'
import { valueAt } from './issues.ts'

export const entriesAt = (raw: unknown, path: Path): readonly (readonly [string, unknown])[] => {
  const value = valueAt(raw, path)
  return typeof value === 'object' && value !== null ? Object.entries(value) : []
}

export const namesAt = (raw: unknown, collection: string): readonly string[] =>
  entriesAt(raw, [collection]).map(([name]) => name)

export const textAt = (raw: unknown, path: Path): string | undefined => {
  const value = valueAt(raw, path)
  return typeof value === 'string' ? value : undefined
}

/** A fault when the text at a path names nothing in a collection. */
export const refers = (raw: unknown, path: Path, collection: string): readonly ConfigFault[] => {
  const word = textAt(raw, path)
  const known = namesAt(raw, collection)
  if (word === undefined || known.includes(word)) return []
  const expected =
    known.length === 0
      ? `a name under ${collection}, where nothing stands`
      : `one of ${collection}: ${known.slice(0, 20).join(', ')}`
  return [faultAt(path, show(word), expected, nearest(word, known))]
}
