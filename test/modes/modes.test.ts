/** Modes of a swarm that pays, looked at from outside: what the bank saw, what the record keeps. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Swarm } from '../live/swarm.ts'
import { openBank, type Bank } from './bank.ts'
import { configFor } from './config.ts'

let bank: Bank
let swarm: Swarm

beforeAll(async () => {
  bank = await openBank()
  const degrade = { channels: { bank: { over: 4, hold: '1s', cap: '2s' } } }
  swarm = await Swarm.start(configFor(bank, { degrade }))
}, 60_000)
afterAll(async () => {
  await swarm.stop()
  await bank.upstream.close()
}, 60_000)

type Json = Record<string, unknown>

const mode = async (...words: readonly string[]): Promise<Json> => {
  const { code, out, err } = await swarm.run('mode', ...words, '--json')
  if (code !== 0) throw new Error(err)
  return JSON.parse(out) as Json
}
/** As a program sets it, over the API: a command's start costs a third of a second of a core. */
const set = (wanted: string, target: string, reason = 'a test'): Promise<Json> =>
  swarm.api('modes', { mode: wanted, target, reason })
const payment = (reference: string): object => ({ reference, payee: 'ada', amount: '1.00', currency: 'XTS' })
const taskOf = (id: string): Promise<Json> => swarm.api(`tasks/${id}`)
const stateOf = async (id: string): Promise<string> => {
  const { state } = await taskOf(id)
  return typeof state === 'string' ? state : String((state as Json)['state'])
}
const called = async (method: string): Promise<{ status: number; text: string }> => {
  const id = await swarm.submit('call', { method })
  return swarm.until(`a ${method}`, async () => {
    if ((await stateOf(id)) !== 'succeeded') return undefined
    const { result } = await taskOf(id)
    return (typeof result === 'string' ? JSON.parse(result) : result) as { status: number; text: string }
  })
}
const settlementOf = async (reference: string): Promise<Json | undefined> =>
  (await swarm.api('settlements?limit=1000')).items?.find((one) => one['reference'] === reference)
const untilSettlement = (reference: string, state: string): Promise<Json> =>
  swarm.until(`${reference} ${state}`, async () => {
    const found = await settlementOf(reference)
    return found?.['state'] === state && found
  })
const gatePid = async (): Promise<number> => ((await swarm.api('swarm'))['gate'] as { pid: number }).pid
const killGate = async (): Promise<void> => {
  const pid = await gatePid()
  process.kill(pid, 'SIGKILL')
  await swarm.until('another gate', async () => {
    const now = await gatePid()
    return now !== undefined && now !== pid
  })
}

test('in shadow nothing that changes anything is sent, also after the gate was killed: calls are recorded, payments held', async () => {
  const before = bank.changing().length
  expect(await mode('shadow', 'payer', '--reason', 'new version on trial')).toMatchObject({
    target: 'type:payer',
    mode: 'shadow',
    gate: 'taken',
  })
  const refused = await called('POST')
  expect(refused.status).toBe(403)
  expect(JSON.parse(refused.text)).toMatchObject({ code: 'mode-forbids', mode: 'shadow' })
  expect(await called('GET')).toMatchObject({ status: 200 })
  const task = await swarm.submit('pay', payment('s-1'))
  expect(await untilSettlement('s-1', 'held')).toMatchObject({
    reason: expect.stringContaining('would have been paid'),
  })
  await killGate()
  expect((await called('POST')).status).toBe(403)
  const { items } = await swarm.api('modes/recorded')
  expect(items).toMatchObject([
    { method: 'POST', path: '/v1/things', target: 'type:payer' },
    { method: 'POST', path: '/v1/things' },
  ])
  expect(bank.changing()).toHaveLength(before)
  const agent = await swarm.api('agents/payer/1')
  expect(agent['holds']).toMatchObject({ mode: 'shadow', target: 'type:payer', reason: 'new version on trial' })
  expect((await swarm.api('inbox')).items).toContainEqual(
    expect.objectContaining({ kind: 'mode', id: 'type:payer', wayOut: 'sitter mode active type:payer' }),
  )
  // The end of a trial pays nobody: each payment is a person's to release.
  await set('active', 'payer')
  expect((await settlementOf('s-1'))?.['state']).toBe('held')
  expect(bank.changing()).toHaveLength(before)
  const { code } = await swarm.run('settlement', 'release', String((await settlementOf('s-1'))!['id']), '--yes')
  expect(code).toBe(0)
  await untilSettlement('s-1', 'settled')
  await swarm.until('its task', async () => (await stateOf(task)) === 'succeeded')
}, 120_000)

