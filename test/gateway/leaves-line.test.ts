/** A call that goes by another credential after it waited: by the limits of that, and those behind it go on at once. */
import { expect, test } from 'vitest'
import { callOf, type Room } from '../../src/gateway/call.ts'
import { leave } from '../../src/gateway/stages/forward.ts'
import { prepare } from '../../src/gateway/stages/order.ts'
import type { RatedLimit } from '../../src/model/model.ts'
import { openExchangeWorld } from './exchange-world.ts'

/** One call every 10 s for each credential. */
const perKey: RatedLimit = {
  per: 'credential',
  rate: { count: 12, windowMs: 120_000 },
  burst: 1,
  guard: 0,
  window: 'smooth',
  match: [],
  weights: [],
}

/** A pool of two keys, of which an account has chosen one for each of its subjects. */
const open = () => {
  const { timeline, room: whole } = openExchangeWorld(1)
  const exchange = whole.upstreams.get('exchange')!
  const rule = { ...exchange.rule, limits: [perKey], parkAfterMs: 60_000, learn: false }
  const upstream = { ...exchange, rule, weigh: () => 1 }
  const upstreams = new Map([['exchange', upstream]])
  const keyOf = new Map<string, string>()
  const room: Room = {
    ...whole,
    upstreams,
    vault: {
      ...whole.vault,
      way: (rule, { subject }) => ({ credential: { name: keyOf.get(subject!)!, version: 1 } as never, rule }),
      pin: (credential) => ({ credential, release: () => {} }) as never,
    },
  }
  const startMs = timeline.monoMs
  const went: Record<string, string> = {}
  const ask = (subject: string, key: string): void => {
    keyOf.set(subject, key)
    const call = callOf({
      grant: null,
      seat: {
        cell: 'cell',
        agents: new Set([`${subject}/1`]),
        upstreams: new Set(['exchange']),
        epochs: new Map(),
        ended: new Set(),
      },
      subject,
      agent: null,
      upstreamName: 'exchange',
      method: 'POST',
      target: '/api/v3/order',
      headers: [],
      body: null,
      bodyBytes: null,
      waitMs: null,
      epoch: 1,
      onWaiting: () => {},
    })
    const go = async (): Promise<void> => {
      const refusal = await prepare(call, room)
      const by = refusal?.code ?? call.credential!.name
      went[subject] = `${by} after ${(timeline.monoMs - startMs) / 1_000} s`
      if (refusal === undefined) leave(call, room)
    }
    void go()
  }
  return {
    went,
    ask,
    keyOf,
    /** Rules that were read again. */
    reload: (more: Partial<typeof upstream> = {}) => upstreams.set('exchange', { ...upstream, ...more }),
    until: (s: number) => timeline.run(startMs + s * 1_000),
  }
}

test('the next one in the line that it leaves goes at once, not when it has found its place in the other', async () => {
  const { went, ask, keyOf, reload, until } = open()
  ask('first', 'old')
  await until(8)
  ask('other', 'new')
  ask('moved', 'old')
  ask('stays', 'old')
  await until(9)
  reload()
  keyOf.set('moved', 'new')
  await until(30)
  expect(went).toEqual({
    first: 'old after 0 s',
    other: 'new after 8 s',
    stays: 'old after 10 s',
    moved: 'new after 18 s',
  })
})

test('what became forbidden while it waited by the other one is not sent, and its place is free', async () => {
  const { went, ask, keyOf, reload, until } = open()
  ask('first', 'old')
  await until(8)
  ask('other', 'new')
  ask('moved', 'old')
  await until(9)
  reload()
  keyOf.set('moved', 'new')
  await until(15)
  reload({ allow: [] })
  await until(20)
  reload()
  ask('late', 'new')
  await until(30)
  expect(went).toMatchObject({ moved: 'not-allowed after 18 s', late: 'new after 20 s' })
})
