/**
 * The gate's refusals to agents: RFC 9457 problem documents with a stable code, and a plain word that retrying by
 * reflex is wrong.
 */
import type { ServerResponse } from 'node:http'
import type { Mode } from '../model/model.ts'
import { codes, type Code } from '../std/std.ts'

export interface Problem {
  readonly code: Code
  readonly message: string
  readonly retryAfterMs?: number
  /** What has to open before another try is of use; whoever waits for it may ask the gate whether it is open. */
  readonly waitsFor?: string
  /** The HTTP status, where another says more than the usual one of the code. */
  readonly status?: number
  /** Stands in the document, so that a program need not read the sentence. */
  readonly mode?: Mode
}

/** What SDKs take as the word not to try again: OpenAI's and Anthropic's, and Stripe's. */
export const noRetries = { 'x-should-retry': 'false', 'stripe-should-retry': 'false' }

const statusOf = ({ code, status }: Problem): number => status ?? codes[code].status

export const problemText = (problem: Problem): string => {
  const { code, message, mode, retryAfterMs, waitsFor } = problem
  return JSON.stringify({
    type: `urn:swarmsitter:error:${code}`,
    title: code,
    status: statusOf(problem),
    code,
    detail: message,
    ...(mode !== undefined && { mode }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(waitsFor !== undefined && { waitsFor }),
  })
}

/**
 * Answers with a problem, unless the head is out already: then the connection is cut, so that nobody takes a part for
 * the whole.
 */
export const answerProblem = (
  response: ServerResponse,
  problem: Problem,
  extra: Readonly<Record<string, string>> = {},
): void => {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const text = problemText(problem)
  response.writeHead(statusOf(problem), {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(text),
    ...noRetries,
    // Upstreams cannot say it: whatever begins so is taken from their answers.
    'x-sitter-code': problem.code,
    ...extra,
    ...(problem.retryAfterMs === undefined
      ? {}
      : { 'retry-after': String(Math.max(1, Math.ceil(problem.retryAfterMs / 1_000))) }),
  })
  response.end(text)
}
