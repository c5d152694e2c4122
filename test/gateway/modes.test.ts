import { expect, test } from 'vitest'
import { openModes, type SetMode } from '../../src/gateway/modes.ts'
import { atShare } from '../../src/limit/throttle.ts'
import type { UpstreamLimit } from '../../src/model/model.ts'

const set = (target: string, mode: SetMode['mode']): SetMode => ({ target, mode, reason: 'why' })
const whole = (...modes: SetMode[]) => ({ first: true, last: true, modes })
const payer = { agent: 'payer/0001', channel: null }
/** Each writing ends when it is told. */
const saving = () => {
  const writings: PromiseWithResolvers<void>[] = []
  return {
    writings,
    save: (): Promise<void> => {
      const one = Promise.withResolvers<void>()
      writings.push(one)
      return one.promise
    },
  }
}

test('a gate that was never told lets nothing pass, and one that was told nothing lets everything', async () => {
  const modes = openModes({ saved: undefined, save: async () => {} })
  expect(modes.of(payer).mode).toBe('parked')
  await modes.tell(whole())
  expect(modes.of(payer).mode).toBe('active')
})

test('a gate that starts again is as strict as it was, and takes a mode that it does not know for parked', () => {
  const saved = [set('type:payer', 'shadow'), { target: 'channel:bank', mode: 'gentle', reason: '' }]
  const modes = openModes({ saved, save: async () => {} })
  expect(modes.of(payer)).toMatchObject({ mode: 'shadow', target: 'type:payer' })
  expect(modes.of({ agent: null, channel: 'bank' }).mode).toBe('parked')
  expect(modes.of({ agent: 'other/0001', channel: 'other' }).mode).toBe('active')
})

test('the strictest of swarm, type, agent and channel holds', async () => {
  const modes = openModes({ saved: [], save: async () => {} })
  await modes.tell(whole(set('swarm', 'throttled'), set('type:payer', 'shadow'), set('agent:payer/0001', 'readonly')))
  expect(modes.of(payer).mode).toBe('readonly')
  expect(modes.of({ agent: 'payer/0002', channel: null }).mode).toBe('shadow')
  expect(modes.of({ agent: 'other/0001', channel: null }).mode).toBe('throttled')
  expect(modes.of({ agent: 'other/0001', channel: 'bank' }).mode).toBe('throttled')
})

test('what is stricter holds before it is written, what is milder only after, and not when a newer word came meanwhile', async () => {
  const { writings, save } = saving()
  const modes = openModes({ saved: [set('swarm', 'parked')], save })
  const milder = modes.tell(whole(set('type:payer', 'shadow')))
  expect(modes.of(payer).mode).toBe('parked')
  const stricter = modes.tell(whole(set('agent:payer/0001', 'readonly')))
  writings[0]!.resolve()
  await milder
  expect(modes.of(payer).mode).toBe('parked')
  expect(modes.of({ agent: 'other/0001', channel: null }).mode).toBe('parked')
  writings[1]!.resolve()
  await stricter
  expect(modes.of(payer).mode).toBe('readonly')
  expect(modes.of({ agent: 'payer/0002', channel: null }).mode).toBe('active')
})

test('a telling that could not be written leaves what was stricter', async () => {
  const modes = openModes({ saved: [set('swarm', 'shadow')], save: () => Promise.reject(new Error('full')) })
  await expect(modes.tell(whole(set('type:payer', 'parked')))).rejects.toThrow('full')
  expect(modes.of(payer).mode).toBe('parked')
  expect(modes.of({ agent: 'other/0001', channel: null }).mode).toBe('shadow')
})

test('a telling in pieces makes nothing milder before its last', async () => {
  const modes = openModes({ saved: [set('swarm', 'parked')], save: async () => {} })
  await modes.tell({ first: true, last: false, modes: [set('type:a', 'shadow')] })
  expect(modes.of(payer).mode).toBe('parked')
  await modes.tell({ first: false, last: true, modes: [set('type:payer', 'readonly')] })
  expect(modes.of(payer).mode).toBe('readonly')
  expect(modes.of({ agent: 'a/0001', channel: null }).mode).toBe('shadow')
})

test('throttled takes a share of each limit, and of a small one a longer window', () => {
  const rule = (count: number): UpstreamLimit => ({
    per: 'upstream',
    rate: { count, windowMs: 1_000 },
    burst: 1,
    guard: 0,
    window: 'smooth',
    match: [],
    weights: [],
  })
  expect(atShare(rule(100), 0.25)).toMatchObject({ rate: { count: 25, windowMs: 1_000 } })
  expect(atShare(rule(1), 0.25)).toMatchObject({ rate: { count: 1, windowMs: 4_000 } })
  expect(atShare({ per: 'upstream', match: [], concurrent: 2 }, 0.25)).toMatchObject({ concurrent: 1 })
})
