/** What a machine offers of one thing: how far it holds, in words, and what a person can do. */

/** `enforced` by the kernel; `weaker`: in part; `absent`: not at all. */
export interface Ability {
  readonly verdict: 'enforced' | 'weaker' | 'absent'
  readonly says: string
  /** What a person can do; null where nothing is to be done. */
  readonly fix: string | null
}

export const enforced = (says: string): Ability => ({ verdict: 'enforced', says, fix: null })
export const weaker = (says: string, fix: string | null): Ability => ({ verdict: 'weaker', says, fix })
export const absent = (says: string, fix: string | null): Ability => ({ verdict: 'absent', says, fix })
