/**
 * Questions and orders to the sitter. Each has its own deadline; a failed question is a sentence, never an old answer;
 * an order whose answer was lost is told as unknown, never as failed.
 */
import type { Problem } from '../../src/doors/api.ts'
import { codes } from '../../src/std/codes.ts'

const withinMs = 5_000
const orderWithinMs = 30_000

export class AskFault extends Error {
  readonly signedOut: boolean
  /** The sitter says that there is no such thing. */
  readonly missing: boolean
  /** The sitter says that it is not for this role. */
  readonly forbidden: boolean
  constructor(message: string, status: number) {
    super(message)
    this.signedOut = status === 401
    this.missing = status === 404
    this.forbidden = status === 403
  }
}

export const sentence = (error: unknown): string => (error instanceof Error ? error.message : 'something went wrong')

const isLate = (error: unknown): boolean => error instanceof DOMException && error.name === 'TimeoutError'

const problemIn = async (answer: Response): Promise<Problem | null> =>
  (await answer.json().catch(() => null)) as Problem | null

export interface Patience {
  readonly patienceMs?: number
  /** Ends the question early, when nobody waits for its answer any more. */
  readonly signal?: AbortSignal
}

/** The JSON answer. @throws AskFault with a sentence for people. */
export const ask = async <Answer>(path: string, { patienceMs = withinMs, signal }: Patience = {}): Promise<Answer> => {
  const late = AbortSignal.timeout(patienceMs)
  try {
    const answer = await fetch(path, {
      headers: { accept: 'application/json' },
      signal: signal === undefined ? late : AbortSignal.any([signal, late]),
      cache: 'no-store',
    })
    if (answer.ok) return (await answer.json()) as Answer
    if (answer.status === 401) throw new AskFault('this session has ended', 401)
    const problem = await problemIn(answer)
    throw new AskFault(problem?.detail ?? `the sitter answered ${answer.status}`, answer.status)
  } catch (error) {
    if (error instanceof AskFault) throw error
    throw new AskFault(isLate(error) ? 'the sitter does not answer in time' : 'the sitter cannot be reached', 0)
  }
}

/**
 * What became of an order. `unknown`: no answer tells. With `sameKey` the very same order may be sent again under its
 * key; without it the sitter itself cannot tell, and another order would be a second one.
 */
export type Sent =
  | { readonly kind: 'done'; readonly answer: unknown }
  | { readonly kind: 'refused'; readonly why: string; readonly signedOut: boolean }
  | { readonly kind: 'unknown'; readonly why: string; readonly sameKey: boolean }

/** A key that is used for one order only. (`randomUUID` is absent where the page is not served from this machine.) */
export const newKey = (): string =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')

/** Whether the answer leaves open what was done: the sitter says so, or something between answered in its place. */
const isOpen = (problem: Problem | null, status: number): boolean => {
  const kinds: Readonly<Record<string, { readonly kind: string } | undefined>> = codes
  const kind = problem === null ? undefined : kinds[problem.code]?.kind
  return kind === undefined ? status >= 500 : kind === 'unknown' || kind === 'bug'
}

const notDone = async (answer: Response): Promise<Sent> => {
  if (answer.status === 401) return { kind: 'refused', why: 'this session has ended', signedOut: true }
  const problem = await problemIn(answer)
  const why = problem?.detail ?? `the sitter answered ${answer.status}`
  if (problem?.code === 'first-try-unknown') return { kind: 'unknown', why, sameKey: false }
  if (isOpen(problem, answer.status)) return { kind: 'unknown', why, sameKey: true }
  return { kind: 'refused', why, signedOut: false }
}

/** Sends an order once, `text` as its JSON; `key` lets the sitter know it again. */
export const sendText = async (path: string, text: string, key: string): Promise<Sent> => {
  try {
    const answer = await fetch(path, {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/json', 'idempotency-key': key },
      body: text,
      signal: AbortSignal.timeout(orderWithinMs),
      cache: 'no-store',
    })
    if (answer.ok) return { kind: 'done', answer: await answer.json() }
    return await notDone(answer)
  } catch (error) {
    return {
      kind: 'unknown',
      why: isLate(error) ? 'no answer came in time' : 'the sitter cannot be reached',
      sameKey: true,
    }
  }
}

export const send = (path: string, body: unknown, key: string): Promise<Sent> =>
  sendText(path, JSON.stringify(body), key)
