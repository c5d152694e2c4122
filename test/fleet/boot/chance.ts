/** Chances of these tests. */
import { seeded, type Random } from '../../../src/std/std.ts'

export { seeded }

export const shuffled = <Item>(items: readonly Item[], chance: Random): readonly Item[] =>
  items
    .map((item) => [chance.next(), item] as const)
    .toSorted(([one], [other]) => one - other)
    .map(([, item]) => item)
