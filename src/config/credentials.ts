/** Credentials as people write them, and what is made of them. */
import { resolve } from 'node:path'
import { z } from 'zod'
import type { Blackout, Credential, OauthRule, RotationRule, Rotator, Signing, Step } from '../model/model.ts'
import {
  duration,
  header,
  host,
  hostPort,
  method,
  name,
  notEmpty,
  pathPattern,
  positiveDuration,
  route,
  share,
  webAddress,
} from './shapes.ts'

const words = z.array(notEmpty('a word of a command line')).min(1).max(1_000)
const place = notEmpty('where it stands, like "data.secret"')

const rotator = z
  .strictObject({
    /** A program, started with `SITTER_ROTATE` = mint, list, test or revoke; secrets on stdin and stdout. */
    command: words.optional(),
    /** How long the program may take. */
    within: positiveDuration.default(60_000),
    /** Whose routes the following are; the credential's own upstream. */
    upstream: name.optional(),
    /** Makes a new key: a route like "POST /v1/keys". */
    mint: route.optional(),
    body: z.record(z.string().min(1).max(200), z.string().max(4_096)).default({ label: '{label}' }),
    secretAt: place.default('secret'),
    idAt: place.default('id'),
    /** The field by which `list` shows the label again. */
    labelAt: place.default('label'),
    list: route.optional(),
    test: route.optional(),
    revoke: route.optional(),
    /** Tells the id of the key that it is signed with: without it a key that a person set cannot be ended. */
    whoami: route.optional(),
    /** The provider answers the same mint (by its idempotency-key) with the same secret. */
    sameAnswer: z.boolean().default(false),
    /** How long a new key is tried with few calls before it is used for all. */
    canary: duration.default(60_000),
    /** How long an old key stays valid at least. */
    overlap: duration.default(86_400_000),
    /** Between two members of one pool. */
    gap: duration.default(3_600_000),
    jitter: share.refine((part) => part <= 0.5, 'a share from 0 to 0.5').default(0.1),
    /** No rotation begins then, in UTC: `{ days: ['fri'], from: '16:00', to: '24:00' }`. */
    blackouts: z
      .array(
        z.strictObject({
          days: z
            .array(z.enum(['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']))
            .min(1)
            .optional(),
          from: notEmpty('a time like "16:00"').refine((given) => minuteOf(given) !== undefined, 'a time like "16:00"'),
          to: notEmpty('a time like "18:30"').refine((given) => minuteOf(given) !== undefined, 'a time like "18:30"'),
        }),
      )
      .max(50)
      .default([]),
  })
  .refine(({ command, mint }) => (command === undefined) !== (mint === undefined), 'exactly one of command and mint')
  // A key whose making was not answered is found by its label alone: one that never had it would be made again.
  .refine(
    ({ list, body }) => list === undefined || Object.values(body).some((value) => value.includes('{label}')),
    '{label} in body, by which list finds a key again',
  )

const oauth = z
  .strictObject({
    grant: z.enum(['client-credentials', 'refresh-token', 'jwt-bearer']),
    /** Its metadata (.well-known) name the token endpoint. */
    issuer: webAddress.optional(),
    token: webAddress.optional(),
    hosts: z.array(hostPort).max(100).default([]),
    clientId: notEmpty('a client id').optional(),
    /** Name of the secret that is the client's own, beside a refresh token. */
    clientSecret: name.optional(),
    auth: z.enum(['basic', 'post']).default('basic'),
    scope: notEmpty('scopes, by spaces').optional(),
    audience: notEmpty('an audience').optional(),
    subject: notEmpty('a subject').optional(),
  })
  .refine(({ issuer, token }) => (issuer === undefined) !== (token === undefined), 'exactly one of issuer and token')
  .refine(
    ({ grant, clientId }) => grant === 'client-credentials' || clientId !== undefined,
    'a clientId for this grant',
  )

/** What it may be used for; the gate looks before it opens the secret. Whatever is absent is not bounded. */
const scope = z.strictObject({
  /** The account at the provider that it belongs to. Keys of calls are kept with it: see `fallback`. */
  account: notEmpty('the name of an account').optional(),
  hosts: z.array(host).min(1).max(100).optional(),
  methods: z.array(method).min(1).max(20).optional(),
  paths: z.array(pathPattern).min(1).max(1_000).optional(),
  /** Agent types whose work may use it; what the sitter asks by itself (a query, a resend) is always let. */
  agents: z.array(z.string()).min(1).max(1_000).optional(),
})

