/** Reads `POST /v1/messages`, as far as the rehearsal looks at it. */
import { isRefusal, readBody, readJson, type Refusal } from '../request.ts'
import type { IncomingMessage } from 'node:http'

export interface Message {
  readonly model: string
  readonly maxTokens: number
  readonly stream: boolean
  /** All that was said, as one text. */
  readonly text: string
}

const refused = (why: string): Refusal => ({ status: 400, why })

const textIn = (content: unknown): string => {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content
    .map((part) => (part as { text?: unknown } | null)?.text)
    .filter((text) => typeof text === 'string')
    .join('')
}

export const readMessage = async (request: IncomingMessage): Promise<Message | Refusal> => {
  const body = await readBody(request)
  const json = isRefusal(body) ? body : readJson(body.text)
  if (isRefusal(json)) return json
  const {
    model,
    max_tokens: maxTokens,
    stream = false,
    system,
    messages,
  } = (json.value ?? {}) as Record<string, unknown>
  if (typeof model !== 'string' || model === '') return refused('model: name one')
  if (typeof maxTokens !== 'number' || !Number.isInteger(maxTokens) || maxTokens < 1 || maxTokens > 100_000)
    return refused('max_tokens: a whole number from 1 to 100000')
  if (typeof stream !== 'boolean') return refused('stream: true or false')
  if (!Array.isArray(messages) || messages.length === 0) return refused('messages: at least one')
  const said = messages.map((one) => textIn((one as { content?: unknown } | null)?.content))
  if (said.some((text) => text === '')) return refused('messages: each has content')
  return { model, maxTokens, stream, text: [textIn(system), ...said].join('\n') }
}
