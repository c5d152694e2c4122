import { expect, test } from 'vitest'
import { openModes, type Modes } from '../../../src/fleet/fleet.ts'
import { channelTarget, type DegradeRule, type SwarmConfig } from '../../../src/model/model.ts'
import type { Command, ModeRow, NewEvent, Store } from '../../../src/store/store.ts'
import type { ToldMode } from '../../../src/wire/wire.ts'
import { VirtualClock } from '../clock.ts'

const rule: DegradeRule = {
  failures: 0.5,
  over: 4,
  withinMs: 60_000,
  holdMs: 1_000,
  longestMs: 4_000,
  least: 'parked',
  calls: false,
}
const bank = channelTarget('bank')
const payer = { agent: 'payer/0001', channel: null }
const byBank = { agent: 'payer/0001', channel: 'bank' }

/** What the record does with modes, without a disk: nothing here takes time that the clock does not give. */
const memory = () => {
  const rows = new Map<string, ModeRow>()
  const events: NewEvent[] = []
  const take = ({ kind, with: asked }: Command): void => {
    if (kind === 'mode.put') rows.set(`${asked.target} ${asked.source}`, asked)
    if (kind === 'mode.clear') rows.delete(`${asked.target} ${asked.source}`)
    if (kind === 'events.add') events.push(...asked.events)
  }
  return {
    events,
    read: { modes: async () => [...rows.values()] } as unknown as Store['read'],
    writable: async () => {},
    transact: (async (commands: readonly Command[]) => {
      commands.forEach(take)
      return commands.map(() => ({ ok: true, value: null }))
    }) as unknown as Store['transact'],
  }
}
type MemoryStore = ReturnType<typeof memory>

const open = async (store: MemoryStore, clock: VirtualClock, change: object = {}) => {
  const told: (readonly ToldMode[])[] = []
  const quarantined: string[] = []
  const seen: string[] = []
  const gate = { there: true }
  const config = {
    agents: { payer: { name: 'payer', count: 2, overrides: {} } },
    channels: { bank: {} },
    degrade: { types: null, agents: null, repeats: null, channels: { bank: rule } },
    ...change,
  } as unknown as SwarmConfig
  const modes: Modes = await openModes({
    store,
    clock,
    random: { next: () => 0, int: () => 0 } as never,
    config: () => config,
    tell: async (list) => {
      if (!gate.there) throw new Error('gone')
      seen.push('gate')
      told.push(list)
    },
    changed: () => seen.push('rooms'),
    quarantine: async (agent, why) => {
      quarantined.push(`${agent}: ${why}`)
    },
    onFault: (error) => {
      throw error
    },
  })
  modes.start()
  await clock.settle()
  return { modes, told, seen, gate, quarantined }
}
const by = { actor: 'token:ada', reason: 'month end', forMs: null }
const fails = async (modes: Modes, clock: VirtualClock, count: number): Promise<void> => {
  for (let at = 0; at < count; at += 1) modes.heard(bank, 'failed')
  await clock.settle()
}
const kinds = (store: MemoryStore, subject: string): string[] =>
  store.events.filter((event) => event.subject === subject).map(({ kind }) => kind)

test('a person’s word is recorded, told to the gate, and ends by itself when it was given a time', async () => {
  const [store, clock] = [memory(), new VirtualClock()]
  const { modes, told } = await open(store, clock)
  const answer = await modes.set('type:payer', 'readonly', { ...by, forMs: 5_000 })
  expect(answer).toMatchObject({ mode: 'readonly', gate: 'taken' })
  expect(told.at(-1)).toEqual([{ target: 'type:payer', mode: 'readonly', reason: 'month end' }])
  expect(modes.of(payer)).toMatchObject({ mode: 'readonly', actor: 'token:ada', person: false })
  await clock.advance(4_900)
  expect(modes.of(payer).mode).toBe('readonly')
  await clock.advance(200)
  expect(modes.of(payer).mode).toBe('active')
  expect(told.at(-1)).toEqual([])
  expect(kinds(store, 'type:payer')).toEqual(['mode.set', 'mode.expired'])
})

test('stricter holds for the rooms before the gate, milder at the gate before the rooms; an absent gate is no hindrance', async () => {
  const [store, clock] = [memory(), new VirtualClock()]
  const { modes, seen, gate } = await open(store, clock)
  seen.length = 0
  await modes.set('swarm', 'parked', by)
  expect(seen[0]).toBe('rooms')
  seen.length = 0
  await modes.set('swarm', 'active', by)
  expect(seen).toEqual(['gate', 'rooms'])
  gate.there = false
  expect(await modes.set('swarm', 'shadow', by)).toMatchObject({ mode: 'shadow', gate: 'unknown' })
  expect(modes.told()).toMatchObject([{ target: 'swarm', mode: 'shadow' }])
})

