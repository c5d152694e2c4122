/** An agent that says what it was told. */
import { defineAgent } from 'swarmsitter/agent'

export default defineAgent({ tasks: { pooled: async (_ctx, payload) => ({ said: payload.do }) } })
