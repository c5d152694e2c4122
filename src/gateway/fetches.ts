/** One agent's own call: HTTP in by the cell's socket, through the stages, streaming out and back. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Transform } from 'node:stream'
import type { Aim } from './asking.ts'
import type { CellSeat, Room } from './call.ts'
import { pairsOf } from './headers.ts'
import { answerProblem, type Problem } from './problem.ts'
import { answerBy, type Asked, type Asker } from './tries.ts'

/** Bound of a request's body. */
const bodyBytes = 32 * 1024 * 1024

const bodyOf = (request: IncomingMessage, tooLarge: () => void): { body: Transform | null; length: number | null } => {
  const told = request.headers['content-length']
  const length = told === undefined ? null : Number(told)
  if (length === 0 || (length === null && request.headers['transfer-encoding'] === undefined))
    return { body: null, length: null }
  let passed = 0
  const body = new Transform({
    transform: (chunk: Buffer, _encoding, next) => {
      passed += chunk.length
      if (passed <= bodyBytes) return next(null, chunk)
      tooLarge()
      next(new Error('the body is larger than the gate takes'))
    },
  })
  // An agent that goes away in the middle of its body must not leave half a request waiting for the rest.
  request.on('error', (error) => body.destroy(error))
  request.on('aborted', () => body.destroy(new Error('the agent went away')))
  body.on('error', () => request.unpipe(body))
  request.pipe(body)
  return { body, length }
}

const tooLargeProblem: Problem = { code: 'too-large', message: `a body may have ${bodyBytes} bytes` }
const lastOnConnection = { connection: 'close' }

/** A body up to this size is read whole before anything is done with it, so that it can be sent again. */
const wholeBytes = 16 * 1024

/** Undefined: it is longer, or its length is not known. Rejects when the agent goes away in the middle of it. */
const wholeOf = async (body: Transform, length: number | null): Promise<Buffer | undefined> => {
  if (length === null || length > wholeBytes) return undefined
  const chunks: Buffer[] = []
  for await (const chunk of body as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** `written` resolves when the end of the call that was served is durable. */
export interface Served {
  readonly written?: Promise<unknown> | undefined
}

/** Serves one request until it is answered; never rejects because of what an agent or an upstream does. */
export const serveFetch = async (
  exchange: { readonly request: IncomingMessage; readonly response: ServerResponse; readonly aim: Aim },
  seat: CellSeat,
  room: Room,
  epoch: number,
): Promise<Served> => {
  const { request, response, aim } = exchange
  if (Number(request.headers['content-length'] ?? 0) > bodyBytes) {
    answerProblem(response, tooLargeProblem, lastOnConnection)
    return {}
  }
  let tooLarge = false
  const { body, length } = bodyOf(request, () => {
    tooLarge = true
  })
  const asker: Asker = { response, whole: undefined, isGone: false, leave: () => {}, flow: undefined }
  response.on('close', () => {
    if (response.writableFinished) return
    asker.isGone = true
    asker.leave()
    asker.flow?.abort('given-up')
  })
  try {
    asker.whole = body === null ? null : await wholeOf(body, length)
  } catch {
    // Half a body of an agent that is gone.
    return {}
  }
  const asked: Asked = {
    grant: null,
    seat,
    subject: null,
    agent: null,
    epoch,
    upstreamName: aim.upstreamName,
    method: request.method ?? '',
    target: aim.target,
    unaware: aim.unaware,
    body,
    bodyBytes: length,
    waitMs: null,
    headers: pairsOf(request.rawHeaders, aim.agent),
    onWaiting: (leave) => {
      asker.leave = leave
    },
  }
  const answered = await answerBy(asked, asker, room)
  if (answered.with === 'problem') {
    const { problem, headers } = answered
    // A body that was not read makes the connection useless for another request.
    const last = asker.whole === undefined && asker.flow === undefined ? lastOnConnection : {}
    if (asker.flow === undefined) body?.destroy()
    if (tooLarge) answerProblem(response, tooLargeProblem, { ...headers, ...lastOnConnection })
    else answerProblem(response, problem, { ...headers, ...last })
  }
  return { written: answered.written }
}
