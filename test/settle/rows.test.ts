/** Settlement files: every fault is found at once, nothing deceiving passes, and what is good is normalised. */
import { expect, test } from 'vitest'
import { contentHash, readRows } from '../../src/settle/rows.ts'

const file = (...lines: string[]): string => ['reference,payee,amount,currency,memo', ...lines].join('\n')

test('good rows are read with their amount in minor units and as the currency writes it', () => {
  const { rows, faults } = readRows(file('A-1,Ann,12.3,XTS,', 'A-2,"Bo, Ltd",100,JPY,for May'))
  expect(faults).toEqual([])
  expect(rows).toMatchObject([
    { line: 2, reference: 'A-1', amount: '12.30', amountMinor: 1_230n, memo: null },
    { line: 3, reference: 'A-2', payee: 'Bo, Ltd', amount: '100', amountMinor: 100n, memo: 'for May' },
  ])
})

test('a missing reference, a bad amount and a reference with another amount are all named with their lines', () => {
  const { faults } = readRows(
    file('A-1,Ann,12.30,XTS,', ',Bo,1.00,XTS,', 'A-3,Cy,1e3,XTS,', 'A-1,Ann,99.00,XTS,', 'A-5,Di,1.00,XXX,'),
  )
  expect(faults.map(({ line, field }) => [line, field])).toEqual([
    [3, 'reference'],
    [4, 'amount'],
    [5, 'reference'],
    [6, 'amount'],
  ])
  expect(faults[2]!.why).toContain('line 2')
})

test('a row that repeats another to the letter is the same settlement, counted and not paid twice', () => {
  const { rows, faults, repeated } = readRows(file('A-1,Ann,12.30,XTS,', 'A-1,Ann,12.3,XTS,'))
  expect([rows.length, faults.length, repeated]).toEqual([1, 0, 1])
})

test.each([
  '9007199254740993123',
  '0.1+0.2',
  '1e999',
  '-0',
  '-1',
  'NaN',
  '"1,00"',
  '１００',
  '1.234',
  ' 1.00',
  '01.00',
  '.5',
  '0.00',
  '',
])('the amount %s is refused', (amount) => {
  expect(readRows(file(`A-1,Ann,${amount},XTS,`)).faults).toMatchObject([{ line: 2, field: 'amount' }])
})

test('yen have no cents', () => {
  expect(readRows(file('A-1,Ann,1.50,JPY,')).faults[0]!.why).toContain('0 fraction digits')
})

test.each([
  ['a zero-width twin', 'Ann\u200b'],
  ['a direction change', 'nnA\u202e'],
  ['a control', 'An\u0007n'],
  ['a decomposed twin', 'Jose\u0301'],
])('%s in a payee is refused', (_, payee) => {
  expect(readRows(file(`A-1,${payee},1.00,XTS,`)).faults).toMatchObject([{ field: 'payee' }])
})

test.each([
  ['', 'empty'],
  ['payee,amount,currency\nAnn,1.00,XTS', 'reference is missing'],
  ['reference,payee,amount,currency,iban\n', 'no column "iban"'],
  ['reference,payee,amount,currency,payee\n', 'twice'],
  ['reference,payee,amount,currency\n', 'no rows'],
])('the file %j is refused: %s', (text, why) => {
  expect(readRows(text).faults.some((fault) => fault.why.includes(why))).toBe(true)
})

test('a byte order mark and Windows line ends change nothing', () => {
  const plain = readRows('reference,payee,amount,currency\nA-1,Ann,1.00,XTS\n')
  const windows = readRows('\ufeffreference,payee,amount,currency\r\nA-1,Ann,1.00,XTS\r\n')
  expect(windows.faults).toEqual([])
  expect(contentHash(windows.rows, 'bank')).toBe(contentHash(plain.rows, 'bank'))
})

test('a quote that never ends is told as no CSV', () => {
  expect(() => readRows(file('A-1,"Ann,1.00,XTS'))).toThrow(/no CSV/)
})

test('a row with too few fields is told, and the others are still checked', () => {
  expect(readRows(file('A-1,Ann', 'A-2,Bo,x,XTS,')).faults.map((fault) => fault.line)).toEqual([2, 3])
})
