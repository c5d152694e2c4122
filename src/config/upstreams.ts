/** The part of the schema that says what is outside: upstreams, their limits, breakers, and what their answers mean. */
import { X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { upstreamLimit } from './limits.ts'
import { cost } from './price.ts'
import { profiles } from './profiles.ts'
import { calls, hostPort, notEmpty, origin, pattern, positiveDuration, share, whole } from './shapes.ts'

const pemBlock = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g

const areCertificates = (text: string): boolean => {
  try {
    const found = text.match(pemBlock) ?? []
    for (const one of found) new X509Certificate(one)
    return found.length > 0
  } catch {
    return false // what is wrong with it is told by what was expected
  }
}
const certificates = z
  .string()
  .max(262_144)
  .refine(areCertificates, 'certificates as PEM (-----BEGIN CERTIFICATE-----)')

const answerClass = z.enum(['succeeded', 'transient', 'limited', 'credential', 'funds', 'permanent', 'unknown'])
const usagePaths = z.array(notEmpty('a path like "usage.input_tokens"')).max(20)
const profile = z.union(
  [
    z.enum(Object.keys(profiles) as [string, ...string[]]),
    z.strictObject({
      /** Where in a JSON body the provider writes its code: `error.code`. */
      codeAt: z.array(notEmpty('a path like "error.code"')).max(10).optional(),
      /** The first that fits counts; all that a rule names must fit. */
      rules: z
        .array(
          z.strictObject({
            status: z
              .array(z.union([whole(100, 599, 'an HTTP status'), z.enum(['4xx', '5xx'])]))
              .max(50)
              .optional(),
            code: z.array(notEmpty('a code')).max(200).optional(),
            text: notEmpty('a text').optional(),
            /** Only calls that change nothing (true), or only those that do (false). */
            safe: z.boolean().optional(),
            class: answerClass,
          }),
        )
        .max(200)
        .default([]),
      /** Limits that answers only tell the use of, by the name of their signal. */
      limits: z.record(z.string(), whole(1, 1_000_000_000, 'a limit')).optional(),
      /** Statuses by which it bans, and whom: `{ 418: 'host' }` all who come from here, else one credential. */
      bans: z
        .record(z.string().regex(/^[45]\d\d$/, 'an HTTP status from 400'), z.enum(['host', 'credential']))
        .optional(),
      /** Beginnings of the names of limits that count all who come from here, not one credential. */
      perHost: z.array(notEmpty('the beginning of a name of `limits`')).max(20).optional(),
      /** Limits that count some calls alone, by the beginning of their names: `{ 'orders-': { 'POST /order': 1 } }`. */
      counts: z
        .record(notEmpty('the beginning of a name of `limits`'), z.record(pattern, whole(1, 1_000, 'a count')))
        .optional(),
      /** Calls whose answers list the provider's limits, in the form of Binance's `rateLimits`. */
      limitsIn: z.array(pattern).max(20).optional(),
      /** Where answers tell the tokens that they used: paths of keys in their JSON, like `usage.input_tokens`. */
      usage: z
        .strictObject({
          model: usagePaths.default([]),
          input: usagePaths.min(1),
          output: usagePaths.default([]),
          cacheRead: usagePaths.default([]),
          cacheWrite: usagePaths.default([]),
          /** Cached input is counted in `input`, and not beside it. */
          cachedWithin: z.boolean().default(false),
          outputMayLack: z.boolean().default(false),
        })
        .optional(),
    }),
  ],
  `a known provider (${Object.keys(profiles).join(', ')}) or {codeAt, rules}`,
)

export const upstream = z.strictObject({
  url: origin,
  /**
   * Upstreams of one domain are one address for bans and limits per host: hosts of one provider that counts them
   * together.
   */
  domain: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}$/, 'a name like "binance"')
    .optional(),
  /** Private addresses that may be connected to. */
  grant: z.array(hostPort).max(1_000).default([]),
  /** PEM of the authorities of its certificate, where the usual ones do not know it. */
  ca: certificates.optional(),
  /** Name of the credential that the gate signs with. */
  credentials: z.string().nullable().default(null),
  allow: z.array(pattern).min(1).max(1_000),
  /** Routes that move money: only the sitter may use them, by grant. */
  money: z.array(pattern).max(1_000).default([]),
  limits: z.array(upstreamLimit).max(100).default([]),
  timeout: positiveDuration.default(30_000),
  /** An agent's call that would wait longer than this for a limit is refused at once, and its task parks. */
  parkAfter: positiveDuration.refine((ms) => ms <= 600_000, 'at most 10m').default(10_000),
  /** `auto`: what answers say about limits is obeyed, beside the limits above. */
  learn: z.enum(['auto', 'off']).default('auto'),
  /** Opens when this share of the last calls failed: provider down, sick or lost. `false` = none. */
  breaker: z
    .union(
      [
        z.literal(false),
        z.strictObject({
          failures: share.refine((part) => part > 0, 'a share over 0').default(0.5),
          over: calls.default(20),
          /** The first probe after it opened; later ones after twice as long each, at most 5 minutes. */
          probe: positiveDuration.default(5_000),
        }),
      ],
      'false or {failures: "50%", over: "20 calls"}',
    )
    .prefault({}),
  /** What the gate itself sends again: calls by which certainly nothing was done. `false` = none. */
  retries: z
    .union(
      [
        z.literal(false),
        z.strictObject({
          /** Tries of one call beside its first. */
          max: whole(1, 10, 'a number of retries').default(2),
          /** Part of the calls by which retries may add to them. */
          budget: share.default(0.1),
          /** Calls that change nothing although their method may: `POST /v1/search`. */
          safe: z.array(pattern).max(1_000).default([]),
        }),
      ],
      'false or {max: 2, budget: "10%"}',
    )
    .prefault({}),
  /** What its provider's answers mean: one that is known by name, or rules of its own. */
  profile: profile.optional(),
  cost: cost.optional(),
})
