/** The part of the record's suite about incidents, what is sent about them, and silences. */
import { expect } from 'vitest'
import type { Command, Store } from '../../src/store/store.ts'

type It = (title: string, body: (store: Store) => Promise<void>) => void

const text = {
  severity: 'critical',
  title: 'the gate is gone',
  facts: { since: 1 },
  proposed: 'look at its log',
} as const
const open = (id: string, key: string, targets: readonly string[] = []): Command => ({
  kind: 'incident.open',
  with: { id, key, ...text, notices: targets.map((target) => ({ target, dueMs: 10 })), wallMs: 10 },
})
const resolve = (id: string, targets: readonly string[] = []): Command => ({
  kind: 'incident.resolve',
  with: { id, by: 'sitter', notices: targets.map((target) => ({ target, dueMs: 30 })), wallMs: 30 },
})
const ack = (id: string, by: string): Command => ({ kind: 'incident.ack', with: { id, by, wallMs: 20 } })
const tried = (seq: number, outcome: 'sent' | 'again' | 'given-up', error: string | null = null): Command => ({
  kind: 'notice.tried',
  with: { seq, outcome, error, dueMs: 25, wallMs: 15 },
})
const outcome = async (store: Store, command: Command): Promise<unknown> => {
  const [result] = await store.transact([command])
  return result.ok ? 'done' : result.refusal
}

/** A payment whose one request was lost at `lostMs`. */
const lostPayment = (name: string, lostMs: number): readonly Command[] => {
  const amount = { amountMinor: 100n, currency: 'XTS' }
  const whom = { payer: 'bank', reference: name, payee: 'ann', channel: 'bank', memo: null }
  const settlement = {
    id: `set_${name}`,
    ...whom,
    ...amount,
    providerKey: `key-${name}`,
    batch: null,
    task: null,
    agent: null,
  }
  const grant = `grn_${name}`
  const intent = {
    settlement: settlement.id,
    number: 1,
    grant,
    kind: 'pay',
    request: '{}',
    hash: 'h',
    gateId: 'g',
  } as const
  const move = (from: 'reserved' | 'submitting', event: 'submit' | 'lose'): Command => ({
    kind: 'settlement.move',
    with: {
      settlement: settlement.id,
      from,
      event,
      reason: null,
      nextMs: null,
      person: false,
      tries: 0,
      providerReference: null,
      wallMs: 2,
    },
  })
  return [
    { kind: 'settlement.open', with: { settlement, wallMs: 1 } },
    { kind: 'intent.write', with: { intent, wallMs: 2 } },
    move('reserved', 'submit'),
    {
      kind: 'intent.close',
      with: { grant, outcome: 'lost', evidence: '{}', journal: 1, closedMs: lostMs, cost: null },
    },
    move('submitting', 'lose'),
  ]
}

