/**
 * Whether what may be spent is not spent yet, and the most that this call may cost is reserved until its end. Looked at
 * before it waits for its limits, so that who has nothing left does not stand in line, and reserved when its turn has
 * come, so that who waits holds nothing.
 */
import { isSafe } from '../../limit/limit.ts'
import { formatCost } from '../../std/std.ts'
import type { CallInHand, Refusal, Room, Stage } from '../call.ts'
import type { Short } from '../cost/budgets.ts'
import { mostOf } from '../cost/price.ts'
import { kindOfBudget } from '../vacancies.ts'
import { askedOf } from './charge.ts'

/** When what calls under way have reserved may be free again. */
const reservedMs = 1_000

const isShort = (found: object): found is Short => 'why' in found

const refusalOf = ({ place, why }: Short, { clock }: Room): Refusal => {
  const { budget, owner, windowMs } = place
  const whose = `${owner} may spend ${formatCost(budget.spend)} (budget ${budget.name})`
  if (why === 'reserved') {
    const message = `${whose}, and what is left of it is reserved for calls under way`
    return { code: 'limited', message, retryAfterMs: reservedMs }
  }
  const endsMs = windowMs + budget.everyMs
  const message = `${whose}, and has: the next window begins at ${new Date(endsMs).toISOString()}`
  const retryAfterMs = Math.max(1, endsMs - clock.wallMs())
  return { code: 'budget-spent', message, retryAfterMs, waitsFor: kindOfBudget(budget.name, owner) }
}

/** What becomes of a payment is asked whatever it costs; so is what the gate asks for itself. */
const isForced = ({ grant, seat, method }: CallInHand): boolean => seat === null && (grant === null || isSafe(method))

export const payerOf = ({ agent, upstreamName }: CallInHand) => ({ agent, upstream: upstreamName })

export const look: Stage = (call, room) => {
  const { price } = call.upstream!
  if (price === null || isForced(call)) return undefined
  const short = room.budgets.look(payerOf(call), mostOf(price, askedOf(call)))
  return short && refusalOf(short, room)
}

export const reserve: Stage = (call, room) => {
  const { price } = call.upstream!
  if (price === null) return undefined
  const found = room.budgets.reserve(payerOf(call), mostOf(price, askedOf(call)), isForced(call))
  if (isShort(found)) return refusalOf(found, room)
  call.reservation = found
  return undefined
}

/** Of a call that will not be sent any more. */
export const letGo = (call: CallInHand, room: Pick<Room, 'budgets'>): void => {
  if (call.reservation === null) return
  room.budgets.release(call.reservation)
  call.reservation = null
}
