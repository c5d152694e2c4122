/**
 * Pages of lists: `?limit&cursor`. A cursor is sealed with the question that it belongs to, so a forged or borrowed
 * one is refused.
 */
import { Failure } from '../../std/std.ts'
import type { Page, PageAsk } from '../../store/store.ts'
import type { List } from '../api.ts'
import type { Ask } from './route.ts'

const mostItems = 1_000
const usualItems = 100

const limitOf = (text: string | undefined, usual: number): number => {
  if (text === undefined) return usual
  const limit = /^[1-9][0-9]{0,3}$/.test(text) ? Number(text) : 0
  if (limit === 0 || limit > mostItems)
    throw new Failure('invalid', `limit must be a whole number from 1 to ${mostItems}`)
  return limit
}

/**
 * A yes or no of a query; undefined when it was not given. Anything else is refused: a misspelt dryRun must not pay.
 */
export const truth = (name: string, text: string | undefined): boolean | undefined => {
  if (text === undefined) return undefined
  if (text === 'true' || text === '1') return true
  if (text === 'false' || text === '0') return false
  throw new Failure('invalid', `${name} must be true or false`)
}

/** What the cursor is bound to: the path and every filter, not the limit. */
const question = (ask: Ask): string => {
  const filters = Object.entries(ask.query)
    .filter(([name]) => name !== 'limit' && name !== 'cursor')
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
  return `cursor ${new URL(ask.request.url).pathname} ${JSON.stringify(filters)}`
}

/** @throws Failure `invalid` for a bad limit or a cursor that did not come from this list. */
export const pageAsk = (ask: Ask, usual = usualItems): PageAsk => {
  const limit = limitOf(ask.query['limit'], usual)
  const cursor = ask.query['cursor']
  if (cursor === undefined) return { limit, after: null }
  const [text, seal] = cursor.split('.')
  const after = Buffer.from(text ?? '', 'base64url').toString('utf8')
  if (after === '' || seal !== ask.identity.seal(question(ask), after)) {
    throw new Failure('invalid', 'the cursor is not one of this list; begin again without cursor')
  }
  return { limit, after }
}

const cursorAfter = (ask: Ask, next: string): string =>
  `${Buffer.from(next, 'utf8').toString('base64url')}.${ask.identity.seal(question(ask), next)}`

/** A page of a list, each item made presentable. */
export const listOf = <From, To>(ask: Ask, page: Page<From>, present: (item: From) => To): List<To> => ({
  items: page.items.map(present),
  next: page.next === null ? null : cursorAfter(ask, page.next),
})

/**
 * A page cut from a list that is in memory and sorted by `idOf` order; resumes after the item that the cursor names.
 */
export const cut = <Item>(
  items: readonly Item[],
  { limit, after }: PageAsk,
  idOf: (item: Item) => string,
): Page<Item> => {
  const from = after === null ? 0 : items.findIndex((item) => idOf(item) === after) + 1
  if (after !== null && from === 0)
    throw new Failure('invalid', 'the item of this cursor is gone; begin again without cursor')
  const taken = items.slice(from, from + limit)
  return { items: taken, next: from + limit < items.length ? idOf(taken.at(-1)!) : null }
}
