/**
 * An agent that has gone wrong: it asks the same until it likes the answer, and it never does. Nothing in here stops
 * it. Its budget does: the gate refuses the call that would be beyond it, `ctx.fetch` throws, and the task waits.
 */
import { defineAgent } from 'swarmsitter/agent'

export default defineAgent({
  tasks: {
    loop: async (ctx) => {
      for (;;) {
        const answer = await ctx.fetch('llm', '/v1/messages', {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
          body: JSON.stringify({
            model: 'rehearsal-large',
            max_tokens: 200,
            messages: [{ role: 'user', content: 'Is it done yet? Answer with the word done.' }],
          }),
        })
        const text = await answer.text()
        if (answer.ok && text.trim() === 'done') return { done: true }
      }
    },
  },
})
