/** Budgets at the real gate, judged by what reached the upstream. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pace } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import type { Budget } from '../../src/model/model.ts'
import { openDoor } from './cell-door.ts'
import {
  fetchBy,
  grantFor,
  newPlace,
  rulesFor,
  setSecret,
  startGate,
  startSitter,
  type Fetched,
  type UpstreamRules,
} from './harness.ts'
import { launchGate } from './launch.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const dayMs = 86_400_000
/** Each call costs 0.01 XTS; windows are days, so that none ends in the middle of a test but at midnight. */
const budgetOf = (more: Partial<Budget> = {}): Budget => ({
  name: 'daily',
  per: 'agent',
  spend: { pico: 100_000_000_000n, currency: 'XTS' },
  everyMs: dayMs,
  warn: 0.8,
  types: [],
  upstreams: [],
  ...more,
})
const rulesWith = (upstream: { host: string }, budgets: readonly Budget[], more: Partial<UpstreamRules> = {}) => ({
  ...rulesFor(upstream, more),
  budgets: Object.fromEntries(budgets.map((one) => [one.name, one])),
})
const agents = ['payer/0001', 'payer/0002']
const codeOf = ({ body }: Fetched): unknown => (JSON.parse(body) as { code?: unknown }).code
const said = (answers: readonly Fetched[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const answer of answers) {
    const what = answer.status === 201 ? 'answered' : String(codeOf(answer))
    counts[what] = (counts[what] ?? 0) + 1
  }
  return counts
}

const world = async (budgets: readonly Budget[], more: Partial<UpstreamRules> = {}) => {
  const upstream = await openUpstream()
  const place = newPlace()
  const running = await startGate(place, rulesWith(upstream, budgets, more))
  const sitter = startSitter(place)
  closing.push(
    () => place.remove(),
    () => upstream.close(),
    () => running.gate.stop(),
    () => sitter.link.stop(),
  )
  await sitter.linked()
  await setSecret(sitter)
  const door = await openDoor({ link: sitter.link, directory: place.directory }, agents)
  const call = (agent: string): Promise<Fetched> =>
    fetchBy(door, { method: 'POST', path: '/bank/v1/a', headers: { 'x-sitter-agent': agent } })
  return {
    upstream,
    sitter,
    call,
    /** Other budgets for the running gate. */
    take: async (next: readonly Budget[]) => {
      running.rules = rulesWith(upstream, next, more)
      await sitter.link.config()
    },
  }
}

test('an agent spends its budget and not one call more, at once or one after the other; another is unaffected', async () => {
  const { upstream, call } = await world([budgetOf()])
  const answers = await Promise.all(Array.from({ length: 30 }, () => call('payer/0001')))
  const { answered = 0, ...refused } = said(answers)
  expect(answered).toBe(10)
  expect(Object.keys(refused).every((code) => code === 'limited' || code === 'budget-spent')).toBe(true)
  const last = await call('payer/0001')
  expect(last).toMatchObject({ status: 429, headers: { 'x-should-retry': 'false', 'stripe-should-retry': 'false' } })
  expect(codeOf(last)).toBe('budget-spent')
  const leftMs = dayMs - (Date.now() % dayMs)
  expect(Math.abs(Number(last.headers['retry-after']) * 1_000 - leftMs)).toBeLessThan(5_000)
  expect((await call('payer/0002')).status).toBe(201)
  expect(upstream.seen).toHaveLength(11)
})

test('who is at 80 % and at 100 % is told once each, in the commit of the call that did it', async () => {
  const { call, sitter } = await world([budgetOf()])
  for (let at = 0; at < 12; at += 1) await call('payer/0001')
  const notes = await sitter.link.vaultNotes(0)
  expect(notes.filter(({ kind }) => kind.startsWith('budget.'))).toMatchObject([
    { kind: 'budget.warned', subject: 'payer/0001', message: expect.stringMatching(/^0\.08 XTS of 0\.10 XTS spent, /) },
    { kind: 'budget.spent', subject: 'payer/0001', message: expect.stringMatching(/^0\.10 XTS of 0\.10 XTS spent, /) },
  ])
})