export const credential = z
  .strictObject({
    kind: z.enum(['bearer', 'basic', 'header', 'query', 'hmac', 'ed25519', 'sigv4', 'mtls', 'oauth']),
    /** The header that carries the secret (kind header), or the id of the key (hmac, ed25519). */
    header: header.optional(),
    /** The query parameter that carries the secret. */
    parameter: notEmpty('a parameter like "api_key"')
      .refine((given) => /^[A-Za-z0-9._-]{1,64}$/.test(given), 'a parameter like "api_key"')
      .optional(),
    /** How old a signed request may be when it arrives (hmac, ed25519). */
    window: positiveDuration.refine((ms) => ms <= 60_000, 'a time of at most 60s').default(5_000),
    region: notEmpty('a region like "eu-central-1"').optional(),
    service: notEmpty('a service like "s3"').optional(),
    oauth: oauth.optional(),
    rotateEvery: positiveDuration.default(30 * 86_400_000),
    warnBefore: duration.default(7 * 86_400_000),
    /** How a new secret is made; a person does it when absent. */
    rotate: rotator.optional(),
    /** Secrets of this provider account; the credential itself when absent. */
    pool: z.array(name).min(1).max(100).optional(),
    /** What makes calls go on with another of the pool. `limit` only where each key has a limit of its own. */
    switchOn: z.array(z.enum(['401', '403', 'expiry', 'limit'])).default(['401', '403', 'expiry']),
    scope: scope.prefault({}),
    /**
     * Another credential, of another account at the same provider, for when none of this one's secrets serves. What
     * changes something goes by it only with the proof that nothing happened here.
     */
    fallback: name.optional(),
  })
  .superRefine((given, context) => {
    const needs: Partial<Record<typeof given.kind, readonly (keyof typeof given)[]>> = {
      header: ['header'],
      query: ['parameter'],
      sigv4: ['region', 'service'],
      oauth: ['oauth'],
    }
    for (const key of needs[given.kind] ?? [])
      if (given[key] === undefined)
        context.addIssue({ code: 'custom', path: [key], message: `this key for the kind "${given.kind}"` })
  })

type Parsed = z.output<typeof credential>
type ParsedRotator = z.output<typeof rotator>

/** Minutes of the day; 24:00 is its end. */
function minuteOf(text: string): number | undefined {
  const match = /^([01]\d|2[0-4]):([0-5]\d)$/.exec(text)
  const minute = match ? Number(match[1]) * 60 + Number(match[2]) : Number.NaN
  return minute <= 1_440 ? minute : undefined
}

const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

const toSigning = (given: Parsed): Signing => {
  switch (given.kind) {
    case 'bearer':
    case 'basic':
    case 'mtls':
      return { kind: given.kind }
    case 'header':
      return { kind: 'header', header: given.header! }
    case 'query':
      return { kind: 'query', parameter: given.parameter! }
    case 'hmac':
    case 'ed25519':
      return { kind: given.kind, keyHeader: given.header ?? 'x-mbx-apikey', windowMs: given.window }
    case 'sigv4':
      return { kind: 'sigv4', region: given.region!, service: given.service! }
    case 'oauth':
      return { kind: 'oauth', oauth: toOauth(given.oauth!) }
  }
}

const toOauth = (given: z.output<typeof oauth>): OauthRule => ({
  grant: given.grant,
  issuer: given.issuer ?? null,
  token: given.token ?? null,
  hosts: given.hosts,
  clientId: given.clientId ?? null,
  auth: given.auth,
  clientSecret: given.clientSecret ?? null,
  scope: given.scope ?? null,
  audience: given.audience ?? null,
  subject: given.subject ?? null,
})

const step = (given: Step | undefined): Step | null => given ?? null

/** A program named by a path lies relative to the config. */
const toRotator = (given: ParsedRotator | undefined, upstream: string, directory: string): Rotator => {
  if (given === undefined) return { by: 'person' }
  if (given.command !== undefined) {
    const [program = '', ...rest] = given.command
    const command = [program.includes('/') ? resolve(directory, program) : program, ...rest]
    return { by: 'command', command, directory, withinMs: given.within }
  }
  const { body, secretAt, idAt, labelAt, list, test, revoke, whoami, sameAnswer } = given
  return {
    by: 'http',
    upstream: given.upstream ?? upstream,
    mint: given.mint!,
    body,
    secretAt,
    idAt,
    labelAt,
    list: step(list),
    test: step(test),
    revoke: step(revoke),
    whoami: step(whoami),
    sameAnswer,
  }
}

const toBlackout = (given: ParsedRotator['blackouts'][number]): Blackout => ({
  days: (given.days ?? dayNames).map((day) => dayNames.indexOf(day)),
  fromMinute: minuteOf(given.from)!,
  toMinute: minuteOf(given.to)!,
})

const toRotation = (given: Parsed, upstream: string, directory: string): RotationRule => ({
  everyMs: given.rotateEvery,
  jitter: given.rotate?.jitter ?? 0,
  // Who replaces it every five days is not warned a week before.
  warnBeforeMs: Math.min(given.warnBefore, given.rotateEvery / 2),
  overlapMs: given.rotate?.overlap ?? 0,
  canaryMs: given.rotate?.canary ?? 0,
  gapMs: given.rotate?.gap ?? 0,
  blackouts: (given.rotate?.blackouts ?? []).map(toBlackout),
  rotator: toRotator(given.rotate, upstream, directory),
})

/** `upstream` is the first one that uses it: whose routes a rotator means when it names none. */
export const toCredential = (
  given: Parsed,
  { name: own, upstream, directory }: { readonly name: string; readonly upstream: string; readonly directory: string },
): Credential => ({
  name: own,
  kind: given.kind,
  rotateEveryMs: given.rotateEvery,
  warnBeforeMs: given.warnBefore,
  pool: given.pool ?? [own],
  signing: toSigning(given),
  rotation: toRotation(given, upstream, directory),
  switchOn: given.switchOn,
  scope: {
    account: given.scope.account ?? null,
    hosts: given.scope.hosts ?? null,
    methods: given.scope.methods ?? null,
    paths: given.scope.paths ?? null,
    agents: given.scope.agents ?? null,
  },
  fallback: given.fallback ?? null,
})
