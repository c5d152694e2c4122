/**
 * By which account at its provider a call goes: by that of its own credential, or by that of the fallback. Pure.
 *
 *   own account serves ─▶ own            (a limit or a pause is no reason to leave it: they are there to be obeyed)
 *   it does not ─▶ changes nothing ─▶ other
 *                  changes something ─▶ other, by the proof that nothing happened at the own one; else it stays
 *
 * The proof is the journal's: it has every call of the same key, and each of them was not sent or was answered 401.
 * What may have happened at one account stays there, whichever serves: tried by both, it could happen twice.
 */
export type Side = 'own' | 'other'

/** One account as it stands now. */
export interface Standing {
  /** The credential of the configuration. */
  readonly name: string
  readonly account: string | null
  /** Its secrets. */
  readonly members: readonly string[]
  /** Why none of them serves; null = one does. */
  readonly whyNot: string | null
  /** One can be tried all the same: it rests, or ends by its provider's word. */
  readonly canBeTried: boolean
  /** The secret that is to be set, when none can be tried. */
  readonly toSet: string
}

export interface Wanted {
  readonly changes: boolean
  /** It has an idempotency-key. */
  readonly isKeyed: boolean
  /** Where a call of the same key may have had its effect; `elsewhere`: at neither of the two. */
  readonly bound: Side | 'elsewhere' | null
  /** Until when keys may come again that were used before keys were kept, wall ms; null = all are known. */
  readonly forgottenUntilMs: number | null
  /** For how long the provider wants the own account to wait. */
  readonly pausedMs: number
  /** What of the call the fallback may not be used for. */
  readonly outside: string | undefined
}

export type Decided =
  /** `isFree`: nothing but the accounts themselves decided, so another one than before is a switch. */
  | { readonly by: Side; readonly isFree: boolean }
  /** `isAlone`: others like it may go. */
  | { readonly by: null; readonly why: string; readonly isAlone: boolean; readonly retryAfterMs?: number }

const titleOf = ({ name, account }: Standing): string => (account === null ? name : `${name} (account ${account})`)

const sideOf = (row: { readonly account: string; readonly credential: string }, side: Standing): boolean =>
  row.account === side.account || side.members.includes(row.credential)

/** Accounts may have been renamed and secrets moved: either name is enough. */
export const boundOf = (
  rows: readonly { readonly account: string; readonly credential: string }[],
  own: Standing,
  other: Standing | null,
): Wanted['bound'] => {
  const sides = rows.map((row): Side | 'elsewhere' =>
    sideOf(row, own) ? 'own' : other !== null && sideOf(row, other) ? 'other' : 'elsewhere',
  )
  const [first = null] = sides
  return sides.every((side) => side === first) ? first : 'elsewhere'
}

const happened = 'an earlier call with this idempotency-key may have had its effect'

/** What is done with a key that is bound already. */
const stay = (bound: Side | 'elsewhere', own: Standing, other: Standing | null): Decided => {
  const side = bound === 'own' ? own : bound === 'other' ? other : null
  if (bound === 'elsewhere' || side === null)
    return {
      by: null,
      isAlone: true,
      why:
        `${happened} by an account that ${titleOf(own)} is not: ask there what became of it; ` +
        'what is new has a new key',
    }
  if (side.canBeTried) return { by: bound, isFree: false }
  const rest = bound === 'other' || other !== null ? ', so it goes by no other account' : ''
  return {
    by: null,
    isAlone: true,
    why: `${happened} by ${titleOf(side)}${rest}; ${side.whyNot}: sitter vault set ${side.toSet}`,
  }
}

/** Why a call may not go by the fallback, which serves; undefined = it may. */
const barOf = (
  own: Standing,
  other: Standing,
  wanted: Wanted,
): Omit<Decided & { by: null }, 'by' | 'isAlone'> | undefined => {
  const { changes, isKeyed, forgottenUntilMs, pausedMs, outside } = wanted
  const by = titleOf(other)
  if (pausedMs > 0)
    return {
      why: `the provider wants ${titleOf(own)} to wait, and until then nothing goes by ${by} instead`,
      retryAfterMs: Math.ceil(pausedMs),
    }
  if (outside !== undefined) return { why: `${by} may not be used for ${outside}` }
  if (!changes) return undefined
  if (!isKeyed)
    return { why: `without an idempotency-key nobody knows what was tried, so it goes not by ${by}: send one` }
  if (forgottenUntilMs === null) return undefined
  const day = new Date(forgottenUntilMs).toISOString().slice(0, 16)
  return { why: `keys of before this upstream's account was named are not known, so not by ${by} until ${day}Z` }
}

export const decide = (own: Standing, other: Standing | null, wanted: Wanted): Decided => {
  if (wanted.changes && wanted.bound !== null) return stay(wanted.bound, own, other)
  if (own.whyNot === null) return { by: 'own', isFree: true }
  const way = `${own.whyNot}: sitter vault set ${own.toSet}`
  if (other === null) return own.canBeTried ? { by: 'own', isFree: true } : { by: null, why: way, isAlone: false }
  const bar = other.whyNot === null ? barOf(own, other, wanted) : { why: `${titleOf(other)}: ${other.whyNot}` }
  if (bar === undefined) return { by: 'other', isFree: true }
  // A key that rests is the last one to be tried, and its provider's answer is better than a guess.
  if (own.canBeTried) return { by: 'own', isFree: false }
  return { ...bar, by: null, why: `${way}; ${bar.why}`, isAlone: other.whyNot === null }
}
