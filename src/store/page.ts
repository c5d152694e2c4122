/** A page of a list: `next` is the cursor to ask with after it, null at the end. */
export interface Page<Item> {
  readonly items: readonly Item[]
  readonly next: string | null
}
export interface PageAsk {
  readonly limit: number
  readonly after: string | null
}
