/**
 * One WebSocket of an agent, from its handshake to its end: through the stages like any call, by a route that the
 * allow-list has for `WEBSOCKET`, then message by message. The handshake is the call that is journalled and charged;
 * a place of a concurrency limit is held until the end.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer, type WebSocket } from 'ws'
import { modeLets } from '../../model/model.ts'
import type { CallOutcome } from '../../wire/wire.ts'
import { callOf, type CallInHand, type CellSeat, type Refusal, type Room } from '../call.ts'
import { pairsOf, type HeaderPairs } from '../headers.ts'
import { answerFailed, refusalFailed } from '../heard.ts'
import { routeMatches } from '../path.ts'
import { answerProblem, type Problem } from '../problem.ts'
import { openScrubber } from '../scrubber.ts'
import { costNow } from '../stages/charge.ts'
import { giveBack, leave } from '../stages/forward.ts'
import { lateBy } from '../stages/identify.ts'
import { judge } from '../stages/judge.ts'
import { learn } from '../stages/learn.ts'
import { scopeOf } from '../stages/mode.ts'
import { prepare } from '../stages/order.ts'
import { accountHeader, socketMethod } from '../stages/route.ts'
import { openScrubbing } from '../stages/scrub.ts'
import { witness } from '../stages/witness.ts'
import type { Aim } from '../asking.ts'
import { dial, mostMessageBytes, type Dialed } from './dial.ts'
import { handshakeProblem, protocolsOf, responseOn, waitOn } from './handshake.ts'
import { messageGate } from './messages.ts'
import { openRelay, type Relay } from './relay.ts'

export interface Upgrade {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
  readonly aim: Aim
}

/** As much as is read of an answer that is no WebSocket. */
const mostAnswerBytes = 65_536

/** The agents' end. Messages are compressed by nobody: what is packed would have to be unpacked to be read. */
const server = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: mostMessageBytes,
  handleProtocols: () => false,
})

const outcomeOf = (dialed: Dialed, closedMs: number): CallOutcome => {
  if ('code' in dialed) {
    const { kind, code, message } = dialed
    return kind === 'lost' ? { kind, code, message, closedMs } : { kind, code, message }
  }
  const status = dialed.kind === 'open' ? 101 : (dialed.answer.statusCode ?? 0)
  return { kind: 'answered', status, headers: {}, body: '', truncated: false }
}

const added = (call: CallInHand): Record<string, string> => {
  const cost = costNow(call)
  return {
    'x-sitter-call': String(call.journal),
    'x-sitter-waited-ms': String(Math.round(call.waitedMs)),
    ...(cost === null ? {} : { 'x-sitter-cost': cost }),
    ...accountHeader(call),
  }
}

const problemOf = (dialed: Extract<Dialed, { readonly kind: 'lost' | 'not-sent' }>): Problem =>
  dialed.kind === 'not-sent'
    ? { code: 'upstream-unreachable', message: `nothing was sent: ${dialed.message}` }
    : { code: 'outcome-unknown', message: `sent, but not answered: ${dialed.message}` }

/** Its answer as the agent may see it; what is too long or cannot be read comes without the body. */
const readAnswer = async (
  call: CallInHand,
  answer: IncomingMessage,
  headers: HeaderPairs,
): Promise<{ readonly headers: HeaderPairs; readonly body: Buffer }> => {
  const chunks: Buffer[] = []
  let bytes = 0
  const scrubbing = openScrubbing(call, {
    give: (chunk) => {
      bytes += chunk.length
      if (bytes <= mostAnswerBytes) chunks.push(chunk)
      return true
    },
    more: () => answer.resume(),
    broken: () => answer.destroy(),
  })
  const seen = scrubbing.head(answer.statusCode ?? 0, headers)
  const rest = seen.filter(([name]) => name !== 'content-length')
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      scrubbing.data(chunk)
      if (bytes > mostAnswerBytes) break
    }
    await scrubbing.end()
  } catch {
    scrubbing.drop()
    return { headers: rest, body: Buffer.alloc(0) }
  }
  return { headers: rest, body: Buffer.concat(chunks) }
}

/** Whether the socket may stay open by the rules of now: its upstream, its route and its mode. */
const mayStay = (call: CallInHand, room: Room): Refusal | undefined => {
  const late = lateBy(call)
  if (late !== undefined) return late
  const upstream = room.upstreams.get(call.upstreamName)
  const { segments } = call.plain!
  const isAllowed =
    upstream !== undefined &&
    upstream.rule.url === call.upstream!.rule.url &&
    upstream.allow.some((one) => routeMatches(one, socketMethod, segments))
  if (!isAllowed) return { code: 'not-allowed', message: 'the allow-list has it no more' }
  if (room.frozen()) return { code: 'frozen', message: 'the swarm is frozen' }
  const { mode } = room.modes.of(scopeOf(call))
  return modeLets(mode, socketMethod) ? undefined : { code: 'mode-forbids', message: 'the mode is another one' }
}

/** Completes the agent's handshake, with the subprotocol that the upstream chose. */
const accept = (
  { request, socket }: Upgrade,
  head: Buffer,
  call: CallInHand,
  upstream: WebSocket,
): Promise<WebSocket | undefined> =>
  new Promise((resolve) => {
    const said = Object.entries(added(call)).map(([name, value]) => `${name}: ${value}`)
    const lines = upstream.protocol === '' ? said : [`Sec-WebSocket-Protocol: ${upstream.protocol}`, ...said]
    const tell = (headers: string[], of: IncomingMessage): void => {
      if (of === request) headers.push(...lines)
    }
    server.on('headers', tell)
    socket.once('close', () => resolve(undefined))
    server.handleUpgrade(request, socket, head, (agent) => {
      agent.pause()
      resolve(agent)
    })
    server.off('headers', tell)
  })

