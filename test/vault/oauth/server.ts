/**
 * A real OAuth server (oidc-provider) with short tokens, refresh rotation and detection of reuse, and a resource that
 * asks it about each token. Answers can be lost on the way after they had their effect.
 */
import { createPublicKey, verify } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Provider, errors, type AdapterPayload } from 'oidc-provider'

export interface OauthServer {
  readonly issuer: string
  readonly host: string
  /** Host of the resource. */
  readonly resource: string
  readonly clientSecret: string
  /** All that the client ever had, the first one first; the resource makes, lists and ends them at `/keys`. */
  readonly clients: readonly ClientSecret[]
  /** Whether secrets that are made from now on are known to the token server. */
  mintKnown(known: boolean): void
  /** Ids of the client's secrets by which the tokens of calls were got, in order. */
  readonly seenBy: readonly (string | undefined)[]
  newRefreshToken(): Promise<string>
  /** The next answers of the token endpoint that are lost after they had their effect. */
  lose(count: number): void
  /** Is told when the next token request has come, before it is answered. */
  whenAsked(then: () => void): void
  /** Ends the grant: the next refresh is refused. */
  revokeAll(): void
  /** Paths of the calls that the resource has seen, in order. */
  readonly seen: readonly string[]
  figures(): {
    readonly tokenRequests: number
    readonly most: number
    readonly calls: number
    readonly refused: number
    readonly reused: number
  }
  close(): Promise<void>
}

interface ClientSecret {
  readonly id: string
  readonly secret: string
  readonly label: string
  readonly isKnown: boolean
  isAlive: boolean
}

/** A consumed refresh token is honoured again for so long: the answer that replaced it may have been lost (FAPI). */
const graceMs = 10_000

