import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import {
  canary,
  grantFor,
  newPlace,
  openWorld,
  rulesFor,
  startGate,
  startSitter,
  type UpstreamRules,
} from './harness.ts'
import { openUpstream, type TestUpstream } from './upstream.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const world = async (
  more: Partial<UpstreamRules> = {},
): Promise<Awaited<ReturnType<typeof openWorld>> & { upstream: TestUpstream }> => {
  const upstream = await openUpstream()
  const opened = await openWorld(upstream, more)
  closing.push(opened.close)
  return { ...opened, upstream }
}

test('a granted request reaches the upstream exactly, signed, and its answer is told', async () => {
  const { sitter, upstream } = await world()
  const grant = grantFor()
  expect(sitter.link.grant([grant])).toBe(true)
  const call = await sitter.callOf(grant.grant)
  expect(call.outcome).toMatchObject({ kind: 'answered', status: 201, body: '{"ok":true}', truncated: false })
  expect(call).toMatchObject({ subject: grant.subject, cost: '0.01 XTS', credential: 'bank' })
  expect(call.sentMs).toBeGreaterThan(0)
  expect(upstream.seen).toHaveLength(1)
  expect(upstream.seen[0]).toMatchObject({ method: 'POST', url: '/v1/payouts', body: grant.request.body })
  expect(upstream.seen[0]!.headers['authorization']).toBe(`Bearer ${canary}`)
  expect(upstream.seen[0]!.headers['idempotency-key']).toBe(grant.request.headers['idempotency-key'])
})

test('the journal row stands in gate.db, durable, before the upstream sees the request', async () => {
  const { sitter, upstream, place } = await world()
  const found: unknown[] = []
  upstream.answer((seen, response) => {
    const db = new DatabaseSync(join(place.data, 'gate', 'gate.db'), { readOnly: true })
    found.push(db.prepare('SELECT grant_id, ended, hash FROM calls WHERE grant_id = ?').get(grant.grant))
    db.close()
    response.writeHead(200)
    response.end(seen.body)
  })
  const grant = grantFor()
  sitter.link.grant([grant])
  await sitter.callOf(grant.grant)
  expect(found).toEqual([{ grant_id: grant.grant, ended: null, hash: grant.hash }])
})

test('a grant given many times is sent once, and told again from the journal', async () => {
  const { sitter, upstream, place } = await world()
  const grant = grantFor()
  sitter.link.grant([grant, grant, grant])
  sitter.link.grant([grant])
  const first = await sitter.callOf(grant.grant)
  sitter.link.grant([grant])
  await sitter.link.status()
  await sitter.link.stop()
  const again = startSitter(place)
  closing.push(() => again.link.stop())
  await again.linked()
  again.link.grant([grant])
  const second = await again.callOf(grant.grant)
  expect(second).toEqual(first)
  expect(upstream.seen).toHaveLength(1)
})

test('a request that differs from its hash is refused and never sent', async () => {
  const { sitter, upstream } = await world()
  const grant = grantFor()
  const forged = { ...grant, request: { ...grant.request, body: '{"amount":"99999.00"}' } }
  sitter.link.grant([forged])
  const call = await sitter.callOf(grant.grant)
  expect(call.outcome).toMatchObject({ kind: 'not-sent', code: 'not-allowed' })
  expect(call.cost).toBe(null)
  expect(upstream.seen).toHaveLength(0)
})

test('routes outside the allow-list, twisted paths and smuggled headers of a grant are refused', async () => {
  const { sitter, upstream } = await world()
  const grants = [
    grantFor({ path: '/v2/payouts' }),
    grantFor({ method: 'DELETE' }),
    grantFor({ path: '/v1/%2e%2e/admin' }),
    grantFor({ path: '/v1//payouts' }),
    grantFor({ path: '/v1/a%2Fb' }),
    grantFor({ upstream: 'elsewhere' }),
    grantFor({ headers: { authorization: 'Bearer mine' } }),
    grantFor({ headers: { 'x-a': 'b\r\nhost: evil' } }),
    grantFor({ headers: { host: 'evil.test' } }),
  ]
  sitter.link.grant(grants)
  const calls = await Promise.all(grants.map((grant) => sitter.callOf(grant.grant)))
  expect(calls.map((call) => call.outcome.kind === 'not-sent' && call.outcome.code)).toEqual(
    grants.map(() => 'not-allowed'),
  )
  expect(upstream.seen).toHaveLength(0)
})

test('a refused connection is proven not sent; an accepted one that is cut is lost', async () => {
  const { sitter, upstream } = await world()
  upstream.answer((_seen, _response, request) => {
    request.socket.destroy()
  })
  const cut = grantFor()
  sitter.link.grant([cut])
  const lost = await sitter.callOf(cut.grant)
  expect(lost.outcome).toMatchObject({ kind: 'lost' })
  expect(lost.outcome.kind === 'lost' && lost.outcome.closedMs).toBeGreaterThanOrEqual(lost.sentMs!)
  await upstream.close()
  const refused = grantFor()
  sitter.link.grant([refused])
  const call = await sitter.callOf(refused.grant)
  expect(call.outcome).toMatchObject({ kind: 'not-sent', code: 'ECONNREFUSED' })
  expect(call.sentMs).toBe(null)
})