/** What is told of a handshake; its end in the journal. */
const finish = async (call: CallInHand, room: Room, dialed: Dialed): Promise<void> => {
  const isOpen = dialed.kind === 'open'
  const held = call.limits.filter(({ holds }) => isOpen && holds === true)
  call.limits = call.limits.filter((gauge) => !held.includes(gauge))
  const status = isOpen ? 200 : dialed.kind === 'refused' ? (dialed.answer.statusCode ?? 0) : 0
  const ended = dialed.kind === 'lost' || dialed.kind === 'not-sent' ? dialed : ({ kind: 'answered' } as const)
  judge(call, room, ended, status)
  room.calls.count(call.agent, answerFailed(call.outcomeClass!, ended.kind === 'answered' ? status : null))
  if (ended.kind === 'answered') room.seen.answered(call.agent!)
  call.limits = held
  // Its secret is in use as long as it is open: a version that was ended would take the socket with it.
  const inUse = isOpen ? call.release : null
  if (isOpen) call.release = null
  giveBack(call, room)
  call.release = inUse
  await witness(call, room, outcomeOf(dialed, room.clock.wallMs()))
}

const refuse = async (call: CallInHand, room: Room, refusal: Refusal): Promise<void> => {
  room.calls.count(call.agent, refusalFailed(refusal.code))
  if (call.journal === null) return
  await witness(call, room, { kind: 'not-sent', code: refusal.code, message: refusal.message })
}

/** It may be open for longer than a version serves: what was shown since is blotted out, too. */
const cleanerOf = ({ signed, upstream }: CallInHand, room: Room): ((bytes: Buffer) => Buffer) => {
  const own = signed?.secrets ?? []
  const last = { shown: own, all: own }
  return (bytes) => {
    const shown = own.length === 0 ? own : room.shown.of(upstream!.place)
    if (shown !== last.shown) Object.assign(last, { shown, all: [...new Set([...own, ...shown])].toSorted() })
    return openScrubber(last.all).bytes(bytes)
  }
}

const relayOf = (call: CallInHand, room: Room, agent: WebSocket, upstream: WebSocket): Relay => {
  const clean = cleanerOf(call, room)
  const stays = (): Refusal | undefined => mayStay(call, room)
  const gate = messageGate(call, room)
  return openRelay({
    agent,
    upstream,
    clock: room.clock,
    sendMs: call.upstream!.rule.timeoutMs,
    clean: (bytes) => {
      room.seen.answered(call.agent!)
      return clean(bytes)
    },
    admit: () => stays() ?? gate(),
    mayStay: stays,
  })
}

const callFor = (
  { request, aim }: Upgrade,
  seat: CellSeat,
  epoch: number,
  onWaiting: (leaveLine: () => void) => void,
): CallInHand =>
  callOf({
    grant: null,
    seat,
    subject: null,
    agent: null,
    epoch,
    upstreamName: aim.upstreamName,
    method: socketMethod,
    target: aim.target,
    unaware: aim.unaware,
    isSocket: true,
    headers: pairsOf(request.rawHeaders, aim.agent),
    body: null,
    bodyBytes: null,
    waitMs: null,
    onWaiting,
  })

/** Serves it to its end; never rejects because of what an agent or an upstream does. `opened` is told its relay. */
export const serveSocket = async (
  upgrade: Upgrade,
  { seat, epoch }: { readonly seat: CellSeat; readonly epoch: number },
  room: Room,
  opened: (relay: Relay) => void,
): Promise<void> => {
  const { request, socket } = upgrade
  const wrong = handshakeProblem(request)
  if (wrong !== undefined) return answerProblem(responseOn(request, socket), wrong)
  const state: { isGone: boolean; leave: () => void } = { isGone: false, leave: () => {} }
  const waiting = waitOn(socket, upgrade.head, () => {
    state.isGone = true
    state.leave()
  })
  const call = callFor(upgrade, seat, epoch, (leaveLine) => {
    state.leave = leaveLine
  })
  const refusal = await prepare(call, room)
  if (refusal !== undefined) {
    await refuse(call, room, refusal)
    waiting.take()
    return answerProblem(responseOn(request, socket), refusal)
  }
  const dialing = dial(call, protocolsOf(request.headers['sec-websocket-protocol'])!, () => leave(call, room))
  state.leave = dialing.abort
  if (state.isGone) dialing.abort()
  const dialed = await dialing.done
  if (dialed.kind === 'open') learn(call, room, 101, dialed.headers)
  if (dialed.kind === 'refused') learn(call, room, dialed.answer.statusCode ?? 0, dialed.headers)
  const read = dialed.kind === 'refused' ? await readAnswer(call, dialed.answer, dialed.headers) : undefined
  if (read !== undefined) call.answerText = read.body.toString('latin1')
  await finish(call, room, dialed)
  const head = waiting.take()
  if (dialed.kind === 'open') {
    const agent = socket.destroyed ? undefined : await accept(upgrade, head, call, dialed.socket)
    if (agent === undefined) dialed.socket.terminate()
    else {
      const relay = relayOf(call, room, agent, dialed.socket)
      opened(relay)
      await relay.over
    }
    // What it held until now.
    call.release?.()
    call.release = null
    room.buckets.ended(call.limits, null)
    room.lines.wake(call.upstreamName)
  } else if (dialed.kind === 'refused') {
    const response = responseOn(request, socket)
    response.writeHead(dialed.answer.statusCode ?? 502, [...read!.headers, ...Object.entries(added(call))].flat())
    response.end(read!.body)
  } else answerProblem(responseOn(request, socket), problemOf(dialed), added(call))
  call.signed = null
}
