/**
 * The inbox by cause: a hundred dead letters of one database that is gone are one thing to understand, and one order.
 * Pure.
 */
import type { InboxCause, InboxItem } from '../api.ts'

/** Ids that a group names. */
const mostNamed = 20
/** Shorter pieces of a text choose too much. */
const leastPiece = 4

/** The longest piece of a fingerprint that stands in the text of all of them as it is, for `--error`. */
const commonPart = (cause: string): string | undefined => {
  const pieces = cause
    .slice(cause.indexOf(':') + 1)
    .split('#')
    .map((piece) => piece.trim())
    .filter((piece) => piece.length >= leastPiece && !/['\\\n]/.test(piece))
  return pieces.toSorted((one, other) => other.length - one.length)[0]
}

const likeOf = ({ kind, cause }: InboxItem): InboxCause['like'] => {
  if (kind !== 'dead-letter') return undefined
  const error = commonPart(cause)
  return { type: cause.slice(0, cause.indexOf(':')), ...(error !== undefined && { error }) }
}

const wayOutOf = (items: readonly InboxItem[], one: InboxItem): string => {
  if (items.length === 1) return one.wayOut
  const like = likeOf(one)
  if (like !== undefined) {
    const which = `--type ${like.type}${like.error === undefined ? '' : ` --error '${like.error}'`}`
    return `sitter dlq show ${one.id} (one of them), then sitter dlq redrive ${which} --rate 10/s`
  }
  return `sitter inbox --each names them; of the first: ${one.wayOut}`
}

const whatOf = (items: readonly InboxItem[], one: InboxItem): string => {
  if (items.length === 1) return one.what
  const count = items.reduce((sum, item) => sum + item.count, 0)
  if (one.kind === 'dead-letter') {
    const type = one.cause.slice(0, one.cause.indexOf(':'))
    return `${count} ${type} tasks gave up, the oldest: ${one.what.slice(one.what.indexOf(': ') + 2)}`
  }
  return `${count} like this one: ${one.what}`
}

/** Groups in the order of their first item; of each, the oldest item tells what it is. */
export const byCause = (all: readonly InboxItem[]): readonly InboxCause[] => {
  const groups = Map.groupBy(all, ({ kind, cause }) => `${kind} ${cause}`)
  return [...groups.values()].map((items) => {
    const oldest = items.reduce((first, item) => (item.sinceMs < first.sinceMs ? item : first))
    const like = items.length === 1 ? undefined : likeOf(oldest)
    return {
      kind: oldest.kind,
      cause: oldest.cause,
      count: items.reduce((sum, item) => sum + item.count, 0),
      ids: items.slice(0, mostNamed).map(({ id }) => id),
      what: whatOf(items, oldest),
      sinceMs: oldest.sinceMs,
      wayOut: wayOutOf(items, oldest),
      ...(like !== undefined && { like }),
    }
  })
}
