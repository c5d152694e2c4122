/** What agents ask of the rooms above: checked here, where the words of the wire are known, and handed up as values. */
import { Failure } from '../std/std.ts'
import {
  checkDone,
  checkFail,
  checkPark,
  checkSettle,
  type Done,
  type Fail,
  type Park,
  type Settle,
} from '../wire/wire.ts'

export type AgentRequest =
  | { readonly method: 'done'; readonly params: Done }
  | { readonly method: 'fail'; readonly params: Fail }
  | { readonly method: 'park'; readonly params: Park }
  | { readonly method: 'settle'; readonly params: Settle }

/** @throws Failure `unknown-method`, or `frame-invalid` naming the field. */
export const readRequest = (method: string, params: unknown): AgentRequest => {
  const value = <Value>(
    checked: { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly message: string },
  ): Value => {
    if (!checked.ok) throw new Failure('frame-invalid', `${method}: ${checked.message}`)
    return checked.value
  }
  switch (method) {
    case 'done':
      return { method, params: value(checkDone(params)) }
    case 'fail':
      return { method, params: value(checkFail(params)) }
    case 'park':
      return { method, params: value(checkPark(params)) }
    case 'settle':
      return { method, params: value(checkSettle(params)) }
    default:
      throw new Failure('unknown-method', `there is no method ${JSON.stringify(method.slice(0, 60))}`)
  }
}
