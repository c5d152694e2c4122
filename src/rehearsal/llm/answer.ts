/** An answer in the provider's form: one JSON document, or the events of a stream. */
import { draw } from '../faults.ts'
import type { Message } from './request.ts'

export interface Usage {
  readonly input: number
  readonly output: number
}

const words =
  'the agent reads a note and writes one line about what it found there and why it may matter later on'.split(' ')

/** So many tokens of text: each of them a word. */
export const textOf = (seed: number, { text }: Message, tokens: number): readonly string[] =>
  Array.from({ length: tokens }, (_, at) => words[Math.floor(draw(seed, 'word', text, at % 40) * words.length)]!)

const usageOf = ({ input, output }: Usage): object => ({ input_tokens: input, output_tokens: output })

export const documentOf = (id: string, { model }: Message, said: readonly string[], usage: Usage): object => ({
  id,
  type: 'message',
  role: 'assistant',
  model,
  content: [{ type: 'text', text: said.join(' ') }],
  stop_reason: 'end_turn',
  usage: usageOf(usage),
})

const event = (name: string, data: object): string =>
  `event: ${name}\ndata: ${JSON.stringify({ type: name, ...data })}\n\n`

const wordsAtOnce = 12

/** The last ones tell the output; who is cut off before them cannot know it. */
export const eventsOf = (id: string, { model }: Message, said: readonly string[], usage: Usage): readonly string[] => {
  const message = {
    id,
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    usage: usageOf({ ...usage, output: 1 }),
  }
  const deltas: string[] = []
  for (let at = 0; at < said.length; at += wordsAtOnce)
    deltas.push(
      event('content_block_delta', {
        index: 0,
        delta: { type: 'text_delta', text: `${said.slice(at, at + wordsAtOnce).join(' ')} ` },
      }),
    )
  return [
    event('message_start', { message }),
    event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    ...deltas,
    event('content_block_stop', { index: 0 }),
    event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: usage.output } }),
    event('message_stop', {}),
  ]
}

/** What the provider says when it says no. */
export const errorOf = (type: string, message: string): object => ({ type: 'error', error: { type, message } })
