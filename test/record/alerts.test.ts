/** Incidents and alerts: the decision by table, the service over a real record with a clock that is moved. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { openAlerts, type Alerts, type Condition, type Notice, type Target } from '../../src/record/record.ts'
import { calmMs, lookAtConditions, type OpenIncident, type Seen } from '../../src/record/alerts/decide.ts'
import { mostTries, waitAfter } from '../../src/record/alerts/notice.ts'
import { Failure, idMaker, seeded } from '../../src/std/std.ts'
import type { Store } from '../../src/store/store.ts'
import { movedClock } from '../worlds/clock.ts'
import { openRecord } from '../store/record.ts'

const gate: Condition = {
  key: 'gate',
  severity: 'warning',
  title: 'no link to the gate',
  facts: { since: 1 },
  proposed: 'look at its log',
}
const opened = (over: Partial<OpenIncident> = {}): OpenIncident => ({
  id: 'inc_1',
  key: 'gate',
  severity: 'warning',
  title: gate.title,
  writtenMs: 0,
  ...over,
})
const seen = (sinceMs: number, goneMs: number | null = null): ReadonlyMap<string, Seen> =>
  new Map([['gate', { sinceMs, goneMs }]])

test('A condition opens an incident when it has held for its time, and not before', () => {
  const patient = { ...gate, afterMs: 100 }
  expect(lookAtConditions([patient], [], new Map(), 0).open).toEqual([])
  expect(lookAtConditions([patient], [], seen(0), 99).open).toEqual([])
  expect(lookAtConditions([patient], [], seen(0), 100).open).toEqual([patient])
  expect(lookAtConditions([gate], [], new Map(), 0).open).toEqual([gate])
})

test('What comes back within the calm is the same incident; after it the incident is over', () => {
  const gone = lookAtConditions([], [opened()], seen(0), 1_000)
  expect(gone).toMatchObject({ open: [], resolve: [] })
  const back = lookAtConditions([gate], [opened()], gone.seen, 1_000 + calmMs)
  expect(back).toMatchObject({ open: [], resolve: [], change: [] })
  expect(lookAtConditions([], [opened()], gone.seen, 999 + calmMs).resolve).toEqual([])
  expect(lookAtConditions([], [opened()], gone.seen, 1_000 + calmMs).resolve).toEqual(['inc_1'])
})

test('A severity that rises is told, words alone are written once a minute', () => {
  const worse: Condition = { ...gate, severity: 'critical' }
  expect(lookAtConditions([worse], [opened()], seen(0), 1).change).toMatchObject([{ id: 'inc_1', worse: true }])
  const better = lookAtConditions([gate], [opened({ severity: 'critical' })], seen(0), 1)
  expect(better.change).toMatchObject([{ worse: false }])
  const other = { ...gate, title: 'still no link to the gate' }
  expect(lookAtConditions([other], [opened()], seen(0), 59_999).change).toEqual([])
  expect(lookAtConditions([other], [opened()], seen(0), 60_000).change).toMatchObject([{ worse: false }])
})

test('A target that fails is tried again a bounded number of times, never sooner than it asked for', () => {
  expect(waitAfter(1, null)).toBe(5_000)
  expect(waitAfter(1, 60_000)).toBe(60_000)
  expect(waitAfter(1, 1e12)).toBe(3_600_000)
  expect(waitAfter(mostTries - 1, null)).toBe(3_600_000)
  expect(waitAfter(mostTries, null)).toBeNull()
})

interface World {
  readonly store: Store
  readonly alerts: Alerts
  readonly told: Notice[]
  holds: readonly Condition[]
  /** How the target answers; undefined = it takes the notice. */
  refusal: Failure | undefined
  onTold: () => void
  readonly faults: unknown[]
  pass(ms: number): Promise<void>
  reopen(): Promise<World>
}
const open: { stop(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.stop()
})

const record = (): Store =>
  openRecord(join(mkdtempSync(join(tmpdir(), 'sitter-alerts-')), 'swarm.db'), { quickMs: Infinity })

const openWorld = async (store = record(), clock = movedClock()): Promise<World> => {
  const told: Notice[] = []
  const faults: unknown[] = []
  const world = {
    store,
    told,
    faults,
    holds: [],
    onTold: () => {},
    refusal: undefined,
    pass: (ms: number) => clock.move(ms),
  } as unknown as World
  const target: Target = {
    name: 'webhook pager',
    least: 'warning',
    send: async (notice) => {
      if (world.refusal) throw world.refusal
      told.push(notice)
      world.onTold()
    },
  }
  const alerts = await openAlerts({
    swarm: 'payouts',
    store,
    clock,
    newId: idMaker(clock, seeded(1)),
    conditions: async () => world.holds,
    targets: () => [target],
    onFault: (error) => faults.push(error),
  })
  open.push({
    stop: async () => {
      alerts.stop()
      expect(faults).toEqual([])
    },
  })
  return Object.assign(world, {
    alerts,
    reopen: async () => {
      alerts.stop()
      return openWorld(store, clock)
    },
  })
}
const incidents = async ({ store }: World): Promise<readonly unknown[]> =>
  (await store.read.incidents({ limit: 100, after: null })).items