export const incidentSuite = (it: It): void => {
  it('an unknown payment is as old as its lost request, however often it is asked about', async (store) => {
    expect(await store.read.settlementsOfConcern()).toEqual({ persons: 0, unknown: null })
    await store.transact(lostPayment('a', 20))
    await store.transact(lostPayment('b', 10))
    const wait = { from: 'unknown', reason: 'not there yet', nextMs: 600, absences: 1, wallMs: 500 } as const
    const asked = (name: string, person: boolean): Command => ({
      kind: 'settlement.wait',
      with: { ...wait, settlement: `set_${name}`, person },
    })
    await store.transact([asked('a', true), asked('b', false)])
    expect(await store.read.settlementsOfConcern()).toEqual({
      persons: 1,
      unknown: { count: 2, oldest: 'set_b', sinceMs: 10 },
    })
  })

  it('one incident of a key is open at a time, and what comes after its end is another', async (store) => {
    expect(await outcome(store, open('inc_1', 'gate'))).toBe('done')
    expect(await outcome(store, open('inc_2', 'gate'))).toBe('exists')
    expect(await outcome(store, open('inc_3', 'disk'))).toBe('done')
    const change = {
      ...text,
      severity: 'warning',
      title: 'slow',
      facts: {},
      id: 'inc_1',
      notices: [],
      wallMs: 12,
    } as const
    expect(await outcome(store, { kind: 'incident.change', with: change })).toBe('done')
    expect(await outcome(store, resolve('inc_1'))).toBe('done')
    expect(await outcome(store, resolve('inc_1'))).toBe('stale')
    expect(await outcome(store, resolve('inc_9'))).toBe('not-found')
    expect(await outcome(store, { kind: 'incident.change', with: change })).toBe('stale')
    expect(await outcome(store, open('inc_4', 'gate'))).toBe('done')
    expect((await store.read.incidents({ limit: 10, after: null, open: true })).items.map(({ id }) => id)).toEqual([
      'inc_4',
      'inc_3',
    ])
    const first = await store.read.incidents({ limit: 2, after: null })
    const rest = await store.read.incidents({ limit: 2, after: first.next })
    expect([...first.items, ...rest.items].map(({ id }) => id)).toEqual(['inc_4', 'inc_3', 'inc_1'])
    expect(await store.read.incident('inc_1')).toEqual({
      ...text,
      severity: 'warning',
      title: 'slow',
      facts: {},
      id: 'inc_1',
      key: 'gate',
      openedMs: 10,
      changedMs: 12,
      ackedBy: null,
      ackedMs: null,
      resolvedBy: 'sitter',
      resolvedMs: 30,
    })
    expect(await store.read.incident('inc_9')).toBeUndefined()
  })

  it('the first who has seen an incident is told to the next', async (store) => {
    await store.transact([open('inc_1', 'gate')])
    expect(await outcome(store, ack('inc_1', 'token:ada'))).toBe('done')
    expect(await outcome(store, ack('inc_1', 'token:bob'))).toBe('exists')
    expect(await store.read.incident('inc_1')).toMatchObject({ ackedBy: 'token:ada', ackedMs: 20, resolvedMs: null })
    await store.transact([resolve('inc_1')])
    expect(await outcome(store, ack('inc_1', 'token:bob'))).toBe('stale')
    expect(await outcome(store, ack('inc_9', 'token:bob'))).toBe('not-found')
  })

  it('what is to be sent is there with its incident, until it was sent or given up', async (store) => {
    await store.transact([open('inc_1', 'gate', ['webhook a', 'command b'])])
    expect(await store.read.noticesDue(9, 10)).toEqual([])
    const due = await store.read.noticesDue(10, 10)
    expect(due).toMatchObject([
      { incident: 'inc_1', kind: 'trigger', target: 'webhook a', tries: 0, dueMs: 10, ended: null, error: null },
      { target: 'command b' },
    ])
    const [a, b] = due.map(({ seq }) => seq)
    expect(await outcome(store, tried(a!, 'again', 'HTTP 503'))).toBe('done')
    expect(await outcome(store, tried(b!, 'sent'))).toBe('done')
    expect(await outcome(store, tried(b!, 'again'))).toBe('stale')
    expect((await store.read.noticesDue(24, 10)).length).toBe(0)
    expect(await store.read.noticesDue(25, 10)).toMatchObject([{ seq: a, tries: 1, error: 'HTTP 503' }])
    await store.transact([resolve('inc_1', ['webhook a'])])
    expect(await outcome(store, tried(a!, 'given-up', 'HTTP 503'))).toBe('done')
    expect(await store.read.noticesOf('inc_1')).toMatchObject([
      { kind: 'trigger', target: 'webhook a', tries: 2, ended: 'given-up', endedMs: 15, dueMs: null },
      { kind: 'trigger', target: 'command b', tries: 1, ended: 'sent', error: null },
      { kind: 'resolve', target: 'webhook a', tries: 0, ended: null, dueMs: 30 },
    ])
    expect((await store.read.noticesDue(30, 1)).map(({ kind }) => kind)).toEqual(['resolve'])
  })

  it('a silence holds until its time, the later word holds, and it can be ended', async (store) => {
    const silence = (prefix: string, untilMs: number, wallMs = 1): Command => ({
      kind: 'silence.set',
      with: { prefix, untilMs, by: 'token:ada', wallMs },
    })
    await store.transact([silence('agents/', 50), silence('gate', 60)])
    await store.transact([silence('agents/', 40)])
    expect(await store.read.silences(40)).toEqual([
      { prefix: 'agents/', untilMs: 40, by: 'token:ada', setMs: 1 },
      { prefix: 'gate', untilMs: 60, by: 'token:ada', setMs: 1 },
    ])
    expect(await store.read.silences(41)).toMatchObject([{ prefix: 'gate' }])
    expect(await outcome(store, { kind: 'silence.end', with: { prefix: 'gate' } })).toBe('done')
    expect(await outcome(store, { kind: 'silence.end', with: { prefix: 'gate' } })).toBe('not-found')
  })
}
