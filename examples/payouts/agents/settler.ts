/**
 * A settler pays one row. It decides that the payment is due and asks for it; the sitter pays, so no credential is ever
 * in here. Asking again for the same reference, after a crash or a retry, gives the same settlement: nothing is paid
 * twice.
 */
import { defineAgent, type Payment } from 'swarmsitter/agent'

export default defineAgent({
  tasks: {
    settle: async (ctx, payload: Payment) => ctx.settle(payload),
  },
})