class Memory {
  static rows = new Map<string, { payload: AdapterPayload; consumedMs: number | null }>()
  static reused = 0
  readonly #model: string
  constructor(model: string) {
    this.#model = model
  }
  #key(id: string): string {
    return `${this.#model}:${id}`
  }
  async upsert(id: string, payload: AdapterPayload): Promise<void> {
    Memory.rows.set(this.#key(id), { payload, consumedMs: null })
  }
  async find(id: string): Promise<AdapterPayload | undefined> {
    const row = Memory.rows.get(this.#key(id))
    if (row === undefined) return undefined
    const isOver = row.consumedMs !== null && performance.now() - row.consumedMs > graceMs
    if (isOver) Memory.reused += 1
    return isOver ? { ...row.payload, consumed: true } : row.payload
  }
  async findByUid(): Promise<undefined> {}
  async findByUserCode(): Promise<undefined> {}
  async consume(id: string): Promise<void> {
    const row = Memory.rows.get(this.#key(id))
    if (row !== undefined) row.consumedMs ??= performance.now()
  }
  async destroy(id: string): Promise<void> {
    Memory.rows.delete(this.#key(id))
  }
  async revokeByGrantId(grantId: string): Promise<void> {
    for (const [key, { payload }] of Memory.rows) if (payload.grantId === grantId) Memory.rows.delete(key)
  }
}

const clientSecret = 'the-secret-of-the-client-0123456789'

const registerAssertions = (provider: Provider, publicKey: string): void => {
  provider.registerGrantType(
    'urn:ietf:params:oauth:grant-type:jwt-bearer',
    async (ctx) => {
      const [head, body, signature] = String(ctx.oidc.params!['assertion']).split('.')
      const key = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' })
      const isGood = verify('sha256', Buffer.from(`${head}.${body}`), key, Buffer.from(signature!, 'base64url'))
      const claims = JSON.parse(Buffer.from(body!, 'base64url').toString()) as Record<string, unknown>
      if (!isGood || claims['aud'] !== provider.issuer || Number(claims['exp']) * 1_000 < Date.now())
        throw new errors.InvalidGrant('this assertion is not good')
      const token = new provider.ClientCredentials({ client: ctx.oidc.client!, scope: 'work' })
      ctx.body = { access_token: await token.save(), expires_in: token.expiration, token_type: 'Bearer' }
    },
    ['assertion'],
  )
}

const listen = async (server: ReturnType<typeof createServer>): Promise<string> => {
  // Nobody's call is lost because a connection was closed just when it was used again.
  server.keepAliveTimeout = 120_000
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

export const openOauthServer = async (tokenSeconds: number, publicKey: string): Promise<OauthServer> => {
  Memory.rows.clear()
  Memory.reused = 0
  const state = {
    tokenRequests: 0,
    now: 0,
    most: 0,
    calls: 0,
    refused: 0,
    lose: 0,
    mintsKnown: true,
    told: undefined as (() => void) | undefined,
  }
  const server = createServer()
  const host = await listen(server)
  const issuer = `http://${host}`
  const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
  const provider = new Provider(issuer, {
    adapter: Memory,
    clients: [
      {
        client_id: 'swarm',
        client_secret: clientSecret,
        grant_types: ['authorization_code', 'client_credentials', 'refresh_token', jwtBearer],
        redirect_uris: ['https://localhost/none'],
      },
    ],
    scopes: ['offline_access', 'work'],
    ttl: { AccessToken: tokenSeconds, ClientCredentials: tokenSeconds, RefreshToken: 3_600, Grant: 3_600 },
    rotateRefreshToken: true,
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
    findAccount: (_context: unknown, id: string) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  })
  registerAssertions(provider, publicKey)
  const clients: ClientSecret[] = [{ id: 'cs_1', secret: clientSecret, label: 'by hand', isKnown: true, isAlive: true }]
  const tokens = new Map<string, string>()
  const handle = provider.callback()
  /** It knows one secret of a client: each that is alive stands for it. */
  const front = (request: IncomingMessage, response: ServerResponse): void => {
    const [, basic = ''] = (request.headers.authorization ?? '').split('Basic ')
    const shown = decodeURIComponent(Buffer.from(basic, 'base64').toString().split(':')[1] ?? '')
    const found = clients.find(({ secret, isAlive, isKnown }) => isAlive && isKnown && secret === shown)
    const goesOn = found === undefined ? 'none-that-anybody-knows-0123456789' : clientSecret
    request.headers.authorization = `Basic ${Buffer.from(`swarm:${goesOn}`).toString('base64')}`
    const { end } = response
    response.end = ((...given: Parameters<typeof end>) => {
      const [, token] = /"access_token":"([^"]+)"/.exec(String(given[0])) ?? []
      if (token !== undefined) tokens.set(token, found!.id)
      return end.apply(response, given)
    }) as typeof end
    handle(request, response)
  }
  server.on('request', (request, response) => {
    if (request.url !== '/token') return handle(request, response)
    state.tokenRequests += 1
    const told = state.told
    state.told = undefined
    told?.()
    state.now += 1
    state.most = Math.max(state.most, state.now)
    response.on('close', () => {
      state.now -= 1
    })
    if (state.lose > 0) {
      state.lose -= 1
      // What it decided stands; its answer never arrives.
      response.write = (() => true) as typeof response.write
      response.end = (() => {
        request.socket.destroy()
        return response
      }) as typeof response.end
    }
    front(request, response)
  })
  const seen: string[] = []
  const seenBy: (string | undefined)[] = []
  const ofKeys = (request: IncomingMessage, response: ServerResponse, body: string): void => {
    const shown = request.headers.authorization?.replace('Bearer ', '') ?? ''
    const isSecret = clients.some(({ secret, isAlive }) => isAlive && secret === shown)
    const say = (status: number, value: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(value))
    }
    if (!isSecret && !tokens.has(shown)) return say(401, {})
    if (request.method === 'GET') return say(200, { items: clients.filter(({ isAlive }) => isAlive) })
    if (request.method === 'DELETE') {
      const ended = clients.find(({ id }) => request.url!.endsWith(`/${id}`))
      if (ended !== undefined) ended.isAlive = false
      return say(ended === undefined ? 404 : 200, {})
    }
    const { label } = JSON.parse(body) as { label: string }
    const id = `cs_${clients.length + 1}`
    const made = { id, secret: `made-for-the-client-${id}-0123456789`, label, isKnown: state.mintsKnown, isAlive: true }
    clients.push(made)
    say(201, made)
  }
  const resource = createServer((request, response) => {
    if (request.url!.startsWith('/keys')) {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => ofKeys(request, response, Buffer.concat(chunks).toString()))
      return
    }
    seen.push(request.url!)
    const token = request.headers.authorization?.replace('Bearer ', '') ?? ''
    seenBy.push(tokens.get(token))
    void Promise.all([provider.AccessToken.find(token), provider.ClientCredentials.find(token)]).then((found) => {
      const isGood = found.some((one) => one !== undefined && one.isValid)
      state.calls += 1
      if (!isGood) state.refused += 1
      response.writeHead(isGood ? 200 : 401, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ ok: isGood }))
    })
  })
  const resourceHost = await listen(resource)
  const shut = (one: ReturnType<typeof createServer>): Promise<void> =>
    new Promise((resolve) => {
      one.close(() => resolve())
      one.closeAllConnections()
    })
  return {
    issuer,
    host,
    resource: resourceHost,
    clientSecret,
    clients,
    mintKnown: (known) => {
      state.mintsKnown = known
    },
    seen,
    seenBy,
    newRefreshToken: async () => {
      const grant = new provider.Grant({ clientId: 'swarm', accountId: 'ann' })
      grant.addOIDCScope('offline_access work')
      const grantId = await grant.save()
      const client = (await provider.Client.find('swarm'))!
      const token = new provider.RefreshToken({
        client,
        accountId: 'ann',
        grantId,
        gty: 'authorization_code',
        scope: 'offline_access work',
      })
      return token.save()
    },
    lose: (count) => {
      state.lose = count
    },
    whenAsked: (then) => {
      state.told = then
    },
    revokeAll: () => {
      for (const key of Memory.rows.keys()) if (/^(RefreshToken|Grant):/.test(key)) Memory.rows.delete(key)
    },
    figures: () => {
      const { tokenRequests, most, calls, refused } = state
      return { tokenRequests, most, calls, refused, reused: Memory.reused }
    },
    close: async () => {
      await shut(server)
      await shut(resource)
    },
  }
}
