/** How programs are asked whether they are well: three probes, each in one of two ways. */
import { z } from 'zod'
import { loopbackAddress, positiveDuration, whole, words } from './shapes.ts'

const probeParts = {
  /** The program's own address on this host; `{number}` in it stands for the agent's number. */
  http: loopbackAddress.optional(),
  /** Exit code 0 = it is well; no shell. */
  command: words.optional(),
  every: positiveDuration.default(10_000),
  timeout: positiveDuration.default(1_000),
  /** Fails in a row that count. */
  fails: whole(1, 1_000, 'fails in a row').default(3),
}
const isOneWay = (given: { readonly http?: unknown; readonly command?: unknown }): boolean =>
  (given.http === undefined) !== (given.command === undefined)
const oneWay = 'exactly one of http and command'
const probe = z.strictObject(probeParts).refine(isOneWay, oneWay)
const startupProbe = z
  .strictObject({ ...probeParts, within: positiveDuration.default(30_000), every: positiveDuration.default(1_000) })
  .refine(isOneWay, oneWay)

export const health = z.strictObject({
  startup: startupProbe.optional(),
  liveness: probe.optional(),
  readiness: probe.optional(),
})
