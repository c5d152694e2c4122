/** The part of the record's suite about money: settlements, intents and the ledger. */
import { expect } from 'vitest'
import type { Command, NewSettlement, Store } from '../../src/store/store.ts'

type It = (title: string, body: (store: Store) => Promise<void>) => void

const settlement = (name: string, more: Partial<NewSettlement> = {}): NewSettlement => ({
  id: `set_${name}`,
  payer: 'bank',
  reference: name,
  payee: 'ann',
  amountMinor: 1_234n,
  currency: 'XTS',
  channel: 'bank',
  memo: null,
  providerKey: `key-${name}`,
  batch: null,
  task: null,
  agent: null,
  ...more,
})

const reserve = (name: string, amountMinor = 1_234n): Command => ({
  kind: 'ledger.transfer',
  with: {
    wallMs: 1,
    transfer: {
      id: `set_${name}:reserve`,
      kind: 'pending',
      pendingId: null,
      debit: 'clearing:bank',
      credit: 'funds:bank',
      amountMinor,
      currency: 'XTS',
      settlement: `set_${name}`,
    },
  },
})

export const moneySuite = (it: It): void => {
  it('payer and reference make one settlement, and another amount is told by its field', async (store) => {
    const open = (more: Partial<NewSettlement> = {}): Command => ({
      kind: 'settlement.open',
      with: { settlement: settlement('a', more), wallMs: 1 },
    })
    expect((await store.transact([open()]))[0]).toMatchObject({ ok: true })
    expect((await store.transact([open({ id: 'set_b' })]))[0]).toMatchObject({
      ok: false,
      refusal: 'exists',
      detail: 'set_a',
    })
    const [other] = await store.transact([open({ id: 'set_b', amountMinor: 1_235n })])
    expect(other).toMatchObject({
      ok: false,
      refusal: 'exists-with-different',
      detail: expect.stringContaining('amount'),
    })
    expect(await store.read.settlement('set_a')).toMatchObject({ amountMinor: 1_234n, state: 'reserved' })
  })

  it('a settlement moves only from the state that was expected and only along its legal ways', async (store) => {
    await store.transact([{ kind: 'settlement.open', with: { settlement: settlement('a'), wallMs: 1 } }])
    const move = (from: 'reserved' | 'submitting', event: 'submit' | 'settle' | 'cancel'): Command => ({
      kind: 'settlement.move',
      with: {
        settlement: 'set_a',
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
    expect((await store.transact([move('submitting', 'settle')]))[0]).toMatchObject({ ok: false, refusal: 'stale' })
    expect((await store.transact([move('reserved', 'settle')]))[0]).toMatchObject({ ok: false, refusal: 'illegal' })
    expect((await store.transact([move('reserved', 'submit')]))[0]).toMatchObject({
      ok: true,
      value: { state: 'submitting' },
    })
    expect((await store.transact([move('submitting', 'cancel')]))[0]).toMatchObject({ ok: false, refusal: 'illegal' })
  })

  it('a reservation is resolved once, with its own amount, and accounts follow', async (store) => {
    const resolve = (id: string, kind: 'post' | 'void', amountMinor = 1_234n): Command => ({
      kind: 'ledger.transfer',
      with: {
        wallMs: 2,
        transfer: {
          id,
          kind,
          pendingId: 'set_a:reserve',
          debit: 'clearing:bank',
          credit: 'funds:bank',
          amountMinor,
          currency: 'XTS',
          settlement: 'set_a',
        },
      },
    })
    await store.transact([{ kind: 'settlement.open', with: { settlement: settlement('a'), wallMs: 1 } }, reserve('a')])
    expect((await store.transact([resolve('p', 'post', 1_233n)]))[0]).toMatchObject({ ok: false, refusal: 'conflict' })
    expect((await store.transact([resolve('p', 'post')]))[0]).toMatchObject({ ok: true })
    expect((await store.transact([resolve('v', 'void')]))[0]).toMatchObject({ ok: false, refusal: 'conflict' })
    expect((await store.transact([resolve('p', 'post')]))[0]).toMatchObject({ ok: false, refusal: 'exists' })
    expect(await store.read.accounts()).toMatchObject([
      { code: 'clearing:bank', debitsPending: 0n, debitsPosted: 1_234n, creditsPosted: 0n },
      { code: 'funds:bank', creditsPending: 0n, creditsPosted: 1_234n, debitsPosted: 0n },
    ])
  })

  it('books that contradict a settlement are named', async (store) => {
    await store.transact([{ kind: 'settlement.open', with: { settlement: settlement('a'), wallMs: 1 } }])
    expect(await store.read.ledgerDisagreements(10)).toMatchObject([
      { settlement: 'set_a', state: 'reserved', transfers: '' },
    ])
    await store.transact([reserve('a')])
    expect(await store.read.ledgerDisagreements(10)).toEqual([])
  })

  it('an intent is closed once', async (store) => {
    await store.transact([
      {
        kind: 'intent.write',
        with: {
          wallMs: 1,
          intent: {
            settlement: 'set_a',
            number: 1,
            grant: 'grn_1',
            kind: 'pay',
            request: '{}',
            hash: 'h',
            gateId: 'gat_1',
          },
        },
      },
    ])
    const close: Command = {
      kind: 'intent.close',
      with: { grant: 'grn_1', outcome: 'lost', evidence: '{}', journal: 1, closedMs: 2, cost: '0.01 XTS' },
    }
    expect(await store.read.openIntents(10, null)).toHaveLength(1)
    expect((await store.transact([close]))[0]).toMatchObject({
      ok: true,
      value: { settlement: 'set_a', kind: 'pay', number: 1 },
    })
    expect((await store.transact([close]))[0]).toMatchObject({ ok: false, refusal: 'exists' })
    expect(await store.read.openIntents(10, null)).toEqual([])
    expect(await store.read.costTotals()).toEqual({
      known: [{ currency: 'XTS', amount: '0.01', calls: 1 }],
      unknown: 0,
    })
  })
}
