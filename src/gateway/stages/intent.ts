/**
 * Money moves only by a grant, and a grant is for one exact request: its hash is computed here again, never believed.
 */
import { createHash } from 'node:crypto'
import { canonicalJson } from '../../std/std.ts'
import type { Stage } from '../call.ts'
import { moneyMatches } from '../path.ts'

export const intent: Stage = (call) => {
  const { grant } = call
  if (grant === null) {
    const money = call.upstream!.money.some((one) => moneyMatches(one, call.method, call.plain!.segments))
    return money
      ? { code: 'intent-required', message: 'this route moves money: ask the sitter with ctx.settle' }
      : undefined
  }
  const { method, path, headers, body } = grant.request
  const hash = createHash('sha256').update(canonicalJson({ method, path, headers, body })).digest('hex')
  return hash === grant.hash
    ? undefined
    : { code: 'not-allowed', message: 'this is not the request that was granted: its hash differs' }
}
