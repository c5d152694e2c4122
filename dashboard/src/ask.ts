/** Questions to the sitter. Each has its own deadline; a failed one is a sentence, never an old answer. */
import type { Problem } from '../../src/doors/api.ts'

const withinMs = 5_000

export class AskFault extends Error {
  readonly signedOut: boolean
  constructor(message: string, signedOut: boolean) {
    super(message)
    this.signedOut = signedOut
  }
}

/** The JSON answer. @throws AskFault with a sentence for people. */
export const ask = async <Answer>(path: string, patienceMs = withinMs): Promise<Answer> => {
  let answer: Response
  try {
    answer = await fetch(path, {
      headers: { accept: 'application/json' },
      signal: AbortSignal.timeout(patienceMs),
      cache: 'no-store',
    })
  } catch (error) {
    const late = error instanceof DOMException && error.name === 'TimeoutError'
    throw new AskFault(late ? 'the sitter does not answer in time' : 'the sitter cannot be reached', false)
  }
  if (answer.ok) return (await answer.json()) as Answer
  if (answer.status === 401) throw new AskFault('this session has ended', true)
  const problem = (await answer.json().catch(() => null)) as Problem | null
  throw new AskFault(problem === null ? `the sitter answered ${answer.status}` : problem.detail, false)
}
