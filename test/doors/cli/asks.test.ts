/** What is asked of a person at a terminal before more than one agent is kept from what it does. */
import { expect, test } from 'vitest'
import { runCli } from '../../../src/doors/cli/cli.ts'
import { swarm } from './documents.ts'
import { fakeWorld, type FakeAsk } from './fake.ts'

const env = { SITTER_URL: 'http://127.0.0.1:7700', SITTER_TOKEN: 'swt_0123456789abcdef' }
const answer = { target: 'type:settler', mode: 'parked', settings: [], gate: 'taken' }
const reserved = { reserved: { count: 43, amounts: { XTS: '12.00' } } }
const api = (held: string) => (path: string) => {
  if (path === 'GET /api/v1/swarm') return swarm({ settle: { ...swarm().settle, byState: reserved } })
  if (path === 'GET /api/v1/modes')
    return { items: held === '' ? [] : [{ target: 'channel:bank', mode: held }], next: null }
  return { ...answer }
}
const said = async (words: readonly string[], ask: FakeAsk, held = '') => {
  const fake = fakeWorld({ env, api: api(held), ...ask })
  const code = await runCli(words, fake.world)
  return { code, messages: fake.messages(), posted: fake.asked.includes('POST /api/v1/modes') }
}

test('parking a type or the swarm names how many it stops, and does nothing without the number', async () => {
  const typed = { terminal: true, typed: '5000' }
  const swarmWide = await said(['mode', 'parked'], { terminal: true, typed: 'y' })
  expect(swarmWide).toMatchObject({ code: 2, posted: false })
  expect(swarmWide.messages).toContain('parked for swarm, 5,000 agents: no work begins')
  expect(await said(['mode', 'parked'], typed)).toMatchObject({ code: 0, posted: true })
  expect(await said(['mode', 'shadow', 'settler'], { ...typed, typed: '' })).toMatchObject({ code: 2, posted: false })
  expect(await said(['mode', 'readonly', 'channel:bank'], { terminal: true, typed: 'channel:bank' })).toMatchObject({
    code: 0,
    posted: true,
  })
})

test('one agent, a milder word and a script are not asked', async () => {
  const nobody = { terminal: true, typed: '' }
  expect(await said(['mode', 'parked', 'settler/0042'], nobody)).toMatchObject({ code: 0, posted: true })
  expect(await said(['mode', 'throttled'], nobody)).toMatchObject({ code: 0, posted: true })
  expect(await said(['mode', 'parked', '--yes'], nobody)).toMatchObject({ code: 0, posted: true })
  expect(await said(['mode', 'parked'], { terminal: false })).toMatchObject({ code: 0, posted: true })
})

test('payments that wait for a mode are counted before they are let go', async () => {
  const nobody = { terminal: true, typed: '' }
  const asked = await said(['mode', 'active', 'channel:bank'], nobody, 'readonly')
  expect(asked).toMatchObject({ code: 2, posted: false })
  expect(asked.messages).toContain('43 payments that wait may go out by this')
  expect(await said(['mode', 'active', 'channel:bank'], nobody, 'shadow')).toMatchObject({ code: 0, posted: true })
})
