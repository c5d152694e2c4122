/**
 * A settler pays one row. It decides that the payment is due and asks for it; the sitter pays, so no credential is ever
 * in here. Asking again for the same reference, after a crash or a retry, gives the same settlement: nothing is paid
 * twice. What follows from a payment are tasks with keys: added again, they are the same tasks.
 */
import { defineAgent, type Payment } from 'swarmsitter/agent'

/** Who gets so much is told: one in twenty. */
const isLarge = (amount: string): boolean => Number(amount) >= 500
/** Each thousandth row asks for a report. */
const isMilestone = (reference: string): boolean => reference.endsWith('000')

export default defineAgent({
  tasks: {
    settle: async (ctx, payment: Payment) => {
      const settled = await ctx.settle(payment)
      const { reference, payee, amount, currency } = payment
      if (settled.state === 'settled' && isLarge(amount))
        await ctx.addTask({ type: 'notify', key: reference, payload: { to: payee, text: `${amount} ${currency}` } })
      if (isMilestone(reference))
        await ctx.addTask({ type: 'report', key: reference, payload: { title: `payouts up to ${reference}` } })
      return settled
    },
  },
})
