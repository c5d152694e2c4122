/** `settlement hold`, `release`, `cancel`: what a person orders about a payment that is not yet at the provider. */
import type { SettlementDescription } from '../api.ts'
import { confirm, onlyDry, required } from './asking.ts'
import { plain } from './text.ts'
import type { Deed } from './verb.ts'

type PaymentOrder = 'hold' | 'release' | 'cancel'

const past: Record<PaymentOrder, string> = { hold: 'held', release: 'released', cancel: 'cancelled' }
const effect: Record<PaymentOrder, string> = {
  hold: '',
  release: 'It is sent as soon as its turn comes.',
  cancel: 'It is never sent, and its reference never pays again.',
}

export const paymentOrder =
  (order: PaymentOrder): Deed =>
  async (invocation) => {
    const id = required(invocation, 0)
    const reason = invocation.options.text('reason')
    const api = await invocation.api()
    const path = `/api/v1/settlements/${encodeURIComponent(id)}`
    const { amount, currency, payee, reference, state } = await api.get<SettlementDescription>(path)
    const what = plain(`${amount} ${currency} to ${payee} (${reference}), now ${state}`)
    if (onlyDry(invocation, `${order} ${what}`, { verb: order, id, state, reason })) return 0
    if (order !== 'hold') await confirm(invocation, `${order} ${what}? ${effect[order]}`, order)
    const answer = await api.post<unknown>(`${path}/${order}`, reason === undefined ? {} : { reason })
    invocation.printer.show(answer, () => [
      `${past[order]}: ${plain(`${amount} ${currency} to ${payee} (${reference})`)}`,
    ])
    return 0
  }
