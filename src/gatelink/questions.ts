/**
 * Questions to the gate that wait for their answers: each has an id and a time by which it must be answered, and
 * their number a bound.
 */
import { codes, Failure, failure, type Cancel, type Clock, type Code } from '../std/std.ts'
import type { Answer } from '../wire/wire.ts'

const answerWithinMs = 10_000
/** At the bound the next is refused as `overloaded`. */
const mostAsked = 1_000

interface Asked {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
  readonly cancel: Cancel
}
export interface Questions {
  /** Rejects with `overloaded`, `timed-out`, `gate-lost`, or what the gate answered. */
  ask<Value>(send: (id: string) => void): Promise<Value>
  answered(answer: Answer): void
  /** The link is down: nobody will answer. */
  lost(): void
}

const asFailure = ({ error }: Answer): Failure => {
  const code = error?.code ?? 'bug'
  return new Failure(code in codes ? (code as Code) : 'bug', error?.message ?? 'the gate refused without a reason')
}

export const openQuestions = (clock: Clock): Questions => {
  const asked = new Map<string, Asked>()
  let nextId = 1
  const take = (id: string): Asked | undefined => {
    const one = asked.get(id)
    asked.delete(id)
    one?.cancel()
    return one
  }
  return {
    ask: <Value>(send: (id: string) => void) =>
      new Promise<unknown>((resolve, reject) => {
        if (asked.size >= mostAsked)
          return reject(failure('overloaded', 'too many questions to the gate are under way'))
        const id = `q${nextId}`
        nextId += 1
        const late = (): void =>
          take(id)?.reject(failure('timed-out', `the gate did not answer in ${answerWithinMs} ms`))
        asked.set(id, { resolve, reject, cancel: clock.timer(answerWithinMs, late) })
        send(id)
      }) as Promise<Value>,
    answered: (answer) => {
      const one = take(answer.id)
      if (answer.ok) one?.resolve(answer.value)
      else one?.reject(asFailure(answer))
    },
    lost: () => {
      for (const id of asked.keys()) take(id)?.reject(failure('gate-lost', 'the link to the gate was lost'))
    },
  }
}
