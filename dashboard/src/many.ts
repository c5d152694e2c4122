/**
 * Many orders of the same kind, a few at a time, each told by itself: what was done, refused, or is not known. Stopped
 * half way, what was not begun is left alone.
 */
import { newKey, send, type Sent } from './ask.ts'

export type Each = { readonly kind: 'waits' } | { readonly kind: 'under-way' } | { readonly kind: 'left' } | Sent

export interface Many {
  readonly ids: readonly string[]
  readonly each: Readonly<Record<string, Each>>
  /** One key an item for all tries, so that a try after a lost answer is known again. */
  readonly keys: Readonly<Record<string, string>>
}

export const manyOf = (ids: readonly string[]): Many => ({
  ids,
  each: Object.fromEntries(ids.map((id) => [id, { kind: 'waits' }])),
  keys: Object.fromEntries(ids.map((id) => [id, newKey()])),
})

/** How many there are of each kind. */
export const tally = ({ each }: Many): Readonly<Record<Each['kind'], number>> => {
  const counts = { waits: 0, 'under-way': 0, left: 0, done: 0, refused: 0, unknown: 0 }
  for (const { kind } of Object.values(each)) counts[kind] += 1
  return counts
}

/** Those worth another try: never begun, refused for now, or without an answer. */
export const unfinished = ({ ids, each }: Many): string[] => ids.filter((id) => each[id]?.kind !== 'done')

/** Orders under way at once: a sitter that is asked by many people keeps room for all of them. */
const atOnce = 4

export interface SendMany {
  readonly path: (id: string) => string
  readonly stop: AbortSignal
  /** Told of every change. */
  readonly told: (many: Many) => void
}

/** Sends what is not done yet, and resolves when nothing is under way any more. */
export const sendMany = async (begun: Many, { path, stop, told }: SendMany): Promise<Many> => {
  let many = begun
  const tell = (id: string, each: Each): void => {
    many = { ...many, each: { ...many.each, [id]: each } }
    told(many)
  }
  const left = unfinished(many)
  const worker = async (): Promise<void> => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      if (stop.aborted) {
        tell(id, { kind: 'left' })
        continue
      }
      tell(id, { kind: 'under-way' })
      const sent = await send(path(id), {}, many.keys[id]!)
      if (sent.kind !== 'unknown' || !sent.sameKey) many = { ...many, keys: { ...many.keys, [id]: newKey() } }
      tell(id, sent)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return many
}
