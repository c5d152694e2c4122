/**
 * A writer asks the model for one note and gives it back. It holds no key, counts no tokens and waits for no limit: the
 * gate does. When it is to wait for long, `ctx.fetch` throws and the task waits in the record; what is refused for
 * other reasons fails, and is tried again as the configuration says.
 */
import { defineAgent } from 'swarmsitter/agent'
import { readStream } from './stream.ts'

interface Note {
  readonly topic: string
  readonly careful: boolean
}

export default defineAgent({
  tasks: {
    note: async (ctx, { topic, careful }: Note) => {
      const answer = await ctx.fetch('llm', '/v1/messages', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
        body: JSON.stringify({
          model: careful ? 'rehearsal-large' : 'rehearsal-small',
          max_tokens: 200,
          stream: true,
          messages: [{ role: 'user', content: `One line about ${topic}, for somebody who is new here.` }],
        }),
      })
      if (!answer.ok) throw new Error(`the model says ${answer.status}: ${await answer.text()}`)
      const { text, tokens } = await readStream(answer.body)
      return { topic, text, tokens, writer: ctx.agent }
    },
  },
})