test('what is not configured cannot be set, nor can an end of nothing', async () => {
  const [store, clock] = [memory(), new VirtualClock()]
  const { modes } = await open(store, clock)
  for (const target of ['type:nobody', 'channel:nowhere', 'agent:payer/0003', 'thing:payer'])
    expect(() => modes.set(target, 'parked', by)).toThrow('there is no')
  expect(() => modes.set('swarm', 'active', { ...by, forMs: 1_000 })).toThrow('takes a mode back')
})

test('a rule steps down by failures and up by successes, never below a person’s word, and says so each time', async () => {
  const [store, clock] = [memory(), new VirtualClock()]
  const { modes } = await open(store, clock)
  await modes.set(bank, 'readonly', by)
  await fails(modes, clock, 8)
  expect(modes.of(byBank)).toMatchObject({ mode: 'parked', source: 'rule', exit: { kind: 'time' } })
  await clock.advance(2_100)
  // Nothing is heard for a while: there is a next look all the same.
  await clock.advance(60_000)
  const looked = modes.list().find(({ source }) => source === 'rule')!
  expect(looked).toMatchObject({ mode: 'throttled', exit: { kind: 'time' } })
  expect(looked.exit.at!).toBeGreaterThan(clock.wallMs())
  for (let at = 0; at < 3; at += 1) modes.heard(bank, 'worked')
  await clock.settle()
  expect(modes.of(byBank)).toMatchObject({ mode: 'readonly', source: 'person' })
  await modes.set(bank, 'active', by)
  expect(modes.list()).toEqual([])
  expect(kinds(store, bank)).toEqual([
    'mode.set',
    'mode.stepped-down',
    'mode.stepped-down',
    'mode.stepped-up',
    'mode.stepped-up',
    'mode.set',
  ])
})

test('a restart resumes each step and each word; a rule that left the configuration holds nobody', async () => {
  const [store, clock] = [memory(), new VirtualClock()]
  const first = await open(store, clock)
  await first.modes.set('agent:payer/0002', 'shadow', by)
  await fails(first.modes, clock, 8)
  first.modes.stop()
  const second = await open(store, clock)
  expect(second.modes.told()).toMatchObject([
    { target: 'agent:payer/0002', mode: 'shadow' },
    { target: bank, mode: 'parked' },
  ])
  await clock.advance(2_100)
  expect(second.modes.of(byBank).mode).toBe('throttled')
  second.modes.stop()
  const third = await open(store, clock, { degrade: { types: null, agents: null, repeats: null, channels: {} } })
  expect(third.modes.of(byBank).mode).toBe('active')
  expect(third.modes.of({ agent: 'payer/0002', channel: null }).mode).toBe('shadow')
  third.modes.stop()
})

test('an override of the configuration holds beside what people say', async () => {
  const [store, clock] = [memory(), new VirtualClock()]
  const overrides = { 'payer/0001': { mode: 'shadow' } }
  const { modes } = await open(store, clock, { agents: { payer: { name: 'payer', count: 2, overrides } } })
  expect(modes.of(payer)).toMatchObject({ mode: 'shadow', source: 'config' })
  expect(await modes.set('agent:payer/0001', 'active', by)).toMatchObject({ mode: 'shadow' })
  await modes.set('type:payer', 'parked', by)
  expect(modes.of(payer).mode).toBe('parked')
  modes.stop()
})

test('calls of agents step their type, and each of them, where a rule counts calls, and nobody elsewhere', async () => {
  const [store, clock] = [memory(), new VirtualClock()]
  const degrade = {
    types: { ...rule, calls: true },
    agents: { ...rule, calls: true },
    repeats: null,
    channels: { bank: rule },
  }
  const { modes } = await open(store, clock, { degrade })
  const other = { agent: 'payer/0002', channel: null }
  modes.called([
    ['payer/0001', 1, 3],
    ['payer/0002', 9, 0],
  ])
  await clock.settle()
  expect([modes.of(payer), modes.of(other)]).toMatchObject([
    {
      mode: 'throttled',
      target: 'agent:payer/0001',
      source: 'rule',
      reason: '3 of 4 calls failed, 50% are too many',
    },
    { mode: 'active' },
  ])
  modes.called([
    ['payer/0001', 0, 5],
    ['payer/0002', 0, 5],
  ])
  await clock.settle()
  expect(modes.of(other)).toMatchObject({ mode: 'throttled' })
  expect(modes.list().map(({ target, mode }) => [target, mode])).toEqual([
    ['agent:payer/0001', 'parked'],
    ['agent:payer/0002', 'throttled'],
    ['type:payer', 'throttled'],
  ])
  modes.stop()

  const without = await open(memory(), clock, { degrade: { types: rule, agents: rule, repeats: null, channels: {} } })
  without.modes.called([['payer/0001', 0, 500]])
  await clock.settle()
  expect(without.modes.list()).toEqual([])
  without.modes.stop()
})

