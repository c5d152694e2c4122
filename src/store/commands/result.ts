/**
 * A command is plain data with its preconditions. A failed precondition is a value, not an exception, and rolls back
 * the caller's whole list (and nobody else's).
 */
export interface Defined<Kind extends string, Arguments, Value> {
  readonly kind: Kind
  readonly with: Arguments
  /** Never set: carries the type of the command's result. */
  readonly '~value'?: Value
}

export type Refusal =
  | 'stale'
  | 'conflict'
  | 'exists'
  | 'exists-with-different'
  | 'not-found'
  | 'illegal'
  | 'rolled-back'

export type Result<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly refusal: Refusal; readonly detail: string }
