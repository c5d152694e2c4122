/**
 * One place of a configuration explained: what holds there, whether it was written or is the default, what may stand
 * below.
 */
import { Failure } from '../std/std.ts'
import { formatPath, nearest, type Path } from './faults.ts'
import { swarmSchema } from './schema.ts'
import { validKeys } from './valid-keys.ts'

export interface Explanation {
  readonly path: string
  /** As the program uses it: durations in ms, sizes in bytes. */
  readonly value: unknown
  /** As it stands in the file; absent when it does not. */
  readonly written?: unknown
  readonly origin: 'written' | 'default'
  /** Keys that may stand below; empty when it is no object with known keys. */
  readonly keys: readonly string[]
}

/** `agents.settler.limits[0].rate` as parts. @throws Failure `usage`. */
export const readPath = (text: string): Path => {
  const parts: (string | number)[] = []
  const reader = /(?:^|\.)([^.[\]]{1,80})|\[([0-9]{1,6})\]/gy
  while (reader.lastIndex < text.length) {
    const found = reader.exec(text)
    if (found === null)
      throw new Failure('usage', `${JSON.stringify(text.slice(0, 80))} is no path: write it like agents.settler.count`)
    parts.push(found[1] ?? Number(found[2]))
  }
  return parts
}

/** Own properties only: `__proto__` and `constructor` lead nowhere. */
const at = (value: unknown, path: Path): { readonly there: boolean; readonly value?: unknown } => {
  let here = value
  for (const part of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, part)) return { there: false }
    here = (here as Record<PropertyKey, unknown>)[part]
  }
  return { there: true, value: here }
}

/** @throws Failure `not-found` with the nearest key. */
export const explainPath = (raw: unknown, path: Path): Explanation => {
  const parsed = swarmSchema.parse(raw)
  const used = at(parsed, path)
  const written = at(raw, path)
  if (!used.there) {
    const known = validKeys(swarmSchema)
    const depth = path.findIndex((_, index) => !at(parsed, path.slice(0, index + 1)).there)
    const above = path.slice(0, depth)
    const value = at(parsed, above).value
    const keys = new Set([...known(above), ...(typeof value === 'object' && value !== null ? Object.keys(value) : [])])
    const near = nearest(String(path[depth]), [...keys])
    throw new Failure(
      'not-found',
      `nothing stands at ${formatPath(path.slice(0, depth + 1))}${near === undefined ? '' : `; did you mean ${near}?`}`,
    )
  }
  return {
    path: formatPath(path),
    value: used.value,
    ...(written.there && { written: written.value }),
    origin: written.there ? 'written' : 'default',
    keys: validKeys(swarmSchema)(path),
  }
}
