/** Errors between a host and its machines: what comes out of one is read as plain values, and made our own. */
import { TaskFailure, type Told } from '../../agent/agent.ts'
import { VmFailure, type VmBounds } from './port.ts'

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
const amountOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)

/** What an agent said went wrong. */
export const failureOf = (said: Told | undefined): TaskFailure => {
  const [code, kind] = [textOf(said?.code), textOf(said?.kind)]
  const waitsFor = textOf(said?.waitsFor)
  const [status, retryAfterMs] = [amountOf(said?.status), amountOf(said?.retryAfterMs)]
  const failure = new TaskFailure(textOf(said?.message) ?? 'it failed without a word', {
    ...(code !== undefined && { code }),
    ...(kind !== undefined && { kind }),
    ...(status !== undefined && { status }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(waitsFor !== undefined && { waitsFor }),
    ...(typeof said?.partial === 'object' && { partial: said.partial }),
  })
  const [name, stack] = [textOf(said?.name), textOf(said?.stack)]
  if (name !== undefined) Object.defineProperty(failure, 'name', { value: name })
  return Object.defineProperty(failure, 'stack', { value: stack })
}

/** What an agent is told about an error of ours: no stack, which is none of its business. */
export const toldOf = (thrown: unknown): Told => {
  if (!(thrown instanceof Error)) return { name: 'Error', message: String(thrown) }
  const { name, message } = thrown
  const { code, kind, status, retryAfterMs, waitsFor } = thrown as Partial<TaskFailure>
  return { name, message, code: textOf(code), kind: textOf(kind), status, retryAfterMs, waitsFor }
}

/** Why a machine is not to be used any more, as the failure of what it had in hand. */
export const brokenBy = (error: unknown, { sliceMs, memoryBytes }: VmBounds): Error => {
  if (!(error instanceof VmFailure)) return error as Error
  const { fault, thrown } = error
  const { name, stack = '' } = thrown
  if (fault === 'stray') return failureOf({ ...thrown, stack: `${name}: ${thrown.message}\n${stack}` })
  const [code, message] = {
    slice: ['vm-slice', `it took more than its slice of ${sliceMs} ms in one turn, and was interrupted`],
    memory: ['vm-memory', `it wanted more than its ${Math.round(memoryBytes / 1_000_000)} MB of memory`],
    crashed: ['vm-crashed', `its machine failed: ${thrown.message}`],
  }[fault] as [string, string]
  return failureOf({ name: 'TaskFailure', code, message, stack: `${message}\n${stack}` })
}