test('another amount holds at once, with what was spent so far; who has spent is told in the standing', async () => {
  const { call, sitter, take } = await world([budgetOf()])
  for (let at = 0; at < 10; at += 1) await call('payer/0001')
  expect(codeOf(await call('payer/0001'))).toBe('budget-spent')
  const { budgets } = await sitter.link.standing()
  expect(budgets).toMatchObject([
    { budget: 'daily', per: 'agent', owner: 'payer/0001', state: 'spent', spent: '0.10 XTS', most: '0.10 XTS' },
  ])
  await take([budgetOf({ spend: { pico: 120_000_000_000n, currency: 'XTS' } })])
  expect(said([await call('payer/0001'), await call('payer/0001'), await call('payer/0001')])).toEqual({
    answered: 2,
    'budget-spent': 1,
  })
  await take([])
  expect((await call('payer/0001')).status).toBe(201)
})

test('a window that is over begins anew by itself', async () => {
  const everyMs = 2_000
  const { call, upstream } = await world([budgetOf({ everyMs, spend: { pico: 20_000_000_000n, currency: 'XTS' } })])
  const windows = new Map<number, number>()
  // Three windows, asked some hundred times a second; the upstream's log is what counts.
  const untilMs = Date.now() + 3 * everyMs
  while (Date.now() < untilMs) {
    const beforeMs = Date.now()
    const answer = await call('payer/0001')
    if (answer.status === 201) {
      const window = Math.floor(beforeMs / everyMs)
      windows.set(window, (windows.get(window) ?? 0) + 1)
    } else expect(codeOf(answer)).toBe('budget-spent')
    await pace(5)
  }
  for (const count of windows.values()) expect(count).toBeLessThanOrEqual(3)
  expect(upstream.seen.length).toBeGreaterThanOrEqual(6)
  expect(upstream.seen.length).toBeLessThanOrEqual(2 * windows.size + 1)
})

test('a payment waits for its budget and says when; what became of one may always be asked', async () => {
  const { sitter, upstream } = await world([
    budgetOf({ per: 'swarm', spend: { pico: 10_000_000_000n, currency: 'XTS' } }),
  ])
  const [first, second] = [grantFor(), grantFor()]
  sitter.link.grant([first])
  expect((await sitter.callOf(first.grant)).outcome).toMatchObject({ kind: 'answered' })
  sitter.link.grant([second])
  const { outcome } = await sitter.callOf(second.grant)
  expect(outcome).toMatchObject({ kind: 'not-sent', code: 'budget-spent' })
  expect(outcome.kind === 'not-sent' && outcome.retryAfterMs).toBeGreaterThan(0)
  const query = grantFor({ method: 'GET', path: '/v1/payouts/1', body: null })
  sitter.link.grant([query])
  expect((await sitter.callOf(query.grant)).outcome).toMatchObject({ kind: 'answered' })
  expect(upstream.seen.map(({ method }) => method)).toEqual(['POST', 'GET'])
})

test('a call that could not be sent gives back what it had reserved', async () => {
  const upstream = await openUpstream()
  await upstream.close()
  const place = newPlace()
  const running = await startGate(place, rulesWith(upstream, [budgetOf()], { breaker: null }))
  const sitter = startSitter(place)
  closing.push(
    () => place.remove(),
    () => running.gate.stop(),
    () => sitter.link.stop(),
  )
  await sitter.linked()
  await setSecret(sitter)
  const door = await openDoor({ link: sitter.link, directory: place.directory }, agents)
  for (let at = 0; at < 15; at += 1) {
    const answer = await fetchBy(door, { path: '/bank/v1/a', headers: { 'x-sitter-agent': 'payer/0001' } })
    expect(codeOf(answer)).toBe('upstream-unreachable')
  }
})

