/** Bodies of requests, read within their bound; what is over it is not read. */
import { z } from 'zod'
import { Failure } from '../../std/std.ts'
import { jsonBounds, readJson, readText } from './json.ts'

const tooLarge = (bound: number): Failure =>
  new Failure('too-large', `the body may have ${bound} bytes`, { facts: { bound } })

/** Refuses other kinds of body. A browser cannot send application/json across origins without asking first. */
export const expectMedia = (request: Request, media: readonly string[]): void => {
  const given = (request.headers.get('content-type') ?? '').split(';', 1)[0]!.trim().toLowerCase()
  if (!media.includes(given)) throw new Failure('usage', `the content-type must be ${media.join(' or ')}`)
  const encoding = request.headers.get('content-encoding')
  if (encoding !== null && encoding !== 'identity') throw new Failure('usage', 'send the body uncompressed')
}

/** The whole body as text of at most `bound` bytes. @throws Failure `too-large`, `invalid`. */
export const bodyText = async (request: Request, bound: number): Promise<string> => {
  const declared = request.headers.get('content-length')
  if (declared !== null && Number(declared) > bound) throw tooLarge(bound)
  if (request.body === null) return ''
  const parts: Uint8Array[] = []
  let held = 0
  for await (const part of request.body) {
    held += part.byteLength
    if (held > bound) throw tooLarge(bound)
    parts.push(part)
  }
  return readText(Buffer.concat(parts))
}

/**
 * A JSON object of a schema from a text; an empty text counts as `{}`. Names each fault and its place. @throws Failure
 * `invalid`.
 */
export const shaped = <Value>(text: string, schema: z.ZodType<Value>): Value => {
  const outcome = schema.safeParse(text.trim() === '' ? {} : readJson(text))
  if (outcome.success) return outcome.data
  const faults = outcome.error.issues.slice(0, 20).map((issue) => {
    const place = issue.path.join('.')
    return `${place === '' ? 'body' : place}: ${issue.message}`.slice(0, 300)
  })
  throw new Failure('invalid', faults.join('; '), { facts: { faults } })
}

/** The request's JSON body. An absent one needs no content-type. */
export const jsonText = async (request: Request): Promise<string> => {
  const text = await bodyText(request, jsonBounds.bytes)
  if (text.trim() !== '') expectMedia(request, ['application/json'])
  return text
}

/** The body of a deed that takes no parameters. */
export const nothing = z.strictObject({})
