/** What agents ask of the rooms above: checked here, where the words of the wire are known, and handed up as values. */
import { Failure } from '../std/std.ts'
import {
  checkDone,
  checkFail,
  checkLockFree,
  checkLockRenew,
  checkLockTake,
  checkPark,
  checkSettle,
  checkSettlement,
  checkStateGet,
  checkStatePut,
  checkTaskAdd,
  type Checked,
} from '../wire/wire.ts'

const checks = {
  done: checkDone,
  fail: checkFail,
  park: checkPark,
  settle: checkSettle,
  settlement: checkSettlement,
  'task.add': checkTaskAdd,
  'state.get': checkStateGet,
  'state.put': checkStatePut,
  'lock.take': checkLockTake,
  'lock.renew': checkLockRenew,
  'lock.free': checkLockFree,
} as const

type Checks = typeof checks
type Method = keyof Checks

/** A request of an attempt: its method, and what it says. */
export type AgentRequest = {
  readonly [Name in Method]: {
    readonly method: Name
    readonly params: ReturnType<Checks[Name]> extends Checked<infer Value> ? Value : never
  }
}[Method]

export const isAgentMethod = (method: string): method is Method => Object.hasOwn(checks, method)

/** @throws Failure `unknown-method`, or `frame-invalid` naming the field. */
export const readRequest = (method: string, params: unknown): AgentRequest => {
  if (!isAgentMethod(method))
    throw new Failure('unknown-method', `there is no method ${JSON.stringify(method.slice(0, 60))}`)
  const checked = checks[method](params)
  if (!checked.ok) throw new Failure('frame-invalid', `${method}: ${checked.message}`)
  return { method, params: checked.value } as AgentRequest
}