test('who has spent its budget gets no work until the gate says otherwise; the gate, which said so, is not told', async () => {
  const [store, clock] = [memory(), new VirtualClock()]
  const { modes, told } = await open(store, clock)
  const spent = {
    per: 'agent',
    owner: 'payer/0001',
    budget: 'daily',
    spent: '1.00 USD',
    most: '1.00 USD',
    endsMs: 9e12,
  }
  modes.spent([spent, { ...spent, owner: 'payer/0099' }])
  modes.spent([spent])
  await clock.settle()
  expect(modes.of(payer)).toMatchObject({ mode: 'parked', source: 'budget', person: false, exit: { at: 9e12 } })
  expect(modes.of({ agent: 'payer/0002', channel: null }).mode).toBe('active')
  expect(told.at(-1)).toEqual([])
  // A person's word beside it is told, and neither hides the other.
  await modes.set('agent:payer/0001', 'shadow', by)
  expect(told.at(-1)).toMatchObject([{ target: 'agent:payer/0001', mode: 'shadow' }])
  expect(modes.of(payer).mode).toBe('parked')
  modes.spent([])
  await clock.settle()
  expect(modes.of(payer).mode).toBe('shadow')
  expect(kinds(store, 'payer/0001')).toEqual(['mode.stepped-down', 'mode.set', 'mode.stepped-up'])
})

test('a runaway goes down step by step, out of its cell at the end, and on after a restart; then it is tried again', async () => {
  const [store, clock] = [memory(), new VirtualClock()]
  const repeats = { calls: 10, withinMs: 4_000, holdMs: 10_000, longestMs: 60_000, least: 'quarantined' }
  const degrade = { types: null, agents: null, repeats, channels: {} }
  const first = await open(store, clock, { degrade })
  let times = 0
  const goOn = async (modes: Modes, seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second += 1) {
      times += 10
      modes.repeating([
        { agent: 'payer/0001', call: 'POST /llm/v1', times, lately: 40, sinceMs: 1 },
        { agent: 'payer/0009', call: 'POST /llm/v1', times, lately: 40, sinceMs: 1 },
      ])
      await clock.advance(1_000)
      await clock.settle()
    }
  }
  await goOn(first.modes, 3)
  expect(first.modes.of(payer)).toMatchObject({ mode: 'throttled', source: 'repeats', person: false })
  expect(first.told.at(-1)).toMatchObject([{ target: 'agent:payer/0001', mode: 'throttled' }])
  await goOn(first.modes, 11)
  expect(first.modes.of(payer)).toMatchObject({
    mode: 'shadow',
    reason: expect.stringContaining('though it was throttled'),
  })
  first.modes.stop()
  const second = await open(store, clock, { degrade })
  expect(second.modes.of(payer)).toMatchObject({ mode: 'shadow', source: 'repeats' })
  await goOn(second.modes, 30)
  expect(second.quarantined).toEqual([expect.stringContaining('payer/0001: POST /llm/v1: ')])
  expect(second.modes.of(payer).mode).toBe('parked')
  for (let at = 0; at < 45; at += 1) {
    second.modes.repeating([])
    await clock.advance(1_000)
    await clock.settle()
  }
  expect(second.quarantined.at(-1)).toBe('payer/0001: null')
  expect(second.modes.of(payer).mode).toBe('shadow')
  expect(kinds(store, 'payer/0001')).toEqual([
    'mode.stepped-down',
    'mode.stepped-down',
    'mode.stepped-down',
    'mode.stepped-up',
  ])
  // A person's word lets it begin anew.
  await second.modes.set('agent:payer/0001', 'active', by)
  expect(second.modes.of(payer).mode).toBe('active')
  expect((await open(store, clock, { degrade })).modes.list()).toEqual([])
})

test('a configuration that watches for no runaways lets all of them go', async () => {
  const [store, clock] = [memory(), new VirtualClock()]
  const repeats = { calls: 10, withinMs: 4_000, holdMs: 10_000, longestMs: 60_000, least: 'shadow' }
  const degrade = { types: null, agents: null, repeats: repeats as typeof repeats | null, channels: {} }
  const { modes } = await open(store, clock, { degrade })
  const seen = { agent: 'payer/0001', call: 'POST /llm/v1', lately: 40, sinceMs: 1 }
  modes.repeating([{ ...seen, times: 10 }])
  await clock.advance(2_000)
  modes.repeating([{ ...seen, times: 40 }])
  await clock.settle()
  expect(modes.of(payer).mode).toBe('throttled')
  degrade.repeats = null
  modes.reconfigured()
  await clock.settle()
  expect(modes.list()).toEqual([])
  expect(kinds(store, 'payer/0001')).toEqual(['mode.stepped-down', 'mode.stepped-up'])
})
