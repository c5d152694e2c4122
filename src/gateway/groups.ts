/**
 * Work that many calls have at the same point of their way is gathered and done for one after the other. The code of a
 * whole call is wider than the caches of a small machine; who goes all the way alone loads each piece of it anew, and
 * that was a third of what a call cost (bench/README.md). Nobody waits for others to come: a group is who is there.
 */

/** Adds to a group. Each is done in the order in which it was added, and throws nothing. */
export type Gather<Item> = (item: Item) => void

const gatherBy =
  (soon: (run: () => void) => void) =>
  <Item>(each: (item: Item) => void): Gather<Item> => {
    let group: Item[] = []
    const run = (): void => {
      const all = group
      group = []
      for (const item of all) each(item)
    }
    return (item) => {
      if (group.push(item) === 1) soon(run)
    }
  }

/** Done when the loop has read whatever there was to be read. */
export const gatherTurn = gatherBy((run) => void setImmediate(run))

/** Done by the next tick, with what others add until then, and before anything else is read. */
export const gatherMoment = gatherBy((run) => process.nextTick(run))