test('A condition is told once at its beginning and once at its end, under one key', async () => {
  const world = await openWorld()
  world.holds = [gate]
  await world.pass(60_000)
  expect(world.told).toMatchObject([{ status: 'firing', key: 'payouts/gate', severity: 'warning', resolvedAt: null }])
  world.holds = []
  await world.pass(calmMs + 10_000)
  const [firing, resolved] = world.told
  expect(world.told.length).toBe(2)
  expect(resolved).toMatchObject({
    status: 'resolved',
    key: firing!.key,
    incident: firing!.incident,
    resolvedBy: 'sitter',
  })
  expect(await incidents(world)).toMatchObject([{ key: 'gate', resolvedBy: 'sitter' }])
  expect((await world.store.read.events({ limit: 10, after: null })).items.map(({ kind }) => kind)).toEqual([
    'incident.opened',
    'incident.resolved',
  ])
})

test('A sitter that begins anew goes on with what is open, and tells nobody twice', async () => {
  const first = await openWorld()
  first.holds = [gate]
  await first.pass(10_000)
  const second = await first.reopen()
  second.holds = [gate]
  await second.pass(10_000)
  expect([first.told.length, second.told.length]).toEqual([1, 0])
  second.holds = []
  await second.pass(calmMs + 10_000)
  expect(second.told).toMatchObject([{ status: 'resolved', incident: first.told[0]!.incident }])
})

test('A target that is down hears of the beginning before the end, or is given up and that is an event', async () => {
  const world = await openWorld()
  world.refusal = new Failure('upstream-unreachable', 'it answered 503')
  world.holds = [gate]
  await world.pass(10_000)
  world.holds = []
  await world.pass(calmMs + 10_000)
  expect(world.told).toEqual([])
  world.refusal = undefined
  await world.pass(200_000)
  expect(world.told.map(({ status }) => status)).toEqual(['firing', 'resolved'])
  world.refusal = new Failure('upstream-unreachable', 'it answered 503')
  world.holds = [{ ...gate, key: 'disk' }]
  await world.pass(7_200_000)
  const events = (await world.store.read.events({ limit: 20, after: null })).items
  expect(events.find(({ kind }) => kind === 'alert.undelivered')).toMatchObject({
    level: 'error',
    message: expect.stringContaining('webhook pager was not told') as string,
    facts: { target: 'webhook pager', tries: mostTries },
  })
})

test('What is silenced is recorded and not told, and is told when the silence is over and it still holds', async () => {
  const world = await openWorld()
  await world.alerts.silence('payouts/ga', 60_000, 'token:ada')
  world.holds = [gate]
  await world.pass(50_000)
  expect([world.told.length, (await incidents(world)).length]).toEqual([0, 1])
  await world.pass(20_000)
  expect(world.told).toMatchObject([{ status: 'firing', key: 'payouts/gate' }])
})

test('A person says that it was seen; what still holds cannot be called over', async () => {
  const world = await openWorld()
  world.holds = [gate]
  await world.pass(10_000)
  const { incident } = world.told[0]!
  // The key as the notice has it, with the swarm's name before it.
  await world.alerts.ack('payouts/gate', 'token:ada')
  await expect(world.alerts.ack(incident, 'token:bob')).rejects.toThrow('token:ada has seen')
  await expect(world.alerts.resolve(incident, 'token:ada')).rejects.toThrow('still holds')
  world.holds = []
  await world.pass(4_000)
  await world.alerts.resolve(incident, 'token:ada')
  await expect(world.alerts.resolve(incident, 'token:ada')).rejects.toThrow('is over')
  await expect(world.alerts.resolve('inc_x', 'token:ada')).rejects.toThrow('no incident')
  await world.pass(4_000)
  expect(world.told.at(-1)).toMatchObject({ status: 'resolved', resolvedBy: 'token:ada' })
  const audit = (await world.store.read.audit(1, 100)).map(
    ({ entry }) => (JSON.parse(entry) as { action: string }).action,
  )
  expect(audit).toEqual(['incident.ack', 'incident.resolve'])
})

/** The record behind a disk that is full while it says so. */
const fillable = (real: Store): Store & { full: boolean } => {
  const store = {
    full: false,
    read: real.read,
    transact: (commands: Parameters<Store['transact']>[0]) =>
      store.full ? Promise.reject(new Failure('disk-full', 'no room')) : real.transact(commands),
  }
  return store as unknown as Store & { full: boolean }
}

test('A full disk is told from memory once, and its end is told and recorded when there is room', async () => {
  const store = fillable(record())
  store.full = true
  const world = await openWorld(store)
  world.holds = [{ ...gate, key: 'record-full', severity: 'critical' }]
  await world.pass(60_000)
  expect(world.told).toMatchObject([{ status: 'firing', key: 'payouts/record-full' }])
  expect(await incidents(world)).toEqual([])
  store.full = false
  world.holds = []
  await world.pass(10_000)
  const [firing, resolved] = world.told
  expect(world.told.length).toBe(2)
  expect(resolved).toMatchObject({ status: 'resolved', key: firing!.key, incident: firing!.incident })
  expect(await incidents(world)).toMatchObject([{ id: firing!.incident, resolvedBy: 'sitter' }])
})

test('What was sent is not sent again because the record could not take that it was', async () => {
  const store = fillable(record())
  const world = await openWorld(store)
  world.holds = [gate]
  // Full from the moment in which the target has it.
  world.onTold = () => {
    store.full = true
  }
  await world.pass(60_000)
  expect(world.told.length).toBe(1)
  store.full = false
  world.onTold = () => {}
  await world.pass(10_000)
  expect(world.told.length).toBe(1)
  expect(await world.store.read.noticesOf(world.told[0]!.incident)).toMatchObject([{ ended: 'sent', tries: 1 }])
  world.faults.splice(0)
})
