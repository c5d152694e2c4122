/** One agent's own call: HTTP in by the cell's socket, through the stages, streaming out and back. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Transform } from 'node:stream'
import type { CallOutcome } from '../wire/wire.ts'
import { callOf, type CallInHand, type CellSeat, type Refusal, type Room } from './call.ts'
import type { HeaderPairs } from './headers.ts'
import type { Ended, Flow } from './exchange.ts'
import { answerFailed, refusalFailed } from './heard.ts'
import { answerProblem, type Problem } from './problem.ts'
import { costNow } from './stages/charge.ts'
import { forward, giveBack } from './stages/forward.ts'
import { isOurs, judge } from './stages/judge.ts'
import { prepare } from './stages/order.ts'
import { witness } from './stages/witness.ts'

/** Bound of a request's body. */
const bodyBytes = 32 * 1024 * 1024

const targetText = /^\/([A-Za-z0-9][A-Za-z0-9._-]{0,63})(\/.*)?$/s

const headerPairs = (raw: readonly string[]): HeaderPairs => {
  const pairs: [string, string][] = []
  for (let index = 0; index + 1 < raw.length; index += 2) pairs.push([raw[index]!, raw[index + 1]!])
  return pairs
}

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

const outcomeOf = (ended: Ended, status: number, closedMs: number): CallOutcome => {
  if (ended.kind === 'answered') return { kind: 'answered', status, headers: {}, body: '', truncated: false }
  return ended.kind === 'lost' ? { ...ended, closedMs } : { kind: 'not-sent', code: ended.code, message: ended.message }
}

const addedHeaders = (call: CallInHand): Record<string, string> => {
  const cost = costNow(call)
  return {
    'x-sitter-call': String(call.journal),
    'x-sitter-waited-ms': String(Math.round(call.waitedMs)),
    ...(cost === null ? {} : { 'x-sitter-cost': cost }),
  }
}

/** Sends a prepared call and streams its answer; resolves when the outcome is journalled. */
const stream = async (
  call: CallInHand,
  room: Room,
  response: ServerResponse,
  hold: (flow: Flow) => void,
): Promise<Ended> => {
  let status = 0
  const flow = forward(call, room, {
    head: (answered, headers) => {
      status = answered
      response.writeHead(answered, [...headers, ...Object.entries(addedHeaders(call))].flat())
      response.flushHeaders()
    },
    data: (chunk) => response.write(chunk),
  })
  hold(flow)
  response.on('drain', () => flow.resume())
  const ended = await flow.ended
  judge(call, room, ended, status)
  if (!isOurs(ended))
    room.calls.count(call.agent, answerFailed(call.outcomeClass!, ended.kind === 'answered' ? status : null))
  giveBack(call, room)
  call.signed = null
  await witness(call, room, outcomeOf(ended, status, room.clock.wallMs()))
  return ended
}

const tooLargeProblem: Problem = { code: 'too-large', message: `a body may have ${bodyBytes} bytes` }
const lastOnConnection = { connection: 'close' }

/** What the agent is told of a call that got no answer. */
const problemOf = (ended: Exclude<Ended, { kind: 'answered' }>): Problem =>
  ended.kind === 'not-sent'
    ? { code: 'upstream-unreachable', message: `nothing was sent: ${ended.message}` }
    : { code: 'outcome-unknown', message: `sent, but not answered: ${ended.message}` }

const refuse = async (call: CallInHand, room: Room, response: ServerResponse, refusal: Refusal): Promise<void> => {
  const { code, message } = refusal
  room.calls.count(call.agent, refusalFailed(code))
  if (call.journal !== null) await witness(call, room, { kind: 'not-sent', code, message })
  // A body that was not read makes the connection useless for another request.
  answerProblem(response, refusal, call.body === null ? {} : lastOnConnection)
}

/** Serves one request to its end; never rejects because of what an agent or an upstream does. */
export const serveFetch = async (
  exchange: { readonly request: IncomingMessage; readonly response: ServerResponse },
  seat: CellSeat,
  room: Room,
  epoch: number,
): Promise<void> => {
  const { request, response } = exchange
  const target = targetText.exec(request.url ?? '')
  if (target === null) return answerProblem(response, { code: 'not-allowed', message: 'ask for /<upstream>/<path>' })
  if (Number(request.headers['content-length'] ?? 0) > bodyBytes) {
    return answerProblem(response, tooLargeProblem, lastOnConnection)
  }
  const state: { tooLarge: boolean; leave: () => void; flow?: Flow } = { tooLarge: false, leave: () => {} }
  const { body, length } = bodyOf(request, () => {
    state.tooLarge = true
  })
  const asker = { grant: null, seat, subject: null, agent: null, epoch }
  const where = { upstreamName: target[1]!, method: request.method ?? '', target: target[2] ?? '/' }
  const call = callOf({
    ...asker,
    ...where,
    body,
    bodyBytes: length,
    waitMs: null,
    headers: headerPairs(request.rawHeaders),
    onWaiting: (leave) => {
      state.leave = leave
    },
  })
  response.on('close', () => {
    if (response.writableFinished) return
    state.leave()
    state.flow?.abort('given-up')
  })
  const refusal = await prepare(call, room)
  if (refusal !== undefined) {
    body?.destroy()
    return refuse(call, room, response, refusal)
  }
  const ended = await stream(call, room, response, (flow) => {
    state.flow = flow
  })
  if (ended.kind === 'answered') response.end()
  else if (state.tooLarge) answerProblem(response, tooLargeProblem, { ...addedHeaders(call), ...lastOnConnection })
  else answerProblem(response, problemOf(ended), addedHeaders(call))
}
