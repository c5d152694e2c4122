/**
 * Reads from a zod schema which keys may stand at a path, so that advice on a misspelt key never lags behind the
 * schema.
 */
import { z } from 'zod'
import type { Path } from './faults.ts'

type Schema = z.core.$ZodType

/** The schema under defaults, options and transforms. */
const bare = (schema: Schema): Schema => {
  if (
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable
  ) {
    return bare(schema.def.innerType)
  }
  return schema instanceof z.ZodPipe ? bare(schema.def.in) : schema
}

const child = (schema: Schema, part: PropertyKey): Schema | undefined => {
  if (schema instanceof z.ZodObject) return Object.hasOwn(schema.shape, part) ? schema.shape[part as string] : undefined
  if (schema instanceof z.ZodRecord) return schema.valueType
  if (schema instanceof z.ZodArray) return schema.element
  return undefined
}

const asObject = (schema: Schema): z.ZodObject | undefined => {
  const inner = bare(schema)
  if (inner instanceof z.ZodObject) return inner
  return inner instanceof z.ZodUnion ? inner.options.map(asObject).find((option) => option !== undefined) : undefined
}

/** Keys of the object at a path, in the order of the schema; empty when no object stands there. */
export const validKeys =
  (root: Schema) =>
  (path: Path): readonly string[] => {
    let schema: Schema | undefined = root
    for (const part of path) {
      if (schema === undefined) return []
      const inner: Schema = bare(schema)
      schema = child(asObject(inner) ?? inner, part)
    }
    return Object.keys((schema && asObject(schema))?.shape ?? {})
  }
