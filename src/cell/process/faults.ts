/** What is wrong with one frame of a program, judged as a sitter would judge it, and a little more strictly. Pure. */
import {
  checkBeat,
  checkBroken,
  checkDone,
  checkFail,
  checkLockFree,
  checkLockRenew,
  checkLockTake,
  checkLog,
  checkPark,
  checkSettle,
  checkSettlement,
  checkStateGet,
  checkStatePut,
  checkTaskAdd,
  failKinds,
  type Checked,
} from '../../wire/wire.ts'

export type Said = Readonly<Record<string, unknown>>
type Check = (params: unknown) => Checked<{ readonly agent: string }>

const notifications: Readonly<Record<string, Check>> = { beat: checkBeat, log: checkLog, 'agent.broken': checkBroken }
/** Of the contract, and not built: a sitter drops it and tells so. Who sends it has made no mistake. */
const later: ReadonlySet<string> = new Set(['metric'])
const requests: Readonly<Record<string, Check>> = {
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
}
export const endings: ReadonlySet<string> = new Set(['done', 'fail', 'park'])

export interface FrameFacts {
  /** The one agent that the program may speak for. */
  readonly agent: string
  /** Nothing came before on this connection. */
  readonly first: boolean
  /** Questions of this connection that have no answer yet. */
  readonly asked: ReadonlySet<unknown>
  /** Attempts that it was told to drop. */
  readonly over: ReadonlySet<unknown>
}

const longestId = 200
const longestMethod = 100

const isId = (id: unknown): boolean =>
  (typeof id === 'number' && Number.isFinite(id)) || (typeof id === 'string' && id.length <= longestId)

const wrongAnswer = (frame: Said, { asked }: FrameFacts): string | undefined => {
  if (!('result' in frame) && !('error' in frame)) return 'it has neither method, result nor error'
  if (!asked.has(frame['id']))
    return `an answer to nothing that was asked on this connection (id ${String(frame['id'])})`
  return undefined
}

const wrongKind = (params: unknown): string | undefined => {
  const kind = (params as { readonly error: { readonly kind?: string } }).error.kind
  if (kind === undefined || failKinds.some((known) => known === kind)) return undefined
  return `fail: error.kind: ${JSON.stringify(kind)} is none of ${failKinds.join(' ')}`
}

const wrongParams = (method: string, params: unknown, facts: FrameFacts): string | undefined => {
  const checked = (requests[method] ?? notifications[method]!)(params)
  if (!checked.ok) return `${method}: ${checked.message}`
  const { agent } = checked.value
  if (agent !== facts.agent) return `${method}: it speaks for ${agent}, not for ${facts.agent}`
  const { attempt } = params as { readonly attempt?: unknown }
  if (endings.has(method) && facts.over.has(attempt))
    return `${method}: ${String(attempt)} was stale, and is told again`
  return method === 'fail' ? wrongKind(params) : undefined
}

export const faultOf = (frame: Said, facts: FrameFacts): string | undefined => {
  const { id, method, params } = frame
  if (frame['jsonrpc'] !== '2.0') return 'jsonrpc: must be "2.0"'
  if (id !== undefined && !isId(id)) return `id: must be a number or text of at most ${longestId} characters`
  if (method === undefined) return wrongAnswer(frame, facts)
  if (typeof method !== 'string' || method.length > longestMethod)
    return `method: must be text of at most ${longestMethod} characters`
  if (facts.first !== (method === 'hello'))
    return facts.first ? `the first frame must be hello, not ${method}` : 'hello was said already'
  // What is in a hello is looked at where it is taken.
  if (method === 'hello') return undefined
  if (later.has(method)) return id === undefined ? undefined : `${method}: must be a notification, without id`
  if (Object.hasOwn(requests, method)) {
    if (id === undefined) return `${method}: must be a request with an id`
  } else if (!Object.hasOwn(notifications, method)) return `${method}: there is no such method`
  else if (id !== undefined) return `${method}: must be a notification, without id`
  return wrongParams(method, params, facts)
}