test('readonly lets look and not pay; what it kept back goes out once it is over', async () => {
  await set('readonly', 'channel:bank', 'month end')
  const before = bank.changing().length
  const task = await swarm.submit('pay', payment('r-1'))
  expect(await untilSettlement('r-1', 'reserved')).toMatchObject({ reason: expect.stringContaining('readonly') })
  expect(await called('GET')).toMatchObject({ status: 200 })
  expect(bank.changing()).toHaveLength(before)
  await set('active', 'channel:bank')
  await untilSettlement('r-1', 'settled')
  await swarm.until('its task', async () => (await stateOf(task)) === 'succeeded')
  expect(bank.changing()).toHaveLength(before + 1)
}, 60_000)

test('parked starts nothing, over the death of the sitter: tasks wait, and no attempt is spent', async () => {
  await set('parked', 'payer')
  const tasks = await Promise.all([1, 2, 3].map((number) => swarm.submit('pay', payment(`p-${number}`))))
  const seen = bank.upstream.seen.length
  for (const id of tasks) await swarm.until('it waits', async () => (await stateOf(id)) === 'waiting')
  const { pid } = (await swarm.api('swarm')) as { pid: number }
  process.kill(pid, 'SIGKILL')
  await swarm.until('another sitter', async () => (await swarm.api('swarm'))['pid'] !== pid)
  await swarm.idle('payer', 20)
  expect((await swarm.api('modes')).items).toMatchObject([{ target: 'type:payer', mode: 'parked', source: 'person' }])
  for (const id of tasks) expect(await taskOf(id)).toMatchObject({ attempts: 0 })
  expect(bank.upstream.seen).toHaveLength(seen)
  await set('active', 'payer')
  for (const id of tasks) await swarm.until('it is paid', async () => (await stateOf(id)) === 'succeeded')
  for (const id of tasks) expect(await taskOf(id)).toMatchObject({ attempts: 1 })
}, 120_000)

test('a mode for a time ends by itself, and a person who parks is not overruled by a rule', async () => {
  await mode('parked', 'payer/2', '--for', '1s')
  expect((await swarm.api('agents/payer/2'))['mode']).toBe('parked')
  await swarm.until('its end', async () => (await swarm.api('agents/payer/2'))['mode'] === 'active')
  expect((await swarm.api('events?subject=payer/0002&limit=1000')).items).toContainEqual(
    expect.objectContaining({ kind: 'mode.expired' }),
  )
}, 60_000)

test('a channel whose bank answers 5xx steps down, comes back by itself, and loses nothing', async () => {
  bank.ill = true
  const tasks = await Promise.all(
    Array.from({ length: 12 }, (_, number) => swarm.submit('pay', payment(`d-${number}`))),
  )
  await swarm.until('it is parked', async () =>
    (await swarm.api('modes')).items?.some((one) => one['target'] === 'channel:bank' && one['mode'] === 'parked'),
  )
  await swarm.until('the incident', async () =>
    (await swarm.api('incidents')).items?.some((one) => one['key'] === 'modes/channel:bank'),
  )
  bank.ill = false
  for (const id of tasks) await swarm.until('it is paid', async () => (await stateOf(id)) === 'succeeded', 60_000)
  for (const id of tasks) expect(await taskOf(id)).toMatchObject({ attempts: 1 })
  await swarm.until('it is active', async () => (await swarm.api('modes')).items?.length === 0, 60_000)
  const steps = (await swarm.api('events?subject=channel:bank&limit=1000')).items!.map(({ kind }) => kind)
  expect(steps).toContain('mode.stepped-down')
  expect(steps).toContain('mode.stepped-up')
  const settled = (await swarm.api('settlements?limit=1000')).items!.filter(({ state }) => state === 'settled')
  expect(bank.taken.size).toBe(settled.length)
  expect(await swarm.api('ledger/check')).toMatchObject({ ok: true })
}, 180_000)
