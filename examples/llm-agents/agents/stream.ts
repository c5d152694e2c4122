/** The text of an answer that streams as events, and how many tokens it says that it has. */
interface Event {
  readonly type: string
  readonly delta?: { readonly text?: string }
  readonly usage?: { readonly output_tokens: number }
}

export interface Said {
  readonly text: string
  readonly tokens: number
}

/** @throws Error when the stream ends before its last event: then nobody knows what is missing. */
export const readStream = async (body: AsyncIterable<Uint8Array>): Promise<Said> => {
  const decoder = new TextDecoder()
  let [rest, text, tokens, isWhole] = ['', '', 0, false]
  for await (const part of body) {
    const lines = (rest + decoder.decode(part, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (!line.startsWith('data: ')) continue
      const event = JSON.parse(line.slice('data: '.length)) as Event
      text += event.delta?.text ?? ''
      tokens = event.usage?.output_tokens ?? tokens
      isWhole ||= event.type === 'message_stop'
    }
  }
  if (!isWhole) throw new Error('the stream ended before its end')
  return { text: text.trim(), tokens }
}
