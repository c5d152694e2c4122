/** An agent that says what it was told. */
import { defineAgent } from 'swarmsitter/agent'

const say = async (_ctx, payload) => ({ said: payload.do })

export default defineAgent({ tasks: { pooled: say, teller: say, less: say } })
