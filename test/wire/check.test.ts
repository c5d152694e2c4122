import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  bounds,
  checkBeat,
  checkBroken,
  checkDone,
  checkFail,
  checkHello,
  checkLog,
  checkPark,
  checkSettle,
  checkTaskAdd,
  cutBytes,
  type Checked,
} from '../../src/wire/wire.ts'

const valueOf = <Value>(checked: Checked<Value>): Value => {
  if (!checked.ok) throw new Error(checked.message)
  return checked.value
}
const messageOf = (checked: Checked<unknown>): string => (checked.ok ? 'accepted' : checked.message)

const done = { agent: 'settler/0001', attempt: 'att_1' }
const payment = { ...done, reference: 'r-1', payee: 'p', amount: '1.00', currency: 'XTS' }

test('A frame with all its fields comes through as it was sent', () => {
  expect(valueOf(checkDone({ ...done, result: { paid: ['r-1', 2, null] } }))).toEqual({
    ...done,
    resultText: '{"paid":["r-1",2,null]}',
  })
  expect(valueOf(checkPark({ ...done, reason: 'approval', until: 5 }))).toEqual({
    ...done,
    reason: 'approval',
    until: 5,
  })
  expect(valueOf(checkSettle({ ...payment, memo: 'm', channel: 'c' }))).toEqual({ ...payment, memo: 'm', channel: 'c' })
  const task = { ...done, type: 'notify', key: 'n-1', payload: { to: 'Ada' }, priority: 3, delayMs: 50 }
  expect(valueOf(checkTaskAdd(task))).toEqual(task)
  const hello = { protocol: 1, agents: [], tasks: ['settle'], version: 'v26', open: [{ attempt: 'att_1', epoch: 3 }] }
  expect(valueOf(checkHello(hello))).toEqual(hello)
})

test('A wrong field is named', () => {
  expect(messageOf(checkDone({ attempt: 'att_1' }))).toBe('agent: must be text')
  expect(messageOf(checkDone({ ...done, attempt: 'x'.repeat(201) }))).toBe('attempt: may have 200 characters')
  expect(messageOf(checkPark({ ...done, reason: 'lunch' }))).toMatch(/^reason: must be one of rate quota credential/)
  expect(messageOf(checkFail({ ...done, error: { name: 'E', message: 'm', status: 7 } }))).toBe(
    'error.status: must be a whole number from 100 to 999',
  )
  expect(messageOf(checkTaskAdd({ ...done, type: 'notify' }))).toBe('key: must be text')
  expect(messageOf(checkTaskAdd({ ...done, type: 'notify', key: 'k', priority: 10 }))).toMatch(/^priority: must be/)
  expect(messageOf(checkSettle({ ...payment, amount: 1 }))).toBe('amount: must be text')
  expect(messageOf(checkHello({ protocol: 1, agents: [], tasks: [1], version: 'v', open: [] }))).toBe(
    'tasks[0]: must be text',
  )
  expect(messageOf(checkLog({ agent: 'a/0001', level: 'loud', message: 'm' }))).toMatch(/^level: must be one of/)
  expect(messageOf(checkBeat({ agent: 'a/0001', load: Number.NaN }))).toMatch(/^load: /)
})

test('Ids and references hold no control characters and no half characters', () => {
  for (const reference of ['', 'a\nb', 'a\u0000', '\ud800', 'tab\there']) {
    expect(messageOf(checkSettle({ ...payment, reference }))).toMatch(/^reference: /)
  }
})

test('A result beyond 256 KiB is refused, one that fits is taken', () => {
  expect(messageOf(checkDone({ ...done, result: 'x'.repeat(bounds.frameBytes) }))).toBe('result: may have 262144 bytes')
  expect(checkDone({ ...done, result: 'x'.repeat(bounds.frameBytes - 2) }).ok).toBe(true)
})

test('A stack is cut at 16 KiB, a log line too, and both stay text', () => {
  const { error } = valueOf(checkFail({ ...done, error: { name: 'E', message: 'm', stack: '€'.repeat(20_000) } }))
  expect(Buffer.byteLength(error.stack!)).toBeLessThanOrEqual(bounds.stackBytes)
  expect(error.stack!.isWellFormed()).toBe(true)
  const line = valueOf(checkLog({ agent: 'a/0001', level: 'info', message: 'y'.repeat(100_000) }))
  expect(line.message.length).toBe(bounds.logLineBytes)
})

test('What is left of a task is taken whole or not; what was done is evidence, and cut', () => {
  const failed = (partial: unknown) => checkFail({ ...done, error: { name: 'E', message: 'm', partial } })
  expect(valueOf(failed({ done: { count: 2 }, rest: [3], restVersion: 9, more: 1 })).error.partial).toEqual({
    done: { count: 2 },
    rest: [3],
  })
  expect(valueOf(failed({ rest: null })).error.partial).toEqual({ rest: null })
  expect(valueOf(failed(null)).error.partial).toBeUndefined()
  expect(messageOf(failed({ done: 1 }))).toBe('error.partial.rest: must say what is left to do')
  expect(messageOf(failed('all'))).toBe('error.partial: must be an object')
  const cut = valueOf(failed({ done: ['é'.repeat(20_000)], rest: 1 })).error.partial?.done as string
  expect([Buffer.byteLength(cut), cut.startsWith('["éé')]).toEqual([bounds.doneBytes, true])
})

test('Log fields beyond the bound of a line are left out and the line says so', () => {
  const line = valueOf(checkLog({ agent: 'a/0001', level: 'info', message: 'm', fields: { big: 'z'.repeat(50_000) } }))
  expect(line.fields).toEqual({ cut: '50010 bytes of fields left out' })
})

test('Keys that reach a prototype are not copied, at any depth', () => {
  const hostile: unknown = JSON.parse(
    '{"agent":"a/0001","attempt":"t","result":{"x":{"__proto__":{"admin":true},"y":1}}}',
  )
  expect(valueOf(checkDone(hostile)).resultText).toBe('{"x":{"y":1}}')
  const inherited: unknown = JSON.parse('{"__proto__":{"agent":"a/0001","attempt":"t"}}')
  expect(messageOf(checkDone(inherited))).toBe('agent: must be text')
})

test('Fields that nobody asked for do not travel on', () => {
  expect(valueOf(checkDone({ ...done, epoch: 9, fence: 3, outcome: 'succeeded' }))).toEqual({
    ...done,
    resultText: null,
  })
  expect(valueOf(checkBroken({ agent: 'a/0001', error: { name: 'E', message: 'm', secret: 's' } }))).toEqual({
    agent: 'a/0001',
    error: { name: 'E', message: 'm' },
  })
})

test('Whatever is sent, a check answers and never throws', () => {
  const checks = [checkHello, checkDone, checkFail, checkPark, checkSettle, checkBeat, checkLog, checkBroken]
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(...checks), (value, check) => {
      expect(typeof check(value).ok).toBe('boolean')
      expect(typeof check({ agent: value, attempt: 'a', error: value, fields: value, level: 'info' }).ok).toBe(
        'boolean',
      )
    }),
  )
})

test('Cutting keeps whole characters and as many bytes as fit', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 0, max: 40 }), (text, bytes) => {
      const cut = cutBytes(text, bytes)
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(bytes)
      expect(text.toWellFormed().startsWith(cut)).toBe(true)
      expect(Buffer.byteLength(text) - Buffer.byteLength(cut) === 0 || bytes - Buffer.byteLength(cut) < 4).toBe(true)
    }),
  )
})
