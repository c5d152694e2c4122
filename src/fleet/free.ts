/**
 * Free agents of one type, the one that has been free longest first, so that work spreads over all of them. A doubly
 * linked list through the agents themselves: joining, leaving (an agent can be lost while free) and taking are O(1) and
 * leave nothing behind.
 */

export interface Place<Item> {
  readonly item: Item
  before: Place<Item> | null
  after: Place<Item> | null
  joined: boolean
}
export const placeOf = <Item>(item: Item): Place<Item> => ({ item, before: null, after: null, joined: false })

export class FreeQueue<Item> {
  #first: Place<Item> | null = null
  #last: Place<Item> | null = null
  #size = 0

  get size(): number {
    return this.#size
  }

  /** At the end; false when it was in already. */
  join(place: Place<Item>): boolean {
    if (place.joined) return false
    place.joined = true
    place.before = this.#last
    place.after = null
    if (this.#last) this.#last.after = place
    else this.#first = place
    this.#last = place
    this.#size += 1
    return true
  }

  leave(place: Place<Item>): void {
    if (!place.joined) return
    if (place.before) place.before.after = place.after
    else this.#first = place.after
    if (place.after) place.after.before = place.before
    else this.#last = place.before
    place.before = null
    place.after = null
    place.joined = false
    this.#size -= 1
  }

  /** From the one that has been free longest; nobody may join or leave meanwhile. */
  *oldest(): Generator<Item> {
    for (let place = this.#first; place; place = place.after) yield place.item
  }

  /** Takes out up to `count`, those that became free last: the others come to rest. */
  takeNewest(count: number): Item[] {
    const taken: Item[] = []
    for (let last = this.#last; last && taken.length < count; last = this.#last) {
      taken.push(last.item)
      this.leave(last)
    }
    return taken
  }

  /** Takes out up to `count`, longest free first. */
  take(count: number): Item[] {
    const taken: Item[] = []
    for (let first = this.#first; first && taken.length < count; first = this.#first) {
      taken.push(first.item)
      this.leave(first)
    }
    return taken
  }
}
