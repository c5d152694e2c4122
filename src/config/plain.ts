/**
 * Finds what JSON would drop or bend without a word in a value: functions, dates, bigints, NaN, foreign prototypes,
 * cycles.
 */
export interface Strange {
  readonly path: readonly (string | number)[]
  readonly found: string
}

const deepest = 64
const mostStrange = 100

const kindOf = (value: unknown, inList: boolean): string | undefined => {
  switch (typeof value) {
    case 'function':
      return 'a function'
    case 'bigint':
      return 'a bigint'
    case 'symbol':
      return 'a symbol'
    case 'number':
      return Number.isFinite(value) ? undefined : String(value)
    // An absent key may be written as undefined; in a list it would turn into null.
    case 'undefined':
      return inList ? 'undefined' : undefined
    case 'object': {
      if (value === null || Array.isArray(value)) return undefined
      const prototype: unknown = Object.getPrototypeOf(value)
      if (prototype === Object.prototype || prototype === null) return undefined
      const maker = (value as { constructor?: { name?: unknown } }).constructor?.name
      return `an object of ${typeof maker === 'string' && maker !== 'Object' ? maker : 'another prototype'}`
    }
    case 'string':
    case 'boolean':
      return undefined
  }
}

export const strangeValues = (root: unknown): readonly Strange[] => {
  const found: Strange[] = []
  const visit = (value: unknown, path: readonly (string | number)[], inList: boolean): void => {
    if (found.length >= mostStrange) return
    const kind = path.length > deepest ? `nesting deeper than ${deepest}, or a cycle` : kindOf(value, inList)
    if (kind !== undefined) {
      found.push({ path: path.slice(0, 8), found: kind })
      return
    }
    if (typeof value !== 'object' || value === null) return
    if (Array.isArray(value)) {
      value.forEach((item, index) => visit(item, [...path, index], true))
      return
    }
    for (const key of Object.keys(value)) visit((value as Record<string, unknown>)[key], [...path, key], false)
  }
  visit(root, [], false)
  return found
}
