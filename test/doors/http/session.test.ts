import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { json, openHouse, token } from './house.ts'

const cookieOf = (answer: Response): string => answer.headers.get('set-cookie')!.split(';')[0]!
const login = (url: string, body: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${url}/login`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  })

test('the printed address opens a session once, in a cookie that no script and no other site gets', async () => {
  await using house = await openHouse()
  const first = await fetch(house.door.loginUrl)
  expect(first.status).toBe(200)
  expect(first.headers.get('set-cookie')).toMatch(/; HttpOnly; SameSite=Strict; /)
  const cookie = cookieOf(first)
  expect((await fetch(`${house.door.url}/api/v1/swarm`, { headers: { cookie } })).status).toBe(200)
  expect((await fetch(`${house.door.url}/`, { headers: { cookie, accept: 'text/html' } })).status).toBe(200)
  const second = await fetch(house.door.loginUrl)
  expect(second.status).toBe(401)
  expect(second.headers.get('set-cookie')).toBeNull()
  expect((await fetch(house.door.loginUrl, { headers: { cookie }, redirect: 'manual' })).status).toBe(303)
})

test('a wrong code opens nothing and does not spend the right one', async () => {
  await using house = await openHouse({ loginSecret: 'the-right-code' })
  for (const code of ['', 'wrong', 'the-right-cod', 'null'])
    expect((await fetch(`${house.door.url}/login?code=${code}`)).status).toBe(401)
  expect((await fetch(`${house.door.url}/login?code=the-right-code`)).status).toBe(200)
})

test('the token opens a session through the form; nothing else does, nor a form on another site', async () => {
  await using house = await openHouse()
  const { url } = house.door
  for (const body of ['', 'token=', 'token=x', `token=x&token=${token}`, `token[]=${token}`, `code=${token}`]) {
    const answer = await login(url, body)
    expect(answer.status).toBe(401)
    expect(answer.headers.get('set-cookie')).toBeNull()
  }
  expect((await login(url, `token=${token}`, { origin: 'http://evil.test' })).status).toBe(403)
  expect((await login(url, `token=${token}`, { 'content-type': 'text/plain' })).status).toBe(400)
  expect((await login(url, `token=${'x'.repeat(5_000)}`)).status).toBe(413)
  const answer = await login(url, `token=${token}`, { origin: url })
  expect((await fetch(`${url}/api/v1/swarm`, { headers: { cookie: cookieOf(answer) } })).status).toBe(200)
})

test('a session lives through a restart, writes only with its own Origin, dies when changed by a byte', async () => {
  let cookie = ''
  {
    await using before = await openHouse()
    cookie = cookieOf(await fetch(before.door.loginUrl))
  }
  await using house = await openHouse()
  const down = (headers: Record<string, string>): Promise<Response> =>
    fetch(`${house.door.url}/api/v1/agents/settler/1/restart`, { method: 'POST', headers: { cookie, ...headers } })
  expect((await down({})).status).toBe(403)
  expect((await down({ origin: 'http://evil.test' })).status).toBe(403)
  expect((await down({ origin: house.door.url })).status).toBe(202)
  expect(house.told).toEqual([{ deed: 'restart', with: { agents: ['settler/0001'], actor: 'session:operator' } }])
  const [name, value] = cookie.split('=') as [string, string]
  const [until, nonce, mac] = value.split('.') as [string, string, string]
  for (const forged of [
    `${Number(until) + 1}.${nonce}.${mac}`,
    `${until}.x${nonce}.${mac}`,
    `${until}.${nonce}.`,
    `${until}.${nonce}`,
    `${until}.${mac}`,
    '',
  ]) {
    expect((await fetch(`${house.door.url}/api/v1/swarm`, { headers: { cookie: `${name}=${forged}` } })).status).toBe(
      401,
    )
  }
})

test('a session ends after its day, by the wall clock', async () => {
  let nowMs = 1_800_000_000_000
  const clock = {
    wallMs: () => nowMs,
    monoMs: () => 0,
    stamp: () => ({ wallMs: nowMs, monoMs: 0, bootId: 'b' }),
    timer: () => () => {},
  }
  await using house = await openHouse({ clock, bounds: { stopMs: 0 } })
  const cookie = cookieOf(await fetch(house.door.loginUrl))
  const status = async (): Promise<number> =>
    (await fetch(`${house.door.url}/api/v1/swarm`, { headers: { cookie } })).status
  nowMs += 12 * 3_600_000 - 1
  expect(await status()).toBe(200)
  nowMs += 1
  expect(await status()).toBe(401)
})

test('another sitter on this host has another cookie and does not take ours', async () => {
  await using one = await openHouse()
  await using other = await openHouse({ token: 'another-token-0123456789' })
  const cookie = cookieOf(await fetch(one.door.loginUrl))
  const otherCookie = cookieOf(await fetch(other.door.loginUrl))
  expect(cookie.split('=')[0]).not.toBe(otherCookie.split('=')[0])
  expect((await fetch(`${other.door.url}/api/v1/swarm`, { headers: { cookie } })).status).toBe(401)
})

test('a browser without a session gets the form beside its 401, a program gets a problem', async () => {
  await using house = await openHouse()
  const browser = await fetch(`${house.door.url}/`, { headers: { accept: 'text/html' } })
  expect(browser.status).toBe(401)
  expect(await browser.text()).toContain('action="/login"')
  const program = await fetch(`${house.door.url}/`)
  expect(await json(program)).toMatchObject({ code: 'unauthorized' })
})

test('of the built page only its assets are served, for ever, and the page itself needs a session', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sitter-page-'))
  await mkdir(join(directory, 'assets'))
  await writeFile(join(directory, 'index.html'), '<!doctype html><title>built</title>')
  await writeFile(join(directory, 'assets/index-abc123.js'), 'export {}')
  await writeFile(join(directory, 'assets/secret.pem'), 'secret')
  await using house = await openHouse({ pageDirectory: directory })
  const asset = await fetch(`${house.door.url}/assets/index-abc123.js`)
  expect(asset.headers.get('content-type')).toContain('text/javascript')
  expect(asset.headers.get('cache-control')).toContain('immutable')
  for (const path of [
    '/assets/secret.pem',
    '/assets/',
    '/assets',
    '/assets/../index.html',
    '/assets/%2e%2e/index.html',
    '/index.html',
    '/assets/index-abc123.js/',
  ]) {
    expect((await fetch(`${house.door.url}${path}`)).status, path).toBe(401)
  }
  expect(await (await house.call('/')).text()).toContain('built')
  await rm(directory, { recursive: true })
})

test('a token that is too short is refused at the start', async () => {
  await expect(openHouse({ token: 'short' })).rejects.toMatchObject({ code: 'usage' })
})