test('an answer that was given just before the gate was killed counts as the most that it can have cost', async () => {
  const upstream = await openUpstream()
  const place = newPlace()
  closing.push(
    () => place.remove(),
    () => upstream.close(),
  )
  const rules = rulesWith(upstream, [budgetOf({ spend: { pico: 20_000_000_000n, currency: 'XTS' } })])
  const sitter = startSitter(place)
  closing.push(() => sitter.link.stop())
  let running = await launchGate(place, rules)
  closing.push(() => running.end('SIGKILL'))
  await sitter.linked()
  await setSecret(sitter)
  const path = join(place.data, 'gate', 'gate.db')
  const lock = new DatabaseSync(path)
  // It was begun, so it may be sent; from here on nothing is written any more.
  upstream.answer((_seen, response) => {
    if (upstream.seen.length === 1) lock.exec('BEGIN IMMEDIATE')
    response.writeHead(201).end('{}')
  })
  const ask = { method: 'POST', path: '/bank/v1/a', headers: { 'x-sitter-agent': 'payer/0001' } }
  const door = await openDoor({ link: sitter.link, directory: place.directory }, agents)
  expect((await fetchBy(door, ask)).status).toBe(201)
  await running.end('SIGKILL')
  lock.close()
  running = await launchGate(place, rules)
  await sitter.linked(2)
  const again = await openDoor({ link: sitter.link, directory: place.directory }, agents)
  expect([(await fetchBy(again, ask)).status, codeOf(await fetchBy(again, ask))]).toEqual([201, 'budget-spent'])
  const db = new DatabaseSync(path, { readOnly: true })
  const [first] = db.prepare('SELECT ended, cost, reserved FROM calls ORDER BY journal').all()
  db.close()
  expect({ ...first }).toEqual({ ended: 'lost', cost: 'unknown', reserved: '0.01 XTS' })
})

test('spend is never over budget and one call, though the gate is killed with calls under way', async () => {
  const upstream = await openUpstream()
  const place = newPlace()
  closing.push(
    () => place.remove(),
    () => upstream.close(),
  )
  const rules = rulesWith(upstream, [budgetOf()])
  const sitter = startSitter(place)
  closing.push(() => sitter.link.stop())
  let running = await launchGate(place, rules)
  closing.push(() => running.end('SIGKILL'))
  await sitter.linked()
  await setSecret(sitter)
  // Three answers never come: they are under way when it is killed.
  upstream.answer((_seen, response) => {
    if (upstream.seen.length > 3 && upstream.seen.length <= 6) return
    response.writeHead(201).end('{}')
  })
  const door = await openDoor({ link: sitter.link, directory: place.directory }, agents)
  const call = (agent: string): Promise<Fetched | undefined> =>
    fetchBy(door, { method: 'POST', path: '/bank/v1/a', headers: { 'x-sitter-agent': agent } }).catch(() => undefined)
  for (let at = 0; at < 3; at += 1) await call('payer/0001')
  const hanging = [1, 2, 3].map(() => call('payer/0001'))
  await upstream.reached(6)
  // Answers are given before their ends are durable; who asks for costs waits for those.
  await sitter.link.costs({ by: 'agent', sinceMs: 0, limit: 1, offset: 0 })
  await running.end('SIGKILL')
  await Promise.all(hanging)
  running = await launchGate(place, rules)
  await sitter.linked(2)
  await openDoor({ link: sitter.link, directory: place.directory }, agents)
  const answers: Fetched[] = []
  while (answers.length < 20) {
    const answer = await call('payer/0001')
    if (answer !== undefined) answers.push(answer)
  }
  expect(said(answers)).toEqual({ answered: 4, 'budget-spent': 16 })
  expect(upstream.seen).toHaveLength(10)
  expect((await call('payer/0002'))?.status).toBe(201)
  await sitter.link.costs({ by: 'agent', sinceMs: 0, limit: 1, offset: 0 })
  const db = new DatabaseSync(join(place.data, 'gate', 'gate.db'), { readOnly: true })
  const rows = db.prepare('SELECT ended, cost, COUNT(*) AS calls FROM calls GROUP BY ended, cost ORDER BY calls').all()
  const totals = db
    .prepare(`SELECT known_pico AS known, counted_pico AS counted, calls, unknown FROM costs
      WHERE span = 'day' ORDER BY agent`)
    .all()
  db.close()
  expect(rows.map((row) => ({ ...row }))).toEqual([
    { ended: 'lost', cost: 'unknown', calls: 3 },
    { ended: 'answered', cost: '0.01 XTS', calls: 8 },
  ])
  expect(totals.map((row) => ({ ...row }))).toEqual([
    { known: 70_000_000_000, counted: 100_000_000_000, calls: 10, unknown: 3 },
    { known: 10_000_000_000, counted: 10_000_000_000, calls: 1, unknown: 0 },
  ])
})
