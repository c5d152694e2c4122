/**
 * Granted requests from arrival to their told outcome. A grant is in hand (queued or in flight), or in the journal,
 * or unknown here; only an unknown one is taken on, so however often it is given, it is sent at most once.
 *
 *   unknown ── queue ──▶ journalled ── sent ──▶ ended ── told ──▶ acknowledged
 *                └─ sitter lost: forgotten, nothing was sent; the next sitter gives it again
 */
import { asFailure, type Clock } from '../std/std.ts'
import type { CallOutcome, Grant } from '../wire/wire.ts'
import { callOf, type CallInHand, type Refusal, type Room } from './call.ts'
import { notNowCode, type Flow } from './exchange.ts'
import { forward, giveBack, pausedForMs } from './stages/forward.ts'
import { rowOf } from './stages/journal.ts'
import { judge } from './stages/judge.ts'
import { prepare } from './stages/order.ts'
import { endOf, witness } from './stages/witness.ts'

/** Kept of an answer; what is beyond is not read. */
const keptBytes = 64 * 1024

export interface Grants {
  receive(grant: Grant, epoch: number): void
  /** The sitter is gone: what is queued is forgotten (nothing was sent), what is in flight is finished. */
  dropQueued(): void
  inFlight(): number
  /** Gives up waiting for answers: what is in flight becomes lost. */
  abortAll(): void
  /** Resolves when nothing is in hand. */
  idle(): Promise<void>
}
export interface GrantsOptions {
  readonly room: Room
  /** An outcome stands in the journal and may be told. */
  readonly tell: (journal: number) => void
  /** A refusal that could not even be journalled; told as it is, with journal number 0. */
  readonly tellUnwritten: (grant: Grant, outcome: CallOutcome, waitedMs: number) => void
}

interface InHand {
  readonly call: CallInHand
  leave: () => void
  flow: Flow | undefined
}

const asCall = (grant: Grant, epoch: number, onWaiting: (leave: () => void) => void): CallInHand =>
  callOf({
    grant,
    seat: null,
    subject: grant.subject,
    agent: grant.agent,
    upstreamName: grant.request.upstream,
    method: grant.request.method,
    target: grant.request.path,
    headers: Object.entries(grant.request.headers),
    body: grant.request.body,
    bodyBytes: null,
    waitMs: grant.waitMs,
    epoch,
    onWaiting,
  })

const notSent = (refusal: Refusal): CallOutcome => ({
  kind: 'not-sent',
  code: refusal.code,
  message: refusal.message,
  ...(refusal.retryAfterMs === undefined ? {} : { retryAfterMs: refusal.retryAfterMs }),
})

/**
 * What is known of a call that a dead gate left open: it may have been sent, and whatever connection it had is closed
 * by now.
 */
export const outcomeOfOpen = (clock: Clock): CallOutcome => ({
  kind: 'lost',
  code: 'gate-lost',
  message: 'the gate ended between sending and answer',
  closedMs: clock.wallMs(),
})

/** Sends a prepared grant and gathers its answer. */
const exchange = (one: InHand, room: Room): Promise<CallOutcome> => {
  const { call } = one
  const chunks: Buffer[] = []
  let kept = 0
  let cut = false
  let status = 0
  let headers: Readonly<Record<string, string>> = {}
  const flow = forward(call, room, {
    head: (answered, pairs) => {
      status = answered
      headers = Object.fromEntries(pairs.map(([name, value]) => [name.toLowerCase(), value]))
    },
    data: (chunk) => {
      const left = keptBytes - kept
      chunks.push(chunk.subarray(0, left))
      kept += Math.min(left, chunk.length)
      if (chunk.length > left) {
        cut = true
        flow.abort('enough')
      }
      return true
    },
  })
  one.flow = flow
  return flow.ended.then((ended): CallOutcome => {
    judge(call, room, ended, status)
    if (ended.kind === 'answered') {
      return {
        kind: 'answered',
        status,
        headers,
        body: Buffer.concat(chunks).toString('utf8'),
        truncated: cut,
      }
    }
    if (ended.code === notNowCode)
      return { kind: 'not-sent', code: 'limited', message: ended.message, retryAfterMs: pausedForMs(call, room) }
    return ended.kind === 'lost'
      ? { ...ended, closedMs: room.clock.wallMs() }
      : { kind: 'not-sent', code: ended.code, message: ended.message }
  })
}

export const openGrants = ({ room, tell, tellUnwritten }: GrantsOptions): Grants => {
  const inHand = new Map<string, InHand>()
  let idlers: (() => void)[] = []

  const refuse = async (grant: Grant, call: CallInHand, refusal: Refusal): Promise<void> => {
    const outcome = notSent(refusal)
    if (call.journal !== null) {
      if (await witness(call, room, outcome)) tell(call.journal)
      return
    }
    try {
      const journal = await room.journal.refuse(rowOf(call, room.clock.wallMs()), endOf(call, room, outcome))
      room.meter.count(call.upstreamName, outcome.kind, null)
      if (call.decision === 'refused') room.uses.added()
      if (typeof journal === 'number') tell(journal)
    } catch (error) {
      const { code } = asFailure(error)
      room.log('error', 'a refusal could not be journalled', { code, grant: grant.grant })
      // Of a lost book nothing is told: the next gate reads what really stands in it.
      if (code === 'journal-failed') tellUnwritten(grant, outcome, call.waitedMs)
    }
  }

  const work = async (grant: Grant, one: InHand): Promise<void> => {
    const refusal = await prepare(one.call, room)
    if (refusal?.silent) return
    if (refusal !== undefined) return refuse(grant, one.call, refusal)
    const outcome = await exchange(one, room)
    giveBack(one.call, room)
    one.call.signed = null
    if (await witness(one.call, room, outcome)) tell(one.call.journal!)
  }

  const done = (grant: Grant): void => {
    inHand.delete(grant.grant)
    if (inHand.size > 0) return
    for (const resolve of idlers) resolve()
    idlers = []
  }

  return {
    receive: (grant, epoch) => {
      if (inHand.has(grant.grant)) return
      const row = room.journal.findGrant(grant.grant)
      if (row !== undefined) {
        if (row.end !== null) tell(row.journal)
        return
      }
      const one: InHand = {
        call: asCall(grant, epoch, (leave) => {
          one.leave = leave
        }),
        leave: () => {},
        flow: undefined,
      }
      inHand.set(grant.grant, one)
      void work(grant, one).finally(() => done(grant))
    },
    dropQueued: () => {
      for (const one of inHand.values()) one.leave()
    },
    inFlight: () => [...inHand.values()].filter((one) => one.flow !== undefined).length,
    abortAll: () => {
      for (const one of inHand.values()) one.flow?.abort('given-up')
    },
    idle: () =>
      inHand.size === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            idlers.push(resolve)
          }),
  }
}