test('a kept connection that the upstream closes while a request is on it makes that request lost, and it is not sent twice', async () => {
  const { sitter, upstream } = await world()
  const first = grantFor()
  sitter.link.grant([first])
  await sitter.callOf(first.grant)
  upstream.answer((_seen, _response, request) => {
    request.socket.resetAndDestroy()
  })
  const second = grantFor()
  sitter.link.grant([second])
  expect((await sitter.callOf(second.grant)).outcome.kind).toBe('lost')
  expect(upstream.seen).toHaveLength(2)
})

test('an answer that is cut in its middle is lost, and one that never comes is lost after the timeout', async () => {
  const { sitter, upstream } = await world({ timeoutMs: 150 })
  upstream.answer((seen, response) => {
    if (seen.body.includes('half')) {
      response.writeHead(201, { 'content-length': 100 })
      response.write('{"ok":', () => response.destroy())
    }
  })
  const half = grantFor({ body: '{"half":1}' })
  const silent = grantFor()
  sitter.link.grant([half, silent])
  expect((await sitter.callOf(half.grant)).outcome.kind).toBe('lost')
  expect((await sitter.callOf(silent.grant)).outcome).toMatchObject({ kind: 'lost', code: 'timed-out' })
})

test('a redirect is told, not followed, and the credential stays at home', async () => {
  const other = await openUpstream()
  closing.push(() => other.close())
  const { sitter, upstream } = await world()
  upstream.answer((_seen, response) => {
    response.writeHead(302, { location: `http://${other.host}/v1/steal` })
    response.end()
  })
  const grant = grantFor()
  sitter.link.grant([grant])
  expect((await sitter.callOf(grant.grant)).outcome).toMatchObject({ kind: 'answered', status: 302 })
  expect(other.seen).toHaveLength(0)
})

test('of a large answer 64 KiB are kept and the cut is told; an echoed secret is blotted out', async () => {
  const { sitter, upstream } = await world()
  upstream.answer((seen, response) => {
    if (seen.body.includes('large')) return response.end('x'.repeat(1_000_000))
    response.setHeader('x-echo', String(seen.headers['authorization']))
    response.end(`you said ${String(seen.headers['authorization'])}`)
  })
  const large = grantFor({ body: 'large' })
  const echo = grantFor({ body: 'echo' })
  sitter.link.grant([large, echo])
  const { outcome } = await sitter.callOf(large.grant)
  expect(
    outcome.kind === 'answered' && [outcome.truncated, outcome.body.length <= 65_536, outcome.body.length > 60_000],
  ).toEqual([true, true, true])
  const echoed = await sitter.callOf(echo.grant)
  expect(echoed.outcome).toMatchObject({
    kind: 'answered',
    body: `you said Bearer ${'*'.repeat(canary.length)}`,
    headers: { 'x-echo': `Bearer ${'*'.repeat(canary.length)}` },
  })
  expect(JSON.stringify(sitter.calls)).not.toContain(canary)
})

test('without an active credential nothing is sent', async () => {
  const upstream = await openUpstream()
  const place = newPlace()
  const { gate } = await startGate(place, rulesFor(upstream))
  const sitter = startSitter(place)
  closing.push(async () => {
    await sitter.link.stop()
    await gate.stop()
    await upstream.close()
    place.remove()
  })
  await sitter.linked()
  const grant = grantFor()
  sitter.link.grant([grant])
  expect((await sitter.callOf(grant.grant)).outcome).toMatchObject({ kind: 'not-sent', code: 'credential-unavailable' })
  expect(upstream.seen).toHaveLength(0)
})

test('a private address that is not granted is never connected to', async () => {
  const { sitter, upstream } = await world({ grant: [] })
  const grant = grantFor()
  sitter.link.grant([grant])
  expect((await sitter.callOf(grant.grant)).outcome).toMatchObject({ kind: 'not-sent', code: 'EADDRFORBIDDEN' })
  expect(upstream.seen).toHaveLength(0)
})

test('a host name that stands for loopback needs its own grant', async () => {
  const upstream = await openUpstream()
  const { port } = upstream
  const denied = await openWorld(upstream, { url: `http://localhost:${port}`, grant: [] })
  const grant = grantFor()
  denied.sitter.link.grant([grant])
  expect((await denied.sitter.callOf(grant.grant)).outcome).toMatchObject({ kind: 'not-sent', code: 'EADDRFORBIDDEN' })
  await denied.close()
  const again = await openUpstream()
  const allowed = await openWorld(again, { url: `http://localhost:${again.port}`, grant: [`127.0.0.1:${again.port}`] })
  closing.push(allowed.close)
  const second = grantFor()
  allowed.sitter.link.grant([second])
  expect((await allowed.sitter.callOf(second.grant)).outcome.kind).toBe('answered')
})
